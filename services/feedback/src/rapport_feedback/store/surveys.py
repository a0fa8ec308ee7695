"""Surveys, their invitations and the answers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.surveys import Invitation, Kind, Response, Survey

_SURVEY = "workspace, survey_id, name, kind, question, wave, created_at, archived_at"


async def add_survey(tx: AsyncConnection, survey: Survey) -> None:
    """Keep a new survey."""
    await tx.execute(
        text(
            f"INSERT INTO feedback.survey ({_SURVEY}) "
            "VALUES (:workspace, :survey_id, :name, :kind, :question, :wave, :created_at, NULL)"
        ),
        {
            "workspace": survey.workspace,
            "survey_id": survey.survey_id,
            "name": survey.name,
            "kind": survey.kind,
            "question": survey.question,
            "wave": survey.wave,
            "created_at": survey.created_at,
        },
    )


async def survey(tx: AsyncConnection, workspace: str, survey_id: UUID) -> Survey | None:
    """One survey of a workspace."""
    rows = await tx.execute(
        text(
            f"SELECT {_SURVEY} FROM feedback.survey "
            "WHERE workspace = :workspace AND survey_id = :survey_id"
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


async def invite(
    tx: AsyncConnection,
    survey: Survey,
    contact: Contact,
    new_id: UUID,
    *,
    at: datetime,
    until: datetime,
) -> tuple[UUID, bool]:
    """The invitation of a person to the survey's wave, and whether it is a new one.

    Who was invited before keeps the same link, which then lasts until `until`.
    """
    kind, value = contact.strongest
    rows = await tx.execute(
        text(
            "INSERT INTO feedback.invitation AS i (workspace, invitation_id, survey_id, wave, "
            "kind, value, user_id, email, anonymous_id, created_at, expires_at) "
            "VALUES (:workspace, :new_id, :survey_id, :wave, :kind, :value, :user_id, :email, "
            ":anonymous_id, :at, :until) "
            "ON CONFLICT (workspace, survey_id, wave, kind, value) "
            "DO UPDATE SET expires_at = greatest(i.expires_at, excluded.expires_at) "
            "RETURNING invitation_id"
        ),
        {
            "workspace": survey.workspace,
            "new_id": new_id,
            "survey_id": survey.survey_id,
            "wave": survey.wave,
            "kind": kind,
            "value": value,
            "user_id": contact.user_id,
            "email": contact.email,
            "anonymous_id": contact.anonymous_id,
            "at": at,
            "until": until,
        },
    )
    invitation_id: UUID = rows.scalar_one()
    return invitation_id, invitation_id == new_id


async def invitation(
    tx: AsyncConnection, invitation_id: UUID, *, lock: bool = False
) -> Invitation | None:
    """What a link stands for. Locked, it makes the requests of one link take turns."""
    rows = await tx.execute(
        text(
            "SELECT i.workspace, i.invitation_id, i.survey_id, i.wave, i.user_id, i.email, "
            "i.anonymous_id, i.expires_at, s.kind, s.question FROM feedback.invitation i "
            "JOIN feedback.survey s USING (workspace, survey_id) "
            f"WHERE i.invitation_id = :invitation_id {'FOR UPDATE OF i' if lock else ''}"
        ),
        {"invitation_id": invitation_id},
    )
    row = rows.mappings().first()
    if row is None:
        return None
    return Invitation(
        workspace=row["workspace"],
        invitation_id=row["invitation_id"],
        survey_id=row["survey_id"],
        wave=row["wave"],
        contact=contact_of(row),
        expires_at=row["expires_at"],
        kind=Kind(row["kind"]),
        question=row["question"],
    )


async def response_of(tx: AsyncConnection, invited: Invitation) -> Response | None:
    """The answer given by a link, which is the one under the invitation's own name.

    Not under the person's other names: those are what others say, and this is read aloud.
    """
    kind, value = invited.contact.strongest
    rows = await tx.execute(
        text(
            "SELECT response_id, score, comment, revision, answered_at, revised_at "
            "FROM feedback.response WHERE workspace = :workspace AND survey_id = :survey_id "
            "AND wave = :wave AND kind = :kind AND value = :value"
        ),
        {
            "workspace": invited.workspace,
            "survey_id": invited.survey_id,
            "wave": invited.wave,
            "kind": kind,
            "value": value,
        },
    )
    row = rows.mappings().first()
    return Response(**row) if row else None


async def save_response(tx: AsyncConnection, invited: Invitation, response: Response) -> None:
    """Keep a new response, under the invitation's strongest name, or a revision of one."""
    kind, value = invited.contact.strongest
    await tx.execute(
        text(
            "INSERT INTO feedback.response (workspace, response_id, survey_id, wave, kind, "
            "value, score, comment, revision, answered_at, revised_at) "
            "VALUES (:workspace, :response_id, :survey_id, :wave, :kind, :value, :score, "
            ":comment, :revision, :answered_at, :revised_at) "
            "ON CONFLICT (workspace, response_id) DO UPDATE SET score = excluded.score, "
            "comment = excluded.comment, revision = excluded.revision, "
            "revised_at = excluded.revised_at"
        ),
        {
            "workspace": invited.workspace,
            "response_id": response.response_id,
            "survey_id": invited.survey_id,
            "wave": invited.wave,
            "kind": kind,
            "value": value,
            "score": response.score,
            "comment": response.comment,
            "revision": response.revision,
            "answered_at": response.answered_at,
            "revised_at": response.revised_at,
        },
    )


async def score_counts(
    tx: AsyncConnection, workspace: str, survey_id: UUID, wave: int
) -> dict[int, int]:
    """{score: people}: each person's latest answer in a wave, under whatever names it came."""
    rows = await tx.execute(
        text(
            "SELECT score, count(*) AS people FROM ("
            "SELECT DISTINCT ON (person) score, coalesce(("
            "SELECT 'profile:' || min(i.profile_id) FROM feedback.identity i "
            "WHERE i.workspace = r.workspace AND i.kind = r.kind AND i.value = r.value"
            "), r.kind || ':' || r.value) AS person "
            "FROM feedback.response r WHERE r.workspace = :workspace "
            "AND r.survey_id = :survey_id AND r.wave = :wave "
            "ORDER BY person, r.revised_at DESC, r.response_id) latest GROUP BY score"
        ),
        {"workspace": workspace, "survey_id": survey_id, "wave": wave},
    )
    return {row.score: row.people for row in rows}


async def invited_count(tx: AsyncConnection, workspace: str, survey_id: UUID, wave: int) -> int:
    """How many invitations a wave has."""
    rows = await tx.execute(
        text(
            "SELECT count(*) FROM feedback.invitation WHERE workspace = :workspace "
            "AND survey_id = :survey_id AND wave = :wave"
        ),
        {"workspace": workspace, "survey_id": survey_id, "wave": wave},
    )
    total: int = rows.scalar_one()
    return total


def contact_of(row: RowMapping) -> Contact:
    """The identifiers in a row."""
    return Contact(row["user_id"], row["email"], row["anonymous_id"])


def _survey(row: RowMapping) -> Survey:
    return Survey(**{**row, "kind": Kind(row["kind"])})
