"""Profiles in the order of their ids, and by which of their identifiers they are locked."""

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import packed
from rapport_profile.domain.naming import Id
from rapport_profile.store.people import Scoped, scoped

_FIRST = text(
    "SELECT v.workspace, CAST(i.id AS text) AS id FROM "
    f"unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) AS v(workspace, profile_id) "
    "CROSS JOIN LATERAL (SELECT id FROM profile.identifier WHERE workspace = v.workspace "
    "AND profile_id = v.profile_id LIMIT 1) AS i"
)
_PAGE = text(
    "SELECT CAST(id AS text) AS id FROM profile.profile WHERE workspace = :workspace "
    "AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) "
    "AND id <= CAST(:until AS uuid) ORDER BY id LIMIT :limit"
)
_CONCERNED = text(
    "SELECT DISTINCT CAST(i.profile_id AS text) AS id FROM profile.identifier i "
    "JOIN profile.computed_state s ON s.workspace = i.workspace AND s.owner_id = i.id "
    "AND s.trait = ANY(CAST(:traits AS bigint[])) "
    "WHERE i.workspace = :workspace AND i.profile_id = ANY(CAST(:ids AS uuid[]))"
)


async def first_members(tx: AsyncConnection, profiles: Collection[Scoped]) -> set[Scoped]:
    """An identifier of each profile that has some: all of one are under the same lock."""
    rows = await tx.execute(_FIRST, scoped(sorted(profiles)))
    return {(row.workspace, row.id) for row in rows}


async def page(
    tx: AsyncConnection, workspace: str, after: Id | None, until: Id, limit: int
) -> list[Id]:
    """The next profiles behind `after`, up to `until`."""
    asked = {"workspace": workspace, "after": after, "until": until, "limit": limit}
    return list((await tx.execute(_PAGE, asked)).scalars())


async def concerned(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], traits: Collection[int]
) -> list[Id]:
    """Those of the profiles of whose identifiers some have states of these traits."""
    asked = {"workspace": workspace, "ids": list(ids), "traits": sorted(traits)}
    return sorted((await tx.execute(_CONCERNED, asked)).scalars())
