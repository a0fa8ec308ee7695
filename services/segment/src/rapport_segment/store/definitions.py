"""The SQL of definitions, of the lock around them, and of holding everybody against a rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain.tree import Rule
from rapport_segment.store.condition import JUDGED, Condition
from rapport_segment.store.matching import matched

MAX_VERSION = 2**31 - 1
EVERYBODY = "p.workspace = :workspace AND p.known"
_BETWEEN = (
    "AND (CAST(:after AS uuid) IS NULL OR p.profile_id > CAST(:after AS uuid)) "
    "AND (CAST(:upto AS uuid) IS NULL OR p.profile_id <= CAST(:upto AS uuid)) "
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A definition as kept; `rule` is its JSON text.

    `built_version` is the version against which everybody has been held, `job` the id of the
    newest job that does so. `beside`: it is built beside the one in force, and `segment_id` is
    not the segment's but that under which who fits it is kept.
    """

    workspace: str
    segment_id: UUID
    version: int
    name: str
    rule: str
    active: bool
    created_at: datetime
    updated_at: datetime
    built_version: int = 0
    job: str | None = None
    archived_at: datetime | None = None
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A rule (JSON text) that is built beside the one in force; `status` is that of its job:
    `building`, or `incomplete` when it has failed or was cancelled.
    """

    rule: str
    job: str
    status: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A definition with its number of members, and how far it is.

    `status`: `ready`; `building` while its job holds everybody against it; `incomplete` when the
    job has failed or was cancelled; `archived`.
    """

    stored: Stored
    members: int
    status: str
    upcoming: Upcoming | None = None


