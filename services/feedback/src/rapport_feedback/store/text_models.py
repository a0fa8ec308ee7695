"""What was learned about topics: models in versions by language, and what they are learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.texts.topic_models import Comparison, Model

MOST_TEXTS = 2000
"""The newest that people have said something of: a lesson ends within minutes."""

_COLUMNS = (
    "model_id, language, version, CAST(comparison AS text) AS comparison, active, told_by, "
    "created_at"
)


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version: how it compares to the rules, whether it holds, and by whose word if by any."""

    model_id: UUID
    language: str
    version: int
    comparison: Comparison
    active: bool
    told_by: str | None
    created_at: datetime


async def listed(
    tx: AsyncConnection, workspace: str, *, after: UUID | None, limit: int
) -> list[ModelVersion]:
    """All, the newest first: ids grow with time."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.text_model WHERE workspace = :workspace "
            "AND (CAST(:after AS uuid) IS NULL OR model_id < :after) "
            "ORDER BY model_id DESC LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [_version(row) for row in rows]


async def one(tx: AsyncConnection, workspace: str, model_id: UUID) -> ModelVersion | None:
    """One version, locked."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.text_model WHERE workspace = :workspace "
            "AND model_id = :model_id FOR UPDATE"
        ),
        {"workspace": workspace, "model_id": model_id},
    )
    row = rows.first()
    return None if row is None else _version(row)


async def active(tx: AsyncConnection, workspace: str) -> dict[str, tuple[int, Model]]:
    """The models that hold, with their versions, by language."""
    rows = await tx.execute(
        text(
            "SELECT language, version, CAST(model AS text) AS model FROM feedback.text_model "
            "WHERE workspace = :workspace AND active"
        ),
        {"workspace": workspace},
    )
    return {row.language: (row.version, msgspec.json.decode(row.model, type=Model)) for row in rows}


async def add(
    tx: AsyncConnection,
    workspace: str,
    model_id: UUID,
    language: str,
    *,
    model: Model,
    comparison: Comparison,
) -> None:
    """A new version, which does not hold yet; once under an id."""
    await tx.execute(
        text(
            "INSERT INTO feedback.text_model (workspace, model_id, language, version, model, "
            "comparison, active) SELECT :workspace, :model_id, :language, "
            "coalesce(max(version), 0) + 1, CAST(:model AS json), CAST(:comparison AS json), false "
            "FROM feedback.text_model WHERE workspace = :workspace AND language = :language "
            "ON CONFLICT (workspace, model_id) DO NOTHING"
        ),
        {
            "workspace": workspace,
            "model_id": model_id,
            "language": language,
            "model": msgspec.json.encode(model).decode(),
            "comparison": msgspec.json.encode(comparison).decode(),
        },
    )


async def hold(
    tx: AsyncConnection,
    workspace: str,
    of: ModelVersion,
    *,
    told_by: str | None,
    holds: bool = True,
) -> None:
    """Let this one hold, and no other of its language; or none."""
    await tx.execute(
        text(
            "UPDATE feedback.text_model SET active = (:holds AND model_id = :model_id), "
            "told_by = CASE WHEN model_id = :model_id THEN CAST(:told_by AS text) ELSE told_by END "
            "WHERE workspace = :workspace AND language = :language "
            "AND (active OR model_id = :model_id)"
        ),
        {
            "workspace": workspace,
            "model_id": of.model_id,
            "language": of.language,
            "told_by": told_by,
            "holds": holds,
        },
    )


async def examples(
    tx: AsyncConnection, workspace: str, language: str, limit: int = MOST_TEXTS
) -> Sequence[tuple[str, Sequence[str]]]:
    """Texts of a language of which people have said the topics: their beginnings, and these.

    Cases of a category that is a topic's name are examples of it.
    """
    rows = await tx.execute(
        text(
            "SELECT words, topics FROM (SELECT left(CASE e.source WHEN 'answer' THEN "
            "CASE e.part WHEN 'comment' THEN r.comment ELSE r.words->>substr(e.part, 7) END "
            "WHEN 'case' THEN concat_ws(E'\\n', nullif(c.subject, ''), nullif(c.body, '')) "
            "ELSE m.body END, 8000) AS words, "
            "coalesce(e.said_topics, ARRAY[c.category]) AS topics, e.at, e.text_id "
            "FROM feedback.text_enrichment e "
            "LEFT JOIN feedback.response r ON r.workspace = e.workspace "
            "AND r.response_id = e.response_id "
            "LEFT JOIN feedback.complaint c ON c.workspace = e.workspace AND c.case_id = e.case_id "
            "LEFT JOIN feedback.case_message m ON m.workspace = e.workspace "
            "AND m.message_id = e.message_id "
            "WHERE e.workspace = :workspace AND e.language = :language AND e.state = 'done' "
            "AND (e.said_topics IS NOT NULL OR (e.source = 'case' AND EXISTS ("
            "SELECT FROM feedback.text_topic t WHERE t.workspace = e.workspace "
            "AND t.name = c.category)))) AS found WHERE words <> '' "
            "ORDER BY at DESC, text_id LIMIT :limit"
        ),
        {"workspace": workspace, "language": language, "limit": limit},
    )
    return [(row.words, row.topics) for row in rows]


def _version(row: Row[Any]) -> ModelVersion:
    comparison = msgspec.json.decode(row.comparison, type=Comparison)
    return ModelVersion(
        row.model_id,
        row.language,
        row.version,
        comparison,
        row.active,
        row.told_by,
        row.created_at,
    )
