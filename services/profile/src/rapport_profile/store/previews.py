"""A person's newest events by name, to try a definition on."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import Event
from rapport_profile.domain.naming import Id
from rapport_profile.store.inbox import stored_event

_NEWEST = text(
    "SELECT CAST(t.event AS text) AS event FROM profile.identifier i "
    "JOIN profile.timeline t ON t.workspace = i.workspace AND t.identifier_id = i.id "
    "WHERE i.workspace = :workspace AND i.profile_id = CAST(:profile_id AS uuid) "
    "AND t.event ->> 'name' = ANY(CAST(:names AS text[])) "
    "ORDER BY t.timestamp DESC, t.source, t.message_id LIMIT :limit"
)


async def newest(
    tx: AsyncConnection, workspace: str, profile_id: Id, names: Sequence[str], limit: int
) -> list[Event]:
    """Events of these names, the newest first."""
    asked = {
        "workspace": workspace,
        "profile_id": profile_id,
        "names": list(names),
        "limit": limit,
    }
    return [stored_event(row.event) for row in await tx.execute(_NEWEST, asked)]
