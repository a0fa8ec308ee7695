"""The SQL of definitions, of the lock around them, and of holding everybody against a rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain import facts
from rapport_segment.domain.membership import Entry, Person
from rapport_segment.domain.rules import Rule
from rapport_segment.store.condition import Condition


@dataclass(frozen=True, slots=True)
class Stored:
    """A definition as kept; `rule` is its JSON text."""

    workspace: str
    segment_id: UUID
    version: int
    name: str
    rule: str
    active: bool
    created_at: datetime
    updated_at: datetime


_STORED = (
    "d.workspace, d.segment_id, d.version, d.name, CAST(d.rule AS text), d.active, "
    "d.created_at, d.updated_at"
)


async def share(tx: AsyncConnection, workspaces: Sequence[str]) -> dict[str, int]:
    """Keep the definitions of workspaces from changing until the end of `tx`; their revisions.

    An advisory lock, because its queue is fair: with a shared row lock, consumers that
    overlap could keep an operator waiting for ever. The revisions are read by a statement of
    their own, whose snapshot is younger than the lock.
    """
    await tx.execute(
        text(
            "SELECT pg_advisory_xact_lock_shared(hashtextextended('segment/' || v.workspace, 0)) "
            "FROM (SELECT workspace FROM unnest(CAST(:workspaces AS text[])) AS u(workspace) "
            "ORDER BY 1) AS v"
        ),
        {"workspaces": sorted(workspaces)},
    )
    rows = await tx.execute(
        text(
            "SELECT workspace, revision FROM segment.revision "
            "WHERE workspace = ANY(CAST(:workspaces AS text[]))"
        ),
        {"workspaces": workspaces},
    )
    return {row.workspace: row.revision for row in rows.all()}


async def seize(tx: AsyncConnection, workspace: str) -> None:
    """Keep everybody else from judging people of the workspace until the end of `tx`."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('segment/' || :workspace, 0))"),
        {"workspace": workspace},
    )
    await tx.execute(
        text(
            "INSERT INTO segment.revision AS r (workspace, revision) VALUES (:workspace, 1) "
            "ON CONFLICT (workspace) DO UPDATE SET revision = r.revision + 1"
        ),
        {"workspace": workspace},
    )


async def active(tx: AsyncConnection, workspaces: Sequence[str]) -> list[Stored]:
    """The definitions that are in force, in a fixed order."""
    rows = await tx.execute(
        text(
            f"SELECT {_STORED} FROM segment.definition d "
            "WHERE d.workspace = ANY(CAST(:workspaces AS text[])) AND d.active "
            "ORDER BY d.workspace, d.segment_id"
        ),
        {"workspaces": workspaces},
    )
    return [Stored(*row) for row in rows.all()]


async def find(tx: AsyncConnection, workspace: str, segment_id: UUID) -> Stored | None:
    """One definition."""
    rows = await tx.execute(
        text(
            f"SELECT {_STORED} FROM segment.definition d "
            "WHERE d.workspace = :workspace AND d.segment_id = :id"
        ),
        {"workspace": workspace, "id": segment_id},
    )
    row = rows.first()
    return None if row is None else Stored(*row)


async def named(tx: AsyncConnection, workspace: str, name: str) -> UUID | None:
    """The segment of that name."""
    rows = await tx.execute(
        text(
            "SELECT segment_id FROM segment.definition "
            "WHERE workspace = :workspace AND name = :name"
        ),
        {"workspace": workspace, "name": name},
    )
    return rows.scalar_one_or_none()


async def listed(tx: AsyncConnection, workspace: str) -> list[tuple[Stored, int]]:
    """All definitions by name, each with the number of its members."""
    rows = await tx.execute(
        text(
            f"SELECT {_STORED}, (SELECT count(*) FROM segment.membership m "
            "WHERE m.workspace = d.workspace AND m.segment_id = d.segment_id "
            "AND m.exited_at IS NULL) FROM segment.definition d "
            "WHERE d.workspace = :workspace ORDER BY d.name"
        ),
        {"workspace": workspace},
    )
    return [(Stored(*row[:-1]), row[-1]) for row in rows.all()]


