"""Offers and the guards of workspaces, in versions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.offers import Offer
from rapport_campaign.domain.price_guards import PriceGuards

T = TypeVar("T")
OfferKey = tuple[str, str]
"""(workspace, name)."""

_guards = msgspec.json.Decoder(PriceGuards)
_offer = msgspec.json.Decoder(Offer)
_HEAD = "workspace, name, version, changed_at, archived_at"
_OF = "workspace = :workspace AND name = :name"


@dataclass(frozen=True, slots=True)
class Head:
    """An offer without what it says: at which version it is."""

    workspace: str
    name: str
    version: int
    changed_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Version(Generic[T]):
    """One version of a document, by whom and why."""

    version: int
    document: T
    actor: str
    reason: str
    created_at: datetime


async def guards_history(
    tx: AsyncConnection, workspace: str, limit: int, before: int | None = None
) -> list[Version[PriceGuards]]:
    """The versions of a workspace's guards, the newest first: those before one, if given."""
    rows = await tx.execute(
        text(
            "SELECT version, CAST(guards AS text) AS document, actor, reason, created_at "
            "FROM campaign.price_guards WHERE workspace = :workspace "
            "AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "before": before, "limit": limit},
    )
    return [_version(row, _guards) for row in rows]


async def add_guards(
    tx: AsyncConnection, workspace: str, version: int, guards: PriceGuards, by: tuple[str, str]
) -> bool:
    """A new version by (who, why); False when somebody has added one of this number meanwhile."""
    added = await tx.execute(
        text(
            "INSERT INTO campaign.price_guards (workspace, version, guards, actor, reason) "
            "VALUES (:workspace, :version, CAST(:guards AS json), :actor, :reason) "
            "ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": workspace,
            "version": version,
            "guards": msgspec.json.encode(guards).decode(),
            "actor": by[0],
            "reason": by[1],
        },
    )
    return added.rowcount == 1


async def guards_of(
    tx: AsyncConnection, workspaces: Iterable[str]
) -> dict[str, Version[PriceGuards]]:
    """The guards that hold in each workspace that has declared any."""
    rows = await tx.execute(
        text(
            "SELECT DISTINCT ON (workspace) workspace, version, CAST(guards AS text) AS document, "
            "actor, reason, created_at FROM campaign.price_guards "
            "WHERE workspace = ANY(CAST(:workspaces AS text[])) ORDER BY workspace, version DESC"
        ),
        {"workspaces": sorted(set(workspaces))},
    )
    return {row.workspace: _version(row, _guards) for row in rows}


async def heads(tx: AsyncConnection, keys: Iterable[OfferKey]) -> dict[OfferKey, Head]:
    """Those of these offers that there are, archived ones among them."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await tx.execute(
        text(
            f"SELECT {_HEAD} FROM campaign.offer WHERE (workspace, name) IN (SELECT * FROM "
            "unnest(CAST(:workspaces AS text[]), CAST(:names AS text[])))"
        ),
        {"workspaces": [one[0] for one in wanted], "names": [one[1] for one in wanted]},
    )
    return {(row.workspace, row.name): Head(*row) for row in rows}


async def find(
    tx: AsyncConnection, workspace: str, name: str, *, lock: bool = False
) -> Head | None:
    """One offer; with `lock` it stays as it is until the commit."""
    rows = await tx.execute(
        text(
            f"SELECT {_HEAD} FROM campaign.offer WHERE {_OF}{' FOR NO KEY UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "name": name},
    )
    row = rows.first()
    return None if row is None else Head(*row)


async def listed(
    tx: AsyncConnection, workspace: str, *, archived: bool, after: str | None, limit: int
) -> list[Head]:
    """The offers of a workspace by their names, those behind `after`."""
    rows = await tx.execute(
        text(
            f"SELECT {_HEAD} FROM campaign.offer WHERE workspace = :workspace "
            "AND (archived_at IS NOT NULL) = :archived "
            "AND (CAST(:after AS text) IS NULL OR name > :after) ORDER BY name LIMIT :limit"
        ),
        {"workspace": workspace, "archived": archived, "after": after, "limit": limit},
    )
    return [Head(*row) for row in rows]


async def create(tx: AsyncConnection, head: Head) -> bool:
    """A new offer; False when somebody has made one of this name meanwhile."""
    made = await tx.execute(
        text(
            "INSERT INTO campaign.offer (workspace, name, version, changed_at) "
            "VALUES (:workspace, :name, :version, :at) ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": head.workspace,
            "name": head.name,
            "version": head.version,
            "at": head.changed_at,
        },
    )
    return made.rowcount == 1


async def save(tx: AsyncConnection, head: Head) -> None:
    """Write an offer (locked by `find`) as it is now."""
    await tx.execute(
        text(
            "UPDATE campaign.offer SET version = :version, changed_at = :at, "
            f"archived_at = :archived WHERE {_OF}"
        ),
        {
            "workspace": head.workspace,
            "name": head.name,
            "version": head.version,
            "at": head.changed_at,
            "archived": head.archived_at,
        },
    )


async def add_version(tx: AsyncConnection, head: Head, offer: Offer, by: tuple[str, str]) -> None:
    """What an offer says at the version it is at, by (who, why)."""
    await tx.execute(
        text(
            "INSERT INTO campaign.offer_version (workspace, name, version, document, actor, "
            "reason, created_at) VALUES (:workspace, :name, :version, CAST(:document AS json), "
            ":actor, :reason, :at)"
        ),
        {
            "workspace": head.workspace,
            "name": head.name,
            "version": head.version,
            "document": msgspec.json.encode(offer).decode(),
            "actor": by[0],
            "reason": by[1],
            "at": head.changed_at,
        },
    )


async def version(
    tx: AsyncConnection, workspace: str, name: str, number: int
) -> Version[Offer] | None:
    """What an offer says, or said."""
    rows = await tx.execute(
        text(
            "SELECT version, CAST(document AS text) AS document, actor, reason, created_at "
            f"FROM campaign.offer_version WHERE {_OF} AND version = :version"
        ),
        {"workspace": workspace, "name": name, "version": number},
    )
    row = rows.first()
    return None if row is None else _version(row, _offer)


async def history(
    tx: AsyncConnection, workspace: str, name: str, *, before: int | None, limit: int
) -> list[Row[Any]]:
    """The versions of an offer without what they say, the newest first."""
    rows = await tx.execute(
        text(
            "SELECT version, actor, reason, created_at FROM campaign.offer_version "
            f"WHERE {_OF} AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "name": name, "before": before, "limit": limit},
    )
    return list(rows)


def _version(row: Row[Any], decoder: msgspec.json.Decoder[T]) -> Version[T]:
    document = decoder.decode(row.document)
    return Version(row.version, document, row.actor, row.reason, row.created_at)
