"""The SQL of rules that are built beside those in force, and of the difference between both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.store.definitions import Stored


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule (JSON text) that `job` builds beside the one in force.

    From `swapped_at` on it is in force, and `beside_id` has who fitted it at that instant.
    """

    workspace: str
    segment_id: UUID
    serial: int
    rule: str
    job: str
    created_at: datetime
    created_by: str
    swapped_at: datetime | None = None

    @property
    def beside_id(self) -> UUID:
        """Under which it is kept who fits; one after the other has the same."""
        return beside_id(self.segment_id)

    @property
    def as_definition(self) -> Stored:
        """A definition to judge by, of nobody's segment."""
        return Stored(
            self.workspace,
            self.beside_id,
            self.serial,
            "",
            self.rule,
            active=True,
            created_at=self.created_at,
            updated_at=self.created_at,
            built_version=self.serial,
            beside=True,
        )


def beside_id(segment_id: UUID) -> UUID:
    """The id under which it is kept who fits the rule that is built beside a segment's."""
    return uuid5(segment_id, "beside")


_CANDIDATE = (
    "SELECT workspace, segment_id, serial, CAST(rule AS text), job, created_at, created_by, "
    "swapped_at FROM segment.candidate "
)


async def growing(tx: AsyncConnection, workspaces: Sequence[str]) -> list[Candidate]:
    """Those that are not in force yet, in a fixed order."""
    rows = await tx.execute(
        text(
            f"{_CANDIDATE}WHERE workspace = ANY(CAST(:workspaces AS text[])) "
            "AND swapped_at IS NULL ORDER BY workspace, segment_id"
        ),
        {"workspaces": workspaces},
    )
    return [Candidate(*row) for row in rows.all()]


async def find(tx: AsyncConnection, workspace: str, segment_id: UUID) -> Candidate | None:
    """That of one segment."""
    rows = await tx.execute(
        text(f"{_CANDIDATE}WHERE workspace = :workspace AND segment_id = :id"),
        {"workspace": workspace, "id": segment_id},
    )
    row = rows.first()
    return None if row is None else Candidate(*row)


async def write(tx: AsyncConnection, one: Candidate) -> None:
    """Put it in the place of the one before; the workspace is seized."""
    await tx.execute(
        text(
            "INSERT INTO segment.candidate AS c (workspace, segment_id, serial, rule, "
            "job, created_at, created_by, swapped_at) VALUES (:workspace, :id, :serial, "
            "CAST(CAST(:rule AS text) AS jsonb), :job, :created_at, :created_by, :swapped_at) "
            "ON CONFLICT (workspace, segment_id) DO UPDATE SET serial = excluded.serial, "
            "rule = excluded.rule, job = excluded.job, created_at = excluded.created_at, "
            "created_by = excluded.created_by, swapped_at = excluded.swapped_at"
        ),
        {
            "workspace": one.workspace,
            "id": one.segment_id,
            "serial": one.serial,
            "rule": one.rule,
            "job": one.job,
            "created_at": one.created_at,
            "created_by": one.created_by,
            "swapped_at": one.swapped_at,
        },
    )


async def drop(tx: AsyncConnection, workspace: str, segment_id: UUID) -> None:
    """It is not judged by any more; who fitted it is still there, see `clear`."""
    await tx.execute(
        text("DELETE FROM segment.candidate WHERE workspace = :workspace AND segment_id = :id"),
        {"workspace": workspace, "id": segment_id},
    )


async def clear(tx: AsyncConnection, workspace: str, segment_id: UUID, *, limit: int) -> int:
    """Take out some of those who fitted a rule that is built beside no more; how many."""
    result = await tx.execute(
        text(
            "DELETE FROM segment.membership WHERE ctid IN (SELECT ctid FROM segment.membership "
            "WHERE workspace = :workspace AND segment_id = :beside AND exited_at IS NULL "
            "LIMIT :limit)"
        ),
        {"workspace": workspace, "beside": beside_id(segment_id), "limit": limit},
    )
    return result.rowcount


async def is_left(tx: AsyncConnection, workspace: str, segment_id: UUID) -> bool:
    """Whether there is somebody whom `clear` would take out."""
    rows = await tx.execute(
        text(
            "SELECT EXISTS (SELECT FROM segment.membership WHERE workspace = :workspace "
            "AND segment_id = :beside AND exited_at IS NULL)"
        ),
        {"workspace": workspace, "beside": beside_id(segment_id)},
    )
    return bool(rows.scalar())


async def differing(
    tx: AsyncConnection, workspace: str, segment_id: UUID, *, after: UUID | None, limit: int
) -> list[UUID]:
    """Who is in a segment and did not fit the rule beside it, or the reverse, by their ids: those
    behind `after`.

    Both are read in the order of the index that lists members, and no further than is asked for.
    """
    rows = await tx.execute(
        text(
            f"({_only(':segment', ':beside')}) UNION ALL ({_only(':beside', ':segment')}) "
            "ORDER BY profile_id LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "segment": segment_id,
            "beside": beside_id(segment_id),
            "after": after,
            "limit": limit,
        },
    )
    return list(rows.scalars())


def _only(here: str, there: str) -> str:
    return (
        "SELECT m.profile_id FROM segment.membership m WHERE m.workspace = :workspace "
        f"AND m.segment_id = CAST({here} AS uuid) AND m.exited_at IS NULL "
        "AND (CAST(:after AS uuid) IS NULL OR m.profile_id > CAST(:after AS uuid)) "
        "AND NOT EXISTS (SELECT FROM segment.membership o WHERE o.workspace = m.workspace "
        f"AND o.segment_id = CAST({there} AS uuid) AND o.profile_id = m.profile_id "
        "AND o.exited_at IS NULL) ORDER BY m.profile_id LIMIT :limit"
    )
