"""Standing orders to ask people."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.askings import Asking, AskingDocument, day_of

_COLUMNS = (
    "a.workspace, a.asking_id, a.survey_id, a.name, CAST(a.document AS text) AS document, "
    "a.created_at, a.changed_at, a.actor, a.archived_at, a.quota_day, a.quota_used"
)
_decode = msgspec.json.Decoder(AskingDocument).decode

Place = tuple[str, str]
"""(workspace, id of a segment or name of an event)."""


async def add(tx: AsyncConnection, asking: Asking) -> None:
    """Keep a new one."""
    await tx.execute(
        text(
            "INSERT INTO feedback.asking (workspace, asking_id, survey_id, name, document, "
            "segment_id, event, actor, created_at, changed_at) VALUES (:workspace, :asking_id, "
            ":survey_id, :name, CAST(:document AS json), :segment_id, :event, :actor, "
            ":created_at, :changed_at)"
        ),
        {**_given(asking), "actor": asking.actor, "created_at": asking.created_at},
    )


async def save(tx: AsyncConnection, asking: Asking) -> None:
    """Keep what was changed of one that is locked."""
    await tx.execute(
        text(
            "UPDATE feedback.asking SET name = :name, document = CAST(:document AS json), "
            "segment_id = :segment_id, event = :event, changed_at = :changed_at "
            "WHERE workspace = :workspace AND asking_id = :asking_id"
        ),
        _given(asking),
    )


def _given(asking: Asking) -> dict[str, Any]:
    return {
        "workspace": asking.workspace,
        "asking_id": asking.asking_id,
        "survey_id": asking.survey_id,
        "name": asking.name,
        "document": msgspec.json.encode(asking.document).decode(),
        "segment_id": asking.document.segment_id,
        "event": asking.document.event,
        "changed_at": asking.changed_at,
    }


async def archive(tx: AsyncConnection, asking: Asking, at: datetime) -> None:
    """Ask nobody any more because of it."""
    await tx.execute(
        text(
            "UPDATE feedback.asking SET archived_at = coalesce(archived_at, :at) "
            "WHERE workspace = :workspace AND asking_id = :asking_id"
        ),
        {"workspace": asking.workspace, "asking_id": asking.asking_id, "at": at},
    )


async def count_asked(tx: AsyncConnection, asking: Asking, now: datetime, asked: int) -> None:
    """Add to the quota of the day."""
    day = date.fromisoformat(day_of(now))
    await tx.execute(
        text(
            "UPDATE feedback.asking SET quota_used = :asked + CASE WHEN quota_day = :day "
            "THEN quota_used ELSE 0 END, quota_day = :day "
            "WHERE workspace = :workspace AND asking_id = :asking_id"
        ),
        {
            "workspace": asking.workspace,
            "asking_id": asking.asking_id,
            "day": day,
            "asked": asked,
        },
    )


async def get(
    tx: AsyncConnection, workspace: str, asking_id: UUID, *, lock: bool = False
) -> Asking | None:
    """One of a workspace. Locked, those who change or carry it out take turns."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.asking a WHERE a.workspace = :workspace "
            f"AND a.asking_id = :asking_id{' FOR NO KEY UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "asking_id": asking_id},
    )
    found = rows.mappings().first()
    return None if found is None else _asking(found)


async def listed(
    tx: AsyncConnection,
    workspace: str,
    *,
    archived: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Asking]:
    """Newest first, those behind `after`; either the living or the archived."""
    at, asking_id = after or (None, None)
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.asking a WHERE a.workspace = :workspace "
            "AND (a.archived_at IS NOT NULL) = :archived AND (CAST(:at AS timestamptz) IS NULL "
            "OR (a.created_at, a.asking_id) < (:at, :id)) "
            "ORDER BY a.created_at DESC, a.asking_id DESC LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "archived": archived,
            "at": at,
            "id": asking_id,
            "limit": limit,
        },
    )
    return [_asking(row) for row in rows.mappings()]


async def on_segments(tx: AsyncConnection, places: Iterable[Place]) -> dict[Place, list[Asking]]:
    """Those that wait for entries into these segments."""
    return await _waiting(tx, "segment_id", places)


async def on_events(tx: AsyncConnection, places: Iterable[Place]) -> dict[Place, list[Asking]]:
    """Those that wait for these events."""
    return await _waiting(tx, "event", places)


async def _waiting(
    tx: AsyncConnection, column: str, places: Iterable[Place]
) -> dict[Place, list[Asking]]:
    wanted = sorted(set(places))
    found: dict[Place, list[Asking]] = {}
    if not wanted:
        return found
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS}, a.{column} AS place FROM unnest(CAST(:workspaces AS text[]), "
            "CAST(:names AS text[])) AS v(workspace, name) JOIN feedback.asking a "
            f"ON a.workspace = v.workspace AND a.{column} = v.name "
            f"WHERE a.{column} IS NOT NULL AND a.archived_at IS NULL "
            "ORDER BY a.created_at, a.asking_id"
        ),
        {"workspaces": [one[0] for one in wanted], "names": [one[1] for one in wanted]},
    )
    for row in rows.mappings():
        found.setdefault((row["workspace"], row["place"]), []).append(_asking(row))
    return found


def _asking(row: RowMapping) -> Asking:
    day = row["quota_day"]
    return Asking(
        workspace=row["workspace"],
        asking_id=row["asking_id"],
        survey_id=row["survey_id"],
        name=row["name"],
        document=_decode(row["document"]),
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        actor=row["actor"],
        archived_at=row["archived_at"],
        quota=(day.isoformat() if day else "", row["quota_used"]),
    )
