"""Accounts with providers, how they stand, and what went by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.accounts import Bill, Member, ProviderAccount, Standing
from rapport_campaign.domain.breaker import Breaker
from rapport_campaign.domain.pacing import Pace, Warmup
from rapport_campaign.domain.parcels import Channel
from rapport_campaign.domain.sms import Price

_ACCOUNT = (
    "workspace, account_id::text AS account_id, name, channel, vendor, settings::text AS settings, "
    "secrets, per_second, burst, priority, state, version, created_at, created_by, changed_at, "
    "warmup::text AS warmup, prices::text AS prices, currency"
)
_STANDING = (
    "free_at, faults, open_until, probing_until, reason, day, used, checked_at, check_result, "
    "check_reason"
)
_BOTH = (
    f"SELECT {', '.join(f'a.{one.strip()}' for one in _ACCOUNT.split(','))}, {_STANDING} "
    "FROM campaign.provider_account a JOIN campaign.provider_standing s "
    "USING (workspace, account_id) WHERE a.workspace = :workspace "
)
_OF = "workspace = :workspace AND account_id = CAST(:account_id AS uuid)"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that a provider took."""

    workspace: str
    message_id: str
    account_id: str
    vendor: str
    provider_id: str | None
    bill: Bill
    at: datetime


@dataclass(frozen=True, slots=True)
class KeptSecrets:
    """The sealed secrets of an account, and whose they are."""

    workspace: str
    account_id: str
    secrets: str


