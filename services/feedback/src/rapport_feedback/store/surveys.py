"""Surveys and the versions of what they ask."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.survey_forms import Form, of_document, simple, to_document
from rapport_feedback.domain.surveys import Kind, Survey

_SURVEY = (
    "workspace, survey_id, name, kind, question, wave, created_at, archived_at, version, anonymous"
)


@dataclass(frozen=True, slots=True)
class Version:
    """What a survey has asked since `created_at`."""

    version: int
    form: Form
    actor: str
    created_at: datetime


async def add_survey(tx: AsyncConnection, survey: Survey) -> None:
    """Keep a new survey."""
    await tx.execute(
        text(
            f"INSERT INTO feedback.survey ({_SURVEY}) "
            "VALUES (:workspace, :survey_id, :name, :kind, :question, :wave, :created_at, NULL, "
            ":version, :anonymous)"
        ),
        {
            "workspace": survey.workspace,
            "survey_id": survey.survey_id,
            "name": survey.name,
            "kind": survey.kind,
            "question": survey.question,
            "wave": survey.wave,
            "created_at": survey.created_at,
            "version": survey.version,
            "anonymous": survey.anonymous,
        },
    )


async def survey(
    tx: AsyncConnection, workspace: str, survey_id: UUID, *, lock: bool = False
) -> Survey | None:
    """One survey of a workspace. Locked, it makes those who change it take turns."""
    rows = await tx.execute(
        text(
            f"SELECT {_SURVEY} FROM feedback.survey "
            "WHERE workspace = :workspace AND survey_id = :survey_id"
            f"{' FOR UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "survey_id": survey_id},
    )
    found = rows.mappings().first()
    return _survey(found) if found else None


async def surveys(
    tx: AsyncConnection,
    workspace: str,
    *,
    archived: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Survey]:
    """Surveys, newest first, those behind `after`; either the living or the archived."""
    at, survey_id = after or (None, None)
    rows = await tx.execute(
        text(
            f"SELECT {_SURVEY} FROM feedback.survey WHERE workspace = :workspace "
            "AND (archived_at IS NOT NULL) = :archived AND (CAST(:at AS timestamptz) IS NULL "
            "OR (created_at, survey_id) < (:at, :id)) "
            "ORDER BY created_at DESC, survey_id DESC LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "archived": archived,
            "at": at,
            "id": survey_id,
            "limit": limit,
        },
    )
    return [_survey(row) for row in rows.mappings()]


async def rename(tx: AsyncConnection, workspace: str, survey_id: UUID, name: str) -> None:
    """Give a survey another name."""
    await tx.execute(
        text(
            "UPDATE feedback.survey SET name = :name "
            "WHERE workspace = :workspace AND survey_id = :survey_id"
        ),
        {"workspace": workspace, "survey_id": survey_id, "name": name},
    )


async def archive(tx: AsyncConnection, workspace: str, survey_id: UUID, at: datetime) -> None:
    """Archive a survey, unless it is."""
    await tx.execute(
        text(
            "UPDATE feedback.survey SET archived_at = coalesce(archived_at, :at) "
            "WHERE workspace = :workspace AND survey_id = :survey_id"
        ),
        {"workspace": workspace, "survey_id": survey_id, "at": at},
    )


async def is_living(tx: AsyncConnection, workspace: str, survey_id: UUID) -> bool:
    """Whether there is such a survey, and it is not archived."""
    found = await survey(tx, workspace, survey_id)
    return found is not None and found.archived_at is None


async def next_wave(tx: AsyncConnection, workspace: str, survey_id: UUID) -> int | None:
    """Begin the next wave; its number, or None when there is no such survey."""
    rows = await tx.execute(
        text(
            "UPDATE feedback.survey SET wave = wave + 1 "
            "WHERE workspace = :workspace AND survey_id = :survey_id RETURNING wave"
        ),
        {"workspace": workspace, "survey_id": survey_id},
    )
    wave: int | None = rows.scalar()
    return wave


async def add_version(
    tx: AsyncConnection, survey: Survey, form: Form, actor: str, at: datetime
) -> None:
    """Keep what a survey asks from now on, under its newest version."""
    await tx.execute(
        text(
            "INSERT INTO feedback.survey_version (workspace, survey_id, version, document, actor, "
            "created_at) VALUES (:workspace, :survey_id, :version, CAST(:document AS jsonb), "
            ":actor, :at)"
        ),
        {
            "workspace": survey.workspace,
            "survey_id": survey.survey_id,
            "version": survey.version,
            "document": msgspec.json.encode(to_document(form)).decode(),
            "actor": actor,
            "at": at,
        },
    )


async def set_version(tx: AsyncConnection, survey: Survey) -> None:
    """Make a survey's version and leading question those given."""
    await tx.execute(
        text(
            "UPDATE feedback.survey SET version = :version, question = :question "
            "WHERE workspace = :workspace AND survey_id = :survey_id"
        ),
        {
            "workspace": survey.workspace,
            "survey_id": survey.survey_id,
            "version": survey.version,
            "question": survey.question,
        },
    )


async def form(tx: AsyncConnection, workspace: str, survey_id: UUID, version: int) -> Form | None:
    """What a version asks; None when there is no such version."""
    rows = await tx.execute(
        text(
            "SELECT s.kind, s.question, CAST(v.document AS text) AS document "
            "FROM feedback.survey s LEFT JOIN feedback.survey_version v "
            "ON v.workspace = s.workspace AND v.survey_id = s.survey_id AND v.version = :version "
            "WHERE s.workspace = :workspace AND s.survey_id = :survey_id"
        ),
        {"workspace": workspace, "survey_id": survey_id, "version": version},
    )
    row = rows.first()
    if row is None:
        return None
    if row.document is not None:
        return of_document(msgspec.json.decode(row.document))
    # A process of the release before has made it, which keeps no versions.
    return simple(row.question, row.kind) if version == 1 else None


async def versions(
    tx: AsyncConnection, workspace: str, survey_id: UUID, *, before: int | None, limit: int
) -> list[Version]:
    """What a survey asks and has asked, the newest first."""
    rows = await tx.execute(
        text(
            "SELECT version, CAST(document AS text) AS document, actor, created_at "
            "FROM feedback.survey_version WHERE workspace = :workspace "
            "AND survey_id = :survey_id AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "survey_id": survey_id, "before": before, "limit": limit},
    )
    return [
        Version(
            row.version, of_document(msgspec.json.decode(row.document)), row.actor, row.created_at
        )
        for row in rows
    ]


def _survey(row: RowMapping) -> Survey:
    return Survey(**{**row, "kind": Kind(row["kind"])})