_STORED = (
    "d.workspace, d.segment_id, d.version, d.name, CAST(d.rule AS text), d.active, "
    "d.created_at, d.updated_at, d.built_version, d.job, d.archived_at"
)
_LISTED = (
    f"SELECT {_STORED}, (SELECT count(*) FROM segment.membership m "
    "WHERE m.workspace = d.workspace AND m.segment_id = d.segment_id AND m.exited_at IS NULL), "
    "CASE WHEN d.archived_at IS NOT NULL THEN 'archived' "
    "WHEN d.built_version = d.version THEN 'ready' "
    "WHEN j.state IN ('queued', 'running') THEN 'building' ELSE 'incomplete' END, "
    "CAST(c.rule AS text), c.job, "
    "CASE WHEN k.state IN ('queued', 'running') THEN 'building' ELSE 'incomplete' END, "
    "c.created_at, c.created_by FROM segment.definition d "
    "LEFT JOIN segment.job j ON j.workspace = d.workspace AND j.id = d.job "
    "LEFT JOIN segment.candidate c ON c.workspace = d.workspace "
    "AND c.segment_id = d.segment_id AND c.swapped_at IS NULL "
    "LEFT JOIN segment.job k ON k.workspace = c.workspace AND k.id = c.job "
    "WHERE d.workspace = :workspace "
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
    await hold(tx, workspace)
    await tx.execute(
        text(
            "INSERT INTO segment.revision AS r (workspace, revision) VALUES (:workspace, 1) "
            "ON CONFLICT (workspace) DO UPDATE SET revision = r.revision + 1"
        ),
        {"workspace": workspace},
    )


async def hold(tx: AsyncConnection, workspace: str) -> None:
    """Keep everybody else from judging people of the workspace until the end of `tx`; the
    definitions stay as they are.
    """
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('segment/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def revision(tx: AsyncConnection, workspace: str) -> int:
    """How often the definitions of a workspace have changed."""
    rows = await tx.execute(
        text("SELECT revision FROM segment.revision WHERE workspace = :workspace"),
        {"workspace": workspace},
    )
    return int(rows.scalar_one())


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


async def resting(tx: AsyncConnection, workspace: str, on: str = "segment") -> list[Stored]:
    """The living definitions whose rules may name other segments, or lists, and those with the
    rules that are to take the place of theirs.
    """
    names_others = "strpos(CAST({}.rule AS text), :word) > 0"
    beside = _STORED.replace("CAST(d.rule AS text)", "CAST(c.rule AS text)")
    rows = await tx.execute(
        text(
            f"SELECT {_STORED} FROM segment.definition d WHERE d.workspace = :workspace "
            f"AND d.archived_at IS NULL AND {names_others.format('d')} "
            f"UNION ALL SELECT {beside} FROM segment.definition d "
            "JOIN segment.candidate c USING (workspace, segment_id) "
            "WHERE d.workspace = :workspace AND c.swapped_at IS NULL "
            f"AND {names_others.format('c')} ORDER BY 2"
        ),
        {"workspace": workspace, "word": f'"{on}"'},
    )
    return [Stored(*row) for row in rows.all()]


async def named(tx: AsyncConnection, workspace: str, name: str) -> UUID | None:
    """The segment of that name."""
    rows = await tx.execute(
        text(
            "SELECT segment_id FROM segment.definition "
            "WHERE workspace = :workspace AND name = :name AND archived_at IS NULL"
        ),
        {"workspace": workspace, "name": name},
    )
    return rows.scalar_one_or_none()


async def shown(tx: AsyncConnection, workspace: str, segment_id: UUID) -> Listed | None:
    """One definition, archived ones too."""
    rows = await tx.execute(
        text(f"{_LISTED}AND d.segment_id = :id"), {"workspace": workspace, "id": segment_id}
    )
    row = rows.first()
    return None if row is None else _listed(row)


async def listed(
    tx: AsyncConnection,
    workspace: str,
    *,
    archived: bool,
    after: tuple[str, UUID] | None,
    limit: int,
) -> list[Listed]:
    """Definitions by name and id, those behind `after`; either the living or the archived."""
    name, segment_id = after or (None, None)
    rows = await tx.execute(
        text(
            f"{_LISTED}AND (d.archived_at IS NOT NULL) = :archived "
            "AND (CAST(:name AS text) IS NULL OR (d.name, d.segment_id) > (:name, :id)) "
            "ORDER BY d.name, d.segment_id LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "archived": archived,
            "name": name,
            "id": segment_id,
            "limit": limit,
        },
    )
    return [_listed(row) for row in rows.all()]


def _listed(row: Any) -> Listed:
    *stored, members, status, rule, job, progress, created_at, created_by = row
    upcoming = Upcoming(rule, job, progress, created_at, created_by) if job else None
    return Listed(Stored(*stored), members, status, upcoming)


async def write(tx: AsyncConnection, one: Stored, author: str) -> None:
    """Write a new version, as the current one and into the history; who does so tells of it."""
    given = {
        "workspace": one.workspace,
        "id": one.segment_id,
        "version": one.version,
        "name": one.name,
        "rule": one.rule,
        "active": one.active,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "built": one.built_version,
        "job": one.job,
        "archived_at": one.archived_at,
        "author": author,
    }
    await tx.execute(
        text(
            "INSERT INTO segment.definition (workspace, segment_id, version, name, rule, active, "
            "created_at, updated_at, built_version, job, archived_at, told_at) VALUES (:workspace, "
            ":id, :version, :name, CAST(CAST(:rule AS text) AS jsonb), :active, :created_at, "
            ":updated_at, :built, :job, :archived_at, :updated_at) "
            "ON CONFLICT (workspace, segment_id) DO UPDATE SET version = excluded.version, "
            "name = excluded.name, rule = excluded.rule, active = excluded.active, "
            "updated_at = excluded.updated_at, built_version = excluded.built_version, "
            "job = excluded.job, archived_at = excluded.archived_at, told_at = excluded.told_at"
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


async def untold(
    tx: AsyncConnection, workspace: str, *, before: datetime, now: datetime, limit: int
) -> list[Stored]:
    """Definitions of which nobody was told since they changed, or since `before`; from now on
    they count as told at `now`.
    """
    rows = await tx.execute(
        text(
            "UPDATE segment.definition AS d SET told_at = :now WHERE (workspace, segment_id) IN ("
            "SELECT workspace, segment_id FROM segment.definition WHERE workspace = :workspace "
            "AND (told_at IS NULL OR told_at < updated_at OR told_at < :before) "
            f"LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING {_STORED}"
        ),
        {"workspace": workspace, "before": before, "now": now, "limit": limit},
    )
    return [Stored(*row) for row in rows.all()]


async def set_job(tx: AsyncConnection, workspace: str, segment_id: UUID, job: str) -> None:
    """A definition is held against everybody by this job, from the beginning."""
    await tx.execute(
        text(
            "UPDATE segment.definition SET built_version = 0, job = :job "
            "WHERE workspace = :workspace AND segment_id = :id"
        ),
        {"workspace": workspace, "id": segment_id, "job": job},
    )


async def set_built(tx: AsyncConnection, workspace: str, segment_id: UUID, version: int) -> None:
    """Everybody has been held against this version."""
    await tx.execute(
        text(
            "UPDATE segment.definition SET built_version = :version "
            "WHERE workspace = :workspace AND segment_id = :id"
        ),
        {"workspace": workspace, "id": segment_id, "version": version},
    )


async def history(
    tx: AsyncConnection, workspace: str, segment_id: UUID, *, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """The versions of a definition older than `before`, the newest first."""
    rows = await tx.execute(
        text(
            "SELECT version, name, CAST(rule AS text) AS rule, active, created_at, created_by "
            "FROM segment.definition_version WHERE workspace = :workspace AND segment_id = :id "
            "AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "id": segment_id, "before": before, "limit": limit},
    )
    return [dict(row) for row in rows.mappings()]


async def in_force_at(
    tx: AsyncConnection, workspace: str, segment_id: UUID, at: datetime
) -> dict[str, Any] | None:
    """The version of a definition that was in force at an instant; None before the first."""
    rows = await tx.execute(
        text(
            "SELECT version, name, CAST(rule AS text) AS rule, active, created_at, created_by "
            "FROM segment.definition_version WHERE workspace = :workspace AND segment_id = :id "
            "AND created_at <= :at ORDER BY version DESC LIMIT 1"
        ),
        {"workspace": workspace, "id": segment_id, "at": at},
    )
    row = rows.mappings().first()
    return None if row is None else dict(row)


async def misplaced(
    tx: AsyncConnection,
    workspace: str,
    segment_id: UUID,
    rule: Rule,
    *,
    now: datetime,
    after: UUID | None = None,
    upto: UUID | None = None,
) -> list[UUID]:
    """People who should be in the segment now and are not, or the reverse, in the order of their
    ids.

    Of ids `after` < id <= `upto`. People of whom no facts are known stay where they are.
    """
    given = {"workspace": workspace, "after": after, "upto": upto}
    condition = Condition(rule, now, await matched(tx, rule, f"{EVERYBODY} {_BETWEEN}", given))
    rows = await tx.execute(
        text(
            # By its key for each: joined at once, tables that were never analysed are gone
            # through member by member for everybody.
            "SELECT p.profile_id FROM segment.person p LEFT JOIN LATERAL (SELECT m.entry_id "
            "FROM segment.membership m WHERE m.workspace = p.workspace "
            "AND m.profile_id = p.profile_id AND m.segment_id = :segment "
            "AND m.exited_at IS NULL LIMIT 1) AS stay ON true "
            f"WHERE {EVERYBODY} {_BETWEEN}"
            f"AND (stay.entry_id IS NOT NULL) <> ({condition.sql} AND {JUDGED}) "
            "ORDER BY p.profile_id"
        ),
        {**given, "segment": segment_id, **condition.parameters},
    )
    return list(rows.scalars())
