"""How many people gave which score: each person's latest answer, under whatever names it came."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.surveys import COUNTED, OPEN_LINK

PERSON = """coalesce((SELECT 'profile:' || min(i.profile_id) FROM feedback.identity i
        WHERE i.workspace = r.workspace AND i.kind = r.kind AND i.value = r.value),
        r.kind || ':' || r.value)"""
"""SQL: whose a response `r` is."""

# Joined, and not asked for each answer as by `PERSON`: of many answers that takes a third of the
# time, in several processes of the database at once.
_LATEST = """
SELECT DISTINCT ON ({apart}person) {apart}person, value, part FROM (
    SELECT coalesce('profile:' || i.profile_id, r.kind || ':' || r.value) AS person, r.wave,
        {value} AS value, {part} AS part, r.revised_at, r.response_id
    FROM feedback.response r LEFT JOIN feedback.identity i
      ON i.workspace = r.workspace AND i.kind = r.kind AND i.value = r.value
      AND NOT EXISTS (SELECT FROM feedback.identity o WHERE o.workspace = i.workspace
        AND o.kind = i.kind AND o.value = i.value AND o.profile_id < i.profile_id)
    WHERE r.workspace = :workspace AND r.survey_id = :survey_id AND r.state = ANY(:states)
      AND r.released{within}
) given WHERE value IS NOT NULL ORDER BY {apart}person, revised_at DESC, response_id
"""
# A plan for surveys as they are on average suits neither the large nor the small ones.
_PLANNED = text("SET LOCAL plan_cache_mode = force_custom_plan")
_WAVE = " AND r.wave = :wave"
_SINCE = " AND r.answered_at > :since AND r.answered_at <= :until"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which answers count: `question` is None for the leading one; of a wave, of (since, until], or
    of all time; `by` is a dimension.
    """

    workspace: str
    survey_id: UUID
    question: str | None = None
    wave: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    by: str | None = None


# A question of this name may have been another one in a version long ago.
_NUMBER = (
    "CASE WHEN jsonb_typeof(CAST(r.answers AS jsonb)->CAST(:question AS text)) "
    "= 'number' THEN CAST(r.answers->>CAST(:question AS text) AS integer) END"
)


async def score_counts(tx: AsyncConnection, asked: Asked) -> dict[str, dict[int, int]]:
    """{value of the dimension, "" without one: {score: people}}."""
    value = "r.score" if asked.question is None else _NUMBER
    part = "coalesce(r.context->>:by, '')" if asked.by else "''"
    latest = _LATEST.format(apart="", value=value, part=part, within=_within(asked))
    await tx.execute(_PLANNED)
    rows = await tx.execute(
        text(
            f"SELECT part, value, count(*) AS people FROM ({latest}) latest GROUP BY part, value "
            "ORDER BY part, value"
        ),
        {**_given(asked), "states": list(COUNTED)},
    )
    found: dict[str, dict[int, int]] = {}
    for row in rows:
        found.setdefault(row.part, {})[row.value] = row.people
    return found


async def counts_of_waves(
    tx: AsyncConnection, workspace: str, survey_id: UUID, first: int
) -> dict[int, dict[int, int]]:
    """{wave: {score: people}} of the leading question, from a wave on."""
    within = " AND r.wave >= :first"
    latest = _LATEST.format(apart="wave, ", value="r.score", part="''", within=within)
    await tx.execute(_PLANNED)
    rows = await tx.execute(
        text(
            f"SELECT wave, value, count(*) AS people FROM ({latest}) latest GROUP BY wave, value "
            "ORDER BY wave, value"
        ),
        {
            "workspace": workspace,
            "survey_id": survey_id,
            "first": first,
            "states": list(COUNTED),
        },
    )
    found: dict[int, dict[int, int]] = {}
    for row in rows:
        found.setdefault(row.wave, {})[row.value] = row.people
    return found


async def invited_count(tx: AsyncConnection, asked: Asked) -> int:
    """How many people's own links there are: of a wave, made within the time, or all."""
    within = _within(asked).replace("r.answered_at", "r.created_at")
    rows = await tx.execute(
        text(
            "SELECT count(*) FROM feedback.invitation r WHERE r.workspace = :workspace "
            f"AND r.survey_id = :survey_id AND r.kind <> '{OPEN_LINK}'{within}"
        ),
        _given(asked, own=False),
    )
    total: int = rows.scalar_one()
    return total


async def answered_count(tx: AsyncConnection, asked: Asked) -> int:
    """How many answers came by people's own links: to a wave, within the time, or all.

    Also of those that were forgotten since, of which nothing says any more by which link they came.
    """
    rows = await tx.execute(
        text(
            "SELECT count(*) FROM feedback.response r WHERE r.workspace = :workspace "
            f"AND r.survey_id = :survey_id AND NOT r.anonymous{_within(asked)}"
        ),
        _given(asked, own=False),
    )
    total: int = rows.scalar_one()
    return total


def _within(asked: Asked) -> str:
    if asked.wave is not None:
        return _WAVE
    return _SINCE if asked.since is not None else ""


def _given(asked: Asked, *, own: bool = True) -> Mapping[str, Any]:
    given: dict[str, Any] = {"workspace": asked.workspace, "survey_id": asked.survey_id}
    if asked.wave is not None:
        given["wave"] = asked.wave
    elif asked.since is not None:
        given |= {"since": asked.since, "until": asked.until}
    if own and asked.question is not None:
        given["question"] = asked.question
    if own and asked.by is not None:
        given["by"] = asked.by
    return given
