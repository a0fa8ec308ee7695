"""Whose data are only to be kept: what the law wants held, no rule lets go (SQL).

A restriction of processing has the identifiers that a person had then. It holds of whoever they are
now, with all identifiers.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_profile.domain.naming import Id

Scoped = tuple[str, Id]
"""(workspace, identifier)"""

IN_FORCE = "r.what = 'processing' AND r.lifted_at IS NULL"
_RESTRICTED = (
    "SELECT DISTINCT r.workspace, x.id, o.profile_id FROM profile.restraint r "
    "CROSS JOIN unnest(r.identifiers) AS x(id) LEFT JOIN profile.identifier o "
    f"ON o.workspace = r.workspace AND o.id = x.id WHERE {IN_FORCE}"
)
IS_HELD = (
    f"EXISTS (SELECT FROM ({_RESTRICTED} AND r.workspace = {{0}}.workspace) AS h "
    "WHERE h.id = {0}.identifier_id OR h.profile_id = (SELECT i.profile_id "
    "FROM profile.identifier i WHERE i.workspace = {0}.workspace AND i.id = {0}.identifier_id))"
)
"""True where a row (of that name, with `workspace` and `identifier_id`) is of such a person."""

_HELD = text(
    f"WITH restricted AS ({_RESTRICTED} AND r.workspace = ANY(CAST(:of AS text[]))) "
    "SELECT v.workspace, CAST(v.id AS text) AS id FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}) AS v(workspace, id) "
    "JOIN restricted h ON h.workspace = v.workspace AND h.id = v.id UNION "
    "SELECT v.workspace, CAST(v.id AS text) FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}) AS v(workspace, id) "
    "JOIN profile.identifier i ON i.workspace = v.workspace AND i.id = v.id "
    "JOIN restricted h ON h.workspace = i.workspace AND h.profile_id = i.profile_id"
)
_STANDING = text(f"SELECT EXISTS (SELECT FROM profile.restraint r WHERE {IN_FORCE})")
_HOLD = (
    "SELECT CAST(r.id AS text) AS id, r.lifted_at IS NOT NULL AS lifted, ("
    # All that the person has by now, the strongest first.
    "SELECT json_object_agg(n.id, n.kind) FROM (SELECT DISTINCT ON (i.id) i.id, i.kind "
    "FROM profile.identifier i WHERE i.workspace = r.workspace AND (i.id = ANY(r.identifiers) "
    "OR i.profile_id IN (SELECT o.profile_id FROM profile.identifier o "
    "WHERE o.workspace = r.workspace AND o.id = ANY(r.identifiers))) ORDER BY i.id "
    "LIMIT :most) AS n) AS names FROM profile.restraint r "
    "WHERE r.workspace = :workspace AND r.what = 'processing' AND "
)
_ONE = text(f"{_HOLD} r.id = CAST(:id AS uuid)")
_NEXT = text(
    f"{_HOLD} r.lifted_at IS NULL AND (:after = '' OR r.id > CAST(nullif(:after, '') AS uuid)) "
    "ORDER BY r.id LIMIT :limit"
)
MOST = 1_000
"""Identifiers of somebody that are told."""


class Hold(NamedTuple):
    """Whose data are only to be kept, by a restraint: identifiers' ids with their kinds."""

    id: Id
    identifiers: Mapping[Id, str]
    lifted: bool


async def hold(tx: AsyncConnection, workspace: str, restraint: Id) -> Hold | None:
    """That of a restraint; None where it is of something else."""
    asked = {"workspace": workspace, "id": restraint, "most": MOST}
    row = (await tx.execute(_ONE, asked)).first()
    return None if row is None else Hold(row.id, row.names or {}, row.lifted)


async def holds(tx: AsyncConnection, workspace: str, after: Id, limit: int) -> list[Hold]:
    """The next that hold, by id; "" is before all."""
    asked = {"workspace": workspace, "after": after, "limit": limit, "most": MOST}
    rows = await tx.execute(_NEXT, asked)
    return [Hold(row.id, row.names or {}, row.lifted) for row in rows]


async def held(tx: AsyncConnection, wanted: Collection[Scoped]) -> set[Scoped]:
    """Those of the identifiers whose person is restricted."""
    if not wanted or not await tx.scalar(_STANDING):
        return set()
    ordered = sorted(wanted)
    asked = {
        "of": sorted({workspace for workspace, _id in ordered}),
        "workspaces": pack(workspace for workspace, _id in ordered),
        "ids": pack(id_ for _workspace, id_ in ordered),
    }
    return {(row.workspace, row.id) for row in await tx.execute(_HELD, asked)}
