"""The SQL of entries: stays of people in segments, which are only added to and ended."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts
from rapport_segment.domain.membership import Entry
from rapport_segment.domain.stays import Stays

_ENTRY_COLUMNS = Entry.__struct_fields__
_ENTRY = ", ".join(f"m.{name}" for name in _ENTRY_COLUMNS)
_INSERT = text(
    f"INSERT INTO segment.membership ({', '.join(_ENTRY_COLUMNS)}) SELECT * FROM unnest("
    f"{packed_texts('workspaces')}, CAST(:segments AS uuid[]), CAST(:people AS uuid[]), "
    "CAST(:ids AS uuid[]), CAST(:entered AS timestamptz[]), CAST(:segment_versions AS int[]), "
    f"CAST(:versions AS bigint[]), {packed_texts('reasons')}, CAST(:exited AS timestamptz[]), "
    "CAST(:exit_reasons AS text[]), CAST(:beside AS boolean[]), CAST(:since AS timestamptz[]))"
)


async def insert_entries(tx: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Write new entries."""
    # Of a rule that is not in force there is no history.
    entries = [one for one in entries if not (one.beside and one.exited_at)]
    if not entries:
        return
    await tx.execute(
        _INSERT,
        {
            "workspaces": pack_texts([one.workspace for one in entries]),
            "segments": [one.segment_id for one in entries],
            "people": [one.profile_id for one in entries],
            "ids": [one.entry_id for one in entries],
            "entered": [one.entered_at for one in entries],
            "segment_versions": [one.segment_version for one in entries],
            "versions": [one.profile_version for one in entries],
            "reasons": pack_texts([one.reason for one in entries]),
            "exited": [one.exited_at for one in entries],
            "exit_reasons": [one.exit_reason for one in entries],
            "beside": [one.beside for one in entries],
            "since": [one.since for one in entries],
        },
    )


