"""What apps show to their users."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.inbox import InboxItem

_COLUMNS = (
    "workspace, item_id::text AS item_id, profile_id, title, body, url, data::text AS data, "
    "created_at, expires_at, read_at"
)
_THEIRS = "workspace = :workspace AND profile_id = :profile"
_LIVING = f"{_THEIRS} AND (expires_at IS NULL OR expires_at > :now)"


async def add(tx: AsyncConnection, one: InboxItem, most: int) -> None:
    """Put an item in; of a person's only the newest `most` stay."""
    await tx.execute(
        text(
            "INSERT INTO campaign.inbox_item (workspace, item_id, profile_id, title, body, url, "
            "data, created_at, expires_at) VALUES (:workspace, CAST(:id AS uuid), :profile, "
            ":title, :body, :url, CAST(:data AS json), :created_at, :expires_at) "
            "ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": one.workspace,
            "id": one.item_id,
            "profile": one.profile_id,
            "title": one.title,
            "body": one.body,
            "url": one.url,
            "data": msgspec.json.encode(dict(one.data)).decode(),
            "created_at": one.created_at,
            "expires_at": one.expires_at,
        },
    )
    await tx.execute(
        text(
            "DELETE FROM campaign.inbox_item WHERE (workspace, item_id) IN (SELECT workspace, "
            f"item_id FROM campaign.inbox_item WHERE {_THEIRS} "
            "ORDER BY created_at DESC, item_id DESC OFFSET :most)"
        ),
        {"workspace": one.workspace, "profile": one.profile_id, "most": most},
    )


async def find(tx: AsyncConnection, workspace: str, item_id: str) -> InboxItem | None:
    """One item."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.inbox_item "
            "WHERE workspace = :workspace AND item_id = CAST(:id AS uuid)"
        ),
        {"workspace": workspace, "id": item_id},
    )
    row = rows.first()
    return None if row is None else _item(row)


async def listed(
    tx: AsyncConnection,
    whose: tuple[str, str],
    now: datetime,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[InboxItem]:
    """What somebody (workspace, profile id) is shown now, the newest first, behind `after`."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.inbox_item WHERE {_LIVING} "
            "AND (CAST(:at AS timestamptz) IS NULL "
            "OR (created_at, item_id) < (:at, CAST(:id AS uuid))) "
            "ORDER BY created_at DESC, item_id DESC LIMIT :limit"
        ),
        {
            "workspace": whose[0],
            "profile": whose[1],
            "now": now,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_item(row) for row in rows]


async def standing(
    tx: AsyncConnection, whose: tuple[str, str], now: datetime
) -> tuple[int, str | None]:
    """How many items of somebody are unread, and the id of the newest one."""
    rows = await tx.execute(
        text(
            "SELECT count(*) FILTER (WHERE read_at IS NULL), "
            "(array_agg(item_id::text ORDER BY created_at DESC, item_id DESC))[1] "
            f"FROM campaign.inbox_item WHERE {_LIVING}"
        ),
        {"workspace": whose[0], "profile": whose[1], "now": now},
    )
    unread, newest = rows.one()
    return int(unread), newest


async def note_read(
    tx: AsyncConnection, whose: tuple[str, str], item_id: str | None, now: datetime
) -> int:
    """Somebody has read an item, or all (None); how many were unread. The first time counts."""
    found = await tx.execute(
        text(
            f"UPDATE campaign.inbox_item SET read_at = :now WHERE {_LIVING} AND read_at IS NULL "
            "AND (CAST(:id AS uuid) IS NULL OR item_id = CAST(:id AS uuid))"
        ),
        {"workspace": whose[0], "profile": whose[1], "id": item_id, "now": now},
    )
    return found.rowcount


async def remove(tx: AsyncConnection, workspace: str, item_id: str) -> bool:
    """Take an item away; whether there was one."""
    found = await tx.execute(
        text(
            "DELETE FROM campaign.inbox_item "
            "WHERE workspace = :workspace AND item_id = CAST(:id AS uuid)"
        ),
        {"workspace": workspace, "id": item_id},
    )
    return found.rowcount > 0


async def inherit(tx: AsyncConnection, workspace: str, old: str, heir: str) -> None:
    """Two profiles are one person: what the one was told the other sees, too."""
    await tx.execute(
        text(f"UPDATE campaign.inbox_item SET profile_id = :heir WHERE {_THEIRS}"),
        {"workspace": workspace, "profile": old, "heir": heir},
    )


def _item(row: Row[Any]) -> InboxItem:
    data = msgspec.json.decode(row.data, type=dict[str, str])
    return InboxItem(**{**row._mapping, "data": data})  # noqa: SLF001 - public in SQLAlchemy
