"""Which profiles come next in an export."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_profile.domain.naming import Id

_BEHIND = text(
    "SELECT CAST(id AS text) FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM ("
    "SELECT id, coalesce(pg_column_size(summary), 0) AS size FROM profile.profile "
    "WHERE workspace = :workspace AND id > CAST(:after AS uuid) AND id <= CAST(:until AS uuid) "
    "AND merged_into IS NULL ORDER BY id LIMIT :limit) AS first) AS page "
    "WHERE before < :bytes ORDER BY id"
)
_HEIRS = text(
    # A profile that was merged leads on to the one it became.
    "WITH RECURSIVE chain AS (SELECT v.id AS asked, p.id, p.merged_into, 0 AS hop FROM unnest("
    f"{packed('ids', 'uuid')}) AS v(id) JOIN profile.profile p ON p.workspace = :workspace "
    "AND p.id = v.id UNION ALL SELECT chain.asked, p.id, p.merged_into, chain.hop + 1 FROM chain "
    "JOIN profile.profile p ON p.workspace = :workspace AND p.id = chain.merged_into "
    "WHERE chain.hop < 100) SELECT CAST(asked AS text) AS asked, CAST(id AS text) AS id "
    "FROM chain WHERE merged_into IS NULL"
)


async def behind(
    tx: AsyncConnection, workspace: str, after: Id, until: Id, *, limit: int, most_bytes: int
) -> list[Id]:
    """The first profiles behind `after` and up to `until`: so many, or of so many bytes."""
    asked: dict[str, Any] = {"workspace": workspace, "after": after, "until": until}
    rows = await tx.execute(_BEHIND, {**asked, "limit": limit, "bytes": most_bytes})
    return list(rows.scalars())


async def heirs(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> dict[Id, Id]:
    """Who these are now, after merges; without those that there never were."""
    rows = await tx.execute(_HEIRS, {"workspace": workspace, "ids": pack(ids)})
    return {row.asked: row.id for row in rows}
