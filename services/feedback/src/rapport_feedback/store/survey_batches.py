"""Anonymous answers are told of in batches, none of which is one person's.

A batch has answers with the same context, at least so many of which have a score, and their times
are those of its day. So whoever subtracts one group, time or look from another is left with whole
batches, however often they ask.
"""

import json
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.survey_forms import Form
from rapport_feedback.domain.surveys import COUNTED, LEAST_ANONYMOUS, Invitation

# Who goes on with an answer finds it as it was, so it is told when it is finished, or its day over.
_READY = (
    "workspace = :workspace AND survey_id = :survey_id AND wave = :wave AND NOT released "
    "AND (state = ANY(:counted)) = CAST(:counts AS boolean) "
    "AND (answered_at < :day OR (CAST(:at_once AS boolean) AND state <> 'open'))"
)
_RELEASE = (
    "WITH ready AS (SELECT response_id, score FROM feedback.response WHERE {ready} "
    "ORDER BY response_id FOR UPDATE) "
    "UPDATE feedback.response r SET released = true, answered_at = :day, revised_at = :day, "
    "finished_at = CASE WHEN r.finished_at IS NOT NULL THEN CAST(:day AS timestamptz) END{more} "
    "FROM ready WHERE r.workspace = :workspace AND r.response_id = ready.response_id "
    "AND (SELECT count(*) FILTER (WHERE score IS NOT NULL OR NOT CAST(:scored AS boolean)) "
    "FROM ready) >= :least"
)
_BATCH = text(
    _RELEASE.format(ready=f"{_READY} AND context = CAST(CAST(:context AS text) AS jsonb)", more="")
)
_REST = text(_RELEASE.format(ready=_READY, more=", context = '{}'"))


async def release(tx: AsyncConnection, invited: Invitation, form: Form, day: datetime) -> None:
    """Tell of what waits beside an answer to this link, if there is enough; `day` is today's."""
    told = {
        **_of(invited.workspace, invited.survey_id, invited.wave, day),
        "context": json.dumps(dict(invited.context)),
        "scored": form.lead is not None,
        # What is pressed is complete at once, and words follow it.
        "at_once": form.layout != "press",
    }
    for counts in (True, False):
        await tx.execute(_BATCH, {**told, "counts": counts})


async def release_rest(
    tx: AsyncConnection, place: tuple[str, UUID], wave: int, form: Form, day: datetime
) -> None:
    """Tell at the end of a wave of what is too little by context: together, and without any.

    `place`: workspace and survey.
    """
    told = _of(*place, wave, day)
    given = {**told, "scored": form.lead is not None, "at_once": form.layout != "press"}
    await tx.execute(_REST, {**given, "counts": True})


async def held_count(tx: AsyncConnection, workspace: str, survey_id: UUID) -> int:
    """How many answers to a survey wait for others like them."""
    rows = await tx.execute(
        text(
            "SELECT count(*) FROM feedback.response WHERE workspace = :workspace "
            "AND survey_id = :survey_id AND NOT released"
        ),
        {"workspace": workspace, "survey_id": survey_id},
    )
    total: int = rows.scalar_one()
    return total


def _of(workspace: str, survey_id: UUID, wave: int, day: datetime) -> dict[str, object]:
    return {
        "workspace": workspace,
        "survey_id": survey_id,
        "wave": wave,
        "day": day,
        "counted": list(COUNTED),
        "least": LEAST_ANONYMOUS,
    }
