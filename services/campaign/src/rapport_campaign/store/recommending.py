"""Slots of templates, what there is to choose from, and what was recommended in which message."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import MessageKey
from rapport_campaign.domain.recommending import Partner, Pick, Ranked, Slot
from rapport_campaign.store.products import BARE, bare
from rapport_common.db import pack_texts, packed_texts

_slot = msgspec.json.Decoder(Slot)
_OF = "workspace = :workspace AND slot = :slot"
_BEST = text(
    f"SELECT {BARE}, '' AS shelf, r.buyers, r.place AS nth "
    "FROM campaign.product_rank r JOIN campaign.product p USING (workspace, sku) "
    "WHERE r.workspace = :workspace AND r.days = :days AND r.place <= :most UNION ALL "
    f"SELECT {BARE}, r.category, r.buyers, r.place_in_category "
    "FROM campaign.product_rank r JOIN campaign.product p USING (workspace, sku) "
    "WHERE r.workspace = :workspace AND r.days = :days AND p.category = r.category "
    f"AND r.category = ANY({packed_texts('categories')}) AND r.place_in_category <= :most "
    "ORDER BY shelf, nth"
)
_KEEP = text(
    "INSERT INTO campaign.recommended AS r (workspace, send_key, slot, profile_id, skus, reasons, "
    "at) SELECT workspace, send_key, slot, profile_id, string_to_array(skus, E'\\x1f'), "
    "string_to_array(reasons, E'\\x1f'), CAST(:now AS timestamptz) FROM unnest("
    f"{packed_texts('workspaces')}, CAST(:keys AS text[]), {packed_texts('slots')}, "
    "CAST(:profiles AS text[]), CAST(:skus AS text[]), CAST(:reasons AS text[])) "
    "AS v(workspace, send_key, slot, profile_id, skus, reasons) ORDER BY 1, 2, 3 "
    "ON CONFLICT (workspace, send_key, slot) DO UPDATE SET profile_id = excluded.profile_id, "
    "skus = excluded.skus, reasons = excluded.reasons, at = excluded.at"
)
_BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True)
class Kept:
    """A slot as it stands, since when and by whom."""

    slot: Slot
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True)
class Given:
    """What was recommended in a message."""

    key: MessageKey
    slot: str
    profile_id: str
    picks: Sequence[Pick]


async def save(tx: AsyncConnection, workspace: str, slot: Slot, by: str, now: datetime) -> None:
    """Let a slot be so; one that was archived is there again."""
    await tx.execute(
        text(
            "INSERT INTO campaign.recommendation_slot (workspace, slot, rules, updated_at, "
            "updated_by) VALUES (:workspace, :slot, CAST(:rules AS json), :now, :by) "
            "ON CONFLICT (workspace, slot) DO UPDATE SET rules = excluded.rules, "
            "updated_at = excluded.updated_at, updated_by = excluded.updated_by, "
            "archived_at = NULL"
        ),
        {
            "workspace": workspace,
            "slot": slot.name,
            "rules": msgspec.json.encode(slot).decode(),
            "now": now,
            "by": by,
        },
    )


async def archive(tx: AsyncConnection, workspace: str, slot: str, now: datetime) -> bool:
    """Let a slot have nothing from now on; False if there is none."""
    done = await tx.execute(
        text(
            f"UPDATE campaign.recommendation_slot SET archived_at = :now WHERE {_OF} "
            "AND archived_at IS NULL"
        ),
        {"workspace": workspace, "slot": slot, "now": now},
    )
    return done.rowcount > 0


async def count(tx: AsyncConnection, workspace: str) -> int:
    """How many slots there are."""
    found = await tx.execute(
        text(
            "SELECT count(*) FROM campaign.recommendation_slot WHERE workspace = :workspace "
            "AND archived_at IS NULL"
        ),
        {"workspace": workspace},
    )
    return int(found.scalar_one())


async def listed(
    tx: AsyncConnection, workspace: str, *, after: str | None, limit: int
) -> list[Kept]:
    """The slots there are, by their names."""
    rows = await tx.execute(
        text(
            "SELECT CAST(rules AS text) AS rules, updated_at, updated_by "
            "FROM campaign.recommendation_slot WHERE workspace = :workspace "
            "AND archived_at IS NULL AND (CAST(:after AS text) IS NULL OR slot > :after) "
            "ORDER BY slot LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [Kept(_slot.decode(row.rules), row.updated_at, row.updated_by) for row in rows]


async def find(tx: AsyncConnection, workspace: str, slot: str) -> Kept | None:
    """One slot."""
    rows = await tx.execute(
        text(
            "SELECT CAST(rules AS text) AS rules, updated_at, updated_by "
            f"FROM campaign.recommendation_slot WHERE {_OF} AND archived_at IS NULL"
        ),
        {"workspace": workspace, "slot": slot},
    )
    row = rows.first()
    return None if row is None else Kept(_slot.decode(row.rules), row.updated_at, row.updated_by)


async def slots(
    tx: AsyncConnection, wanted: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Slot]:
    """Those of these slots (workspace, name) that there are."""
    asked = sorted(set(wanted))
    rows = await tx.execute(
        text(
            "SELECT workspace, slot, CAST(rules AS text) AS rules "
            "FROM campaign.recommendation_slot WHERE archived_at IS NULL "
            "AND (workspace, slot) IN (SELECT * FROM unnest("
            f"{packed_texts('workspaces')}, {packed_texts('slots')}))"
        ),
        {
            "workspaces": pack_texts([one[0] for one in asked]),
            "slots": pack_texts([one[1] for one in asked]),
        },
    )
    return {(row.workspace, row.slot): _slot.decode(row.rules) for row in rows}


async def partners(
    tx: AsyncConnection, workspace: str, skus: Collection[str], most: int
) -> dict[str, list[Partner]]:
    """What is bought with these, the `most` best of each first."""
    found: dict[str, list[Partner]] = {}
    if skus:
        rows = await tx.execute(
            text(
                "SELECT sku, other, buyers FROM campaign.product_pair "
                f"WHERE workspace = :workspace AND sku = ANY({packed_texts('skus')}) "
                "AND place <= :most ORDER BY sku, place"
            ),
            {"workspace": workspace, "skus": pack_texts(sorted(skus)), "most": most},
        )
        for sku, other, buyers in rows:
            found.setdefault(sku, []).append(Partner(other, buyers))
    return found


async def best(
    tx: AsyncConnection, workspace: str, days: int, categories: Collection[str], most: int
) -> dict[str, list[Ranked]]:
    """What is bought most, of all ("") and of these categories: the `most` first of each."""
    found: dict[str, list[Ranked]] = {}
    given = {
        "workspace": workspace,
        "days": days,
        "categories": pack_texts(sorted(categories)),
        "most": most,
    }
    for row in await tx.execute(_BEST, given):
        *_, shelf, buyers, _nth = row
        found.setdefault(shelf, []).append(Ranked(bare(row), buyers))
    return found


async def keep(tx: AsyncConnection, given: Sequence[Given], now: datetime) -> None:
    """Keep what is recommended in messages; of one that is tried again what it says then."""
    if not given:
        return
    await tx.execute(
        _KEEP,
        {
            "workspaces": pack_texts([one.key[0] for one in given]),
            "keys": [one.key[1] for one in given],
            "slots": pack_texts([one.slot for one in given]),
            "profiles": [one.profile_id for one in given],
            "skus": [_BETWEEN.join(each.product.sku for each in one.picks) for one in given],
            "reasons": [_BETWEEN.join(each.reason for each in one.picks) for one in given],
            "now": now,
        },
    )


async def in_message(
    tx: AsyncConnection, workspace: str, send_key: str
) -> Mapping[str, list[tuple[str, str]]]:
    """What was recommended in a message: sku and reason, by slot."""
    rows = await tx.execute(
        text(
            "SELECT slot, skus, reasons FROM campaign.recommended "
            "WHERE workspace = :workspace AND send_key = :send_key ORDER BY slot"
        ),
        {"workspace": workspace, "send_key": send_key},
    )
    return {row.slot: list(zip(row.skus, row.reasons, strict=True)) for row in rows}
