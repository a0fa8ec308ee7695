"""Answers by the hundred thousand, people and open cases in feedback's tables: made inside the
database, of templates that the service itself has made.
"""

from __future__ import annotations

import hashlib
import time
from uuid import UUID

import asyncpg
from tests.bench.place import WORKSPACE
from tests.bench.table import console

WAVES = 4
PRODUCTS, STORES, AGENTS, SEGMENTS = 20, 50, 200, 10
SPAN_DAYS = 360
FAST = {"synchronous_commit": "off", "maintenance_work_mem": "512MB"}
CHUNK = 250_000

# Everybody answers once in each wave. One person in fifty is known under two names, and both have
# answered: whoever counts people must not count them twice.
_IDENTITIES = """
INSERT INTO feedback.identity (workspace, kind, value, profile_id)
SELECT $1, 'user_id', 'crowd-' || n, 'p' || CASE WHEN n % 50 = 1 THEN n - 1 ELSE n END
FROM generate_series($2::bigint, $3::bigint - 1) n ON CONFLICT DO NOTHING
"""
_ANSWERS = f"""
INSERT INTO feedback.response (workspace, response_id, survey_id, wave, kind, value, score,
  comment, revision, answered_at, revised_at, version, answers, words, done, state, finished_at,
  context)
SELECT $1, md5('answer-' || n)::uuid, $2, 1 + n % {WAVES}, 'user_id', 'crowd-' || n / {WAVES},
  CASE WHEN r < 10 THEN r % 7 WHEN r < 35 THEN 7 + r % 2 ELSE 9 + r % 2 END,
  CASE WHEN r < 30 THEN 'It came late, and the box was open ' || r ELSE '' END,
  1, at, at, 1, jsonb_build_object('ease', 1 + r % 5), '{{}}', ARRAY['all'], 'complete', at,
  jsonb_build_object('product', 'product-' || h % {PRODUCTS}, 'channel',
    (ARRAY['mail', 'page', 'shop'])[1 + h % 3], 'store', 'store-' || h % {STORES},
    'agent', 'agent-' || h % {AGENTS}, 'segment', 'segment-' || h % {SEGMENTS})
FROM (SELECT n, abs(hashint8(n)) % 100 AS r, abs(hashint8(n / {WAVES})) AS h, now()
    - make_interval(secs => {SPAN_DAYS * 86400} / {WAVES} * ({WAVES - 1} - n % {WAVES})
      + abs(hashint8(n + 7)) % ({SPAN_DAYS * 86400} / {WAVES})) AS at
  FROM generate_series($3::bigint, $4::bigint - 1) n) made ON CONFLICT DO NOTHING
"""
_INVITATIONS = """
INSERT INTO feedback.invitation (workspace, invitation_id, survey_id, wave, kind, value, user_id,
  created_at, expires_at, context)
SELECT $1, md5($3 || '-' || n)::uuid, $2, $5, 'user_id', $3 || '-' || n, $3 || '-' || n, now(),
  now() + interval '30 days', jsonb_build_object('product', 'product-' || n % 20, 'channel',
  'page', 'store', 'store-' || n % 50, 'agent', 'agent-' || n % 200, 'segment', 'segment-1')
FROM generate_series(0, $4::bigint - 1) n
"""
_KNOWN = """
INSERT INTO feedback.identity (workspace, kind, value, profile_id)
SELECT $1, 'user_id', $2 || '-' || n, 'p-' || $2 || '-' || n FROM generate_series(0, $3 - 1) n
"""
# `$3` names this lot; its first clocks run out from `$5` on, `$6` seconds apart; none with null.
_CASES = """
WITH t AS (SELECT * FROM feedback.complaint WHERE workspace = $1 AND case_id = $2)
INSERT INTO feedback.complaint (workspace, case_id, number, state, step, subject, body, user_id,
  opened_at, acknowledge_due_at, due_at, deadline_at, version, severity, category, product,
  order_id, tier, team, owner, channel, language, queue)
SELECT $1, md5($3 || '-' || n)::uuid, $7::bigint + n, state, step, subject, body,
  $3 || '-' || n, opened_at, x.at, due_at, x.at, version, severity, category, product, order_id,
  tier, team, owner, channel, language, queue
FROM t, generate_series(0, $4::bigint - 1) n, LATERAL (SELECT coalesce(
  $5::timestamptz + make_interval(secs => $6::float8 * n), acknowledge_due_at) AS at) x
"""
_NUMBERED = """
UPDATE feedback.case_number SET last = last + $2 WHERE workspace = $1 RETURNING last - $2 + 1
"""
_STEPS = """
INSERT INTO feedback.case_event (workspace, case_id, step, actor, at, from_state, to_state, note,
  acknowledge_due_at, due_at, version)
SELECT $1, md5($3 || '-' || n)::uuid, step, actor, at, from_state, to_state, note,
  acknowledge_due_at, due_at, version
FROM feedback.case_event, generate_series(0, $4::bigint - 1) n
WHERE workspace = $1 AND case_id = $2
"""
_LAPS = """
INSERT INTO feedback.case_clock (workspace, case_id, clock, lap, started_at, resumed_at, spent,
  paused, extended, due_at, warn_at, escalations, ended_at, outcome, policy, policy_version,
  warned, breached_at, escalated)
SELECT $1, md5($3 || '-' || n)::uuid, clock, lap, started_at, resumed_at, spent, paused, extended,
  CASE WHEN clock = 'acknowledge' AND $5::timestamptz IS NOT NULL
    THEN $5::timestamptz + make_interval(secs => $6::float8 * n) ELSE due_at END,
  NULL, '[]', ended_at, outcome, policy, policy_version, warned, breached_at, escalated
FROM feedback.case_clock, generate_series(0, $4::bigint - 1) n
WHERE workspace = $1 AND case_id = $2
"""
_DUE = """
INSERT INTO feedback.due (workspace, kind, key, at, try_at)
SELECT workspace, 'case_' || clock, case_id::text, due_at, due_at FROM feedback.case_clock
WHERE workspace = $1 AND outcome IS NULL AND due_at IS NOT NULL AND case_id IN
  (SELECT md5($2 || '-' || n)::uuid FROM generate_series(0, $3::bigint - 1) n)
"""