async def update_entries(tx: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Write the beginning and the end of entries that are there."""
    await _forget(tx, [one for one in entries if one.beside and one.exited_at])
    entries = [one for one in entries if not (one.beside and one.exited_at)]
    if not entries:
        return
    await tx.execute(
        text(
            "UPDATE segment.membership AS m SET since = CASE WHEN m.entered_at = v.entered_at "
            "THEN m.since ELSE COALESCE(m.since, m.entered_at) END, entered_at = v.entered_at, "
            "exited_at = v.exited_at, exit_reason = v.exit_reason "
            "FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[]), "
            "CAST(:entered AS timestamptz[]), CAST(:exited AS timestamptz[]), "
            "CAST(:reasons AS text[]), CAST(:people AS uuid[]), CAST(:segments AS uuid[])) AS "
            "v(workspace, entry_id, entered_at, exited_at, exit_reason, profile_id, segment_id) "
            "WHERE m.workspace = v.workspace AND m.profile_id = v.profile_id "
            "AND m.segment_id = v.segment_id AND m.entry_id = v.entry_id"
        ),
        {
            "workspaces": [one.workspace for one in entries],
            "ids": [one.entry_id for one in entries],
            "people": [one.profile_id for one in entries],
            "segments": [one.segment_id for one in entries],
            "entered": [one.entered_at for one in entries],
            "exited": [one.exited_at for one in entries],
            "reasons": [one.exit_reason for one in entries],
        },
    )


async def _forget(tx: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Take out entries of rules that are not in force: of those there is no history."""
    if not entries:
        return
    await tx.execute(
        text(
            "DELETE FROM segment.membership AS m USING unnest(CAST(:workspaces AS text[]), "
            "CAST(:people AS uuid[]), CAST(:segments AS uuid[]), CAST(:ids AS uuid[])) "
            "AS v(workspace, profile_id, segment_id, entry_id) WHERE m.workspace = v.workspace "
            "AND m.profile_id = v.profile_id AND m.segment_id = v.segment_id "
            "AND m.entry_id = v.entry_id"
        ),
        {
            "workspaces": [one.workspace for one in entries],
            "people": [one.profile_id for one in entries],
            "segments": [one.segment_id for one in entries],
            "ids": [one.entry_id for one in entries],
        },
    )


async def save_entries(tx: AsyncConnection, stays: Stays) -> None:
    """Write what became of entries. In this order: an open entry must be closed before its twin
    goes on under the same person.

    What was is not rewritten: a stay that goes on under another id ends where it was, and has a
    row there from then on.
    """
    rows = stays.entries.values()
    known = [one for one in rows if stays.loaded.get(one.entry_id) == one.profile_id]
    others = [one for one in rows if stays.loaded.get(one.entry_id) != one.profile_id]
    await update_entries(tx, known)
    await insert_entries(tx, [one for one in others if not _goes_on(one, stays)])
    await _go_on(tx, [one for one in others if _goes_on(one, stays)], stays)


def _goes_on(one: Entry, stays: Stays) -> bool:
    """Whether its beginning is in another row; of what is not in force it is not kept."""
    return one.entry_id in stays.loaded and not one.beside


async def _go_on(tx: AsyncConnection, entries: Sequence[Entry], stays: Stays) -> None:
    """Write rows of stays that go on under another id, from the rows in which they began."""
    if not entries:
        return
    await tx.execute(
        text(
            "INSERT INTO segment.membership (workspace, profile_id, segment_id, entry_id, "
            "entered_at, segment_version, profile_version, reason, since, exited_at, exit_reason) "
            "SELECT m.workspace, v.profile_id, m.segment_id, m.entry_id, v.entered_at, "
            "m.segment_version, m.profile_version, m.reason, v.since, v.exited_at, v.exit_reason "
            "FROM unnest(CAST(:workspaces AS text[]), CAST(:former AS uuid[]), "
            "CAST(:segments AS uuid[]), CAST(:ids AS uuid[]), CAST(:people AS uuid[]), "
            "CAST(:entered AS timestamptz[]), CAST(:since AS timestamptz[]), "
            "CAST(:exited AS timestamptz[]), CAST(:reasons AS text[])) AS v(workspace, former, "
            "segment_id, entry_id, profile_id, entered_at, since, exited_at, exit_reason) "
            "JOIN segment.membership m ON m.workspace = v.workspace "
            "AND m.profile_id = v.former AND m.segment_id = v.segment_id "
            "AND m.entry_id = v.entry_id "
            # Only where an id that had come to an end lives again, and a stay comes back to it.
            "ON CONFLICT (workspace, profile_id, segment_id, entry_id) "
            "DO UPDATE SET exited_at = excluded.exited_at, exit_reason = excluded.exit_reason"
        ),
        {
            "workspaces": [one.workspace for one in entries],
            "former": [stays.loaded[one.entry_id] for one in entries],
            "segments": [one.segment_id for one in entries],
            "ids": [one.entry_id for one in entries],
            "people": [one.profile_id for one in entries],
            "entered": [one.entered_at for one in entries],
            "since": [one.since for one in entries],
            "exited": [one.exited_at for one in entries],
            "reasons": [one.exit_reason for one in entries],
        },
    )


async def stays(
    tx: AsyncConnection, workspace: str, segment_id: UUID, profile_id: UUID
) -> list[Entry]:
    """A person's entries in a segment, the newest first; at most 100."""
    rows = await tx.execute(
        text(
            f"SELECT {_ENTRY} FROM segment.membership m WHERE m.workspace = :workspace "
            "AND m.segment_id = :segment AND m.profile_id = :id "
            "ORDER BY m.exited_at DESC NULLS FIRST LIMIT 100"
        ),
        {"workspace": workspace, "segment": segment_id, "id": profile_id},
    )
    return [Entry(*row) for row in rows.all()]


async def members(
    tx: AsyncConnection, workspace: str, segment_id: UUID, *, after: UUID | None, limit: int
) -> list[Entry]:
    """Open entries in the order of profile ids, from the one behind `after` on."""
    rows = await tx.execute(
        text(
            f"SELECT {_ENTRY} FROM segment.membership m WHERE m.workspace = :workspace "
            "AND m.segment_id = :segment AND m.exited_at IS NULL "
            "AND (CAST(:after AS uuid) IS NULL OR m.profile_id > CAST(:after AS uuid)) "
            "ORDER BY m.profile_id LIMIT :limit"
        ),
        {"workspace": workspace, "segment": segment_id, "after": after, "limit": limit},
    )
    return [Entry(*row) for row in rows.all()]


async def members_as_of(
    tx: AsyncConnection,
    workspace: str,
    segment_id: UUID,
    *,
    at: datetime,
    after: UUID | None,
    limit: int,
) -> list[Entry]:
    """The stays that went on at an instant, under the ids of then, in their order."""
    then = (
        f"SELECT {_ENTRY} FROM segment.membership m WHERE m.workspace = :workspace "
        "AND m.segment_id = :segment AND COALESCE(m.since, m.entered_at) <= :at "
        "AND (CAST(:after AS uuid) IS NULL OR m.profile_id > CAST(:after AS uuid)) "
        "AND m.exited_at {} ORDER BY m.profile_id LIMIT :limit"
    )
    rows = await tx.execute(
        text(
            # One that came back to an id is one row, which covers what was there meanwhile.
            f"SELECT DISTINCT ON (profile_id) * FROM (({then.format('IS NULL')}) UNION ALL "
            f"({then.format('> :at')})) AS found ORDER BY profile_id, entered_at LIMIT :limit"
        ),
        {"workspace": workspace, "segment": segment_id, "at": at, "after": after, "limit": limit},
    )
    return [Entry(*row) for row in rows.all()]


async def stay_as_of(
    tx: AsyncConnection, workspace: str, segment_id: UUID, profile_id: UUID, at: datetime
) -> Entry | None:
    """The stay of an id that went on at an instant."""
    rows = await tx.execute(
        text(
            f"SELECT {_ENTRY} FROM segment.membership m WHERE m.workspace = :workspace "
            "AND m.segment_id = :segment AND m.profile_id = :id "
            "AND COALESCE(m.since, m.entered_at) <= :at "
            "AND (m.exited_at IS NULL OR m.exited_at > :at) "
            "ORDER BY m.entered_at DESC LIMIT 1"
        ),
        {"workspace": workspace, "segment": segment_id, "id": profile_id, "at": at},
    )
    row = rows.first()
    return None if row is None else Entry(*row)
