"""The suppression list: putting addresses on it, taking them off, looking who is on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.suppressions import Entry, Place
from rapport_common.db import pack_texts, packed_texts
from rapport_common.files.parts import PartStore

FILES = PartStore("campaign.suppression_part", "campaign.suppression_refusal")
"""Files that are put on the list."""

# An entry about all stays so, whatever is added; one that was ended begins anew.
_PUT = text(
    "INSERT INTO campaign.suppressed_address AS s "
    "(workspace, address, channel, purpose, reason, actor, at) "
    "SELECT :workspace, address, channel, purpose, reason, :actor, :at "
    "FROM unnest(CAST(:addresses AS text[]), CAST(:channels AS text[]), "
    "CAST(:purposes AS text[]), CAST(:reasons AS text[])) "
    "AS v(address, channel, purpose, reason) ORDER BY address, channel "
    "ON CONFLICT (workspace, address, channel) DO UPDATE SET purpose = excluded.purpose, "
    "reason = excluded.reason, actor = excluded.actor, at = excluded.at, ended_at = NULL, "
    "ended_by = NULL, ended_because = NULL WHERE s.ended_at IS NOT NULL "
    "OR (s.purpose = 'promotion' AND excluded.purpose = 'all') RETURNING s.address"
)
_TAKE = text(
    "UPDATE campaign.suppressed_address s SET ended_at = :at, ended_by = :actor, "
    "ended_because = :reason FROM unnest(CAST(:addresses AS text[]), CAST(:channels AS text[])) "
    "AS v(address, channel) WHERE s.workspace = :workspace AND s.address = v.address "
    "AND s.channel = v.channel AND s.ended_at IS NULL RETURNING s.address"
)
_COLUMNS = "address, channel, purpose, reason, actor, at, ended_at, ended_by, ended_because"
_PAGE = text(
    f"SELECT {_COLUMNS} FROM campaign.suppressed_address WHERE workspace = :workspace "
    "AND (ended_at IS NOT NULL) = :ended AND (address, channel) > (:address, :channel) "
    "AND (CAST(:only AS text) IS NULL OR address = :only) "
    "ORDER BY address, channel LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as it is kept, also when it was taken off: when, by whom and why."""

    entry: Entry
    ended_at: datetime | None
    ended_by: str | None
    ended_because: str | None


async def put(tx: AsyncConnection, workspace: str, entries: Sequence[Entry]) -> int:
    """Put places on the list, all by one actor at one time; how many were not on it so before."""
    strongest: dict[tuple[str, str], Entry] = {}
    for one in entries:
        known = strongest.get(key := (one.place.address, one.place.channel))
        if known is None or known.place.purpose == "promotion":
            strongest[key] = one
    ordered = list(strongest.values())
    if not ordered:
        return 0
    rows = await tx.execute(
        _PUT,
        {
            "workspace": workspace,
            "addresses": [one.place.address for one in ordered],
            "channels": [one.place.channel for one in ordered],
            "purposes": [one.place.purpose for one in ordered],
            "reasons": [one.reason for one in ordered],
            "actor": ordered[0].actor,
            "at": ordered[0].at,
        },
    )
    return len(rows.fetchall())


async def take(
    tx: AsyncConnection,
    workspace: str,
    places: Iterable[Place],
    by: tuple[str, str],
    at: datetime,
) -> int:
    """Take places off the list by (who, why), whatever they are there for; how many were on it."""
    listed = sorted({(one.address, one.channel) for one in places})
    rows = await tx.execute(
        _TAKE,
        {
            "workspace": workspace,
            "addresses": [one[0] for one in listed],
            "channels": [one[1] for one in listed],
            "actor": by[0],
            "reason": by[1],
            "at": at,
        },
    )
    return len(rows.fetchall())


async def page(
    tx: AsyncConnection,
    workspace: str,
    after: tuple[str, str],
    limit: int,
    *,
    ended: bool = False,
    address: str | None = None,
) -> list[Kept]:
    """What is on the list behind (address, channel), by these; or what was taken off it."""
    rows = await tx.execute(
        _PAGE,
        {
            "workspace": workspace,
            "address": after[0],
            "channel": after[1],
            "only": address,
            "ended": ended,
            "limit": limit,
        },
    )
    return [Kept(_entry(row), row.ended_at, row.ended_by, row.ended_because) for row in rows]


async def at(tx: AsyncConnection, addresses: Iterable[tuple[str, str]]) -> dict[str, list[Entry]]:
    """Per workspace: what stands on the list for these (workspace, address), by any channel."""
    wanted = sorted(set(addresses))
    found: dict[str, list[Entry]] = {}
    if not wanted:
        return found
    rows = await tx.execute(
        text(
            f"SELECT workspace, {_COLUMNS} FROM campaign.suppressed_address "
            "WHERE ended_at IS NULL AND (workspace, address) IN "
            f"(SELECT * FROM unnest({packed_texts('workspaces')}, {packed_texts('addresses')}))"
        ),
        {
            "workspaces": pack_texts([one[0] for one in wanted]),
            "addresses": pack_texts([one[1] for one in wanted]),
        },
    )
    for row in rows:
        found.setdefault(row.workspace, []).append(_entry(row))
    return found


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    place = Place(row.channel, row.address, row.purpose)
    return Entry(place, row.reason, row.actor, row.at)
