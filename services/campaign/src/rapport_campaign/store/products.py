"""The catalogue of products."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.products import FIELDS, Product, Told, Value
from rapport_common.db import pack_texts, packed_texts

Place = tuple[str, str]
"""(workspace, sku)"""

_TIMES = [f"{one}_at" for one in FIELDS]
_MARKS = ("in_stock", "blocked", "created_at", "archived_at")
_COLUMNS = ", ".join(["workspace", "sku", *FIELDS, *_TIMES, *_MARKS])
BARE = (
    ", ".join(
        f"p.{one}" for one in ("workspace", "sku", *FIELDS, "in_stock", "blocked", "created_at")
    )
    + ", p.archived_at"
)
"""The columns of `bare`."""
_SHOWN = text(
    f"SELECT {BARE} FROM campaign.product p WHERE p.workspace = :workspace "
    f"AND p.sku = ANY({packed_texts('skus')})"
)
_READ = text(
    f"SELECT {_COLUMNS} FROM campaign.product WHERE (workspace, sku) IN (SELECT * FROM unnest("
    f"{packed_texts('workspaces')}, {packed_texts('skus')}))"
)


def _newest(name: str) -> str:
    """SQL: a field is what was told last; of two at one instant the greater counts."""
    is_newer = (
        f"excluded.{name}_at IS NOT NULL AND (p.{name}_at IS NULL OR (excluded.{name}_at, "
        f"coalesce(excluded.{name}, '') COLLATE \"C\") > (p.{name}_at, coalesce(p.{name}, '') "
        'COLLATE "C"))'
    )
    return (
        f"{name} = CASE WHEN {is_newer} THEN excluded.{name} ELSE p.{name} END, "
        f"{name}_at = greatest(p.{name}_at, excluded.{name}_at)"
    )


_PAIRS = [column for name in FIELDS for column in (name, f"{name}_at")]
_TELL = text(
    f"INSERT INTO campaign.product AS p (workspace, sku, {', '.join(_PAIRS)}, created_at) "
    "SELECT v.*, CAST(:now AS timestamptz) FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:skus AS text[]), "
    + ", ".join(f"CAST(:{name} AS text[]), CAST(:{name}_at AS timestamptz[])" for name in FIELDS)
    + ") AS v ORDER BY 1, 2 ON CONFLICT (workspace, sku) DO UPDATE SET "
    + ", ".join(map(_newest, FIELDS))
)


async def shown(tx: AsyncConnection, workspace: str, skus: Iterable[str]) -> dict[str, Product]:
    """Those of these products that there are, by sku, without when what was told of them."""
    wanted = sorted(set(skus))
    if not wanted:
        return {}
    rows = await tx.execute(_SHOWN, {"workspace": workspace, "skus": pack_texts(wanted)})
    return {row[1]: bare(row) for row in rows}


async def read(tx: AsyncConnection, places: Iterable[Place]) -> dict[Place, Product]:
    """Those of these products that there are, archived ones too."""
    wanted = sorted(set(places))
    if not wanted:
        return {}
    rows = await tx.execute(
        _READ,
        {
            "workspaces": pack_texts([one[0] for one in wanted]),
            "skus": pack_texts([one[1] for one in wanted]),
        },
    )
    return {(row.workspace, row.sku): product(row) for row in rows}


async def tell(tx: AsyncConnection, some: Iterable[Told], now: datetime) -> None:
    """Note what was told of products, each once; what is older than what is known changes nothing.

    They are locked in one order, so that two who tell of the same do not wait for each other.
    """
    told = sorted(some, key=lambda one: (one.workspace, one.sku))
    if not told:
        return
    nothing: tuple[None, None] = (None, None)
    given: dict[str, Any] = {
        "workspaces": [one.workspace for one in told],
        "skus": [one.sku for one in told],
        "now": now,
    }
    for name in FIELDS:
        values: list[Value | tuple[None, None]] = [one.fields.get(name, nothing) for one in told]
        given[name] = [one[0] for one in values]
        given[f"{name}_at"] = [one[1] for one in values]
    await tx.execute(_TELL, given)


async def mark(
    tx: AsyncConnection,
    workspace: str,
    skus: Mapping[str, tuple[bool | None, bool | None]],
    *,
    again: bool,
) -> None:
    """Let products be in stock or not, blocked or not (None: as it is).

    With `again` they are sold again, if they were archived.
    """
    names = sorted(skus)
    await tx.execute(
        text(
            "UPDATE campaign.product p SET in_stock = coalesce(v.in_stock, p.in_stock), "
            "blocked = coalesce(v.blocked, p.blocked), "
            "archived_at = CASE WHEN :again THEN NULL ELSE p.archived_at END "
            "FROM unnest(CAST(:skus AS text[]), CAST(:stock AS bool[]), CAST(:blocked AS bool[])) "
            "AS v(sku, in_stock, blocked) WHERE p.workspace = :workspace AND p.sku = v.sku"
        ),
        {
            "workspace": workspace,
            "skus": names,
            "again": again,
            "stock": [skus[one][0] for one in names],
            "blocked": [skus[one][1] for one in names],
        },
    )


async def archive(tx: AsyncConnection, workspace: str, sku: str, now: datetime) -> bool:
    """Let a product be sold no more; False if there is none (any more)."""
    done = await tx.execute(
        text(
            "UPDATE campaign.product SET archived_at = :now WHERE workspace = :workspace "
            "AND sku = :sku AND archived_at IS NULL"
        ),
        {"workspace": workspace, "sku": sku, "now": now},
    )
    return done.rowcount > 0


async def listed(
    tx: AsyncConnection,
    workspace: str,
    *,
    category: str | None,
    archived: bool,
    after: str | None,
    limit: int,
) -> Sequence[Product]:
    """Products by their skus, those behind `after`."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.product WHERE workspace = :workspace "
            "AND (archived_at IS NOT NULL) = :archived "
            "AND (CAST(:category AS text) IS NULL OR category = :category) "
            "AND (CAST(:after AS text) IS NULL OR sku > :after) ORDER BY sku LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "archived": archived,
            "category": category,
            "after": after,
            "limit": limit,
        },
    )
    return [product(row) for row in rows]


def bare(row: Sequence[Any]) -> Product:
    """What begins with the columns `BARE`, in their order."""
    return Product(*row[:11])


def product(row: Row[Any]) -> Product:
    """A row of the table, or one that has its columns."""
    told = {name: at for name in FIELDS if (at := getattr(row, f"{name}_at")) is not None}
    return Product(
        workspace=row.workspace,
        sku=row.sku,
        **{name: getattr(row, name) for name in FIELDS},
        in_stock=row.in_stock,
        blocked=row.blocked,
        created_at=row.created_at,
        archived_at=row.archived_at,
        told=told,
    )
