"""What follows from answers to a survey, in versions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.follow_ups import FollowUps

_decode = msgspec.json.Decoder(FollowUps).decode


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a survey's rules, and by whom; 0: there are none."""

    version: int
    document: FollowUps
    actor: str = ""
    created_at: datetime | None = None


async def current(tx: AsyncConnection, workspace: str, survey_id: UUID) -> Version:
    """What holds for a survey."""
    rows = await tx.execute(
        text(
            "SELECT version, CAST(document AS text) AS document, actor, created_at "
            "FROM feedback.survey_follow_up WHERE workspace = :workspace "
            "AND survey_id = :survey_id ORDER BY version DESC LIMIT 1"
        ),
        {"workspace": workspace, "survey_id": survey_id},
    )
    row = rows.first()
    return Version(0, FollowUps()) if row is None else _version(row)


async def add(tx: AsyncConnection, workspace: str, survey_id: UUID, new: Version) -> None:
    """Let these hold from now on; the survey is locked."""
    await tx.execute(
        text(
            "INSERT INTO feedback.survey_follow_up (workspace, survey_id, version, document, "
            "actor) VALUES (:workspace, :survey_id, :version, CAST(:document AS json), :actor)"
        ),
        {
            "workspace": workspace,
            "survey_id": survey_id,
            "version": new.version,
            "document": msgspec.json.encode(new.document).decode(),
            "actor": new.actor,
        },
    )


def _version(row: Row[Any]) -> Version:
    return Version(row.version, _decode(row.document), row.actor, row.created_at)
