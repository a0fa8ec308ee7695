"""Pools of coupons: what is in them, and who got which code."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.coupons import Pool, Row, Stock
from rapport_campaign.domain.model import MessageKey

_COLUMNS = "workspace, name, low_below, created_at, low_at, archived_at"
_OF = "workspace = :workspace AND pool = :pool"
_FREE = f"{_OF} AND send_key IS NULL AND expires_at > now()"


@dataclass(frozen=True, slots=True)
class Given:
    """A code that a message got."""

    pool: str
    code: str


async def create(tx: AsyncConnection, pool: Pool) -> bool:
    """Write a new pool; False when its name is taken."""
    found = await tx.execute(
        text(
            "INSERT INTO campaign.coupon_pool (workspace, name, low_below, created_at, low_at) "
            "VALUES (:workspace, :name, :low_below, :created_at, :created_at) "
            "ON CONFLICT DO NOTHING RETURNING name"
        ),
        {
            "workspace": pool.workspace,
            "name": pool.name,
            "low_below": pool.low_below,
            "created_at": pool.created_at,
        },
    )
    return found.first() is not None


async def find(
    tx: AsyncConnection, workspace: str, name: str, *, lock: bool = False
) -> Pool | None:
    """One pool; with `lock` nobody else gives or adds codes of it before the commit."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.coupon_pool WHERE workspace = :workspace "
            f"AND name = :name{' FOR NO KEY UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "name": name},
    )
    row = rows.first()
    return Pool(*row) if row else None


async def listed(
    tx: AsyncConnection, workspace: str, *, after: str | None, limit: int
) -> list[Pool]:
    """The living pools of a workspace by their names, those behind `after`."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.coupon_pool WHERE workspace = :workspace "
            "AND archived_at IS NULL AND (CAST(:after AS text) IS NULL OR name > :after) "
            "ORDER BY name LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [Pool(*row) for row in rows]


async def save(tx: AsyncConnection, pool: Pool) -> None:
    """Write a pool (locked by `find`) as it is now."""
    await tx.execute(
        text(
            "UPDATE campaign.coupon_pool SET low_below = :low_below, low_at = :low_at, "
            "archived_at = :archived_at WHERE workspace = :workspace AND name = :name"
        ),
        {
            "workspace": pool.workspace,
            "name": pool.name,
            "low_below": pool.low_below,
            "low_at": pool.low_at,
            "archived_at": pool.archived_at,
        },
    )


async def stock(tx: AsyncConnection, workspace: str, pool: str) -> Stock:
    """How many codes of a pool are free, given, and past their time without being given."""
    rows = await tx.execute(
        text(
            "SELECT count(*) FILTER (WHERE send_key IS NULL AND expires_at > now()), "
            "count(send_key), count(*) FILTER (WHERE send_key IS NULL "
            f"AND expires_at <= now()) FROM campaign.coupon WHERE {_OF}"
        ),
        {"workspace": workspace, "pool": pool},
    )
    return Stock(*rows.one())


async def left(tx: AsyncConnection, workspace: str, pool: str, most: int) -> int:
    """How many codes are free, counted up to `most`."""
    found = await tx.scalar(
        text(
            # The order is that of the index of what is free: no other is gone through.
            f"SELECT count(*) FROM (SELECT FROM campaign.coupon WHERE {_FREE} "
            "ORDER BY expires_at, code LIMIT :most) AS free"
        ),
        {"workspace": workspace, "pool": pool, "most": most},
    )
    return int(found or 0)


async def given(
    tx: AsyncConnection, workspace: str, send_keys: Collection[str]
) -> dict[str, Given]:
    """The codes that these messages have got, by their send keys."""
    rows = await tx.execute(
        text(
            "SELECT send_key, pool, code FROM campaign.coupon WHERE workspace = :workspace "
            "AND send_key = ANY(CAST(:keys AS text[]))"
        ),
        {"workspace": workspace, "keys": sorted(send_keys)},
    )
    return {row.send_key: Given(row.pool, row.code) for row in rows}


async def give(
    tx: AsyncConnection, workspace: str, pool: str, send_keys: Sequence[str]
) -> dict[str, str]:
    """A free code for each message as far as there are any, those that end first before others.

    The pool is locked by `find`. Codes by send key.
    """
    asked = {"workspace": workspace, "pool": pool}
    free = await tx.execute(
        text(
            f"SELECT code FROM campaign.coupon WHERE {_FREE} "
            "ORDER BY expires_at, code LIMIT :number"
        ),
        {**asked, "number": len(send_keys)},
    )
    codes = dict(zip(send_keys, free.scalars(), strict=False))
    await tx.execute(
        text(
            "UPDATE campaign.coupon AS c SET send_key = v.send_key, given_at = now() "
            "FROM unnest(CAST(:keys AS text[]), CAST(:codes AS text[])) AS v(send_key, code) "
            # The codes themselves, too: else the whole pool is joined where little is known of it.
            "WHERE c.workspace = :workspace AND c.pool = :pool "
            "AND c.code = ANY(CAST(:codes AS text[])) AND c.code = v.code"
        ),
        {**asked, "keys": list(codes), "codes": list(codes.values())},
    )
    return codes


async def on_shelf(
    tx: AsyncConnection,
    workspace: str,
    pool: str,
    *,
    at: datetime,
    behind: tuple[str, str],
    back: Sequence[str],
    limit: int,
) -> list[tuple[str, str]]:
    """The codes that `give` would give next at an instant, when it has given those up to `behind`
    (their end, and the code) but for some that came `back`; each with its end.
    """
    rows = await tx.execute(
        text(
            f"SELECT code, CAST(expires_at AS text) AS ends FROM campaign.coupon WHERE {_OF} "
            "AND send_key IS NULL AND expires_at > :at "
            "AND ((expires_at, code) > (CAST(CAST(:ends AS text) AS timestamptz), :code) "
            "OR code = ANY(CAST(:back AS text[]))) ORDER BY expires_at, code LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "pool": pool,
            "at": at,
            "ends": behind[0],
            "code": behind[1],
            "back": list(back),
            "limit": limit,
        },
    )
    return [(row.code, row.ends) for row in rows]


async def take_back(tx: AsyncConnection, keys: Sequence[MessageKey]) -> int:
    """Let codes be free again whose messages were surely not sent; how many."""
    if not keys:
        return 0
    found = await tx.execute(
        text(
            "UPDATE campaign.coupon AS c SET send_key = NULL, given_at = NULL FROM (SELECT * FROM "
            "unnest(CAST(:workspaces AS text[]), CAST(:keys AS text[])) ORDER BY 1, 2) "
            "AS v(workspace, send_key) WHERE c.workspace = v.workspace "
            "AND c.send_key = v.send_key"
        ),
        {"workspaces": [one[0] for one in keys], "keys": [one[1] for one in keys]},
    )
    return int(found.rowcount)


async def note_low(tx: AsyncConnection, workspace: str, pool: str, at: datetime | None) -> None:
    """Since when there are few left; None: there are enough."""
    await tx.execute(
        text(
            "UPDATE campaign.coupon_pool SET low_at = CASE WHEN CAST(:at AS timestamptz) IS NULL "
            "THEN NULL ELSE coalesce(low_at, :at) END "
            "WHERE workspace = :workspace AND name = :pool"
        ),
        {"workspace": workspace, "pool": pool, "at": at},
    )


async def low(tx: AsyncConnection) -> int:
    """How many pools of all workspaces have few codes left."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM campaign.coupon_pool WHERE low_at IS NOT NULL "
            "AND archived_at IS NULL"
        )
    )
    return int(found or 0)


