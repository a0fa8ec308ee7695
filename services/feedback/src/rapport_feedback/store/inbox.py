"""Cases as they wait: by views, and by queues in the order of their urgency."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.case_views import Asked, Sort
from rapport_feedback.domain.cases import Complaint, State
from rapport_feedback.domain.desk import SEVERITIES, Urgency
from rapport_feedback.store.cases import COLUMNS, complaint_of

COUNTED = 1000
"""Cases of a view are counted so far, and one more tells that there are more."""

Place = tuple[datetime | None, int]
"""Where a case stands in a view: its limit, if it is sorted by that, and its number."""

_RANK = "array_position(ARRAY[" + ", ".join(f"'{one}'" for one in SEVERITIES) + "], severity)"
_URGENCY = {
    Urgency.DUE: "deadline_at ASC NULLS LAST",
    Urgency.SEVERITY: _RANK,
    Urgency.AGE: "opened_at",
}


def _where(asked: Asked, now: datetime) -> tuple[str, dict[str, Any]]:
    """The condition of a view, with what it is given. Only what is asked for is in it, so that the
    plan is for that.
    """
    terms = ["workspace = :workspace"]
    given: dict[str, Any] = {}
    if set(asked.states) == set(State) - {State.CLOSED}:
        terms.append("state <> 'closed'")
    else:
        terms.append("state = ANY(CAST(:states AS text[]))")
        given["states"] = list(asked.states)
        if State.CLOSED not in asked.states:
            terms.append("state <> 'closed'")
    for name, values in asked.columns:
        if len(values) == 1:
            terms.append(f"{name} = :{name}")
            given[name] = values[0]
        else:
            terms.append(f"{name} = ANY(CAST(:{name} AS text[]))")
            given[name] = list(values)
        if name == "owner":
            # The indexes are of those that are somebody's, and of those that are nobody's.
            terms += ["owner = ''"] if values == ("",) else []
            terms += ["owner <> ''"] if "" not in values else []
    if asked.teams is not None:
        terms.append("(team = ANY(CAST(:teams AS text[])) OR queue = ANY(CAST(:queues AS text[])))")
        given |= {"teams": list(asked.teams), "queues": list(asked.queues)}
    if asked.overdue:
        terms.append("deadline_at < :now")
        given["now"] = now
    return " AND ".join(terms), given


async def page(
    tx: AsyncConnection,
    workspace: str,
    asked: Asked,
    now: datetime,
    *,
    after: Place | None,
    limit: int,
) -> list[Complaint]:
    """The next cases of a view behind a place, in its order."""
    where, given = _where(asked, now)
    given |= {"workspace": workspace, "limit": limit}
    if asked.sort is not Sort.DUE:
        newest = asked.sort is Sort.NEWEST
        if after is not None:
            where += f" AND number {'<' if newest else '>'} :number"
            given["number"] = after[1]
        return await _cases(tx, f"{where} ORDER BY number {'DESC' if newest else 'ASC'}", given)
    found: list[Complaint] = []
    if after is None or after[0] is not None:
        running = f"{where} AND deadline_at IS NOT NULL"
        if after is not None:
            running += " AND (deadline_at, number) > (:limit_at, :number)"
            given |= {"limit_at": after[0], "number": after[1]}
        found = await _cases(tx, f"{running} ORDER BY deadline_at, number", given)
    # Those without a limit come last; by a query of its own, so that both are read in order.
    if len(found) < limit and not asked.overdue:
        resting = f"{where} AND deadline_at IS NULL"
        given["limit"] = limit - len(found)
        if after is not None and after[0] is None:
            resting += " AND number > :number"
            given["number"] = after[1]
        found += await _cases(tx, f"{resting} ORDER BY number", given)
    return found


async def _cases(tx: AsyncConnection, rest: str, given: dict[str, Any]) -> list[Complaint]:
    statement = f"SELECT {COLUMNS} FROM feedback.complaint WHERE {rest} LIMIT :limit"
    rows = await tx.execute(text(statement), given)
    return [complaint_of(row) for row in rows.mappings()]


async def count(tx: AsyncConnection, workspace: str, asked: Asked, now: datetime) -> int:
    """How many cases a view has, up to one more than `COUNTED`."""
    where, given = _where(asked, now)
    found = await tx.scalar(
        text(
            f"SELECT count(*) FROM (SELECT FROM feedback.complaint WHERE {where} "
            f"LIMIT {COUNTED + 1}) AS counted"
        ),
        {**given, "workspace": workspace},
    )
    return int(found or 0)


async def shown_in(
    tx: AsyncConnection, workspace: str, asked: Asked, now: datetime, cases: Sequence[UUID]
) -> list[Complaint]:
    """Those of these cases that a view has."""
    where, given = _where(asked, now)
    given |= {"workspace": workspace, "cases": list(cases), "limit": len(cases)}
    return await _cases(tx, f"{where} AND case_id = ANY(CAST(:cases AS uuid[]))", given)


async def ids_of(
    tx: AsyncConnection, workspace: str, asked: Asked, now: datetime, limit: int
) -> list[UUID]:
    """The ids of a view's cases, so many at most, by number."""
    where, given = _where(asked, now)
    rows = await tx.execute(
        text(f"SELECT case_id FROM feedback.complaint WHERE {where} ORDER BY number LIMIT :limit"),
        {**given, "workspace": workspace, "limit": limit},
    )
    return list(rows.scalars())


