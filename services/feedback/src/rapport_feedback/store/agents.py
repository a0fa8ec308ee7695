"""Staff who work on cases, and who has a case open now."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.desk import Agent

# How many open cases are theirs: read from the index of owners.
_LOAD = (
    "(SELECT count(*) FROM feedback.complaint c WHERE c.workspace = a.workspace "
    "AND c.owner = a.agent_id AND c.owner <> '' AND c.state <> 'closed') AS load"
)
_COLUMNS = (
    "a.agent_id, a.name, a.skills, a.languages, a.capacity, a.present, a.away_since, "
    f"a.assigned_at, {_LOAD}"
)
_THERE = "a.workspace = :workspace AND a.archived_at IS NULL"


class Viewer(NamedTuple):
    """Somebody who has a case open."""

    agent_id: str
    writing: bool
    until_at: datetime


async def find(
    tx: AsyncConnection, workspace: str, agent_id: str, *, lock: bool = False
) -> Agent | None:
    """One by id; locked, until the end nobody else gives them a case by capacity."""
    given = {"workspace": workspace, "agent": agent_id}
    where = f"{_THERE} AND a.agent_id = :agent"
    if lock:
        # By itself: a load that is counted by the statement that waits is of before the wait.
        await tx.execute(text(f"SELECT FROM feedback.agent a WHERE {where} FOR UPDATE"), given)
    rows = await tx.execute(text(f"SELECT {_COLUMNS} FROM feedback.agent a WHERE {where}"), given)
    row = rows.first()
    return None if row is None else _agent(row)


async def listed(tx: AsyncConnection, workspace: str, *, after: str, limit: int) -> list[Agent]:
    """A page by id."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.agent a WHERE {_THERE} AND a.agent_id > :after "
            "ORDER BY a.agent_id LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [_agent(row) for row in rows]


async def count(tx: AsyncConnection, workspace: str) -> int:
    """How many there are."""
    found = await tx.scalar(
        text(f"SELECT count(*) FROM feedback.agent a WHERE {_THERE}"), {"workspace": workspace}
    )
    return int(found or 0)


async def free(
    tx: AsyncConnection, workspace: str, members: Collection[str] | None
) -> tuple[list[Agent], bool]:
    """Those who are present, locked; and whether some are in others' hands just now.

    `members`: only these. The loads are read when they are locked.
    """
    which = "AND (CAST(:members AS text[]) IS NULL OR a.agent_id = ANY(:members))"
    given = {"workspace": workspace, "members": None if members is None else sorted(members)}
    locked = await tx.execute(
        text(
            f"SELECT a.agent_id FROM feedback.agent a WHERE {_THERE} {which} AND a.present "
            "ORDER BY a.agent_id FOR UPDATE SKIP LOCKED"
        ),
        given,
    )
    ids = list(locked.scalars())
    rows = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM feedback.agent a WHERE {_THERE} {which}"), given
    )
    found = [_agent(row) for row in rows]
    busy = any(one.present and one.id not in ids for one in found)
    return [one for one in found if one.id in ids or not one.present], busy


async def save(tx: AsyncConnection, workspace: str, agent: Agent, now: datetime) -> None:
    """Let somebody be an agent, as they are now."""
    await tx.execute(
        text(
            "INSERT INTO feedback.agent AS a (workspace, agent_id, name, skills, languages, "
            "capacity, present, away_since, assigned_at, changed_at) VALUES (:workspace, :agent, "
            ":name, :skills, :languages, :capacity, :present, :away_since, :assigned_at, :now) "
            "ON CONFLICT (workspace, agent_id) DO UPDATE SET name = excluded.name, "
            "skills = excluded.skills, languages = excluded.languages, "
            "capacity = excluded.capacity, present = excluded.present, "
            "away_since = excluded.away_since, changed_at = excluded.changed_at, archived_at = NULL"
        ),
        {
            "workspace": workspace,
            "agent": agent.id,
            "name": agent.name,
            "skills": sorted(agent.skills),
            "languages": sorted(agent.languages),
            "capacity": agent.capacity,
            "present": agent.present,
            "away_since": agent.away_since,
            "assigned_at": agent.assigned_at,
            "now": now,
        },
    )


async def note_assigned(
    tx: AsyncConnection, workspace: str, agents: Sequence[str], now: datetime
) -> None:
    """They have been given a case."""
    await tx.execute(
        text(
            "UPDATE feedback.agent SET assigned_at = :now WHERE workspace = :workspace "
            "AND agent_id = ANY(CAST(:agents AS text[]))"
        ),
        {"workspace": workspace, "agents": list(agents), "now": now},
    )


async def archive(tx: AsyncConnection, workspace: str, agent_id: str, now: datetime) -> bool:
    """Somebody is an agent no more, and named by their cases alone; False: nobody was."""
    done = await tx.execute(
        text(
            "UPDATE feedback.agent SET archived_at = :now, present = false, name = '', "
            "away_since = :now WHERE workspace = :workspace AND agent_id = :agent "
            "AND archived_at IS NULL"
        ),
        {"workspace": workspace, "agent": agent_id, "now": now},
    )
    return done.rowcount == 1


async def look_at(tx: AsyncConnection, workspace: str, case_id: UUID, viewer: Viewer) -> None:
    """Somebody has a case open until then."""
    await tx.execute(
        text(
            "INSERT INTO feedback.case_presence (workspace, case_id, agent_id, writing, until_at) "
            "VALUES (:workspace, :case_id, :agent, :writing, :until) "
            "ON CONFLICT (workspace, case_id, agent_id) DO UPDATE SET "
            "writing = excluded.writing, until_at = excluded.until_at"
        ),
        {
            "workspace": workspace,
            "case_id": case_id,
            "agent": viewer.agent_id,
            "writing": viewer.writing,
            "until": viewer.until_at,
        },
    )


async def leave(tx: AsyncConnection, workspace: str, case_id: UUID, agent_id: str) -> None:
    """Somebody has closed it."""
    await tx.execute(
        text(
            "DELETE FROM feedback.case_presence WHERE workspace = :workspace "
            "AND case_id = :case_id AND agent_id = :agent"
        ),
        {"workspace": workspace, "case_id": case_id, "agent": agent_id},
    )


async def viewers(
    tx: AsyncConnection, workspace: str, cases: Sequence[UUID], now: datetime
) -> dict[UUID, list[Viewer]]:
    """Who has each of these cases open now, by id."""
    rows = await tx.execute(
        text(
            "SELECT case_id, agent_id, writing, until_at FROM feedback.case_presence "
            "WHERE workspace = :workspace AND case_id = ANY(CAST(:cases AS uuid[])) "
            "AND until_at > :now ORDER BY agent_id"
        ),
        {"workspace": workspace, "cases": list(cases), "now": now},
    )
    found: dict[UUID, list[Viewer]] = {}
    for row in rows:
        found.setdefault(row.case_id, []).append(Viewer(*row[1:]))
    return found


def _agent(row: Any) -> Agent:
    return Agent(
        id=row.agent_id,
        name=row.name,
        skills=frozenset(row.skills),
        languages=frozenset(row.languages),
        capacity=row.capacity,
        present=row.present,
        away_since=row.away_since,
        assigned_at=row.assigned_at,
        load=row.load,
    )
