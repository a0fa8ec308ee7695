"""The SQL of members as a whole: read from one snapshot, and counted across segments."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain import sections
from rapport_segment.domain.export_columns import Member
from rapport_segment.domain.membership import Entry
from rapport_segment.tables import FOLLOWED

_ENTRY_COLUMNS = Entry.__struct_fields__
_ENTRY = ", ".join(f"m.{name}" for name in _ENTRY_COLUMNS)
_AS_THEY_ARE = (1,) * len(FOLLOWED.sections)


async def hold_snapshot(tx: AsyncConnection, *, silence: float) -> None:
    """Let all that `tx` reads be of one instant; it is the first thing that `tx` does.

    `silence`: seconds for which it may ask nothing, while somebody takes what was read.
    """
    await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    most = f"{silence * 1000:.0f}"
    await tx.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{most}'"))


async def page(
    tx: AsyncConnection,
    workspace: str,
    segment_id: UUID,
    *,
    after: UUID | None,
    limit: int,
    wanted: int,
) -> list[Member]:
    """Members in the order of profile ids, from the one behind `after` on, with the sections that
    are wanted (bits).
    """
    read = ", ".join(
        f"CAST(p.{name} AS text)" if wanted & 1 << place else "NULL"
        for place, name in enumerate(FOLLOWED.sections)
    )
    rows = await tx.execute(
        text(
            f"SELECT {_ENTRY}, {read} FROM segment.membership m "
            "JOIN segment.person p USING (workspace, profile_id) "
            "WHERE m.workspace = :workspace AND m.segment_id = :segment AND m.exited_at IS NULL "
            "AND (CAST(:after AS uuid) IS NULL OR m.profile_id > CAST(:after AS uuid)) "
            "ORDER BY m.profile_id LIMIT :limit"
        ),
        {"workspace": workspace, "segment": segment_id, "after": after, "limit": limit},
    )
    many = len(_ENTRY_COLUMNS)
    return [
        Member(Entry(*row[:many]), _facts(row[many:], wanted, row.profile_id)) for row in rows.all()
    ]


def _facts(texts: Sequence[str | None], wanted: int, profile_id: UUID) -> sections.Facts:
    # What is wanted and not there is empty; what is not wanted can't be asked for by mistake.
    versions = [0 if wanted & 1 << place else version for place, version in enumerate(_AS_THEY_ARE)]
    return sections.stored(texts, versions, str(profile_id))


async def overlap(
    tx: AsyncConnection, workspace: str, segment_ids: Sequence[UUID], *, seconds: float
) -> dict[int, int]:
    """How many people are in which of these segments, all of one instant.

    By bits: bit n is the n-th of `segment_ids`; each person counts once, under all that they are
    in. A statement that takes longer than `seconds` is ended (57014).
    """
    await tx.execute(text(f"SET LOCAL statement_timeout = '{seconds * 1000:.0f}'"))
    rows = await tx.execute(
        text(
            "SELECT inside, count(*) FROM (SELECT bit_or(1 << (v.n - 1)::int) AS inside "
            "FROM unnest(CAST(:segments AS uuid[])) WITH ORDINALITY AS v(segment_id, n) "
            "JOIN segment.membership m ON m.workspace = :workspace "
            "AND m.segment_id = v.segment_id AND m.exited_at IS NULL "
            "GROUP BY m.profile_id) AS person GROUP BY inside"
        ),
        {"workspace": workspace, "segments": list(segment_ids)},
    )
    return {row[0]: row[1] for row in rows.all()}