async def most_urgent(
    tx: AsyncConnection,
    workspace: str,
    queue: str,
    *,
    order: Sequence[Urgency],
    languages: Sequence[str] | None,
    limit: int,
) -> list[Complaint]:
    """The most urgent cases of a queue that are nobody's, and in nobody's hands: locked.

    `languages`: only those in these, or whose language is not known.
    """
    by = ", ".join([*(_URGENCY[one] for one in order), "number"])
    where, given = _waiting(workspace, queue, languages)
    given["limit"] = limit
    rows = await tx.execute(
        text(
            f"SELECT {COLUMNS} FROM feedback.complaint WHERE {where} ORDER BY {by} LIMIT :limit "
            "FOR UPDATE SKIP LOCKED"
        ),
        given,
    )
    return [complaint_of(row) for row in rows.mappings()]


def _waiting(
    workspace: str, queue: str, languages: Sequence[str] | None
) -> tuple[str, dict[str, Any]]:
    where = "workspace = :workspace AND queue = :queue AND state <> 'closed' AND owner = ''"
    given: dict[str, Any] = {"workspace": workspace, "queue": queue}
    if languages is not None:
        where += " AND (language = '' OR language = ANY(CAST(:languages AS text[])))"
        given["languages"] = list(languages)
    return where, given


async def waits(
    tx: AsyncConnection, workspace: str, queue: str, languages: Sequence[str] | None
) -> bool:
    """Whether a case of a queue is nobody's, in whose hands it may be."""
    where, given = _waiting(workspace, queue, languages)
    found = await tx.scalar(
        text(f"SELECT EXISTS (SELECT FROM feedback.complaint WHERE {where})"), given
    )
    return bool(found)


async def owned(
    tx: AsyncConnection, workspace: str, queue: str, owner: str, limit: int
) -> list[Complaint]:
    """Open cases of a queue that are somebody's, and in nobody's hands: locked."""
    rows = await tx.execute(
        text(
            f"SELECT {COLUMNS} FROM feedback.complaint WHERE workspace = :workspace "
            "AND owner = :owner AND owner <> '' AND state <> 'closed' AND queue = :queue "
            "ORDER BY number LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"workspace": workspace, "queue": queue, "owner": owner, "limit": limit},
    )
    return [complaint_of(row) for row in rows.mappings()]
