"""How many finished answers the quotas of surveys have: held by the database."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.survey_forms import Quota
from rapport_feedback.domain.surveys import Invitation

ALL_WAVES = 0

_READ = text(
    "SELECT wave, quota, taken FROM feedback.survey_quota WHERE workspace = :workspace "
    "AND survey_id = :survey_id AND wave = ANY(CAST(:waves AS integer[]))"
)
_LOCK = text(
    "SELECT q.wave, q.quota, q.taken FROM feedback.survey_quota q WHERE q.workspace = :workspace "
    "AND q.survey_id = :survey_id AND (q.wave, q.quota) IN (SELECT * FROM unnest("
    "CAST(:waves AS integer[]), CAST(:quotas AS text[]))) ORDER BY q.wave, q.quota FOR UPDATE"
)
_FIRST = text(
    "INSERT INTO feedback.survey_quota (workspace, survey_id, wave, quota, taken) "
    "SELECT :workspace, :survey_id, v.wave, v.quota, 0 FROM unnest(CAST(:waves AS integer[]), "
    "CAST(:quotas AS text[])) AS v(wave, quota) ORDER BY v.wave, v.quota ON CONFLICT DO NOTHING"
)
_TAKE = text(
    "UPDATE feedback.survey_quota q SET taken = taken + 1 WHERE q.workspace = :workspace "
    "AND q.survey_id = :survey_id AND (q.wave, q.quota) IN (SELECT * FROM unnest("
    "CAST(:waves AS integer[]), CAST(:quotas AS text[])))"
)


def _wave(quota: Quota, invited: Invitation) -> int:
    return invited.wave if quota.per == "wave" else ALL_WAVES


async def are_full(tx: AsyncConnection, invited: Invitation, quotas: Sequence[Quota]) -> bool:
    """Whether one of these has as many answers as are wanted."""
    if not quotas:
        return False
    found = await tx.execute(_READ, {**_of(invited), "waves": [ALL_WAVES, invited.wave]})
    taken = {(row.wave, row.quota): row.taken for row in found}
    return any(taken.get((_wave(one, invited), one.id), 0) >= one.limit for one in quotas)


async def take(tx: AsyncConnection, invited: Invitation, quotas: Sequence[Quota]) -> bool:
    """Count an answer in all of these, or in none and False when one of them is full.

    Their rows are locked in one order, so that nobody waits for somebody who waits for them.
    """
    if not quotas:
        return True
    given = {
        **_of(invited),
        "waves": [_wave(one, invited) for one in quotas],
        "quotas": [one.id for one in quotas],
    }
    await tx.execute(_FIRST, given)
    taken = {(row.wave, row.quota): row.taken for row in await tx.execute(_LOCK, given)}
    if any(taken[_wave(one, invited), one.id] >= one.limit for one in quotas):
        return False
    await tx.execute(_TAKE, given)
    return True


async def taken(tx: AsyncConnection, workspace: str, survey_id: UUID) -> dict[tuple[int, str], int]:
    """{(wave or 0 for all, quota): answers} of a survey."""
    found = await tx.execute(
        text(
            "SELECT wave, quota, taken FROM feedback.survey_quota "
            "WHERE workspace = :workspace AND survey_id = :survey_id"
        ),
        {"workspace": workspace, "survey_id": survey_id},
    )
    return {(row.wave, row.quota): row.taken for row in found}


def _of(invited: Invitation) -> dict[str, object]:
    return {"workspace": invited.workspace, "survey_id": invited.survey_id}
