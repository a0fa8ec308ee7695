"""What models say of people, as profile keeps and shows it."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.scores.store import ScoreStore
from rapport_profile.tables import SCHEMA

PUBLISHED = ScoreStore(
    SCHEMA,
    nobody="NOT EXISTS (SELECT FROM profile.profile p WHERE p.workspace = told.workspace "
    "AND p.id = told.profile_id AND (p.merged_into IS NOT NULL OR p.summary IS NULL "
    "OR p.members > 0))",
)
_PAGE = text(
    # Of the ids that a person has and had: so a merge moves nothing.
    "WITH RECURSIVE theirs AS (SELECT id FROM profile.profile "
    "WHERE workspace = :workspace AND id = :id "
    "UNION SELECT p.id FROM profile.profile p JOIN theirs t ON p.merged_into = t.id "
    "WHERE p.workspace = :workspace), "
    "newest AS (SELECT DISTINCT ON (s.name) s.* FROM profile.published_score s "
    "JOIN theirs ON s.profile_id = theirs.id WHERE s.workspace = :workspace "
    'AND (CAST(:after AS text) IS NULL OR s.name COLLATE "C" > :after) '
    "ORDER BY s.name, s.as_of DESC, s.model DESC, s.model_version DESC) "
    "SELECT name, CAST(value AS text) AS value, model, model_version, as_of, reason FROM newest "
    'WHERE value IS NOT NULL ORDER BY name COLLATE "C" LIMIT :limit'
)


async def page(
    tx: AsyncConnection, workspace: str, profile_id: UUID, limit: int, after: str | None
) -> list[Row[Any]]:
    """The scores of a person by name, those behind `after`."""
    asked = {"workspace": workspace, "id": profile_id, "limit": limit, "after": after}
    return list((await tx.execute(_PAGE, asked)).fetchall())
