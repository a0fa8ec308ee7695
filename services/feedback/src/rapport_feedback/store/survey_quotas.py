"""How many finished answers the quotas of surveys have: held by the database.

Far from its limit a quota is counted in parts, so that answers that come at once do not wait for
one another; near it in one row, where they take turns. What it has is the row and its parts.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.survey_forms import Quota
from rapport_feedback.domain.surveys import Invitation

ALL_WAVES = 0
PARTS = 64
FAR = 10_000
"""A quota that lacks more than this is far from its limit: so many do not come while a statement
waits for a row (two seconds at most), so what was far when it began has room when it ends.
"""

_HAS = """
SELECT wave, quota, taken FROM feedback.survey_quota
WHERE workspace = :workspace AND survey_id = :survey_id
UNION ALL SELECT wave, quota, taken FROM feedback.survey_quota_part
WHERE workspace = :workspace AND survey_id = :survey_id
"""
_READ = text(
    f"SELECT wave, quota, sum(taken) AS taken FROM ({_HAS}) h "
    "WHERE wave = ANY(CAST(:waves AS integer[])) GROUP BY wave, quota"
)
_ALL = text(f"SELECT wave, quota, sum(taken) AS taken FROM ({_HAS}) h GROUP BY wave, quota")
_WANTED = """
SELECT * FROM unnest(CAST(:waves AS integer[]), CAST(:quotas AS text[]),
  CAST(:limits AS bigint[])) AS v(wave, quota, most)
"""
# All or none; rows are locked in one order, as by who counts near a limit.
_TAKE_FAR = text(
    f"""
    WITH wanted AS ({_WANTED}), has AS ({_HAS}), near AS (
      SELECT FROM wanted w WHERE :far + coalesce((SELECT sum(h.taken) FROM has h
        WHERE h.wave = w.wave AND h.quota = w.quota), 0) >= w.most),
    held AS (
      SELECT p.wave, p.quota FROM feedback.survey_quota_part p JOIN wanted w
        ON p.workspace = :workspace AND w.wave = p.wave AND w.quota = p.quota
      WHERE p.survey_id = :survey_id AND p.part = :part AND NOT EXISTS (SELECT FROM near)
        AND (SELECT count(*) FROM feedback.survey_quota_part o JOIN wanted v
          ON o.workspace = :workspace AND v.wave = o.wave AND v.quota = o.quota
          WHERE o.survey_id = :survey_id AND o.part = :part) = (SELECT count(*) FROM wanted)
      ORDER BY p.wave, p.quota FOR UPDATE OF p)
    UPDATE feedback.survey_quota_part p SET taken = p.taken + 1 FROM held
    WHERE p.workspace = :workspace AND p.survey_id = :survey_id AND p.part = :part
      AND p.wave = held.wave AND p.quota = held.quota
    """
)
_FIRST = text(
    "INSERT INTO feedback.survey_quota (workspace, survey_id, wave, quota, taken) "
    "SELECT :workspace, :survey_id, v.wave, v.quota, 0 FROM unnest(CAST(:waves AS integer[]), "
    "CAST(:quotas AS text[])) AS v(wave, quota) ORDER BY v.wave, v.quota ON CONFLICT DO NOTHING"
)
_IN_PARTS = text(
    "INSERT INTO feedback.survey_quota_part (workspace, survey_id, wave, quota, part, taken) "
    "SELECT :workspace, :survey_id, w.wave, w.quota, n, 0 "
    f"FROM ({_WANTED}) w, generate_series(0, {PARTS - 1}) n WHERE w.most > :far "
    "AND NOT EXISTS (SELECT FROM feedback.survey_quota_part p WHERE p.workspace = :workspace "
    "AND p.survey_id = :survey_id AND p.wave = w.wave AND p.quota = w.quota) "
    "ORDER BY w.wave, w.quota, n ON CONFLICT DO NOTHING"
)
_OF_THESE = (
    "q.workspace = :workspace AND q.survey_id = :survey_id AND (q.wave, q.quota) IN (SELECT * "
    "FROM unnest(CAST(:waves AS integer[]), CAST(:quotas AS text[])))"
)
_LOCK = text(
    f"SELECT q.wave, q.quota, q.taken FROM feedback.survey_quota q WHERE {_OF_THESE} "
    "ORDER BY q.wave, q.quota FOR UPDATE"
)
_LOCK_PARTS = text(
    f"SELECT q.wave, q.quota, q.taken FROM feedback.survey_quota_part q WHERE {_OF_THESE} "
    "ORDER BY q.wave, q.quota, q.part FOR UPDATE"
)
_TAKE = text(f"UPDATE feedback.survey_quota q SET taken = taken + 1 WHERE {_OF_THESE}")


def _wave(quota: Quota, invited: Invitation) -> int:
    return invited.wave if quota.per == "wave" else ALL_WAVES


async def are_full(tx: AsyncConnection, invited: Invitation, quotas: Sequence[Quota]) -> bool:
    """Whether one of these has as many answers as are wanted."""
    if not quotas:
        return False
    found = await tx.execute(_READ, {**_of(invited), "waves": [ALL_WAVES, invited.wave]})
    taken = {(row.wave, row.quota): row.taken for row in found}
    return any(taken.get((_wave(one, invited), one.id), 0) >= one.limit for one in quotas)


async def take(
    tx: AsyncConnection,
    invited: Invitation,
    quotas: Sequence[Quota],
    answer: UUID,
    *,
    far: int = FAR,
) -> bool:
    """Count an answer in all of these, or in none and False when one of them is full.

    Which part it is counted in goes by its id. Rows are locked in one order, so that nobody waits
    for somebody who waits for them.
    """
    if not quotas:
        return True
    these = {
        **_of(invited),
        "waves": [_wave(one, invited) for one in quotas],
        "quotas": [one.id for one in quotas],
    }
    limits = {**these, "limits": [one.limit for one in quotas], "far": far}
    counted = await tx.execute(_TAKE_FAR, {**limits, "part": answer.int % PARTS})
    return counted.rowcount > 0 or await _take_near(tx, invited, quotas, these, limits)


async def _take_near(
    tx: AsyncConnection,
    invited: Invitation,
    quotas: Sequence[Quota],
    these: dict[str, object],
    limits: dict[str, object],
) -> bool:
    """The same where one of them is near its limit, or is counted for the first time."""
    await tx.execute(_FIRST, these)
    taken = {(row.wave, row.quota): row.taken for row in await tx.execute(_LOCK, these)}
    for row in await tx.execute(_LOCK_PARTS, these):
        taken[row.wave, row.quota] += row.taken
    if any(taken[_wave(one, invited), one.id] >= one.limit for one in quotas):
        return False
    await tx.execute(_TAKE, these)
    await tx.execute(_IN_PARTS, limits)
    return True


async def taken(tx: AsyncConnection, workspace: str, survey_id: UUID) -> dict[tuple[int, str], int]:
    """{(wave or 0 for all, quota): answers} of a survey."""
    found = await tx.execute(_ALL, {"workspace": workspace, "survey_id": survey_id})
    return {(row.wave, row.quota): int(row.taken) for row in found}


def _of(invited: Invitation) -> dict[str, object]:
    return {"workspace": invited.workspace, "survey_id": invited.survey_id}
