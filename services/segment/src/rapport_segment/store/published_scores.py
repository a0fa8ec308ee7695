"""The scores that models of others have published, as segment keeps them."""

from collections.abc import Collection
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.follower.domain import Key
from rapport_common.scores.store import ScoreStore
from rapport_segment.domain.sections import exact
from rapport_segment.tables import SCHEMA

PUBLISHED = ScoreStore(
    SCHEMA,
    nobody="EXISTS (SELECT FROM segment.person p WHERE p.workspace = told.workspace "
    "AND p.profile_id = told.profile_id AND p.ended > 0 AND p.ended >= p.version "
    "AND p.heir IS NULL)",
)


async def of_people(tx: AsyncConnection, keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """The scores of these people by name, of those who have some."""
    found: dict[Key, dict[str, Any]] = {}
    for workspace, profile_id, name, value in await PUBLISHED.of_people(tx, keys):
        found.setdefault((workspace, profile_id), {})[name] = exact(value)
    return found
