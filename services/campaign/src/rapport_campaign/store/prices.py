"""Prices that were said: in messages, and to those who have asked for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import MessageKey
from rapport_campaign.domain.quoted import Quoted

_quoted = msgspec.json.Decoder(list[Quoted])
_KEEP = text(
    "INSERT INTO campaign.message_price AS p (workspace, send_key, profile_id, prices, at) "
    "SELECT workspace, send_key, profile_id, CAST(prices AS json), :at FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:keys AS text[]), CAST(:profiles AS text[]), "
    "CAST(:prices AS text[])) AS v(workspace, send_key, profile_id, prices) ORDER BY 1, 2 "
    "ON CONFLICT (workspace, send_key) DO UPDATE SET profile_id = excluded.profile_id, "
    "prices = excluded.prices, at = excluded.at"
)


@dataclass(frozen=True, slots=True)
class Said:
    """The prices that a message names."""

    key: MessageKey
    profile_id: str
    prices: Sequence[Quoted]


@dataclass(frozen=True, slots=True)
class Quote:
    """Prices that were asked for and kept; `at`: as of when, `created_at`: when it was asked."""

    workspace: str
    quote_id: str
    offer: str
    profile_id: str | None
    channel: str
    at: datetime
    prices: Sequence[Quoted]
    actor: str
    created_at: datetime


async def keep(tx: AsyncConnection, said: Sequence[Said], at: datetime) -> None:
    """Keep what messages name; of one that is tried again, what it names then."""
    if not said:
        return
    await tx.execute(
        _KEEP,
        {
            "workspaces": [one.key[0] for one in said],
            "keys": [one.key[1] for one in said],
            "profiles": [one.profile_id for one in said],
            "prices": [msgspec.json.encode(one.prices).decode() for one in said],
            "at": at,
        },
    )


async def of_message(
    tx: AsyncConnection, workspace: str, send_key: str
) -> tuple[datetime, list[Quoted]] | None:
    """When prices of a message were said, and which; None: it names none, or they have gone."""
    rows = await tx.execute(
        text(
            "SELECT at, CAST(prices AS text) AS prices FROM campaign.message_price "
            "WHERE workspace = :workspace AND send_key = :send_key"
        ),
        {"workspace": workspace, "send_key": send_key},
    )
    row = rows.first()
    return None if row is None else (row.at, _quoted.decode(row.prices))


async def add_quote(tx: AsyncConnection, quote: Quote) -> None:
    """Keep prices that were asked for."""
    await tx.execute(
        text(
            "INSERT INTO campaign.offer_quote (workspace, quote_id, offer, profile_id, channel, "
            "at, prices, actor, created_at) VALUES (:workspace, CAST(:id AS uuid), :offer, "
            ":profile, :channel, :at, CAST(:prices AS json), :actor, :created_at)"
        ),
        {
            "workspace": quote.workspace,
            "id": quote.quote_id,
            "offer": quote.offer,
            "profile": quote.profile_id,
            "channel": quote.channel,
            "at": quote.at,
            "prices": msgspec.json.encode(quote.prices).decode(),
            "actor": quote.actor,
            "created_at": quote.created_at,
        },
    )


async def quote(tx: AsyncConnection, workspace: str, offer: str, quote_id: str) -> Quote | None:
    """Prices of an offer that were asked for and kept."""
    rows = await tx.execute(
        text(
            "SELECT workspace, quote_id::text AS quote_id, offer, profile_id, channel, at, "
            "CAST(prices AS text) AS prices, actor, created_at FROM campaign.offer_quote "
            "WHERE workspace = :workspace AND quote_id = CAST(:id AS uuid) AND offer = :offer"
        ),
        {"workspace": workspace, "id": quote_id, "offer": offer},
    )
    row = rows.first()
    if row is None:
        return None
    return Quote(**{**row._mapping, "prices": _quoted.decode(row.prices)})  # noqa: SLF001 - public in SQLAlchemy
