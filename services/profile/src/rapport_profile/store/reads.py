"""What the API reads."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.facts import Id
from rapport_profile.domain.fold import Fold

_fold = msgspec.json.Decoder(Fold)

_ALIVE = text(
    # A profile that was merged leads on to the one it became; merges of merges are followed.
    "WITH RECURSIVE chain AS ("
    "SELECT id, version, merged_into, 0 AS hop FROM profile.profile "
    "WHERE workspace = :workspace AND id = :id "
    "UNION ALL SELECT p.id, p.version, p.merged_into, chain.hop + 1 FROM profile.profile p "
    "JOIN chain ON p.id = chain.merged_into WHERE p.workspace = :workspace AND chain.hop < 100"
    ") SELECT id, version FROM chain WHERE merged_into IS NULL LIMIT 1"
)
_BY_IDENTIFIER = text(
    "SELECT profile_id FROM profile.identifier "
    "WHERE workspace = :workspace AND id = :id AND profile_id IS NOT NULL"
)
_MEMBERS = text(
    "SELECT id, kind, value, shared, CAST(fold AS text) AS fold FROM profile.identifier "
    "WHERE workspace = :workspace AND profile_id = :profile_id ORDER BY kind, value"
)
_TIMELINE = text(
    "SELECT CAST(t.event AS text) AS event, t.timestamp FROM profile.timeline t "
    "JOIN profile.identifier i ON i.workspace = t.workspace AND i.id = t.identifier_id "
    "WHERE t.workspace = :workspace AND i.profile_id = :profile_id "
    "AND (CAST(:before AS timestamptz) IS NULL OR t.timestamp < :before) "
    "AND (CAST(:after AS timestamptz) IS NULL OR t.timestamp >= :after) "
    "ORDER BY t.timestamp DESC, t.message_id DESC, t.source DESC LIMIT :limit"
)
_LINKS = text(
    "SELECT x.kind AS a_kind, x.value AS a_value, y.kind AS b_kind, y.value AS b_value, "
    "l.kind, l.timestamp, l.message_id, l.source, l.void, x.shared OR y.shared AS shared "
    "FROM profile.link l "
    "JOIN profile.identifier x ON x.workspace = l.workspace AND x.id = l.a "
    "JOIN profile.identifier y ON y.workspace = l.workspace AND y.id = l.b "
    "WHERE l.workspace = :workspace "
    "AND (x.profile_id = :profile_id OR y.profile_id = :profile_id) "
    "ORDER BY l.timestamp, l.message_id LIMIT :limit"
)
_COUNTS = text(
    "SELECT count(DISTINCT i.profile_id) AS profiles, "
    "coalesce(sum(CAST(i.fold ->> 'events' AS bigint)), 0) AS events, "
    "coalesce(sum(CAST(i.fold ->> 'orders' AS bigint)), 0) AS orders "
    "FROM profile.identifier i WHERE i.workspace = :workspace"
)
_REVENUE = text(
    "SELECT r.key AS currency, sum(CAST(r.value AS numeric)) AS amount "
    "FROM profile.identifier i, json_each_text(i.fold -> 'revenue') r "
    "WHERE i.workspace = :workspace GROUP BY r.key ORDER BY r.key"
)


async def alive(tx: AsyncConnection, workspace: str, profile_id: UUID) -> tuple[UUID, int] | None:
    """(id, version) of a profile, or of the one it was merged into."""
    result = await tx.execute(_ALIVE, {"workspace": workspace, "id": profile_id})
    row = result.first()
    return None if row is None else (row.id, row.version)


async def by_identifier(tx: AsyncConnection, workspace: str, identifier: Id) -> UUID | None:
    """The profile an identifier belongs to."""
    result = await tx.execute(_BY_IDENTIFIER, {"workspace": workspace, "id": identifier})
    return result.scalar()


async def members(
    tx: AsyncConnection, workspace: str, profile_id: UUID
) -> list[tuple[str, str, Fold]]:
    """(kind, value, fold) of a profile's identifiers."""
    rows = await tx.execute(_MEMBERS, {"workspace": workspace, "profile_id": profile_id})
    return [(row.kind, row.value, _fold.decode(row.fold)) for row in rows]


async def timeline(
    tx: AsyncConnection,
    workspace: str,
    profile_id: UUID,
    *,
    limit: int,
    before: datetime | None,
    after: datetime | None,
) -> list[msgspec.Raw]:
    """A profile's events, newest first, as JSON."""
    rows = await tx.execute(
        _TIMELINE,
        {
            "workspace": workspace,
            "profile_id": profile_id,
            "limit": limit,
            "before": before,
            "after": after,
        },
    )
    return [msgspec.Raw(row.event.encode()) for row in rows]


async def links(
    tx: AsyncConnection, workspace: str, profile_id: UUID, *, limit: int
) -> list[dict[str, Any]]:
    """The link facts that touch a profile, the ones that do not count included."""
    rows = await tx.execute(
        _LINKS, {"workspace": workspace, "profile_id": profile_id, "limit": limit}
    )
    return [dict(row) for row in rows.mappings()]


async def stats(tx: AsyncConnection, workspace: str) -> dict[str, Any]:
    """Totals over a workspace; money as decimal strings."""
    counts = (await tx.execute(_COUNTS, {"workspace": workspace})).one()
    revenue = await tx.execute(_REVENUE, {"workspace": workspace})
    return {
        "profiles": counts.profiles,
        "events": int(counts.events),
        "orders": int(counts.orders),
        "revenue": {row.currency: format(row.amount, "f") for row in revenue},
    }
