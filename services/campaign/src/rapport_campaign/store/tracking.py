"""Links, opens, clicks and suppressions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import PROMOTION, SURVEY, Kind, Link, Purpose
from rapport_campaign.store.ledger import PLACE

_SENT = text(
    "SELECT workspace, send_key, kind, campaign_id::text AS campaign_id, profile_id, "
    f"to_address, traceparent, channel, sent_at, purpose FROM campaign.every_message WHERE {PLACE} "
    "AND to_address IS NOT NULL"
)
_TOUCH = {
    (table, column): text(
        f"UPDATE campaign.{table} SET {column} = now() WHERE {PLACE} AND {column} IS NULL"
    )
    for table in ("sending", "message")
    for column in ("opened_at", "clicked_at")
}
_UNTOUCH = {
    (table, "clicked_at"): text(f"UPDATE campaign.{table} SET clicked_at = NULL WHERE {PLACE}")
    for table in ("sending", "message")
}


@dataclass(frozen=True, slots=True)
class Sent:
    """The message a public link belongs to."""

    workspace: str
    send_key: str
    kind: Kind
    campaign_id: str | None
    profile_id: str
    to_address: str
    traceparent: str | None
    channel: str
    sent_at: datetime | None = None
    purpose: Purpose = PROMOTION

    @property
    def refused(self) -> Purpose:
        """What its link to unsubscribe ends: surveys, or promotions."""
        return SURVEY if self.purpose == SURVEY else PROMOTION


async def message(tx: AsyncConnection, workspace: str, send_key: str) -> Sent | None:
    """The message of a token; None when it never got an address."""
    rows = await tx.execute(_SENT, {"workspace": workspace, "send_key": send_key})
    row = rows.mappings().first()
    return Sent(**row) if row else None


async def touch(
    tx: AsyncConnection, sent: Sent, column: Literal["opened_at", "clicked_at"]
) -> bool:
    """Note the first open or click; whether this was it."""
    place = {"workspace": sent.workspace, "send_key": sent.send_key}
    # In this order: a mail that is read while its sender still holds it goes on to the ledger.
    for table in ("sending", "message"):
        found = await tx.execute(_TOUCH[table, column], place)
        if found.rowcount > 0:
            return True
    return False


async def untouch(tx: AsyncConnection, sent: Sent, column: Literal["clicked_at"]) -> None:
    """There was no such click of a person."""
    place = {"workspace": sent.workspace, "send_key": sent.send_key}
    for table in ("sending", "message"):
        await tx.execute(_UNTOUCH[table, column], place)


async def links_lately(tx: AsyncConnection, sent: Sent, seconds: float) -> int:
    """How many links of a message were followed within the last so many seconds."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM campaign.click WHERE workspace = :workspace "
            "AND send_key = :send_key AND last_at > now() - make_interval(secs => :seconds)"
        ),
        {"workspace": sent.workspace, "send_key": sent.send_key, "seconds": seconds},
    )
    return int(found or 0)


async def click(tx: AsyncConnection, sent: Sent, link_id: str) -> int:
    """Count a click on a link of a message; which one it was, from 1."""
    found = await tx.scalar(
        text(
            "INSERT INTO campaign.click AS c (workspace, send_key, link_id, clicks, last_at) "
            "VALUES (:workspace, :send_key, :link_id, 1, now()) "
            "ON CONFLICT (workspace, send_key, link_id) DO UPDATE SET clicks = c.clicks + 1, "
            "last_at = excluded.last_at RETURNING clicks"
        ),
        {"workspace": sent.workspace, "send_key": sent.send_key, "link_id": link_id},
    )
    return int(found or 0)


async def url(tx: AsyncConnection, workspace: str, link_id: str) -> str | None:
    """Where a link leads."""
    found: str | None = await tx.scalar(
        text("SELECT url FROM campaign.link WHERE workspace = :workspace AND link_id = :link_id"),
        {"workspace": workspace, "link_id": link_id},
    )
    return found


async def add_links(tx: AsyncConnection, links: Iterable[Link]) -> None:
    """Store click targets that are not there yet."""
    ordered = sorted(set(links), key=lambda one: (one.workspace, one.link_id))
    await tx.execute(
        text(
            "INSERT INTO campaign.link (workspace, link_id, campaign_id, url) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS text[]), "
            "CAST(:campaigns AS uuid[]), CAST(:urls AS text[])) ON CONFLICT DO NOTHING"
        ),
        {
            "workspaces": [one.workspace for one in ordered],
            "ids": [one.link_id for one in ordered],
            "campaigns": [one.campaign_id for one in ordered],
            "urls": [one.url for one in ordered],
        },
    )


async def suppressions(
    tx: AsyncConnection, addresses: Iterable[tuple[str, str]]
) -> dict[str, Mapping[tuple[str, Purpose], datetime]]:
    """Per workspace: since when (address, purpose) is suppressed, for the given addresses."""
    wanted = sorted(set(addresses))
    found: dict[str, dict[tuple[str, Purpose], datetime]] = {}
    if not wanted:
        return dict(found)
    rows = await tx.execute(
        text(
            "SELECT workspace, address, purpose, at FROM campaign.suppression "
            "WHERE (workspace, address) IN (SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:addresses AS text[])))"
        ),
        {"workspaces": [one[0] for one in wanted], "addresses": [one[1] for one in wanted]},
    )
    for row in rows:
        found.setdefault(row.workspace, {})[row.address, row.purpose] = row.at
    return dict(found)


async def suppress(
    tx: AsyncConnection,
    place: tuple[str, str],
    profile_id: str,
    reason: str,
    at: datetime,
    *,
    purpose: Purpose = PROMOTION,
) -> None:
    """Stop messages of a purpose to a (workspace, address) from `at` on, by a link of whose."""
    workspace, address = place
    await tx.execute(
        text(
            "INSERT INTO campaign.suppression AS s "
            "(workspace, address, purpose, reason, at, profile_id) "
            "VALUES (:workspace, :address, :purpose, :reason, :at, :profile) "
            "ON CONFLICT (workspace, address, purpose) DO UPDATE SET reason = excluded.reason, "
            "at = greatest(s.at, excluded.at), profile_id = excluded.profile_id"
        ),
        {
            "workspace": workspace,
            "address": address,
            "purpose": purpose,
            "reason": reason,
            "at": at,
            "profile": profile_id,
        },
    )