async def count_members(tx: AsyncConnection, workspace: str, segment_id: UUID) -> int:
    """How many people are in a segment now."""
    rows = await tx.execute(
        text(
            "SELECT count(*) FROM segment.membership WHERE workspace = :workspace "
            "AND segment_id = :id AND exited_at IS NULL"
        ),
        {"workspace": workspace, "id": segment_id},
    )
    return int(rows.scalar_one())


async def write(tx: AsyncConnection, one: Stored, author: str) -> None:
    """Write a new version, as the current one and into the history."""
    given = {
        "workspace": one.workspace,
        "id": one.segment_id,
        "version": one.version,
        "name": one.name,
        "rule": one.rule,
        "active": one.active,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "author": author,
    }
    await tx.execute(
        text(
            "INSERT INTO segment.definition (workspace, segment_id, version, name, rule, active, "
            "created_at, updated_at) VALUES (:workspace, :id, :version, :name, "
            "CAST(CAST(:rule AS text) AS jsonb), :active, :created_at, :updated_at) "
            "ON CONFLICT (workspace, segment_id) DO UPDATE SET version = excluded.version, "
            "name = excluded.name, rule = excluded.rule, active = excluded.active, "
            "updated_at = excluded.updated_at"
        ),
        given,
    )
    await tx.execute(
        text(
            "INSERT INTO segment.definition_version (workspace, segment_id, version, name, rule, "
            "active, created_at, created_by) VALUES (:workspace, :id, :version, :name, "
            "CAST(CAST(:rule AS text) AS jsonb), :active, :updated_at, :author)"
        ),
        given,
    )


async def history(tx: AsyncConnection, workspace: str, segment_id: UUID) -> list[dict[str, Any]]:
    """All versions of a definition, the newest first."""
    rows = await tx.execute(
        text(
            "SELECT version, name, CAST(rule AS text) AS rule, active, created_at, created_by "
            "FROM segment.definition_version "
            "WHERE workspace = :workspace AND segment_id = :id ORDER BY version DESC"
        ),
        {"workspace": workspace, "id": segment_id},
    )
    return [dict(row) for row in rows.mappings()]


async def preview(tx: AsyncConnection, workspace: str, rule: Rule) -> tuple[int, int]:
    """(how many people the rule fits, how many there are)."""
    condition = Condition(rule)
    rows = await tx.execute(
        text(
            f"SELECT count(*) FILTER (WHERE {condition.sql}), count(*) FROM segment.person p "
            "WHERE p.workspace = :workspace AND p.state IS NOT NULL"
        ),
        {"workspace": workspace, **condition.parameters},
    )
    fitting, everybody = rows.one()
    return fitting, everybody


async def misplaced(
    tx: AsyncConnection,
    workspace: str,
    segment_id: UUID,
    rule: Rule | None,
    *,
    after: UUID | None,
    limit: int,
) -> list[tuple[Person, Entry | None]]:
    """People who should be in the segment and are not, or the reverse, in the order of their ids.

    Without a rule nobody should be in. People of whom no facts are known stay where they are.
    """
    condition = None if rule is None else Condition(rule)
    wanted = "false" if condition is None else condition.sql
    judged = "" if condition is None else "AND p.state IS NOT NULL "
    rows = await tx.execute(
        text(
            "SELECT p.profile_id AS person_id, p.version, CAST(p.state AS text) AS state, "
            "m.workspace, m.segment_id, m.profile_id, m.entry_id, m.entered_at, "
            "m.segment_version, m.profile_version, m.reason "
            "FROM segment.person p LEFT JOIN segment.membership m "
            "ON m.workspace = p.workspace AND m.segment_id = :segment "
            "AND m.profile_id = p.profile_id AND m.exited_at IS NULL "
            f"WHERE p.workspace = :workspace {judged}"
            "AND (CAST(:after AS uuid) IS NULL OR p.profile_id > CAST(:after AS uuid)) "
            f"AND (m.entry_id IS NOT NULL) <> ({wanted}) ORDER BY p.profile_id LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "segment": segment_id,
            "after": after,
            "limit": limit,
            **(condition.parameters if condition else {}),
        },
    )
    found: list[tuple[Person, Entry | None]] = []
    for row in rows.all():
        known = None if row.state is None else facts.read(row.state)
        entry = Entry(*row[3:]) if row.entry_id is not None else None
        found.append((Person(workspace, row.person_id, row.version, known), entry))
    return found
