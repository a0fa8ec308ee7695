"""Where vendors report to."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.vendors import Vendor

_COLUMNS = "workspace, hook_id, vendor, secret, topic, created_at, created_by, last_at"


@dataclass(frozen=True, slots=True)
class Hook:
    """A vendor's address here. `secret` is sealed; `last_at`: when it was last believed."""

    workspace: str
    hook_id: str
    vendor: Vendor
    secret: str
    topic: str
    created_at: datetime
    created_by: str
    last_at: datetime | None = None


async def add(tx: AsyncConnection, hook: Hook) -> None:
    """Keep a new one."""
    await tx.execute(
        text(
            f"INSERT INTO campaign.hook ({_COLUMNS}) VALUES (:workspace, :hook_id, :vendor, "
            ":secret, :topic, :created_at, :created_by, :last_at)"
        ),
        asdict(hook),
    )


async def find(tx: AsyncConnection, workspace: str, hook_id: str) -> Hook | None:
    """One of a workspace's."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.hook "
            "WHERE workspace = :workspace AND hook_id = :hook_id"
        ),
        {"workspace": workspace, "hook_id": hook_id},
    )
    row = rows.mappings().first()
    return Hook(**row) if row else None


async def listed(
    tx: AsyncConnection, workspace: str, *, after: tuple[datetime, str] | None, limit: int
) -> list[Hook]:
    """The newest ones: those older than `after`."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.hook WHERE workspace = :workspace "
            "AND (CAST(:at AS timestamptz) IS NULL OR (created_at, hook_id) < (:at, :hook_id)) "
            "ORDER BY created_at DESC, hook_id DESC LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "at": after[0] if after else None,
            "hook_id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [Hook(**row) for row in rows.mappings()]


async def remove(tx: AsyncConnection, workspace: str, hook_id: str) -> bool:
    """Take one away; whether there was one."""
    result = await tx.execute(
        text("DELETE FROM campaign.hook WHERE workspace = :workspace AND hook_id = :hook_id"),
        {"workspace": workspace, "hook_id": hook_id},
    )
    return result.rowcount > 0


async def delivered(
    tx: AsyncConnection, workspace: str, vendor: Vendor, provider_id: str
) -> str | None:
    """The send key of what a vendor has taken under an id of its own."""
    found: str | None = await tx.scalar(
        text(
            "SELECT message_id FROM campaign.delivery WHERE workspace = :workspace "
            "AND vendor = :vendor AND provider_id = :provider_id LIMIT 1"
        ),
        {"workspace": workspace, "vendor": vendor, "provider_id": provider_id},
    )
    return found


async def believed(tx: AsyncConnection, workspace: str, hook_id: str) -> None:
    """Note when a post was last believed; to the minute, so that posts do not wait for another."""
    await tx.execute(
        text(
            "UPDATE campaign.hook SET last_at = now() WHERE workspace = :workspace "
            "AND hook_id = :hook_id AND (last_at IS NULL OR last_at < now() - interval '1 minute')"
        ),
        {"workspace": workspace, "hook_id": hook_id},
    )