def made_id(lot: str, number: int) -> UUID:
    """The id of the invitation or case with this number in a lot."""
    return UUID(hashlib.md5(f"{lot}-{number}".encode(), usedforsecurity=False).hexdigest())


async def fill_answers(connection: asyncpg.Connection, survey: UUID, wanted: int) -> None:
    """Have so many answers to a survey, in all its waves, and tell who has given them."""
    there = await connection.fetchval(
        "SELECT count(*) FROM feedback.response WHERE workspace = $1 AND survey_id = $2 "
        "AND value LIKE 'crowd-%'",
        WORKSPACE,
        survey,
    )
    if there >= wanted:
        return
    began = time.perf_counter()
    for first in range(0, wanted, CHUNK):
        end = min(wanted, first + CHUNK)
        people = first // WAVES, (end + WAVES - 1) // WAVES
        await connection.execute(_IDENTITIES, WORKSPACE, *people)
        await connection.execute(_ANSWERS, WORKSPACE, survey, first, end)
    await connection.execute(
        "UPDATE feedback.survey SET wave = $3 WHERE workspace = $1 AND survey_id = $2",
        WORKSPACE,
        survey,
        WAVES,
    )
    for table in ("response", "identity"):
        await connection.execute(f"VACUUM ANALYZE feedback.{table}")
    console.print(f"  {wanted:,} answers in {time.perf_counter() - began:.0f} s")


async def invite(connection: asyncpg.Connection, survey: UUID, lot: str, count: int) -> None:
    """Invite so many new people, who are known, to the survey's last wave."""
    await connection.execute(_INVITATIONS, WORKSPACE, survey, lot, count, WAVES)
    await connection.execute(_KNOWN, WORKSPACE, lot, count)
    await connection.execute("ANALYZE feedback.invitation")


async def clone_cases(
    connection: asyncpg.Connection,
    template: UUID,
    lot: str,
    count: int,
    *,
    first_due: object = None,
    apart: float = 0.0,
) -> None:
    """Open so many cases like a template, with all its clocks.

    With `first_due` their acknowledgements are due from then on, `apart` seconds from each other.
    """
    due = first_due, apart
    async with connection.transaction():
        first = await connection.fetchval(_NUMBERED, WORKSPACE, count)
        await connection.execute(_CASES, WORKSPACE, template, lot, count, *due, first)
        await connection.execute(_STEPS, WORKSPACE, template, lot, count)
        await connection.execute(_LAPS, WORKSPACE, template, lot, count, *due)
        await connection.execute(_DUE, WORKSPACE, lot, count)
