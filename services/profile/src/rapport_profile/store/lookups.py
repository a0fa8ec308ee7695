"""What there is of identifiers, and next to them: looked at, and neither locked nor loaded."""

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import packed
from rapport_common.events.envelope import ANONYMOUS_ID
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.domain.sharing import Near
from rapport_profile.store.people import IDS, Scoped, scoped

_KNOWN = text(
    "SELECT i.workspace, CAST(i.id AS text) AS id, i.profile_id IS NOT NULL AS is_somebodys "
    f"FROM profile.identifier i JOIN {IDS} AS v(workspace, id) USING (workspace, id)"
)
_VALUES = text(
    f"SELECT i.workspace, i.value FROM profile.identifier i JOIN {IDS} AS v(workspace, id) "
    "USING (workspace, id)"
)
_NEAR = text(
    "SELECT CAST(v.id AS text) AS id, CAST(n.id AS text) AS other, n.kind, n.contested, "
    "min(near.timestamp) AS first "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) AS v(workspace, id) "
    "CROSS JOIN LATERAL ("
    "SELECT l.a AS id, l.timestamp FROM profile.link l "
    "WHERE l.workspace = v.workspace AND l.b = v.id AND NOT l.void "
    "UNION ALL SELECT l.b, l.timestamp FROM profile.link l "
    "WHERE l.workspace = v.workspace AND l.a = v.id AND NOT l.void) AS near "
    "JOIN profile.identifier n ON n.workspace = v.workspace AND n.id = near.id "
    "GROUP BY v.id, n.id, n.kind, n.contested"
)
_RENAMED = text(
    "SELECT l.workspace, CAST(l.a AS text) AS a, CAST(l.b AS text) AS b FROM profile.link l "
    f"JOIN {IDS} AS v(workspace, b) USING (workspace, b) WHERE l.kind = 'renamed'"
)


async def known(
    tx: AsyncConnection, wanted: Collection[Scoped], *, of_somebody: bool = False
) -> set[Scoped]:
    """Those of the identifiers that are there; `of_somebody`: that a profile has."""
    if not wanted:
        return set()
    rows = await tx.execute(_KNOWN, scoped(sorted(wanted)))
    return {(row.workspace, row.id) for row in rows if row.is_somebodys or not of_somebody}


async def anonymous_twins(tx: AsyncConnection, ids: Ids, wanted: Collection[Scoped]) -> set[Scoped]:
    """The ids that the values of identifiers have, or would have, as anonymous ids."""
    rows = await tx.execute(_VALUES, scoped(sorted(wanted)))
    return {(row.workspace, ids.of(row.workspace, (ANONYMOUS_ID, row.value))) for row in rows}


async def renamed(tx: AsyncConnection, users: Collection[Scoped]) -> set[Scoped]:
    """Of user ids that have other ids by now, these and the others."""
    if not users:
        return set()
    rows = await tx.execute(_RENAMED, scoped(sorted(users)))
    return {(row.workspace, end) for row in rows for end in (row.a, row.b)}


async def near(tx: AsyncConnection, wanted: Sequence[Scoped]) -> dict[Id, dict[Id, Near]]:
    """What is linked to identifiers by links that count, and nothing behind it."""
    found: dict[Id, dict[Id, Near]] = {}
    for row in await tx.execute(_NEAR, scoped(wanted)):
        known = Near(row.kind, row.contested, row.first)
        found.setdefault(row.id, {})[row.other] = known
    return found