async def seize(tx: AsyncConnection, workspace: str) -> None:
    """Keep others from adding accounts of the workspace, and from naming them, until the end."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('providers/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def number(tx: AsyncConnection, workspace: str) -> int:
    """How many accounts a workspace has."""
    found = await tx.scalar(
        text("SELECT count(*) FROM campaign.provider_account WHERE workspace = :workspace"),
        {"workspace": workspace},
    )
    return int(found or 0)


async def named(tx: AsyncConnection, workspace: str, name: str) -> str | None:
    """The id of the account of this name."""
    found = await tx.scalar(
        text(
            "SELECT account_id::text FROM campaign.provider_account "
            "WHERE workspace = :workspace AND name = :name"
        ),
        {"workspace": workspace, "name": name},
    )
    return None if found is None else str(found)


async def find(
    tx: AsyncConnection, workspace: str, account_id: str, *, lock: bool = False
) -> Member | None:
    """One account and how it stands; with `lock` both stay as they are until the commit."""
    rows = await tx.execute(
        text(f"{_BOTH}AND a.account_id = CAST(:account_id AS uuid){_locked(lock=lock)}"),
        {"workspace": workspace, "account_id": account_id},
    )
    row = rows.first()
    return None if row is None else _member(row)


async def listed(
    tx: AsyncConnection, workspace: str, *, after: str | None, limit: int
) -> list[Member]:
    """The accounts of a workspace by their names, those behind `after`."""
    rows = await tx.execute(
        text(
            f"{_BOTH}AND (CAST(:after AS text) IS NULL OR a.name > :after) "
            "ORDER BY a.name LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [_member(row) for row in rows]


async def of_channel(
    tx: AsyncConnection,
    workspace: str,
    channel: Channel,
    vendor: str | None = None,
    *,
    lock: bool = True,
) -> list[Member]:
    """The accounts that send by a channel, with `vendor` those with it; with `lock` how they stand
    is, in the order of ids.
    """
    rows = await tx.execute(
        text(
            f"{_BOTH}AND a.channel = :channel AND a.state = 'active' "
            "AND (CAST(:vendor AS text) IS NULL OR a.vendor = :vendor) "
            f"ORDER BY a.account_id{_locked(lock=lock)}"
        ),
        {"workspace": workspace, "channel": channel, "vendor": vendor},
    )
    return [_member(row) for row in rows]


async def vendors_of(tx: AsyncConnection, workspace: str, channel: Channel) -> set[str]:
    """With whom a workspace has accounts of a channel, also those that are paused."""
    rows = await tx.execute(
        text(
            "SELECT DISTINCT vendor FROM campaign.provider_account "
            "WHERE workspace = :workspace AND channel = :channel"
        ),
        {"workspace": workspace, "channel": channel},
    )
    return {row.vendor for row in rows}


async def add(tx: AsyncConnection, one: ProviderAccount) -> None:
    """Keep a new account, which nothing has gone by."""
    await tx.execute(
        text(
            "INSERT INTO campaign.provider_account (workspace, account_id, name, channel, vendor, "
            "settings, secrets, per_second, burst, priority, state, version, created_at, "
            "created_by, changed_at, warmup, prices, currency) VALUES (:workspace, "
            "CAST(:account_id AS uuid), :name, :channel, :vendor, CAST(:settings AS json), "
            ":secrets, :per_second, :burst, :priority, :state, :version, :created_at, "
            ":created_by, :changed_at, CAST(:warmup AS json), CAST(:prices AS json), :currency)"
        ),
        _values(one),
    )
    await tx.execute(
        text(
            "INSERT INTO campaign.provider_standing (workspace, account_id) "
            "VALUES (:workspace, CAST(:account_id AS uuid))"
        ),
        {"workspace": one.workspace, "account_id": one.account_id},
    )


async def save(tx: AsyncConnection, one: ProviderAccount) -> None:
    """Write an account (locked by `find`) as it is now."""
    await tx.execute(
        text(
            "UPDATE campaign.provider_account SET name = :name, "
            "settings = CAST(:settings AS json), secrets = :secrets, per_second = :per_second, "
            "burst = :burst, priority = :priority, state = :state, version = :version, "
            "changed_at = :changed_at, warmup = CAST(:warmup AS json), "
            f"prices = CAST(:prices AS json), currency = :currency WHERE {_OF}"
        ),
        _values(one),
    )


async def remove(tx: AsyncConnection, workspace: str, account_id: str) -> bool:
    """Take an account away, and destroy its secrets; whether there was one."""
    found = await tx.execute(
        text(f"DELETE FROM campaign.provider_account WHERE {_OF} RETURNING account_id"),
        {"workspace": workspace, "account_id": account_id},
    )
    return found.first() is not None


async def stand(tx: AsyncConnection, workspace: str, account_id: str, one: Standing) -> None:
    """Write how an account (locked) stands now."""
    await tx.execute(
        text(
            "UPDATE campaign.provider_standing SET free_at = :free_at, faults = :faults, "
            "open_until = :open_until, probing_until = :probing_until, reason = :reason, "
            "day = :day, used = :used, checked_at = :checked_at, check_result = :check_result, "
            f"check_reason = :check_reason WHERE {_OF}"
        ),
        {
            "workspace": workspace,
            "account_id": account_id,
            "free_at": one.free_at,
            "faults": one.breaker.faults,
            "open_until": one.breaker.until,
            "probing_until": one.breaker.probing,
            "reason": one.breaker.reason,
            "day": one.day,
            "used": one.used,
            "checked_at": one.checked_at,
            "check_result": one.check_result,
            "check_reason": one.check_reason,
        },
    )


async def deliver(tx: AsyncConnection, deliveries: Sequence[Delivery]) -> None:
    """Keep what providers took; a message has one row, that of whoever took it first."""
    for one in deliveries:
        await tx.execute(
            text(
                "INSERT INTO campaign.delivery (workspace, message_id, account_id, vendor, "
                "provider_id, segments, cost, currency, at) VALUES (:workspace, :message_id, "
                "CAST(:account_id AS uuid), :vendor, :provider_id, :segments, :cost, :currency, "
                ":at) ON CONFLICT DO NOTHING"
            ),
            {
                "workspace": one.workspace,
                "message_id": one.message_id,
                "account_id": one.account_id,
                "vendor": one.vendor,
                "provider_id": one.provider_id,
                "segments": one.bill.segments,
                "cost": one.bill.cost,
                "currency": one.bill.currency,
                "at": one.at,
            },
        )


async def sealed_otherwise(tx: AsyncConnection, prefix: str, limit: int) -> list[KeptSecrets]:
    """Secrets of all workspaces that do not begin so; they are locked. Whom others have locked is
    left to them.
    """
    rows = await tx.execute(
        text(
            "SELECT workspace, account_id::text, secrets FROM campaign.provider_account "
            "WHERE NOT starts_with(secrets, :prefix) ORDER BY workspace, account_id "
            "LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"prefix": prefix, "limit": limit},
    )
    return [KeptSecrets(*row) for row in rows]


async def keep_secrets(tx: AsyncConnection, one: KeptSecrets) -> None:
    """Write secrets, which are the same, in another form."""
    await tx.execute(
        text(f"UPDATE campaign.provider_account SET secrets = :secrets WHERE {_OF}"),
        {"workspace": one.workspace, "account_id": one.account_id, "secrets": one.secrets},
    )


def _locked(*, lock: bool) -> str:
    return " FOR UPDATE" if lock else ""


def _values(one: ProviderAccount) -> dict[str, Any]:
    prices = {price.prefix: str(price.amount) for price in one.prices}
    return {
        "workspace": one.workspace,
        "account_id": one.account_id,
        "name": one.name,
        "channel": one.channel,
        "vendor": one.vendor,
        "settings": msgspec.json.encode(dict(one.settings)).decode(),
        "secrets": one.secrets,
        "per_second": one.pace.per_second,
        "burst": one.pace.burst,
        "priority": one.priority,
        "state": one.state,
        "version": one.version,
        "created_at": one.created_at,
        "created_by": one.created_by,
        "changed_at": one.changed_at,
        "warmup": msgspec.json.encode(one.warmup).decode() if one.warmup else None,
        "prices": msgspec.json.encode(prices).decode(),
        "currency": one.currency,
    }


def _member(row: Row[Any]) -> Member:
    prices = msgspec.json.decode(row.prices, type=dict[str, Decimal])
    account = ProviderAccount(
        workspace=row.workspace,
        account_id=row.account_id,
        name=row.name,
        channel=row.channel,
        vendor=row.vendor,
        settings=msgspec.json.decode(row.settings, type=dict[str, str]),
        secrets=row.secrets,
        pace=Pace(row.per_second, row.burst),
        priority=row.priority,
        state=row.state,
        version=row.version,
        created_at=row.created_at,
        created_by=row.created_by,
        changed_at=row.changed_at,
        warmup=msgspec.json.decode(row.warmup, type=Warmup) if row.warmup else None,
        prices=tuple(Price(prefix, amount) for prefix, amount in prices.items()),
        currency=row.currency,
    )
    standing = Standing(
        free_at=row.free_at,
        breaker=Breaker(row.faults, row.open_until, row.probing_until, row.reason),
        day=row.day,
        used=row.used,
        checked_at=row.checked_at,
        check_result=row.check_result,
        check_reason=row.check_reason,
    )
    return account, standing