async def add(tx: AsyncConnection, workspace: str, pool: str, job: str, rows: Sequence[Row]) -> int:
    """Put codes into a pool that are not in it; how many that were."""
    if not rows:
        return 0
    found = await tx.execute(
        text(
            "INSERT INTO campaign.coupon (workspace, pool, code, expires_at, job_id) "
            "SELECT :workspace, :pool, code, coalesce(expires_at, 'infinity'), :job FROM unnest("
            "CAST(:codes AS text[]), CAST(:expiries AS timestamptz[])) AS v(code, expires_at) "
            "ORDER BY code ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": workspace,
            "pool": pool,
            "job": job,
            "codes": [one.code for one in rows],
            "expiries": [one.expires_at for one in rows],
        },
    )
    return int(found.rowcount)


async def keep_file(
    tx: AsyncConnection, workspace: str, job: str, parts: Mapping[int, str]
) -> None:
    """Keep a file of codes in parts until its job has read it."""
    await tx.execute(
        text(
            "INSERT INTO campaign.coupon_file (workspace, job_id, part, content) SELECT "
            ":workspace, :job, part, content FROM unnest(CAST(:numbers AS bigint[]), "
            "CAST(:contents AS text[])) AS v(part, content)"
        ),
        {
            "workspace": workspace,
            "job": job,
            "numbers": list(parts),
            "contents": list(parts.values()),
        },
    )


async def part(tx: AsyncConnection, workspace: str, job: str, number: int) -> str | None:
    """A part of a file; None behind its last."""
    found = await tx.scalar(
        text(
            "SELECT content FROM campaign.coupon_file WHERE workspace = :workspace "
            "AND job_id = :job AND part = :part"
        ),
        {"workspace": workspace, "job": job, "part": number},
    )
    return None if found is None else str(found)


async def forget_file(tx: AsyncConnection, workspace: str, job: str) -> None:
    """Let a file go that was read."""
    await tx.execute(
        text("DELETE FROM campaign.coupon_file WHERE workspace = :workspace AND job_id = :job"),
        {"workspace": workspace, "job": job},
    )
