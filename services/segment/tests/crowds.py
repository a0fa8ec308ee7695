"""Many people in the tables, made by the database: ids in the order of time, as profile makes them.

Of a hundred the first 30 have the plan `old`, each fifth has eight more identifiers and the trait
`devices`, each third has put something into a cart and bought it an hour later.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_PEOPLE = """
INSERT INTO segment.person (workspace, profile_id, version, known, identifiers_version,
  traits_version, computed_version, restraints_version, contact_points_version, consent_version,
  identifiers, traits, computed, restraints, contact_points, consent)
WITH nothing AS (SELECT CAST('{}' AS jsonb) AS none)
SELECT :workspace, CAST(lpad(to_hex(1700000000000 + n * 977), 12, '0') || '7000800'
    || substr(md5(n || :workspace), 1, 13) AS uuid), 1, true, 1, 1, 1, 1, 1, 1,
  jsonb_build_object('user_id', jsonb_build_array(:workspace || '-' || n))
    || CASE WHEN n % 5 = 0 THEN jsonb_build_object('device_id', (SELECT jsonb_agg(
      :workspace || '-' || n || '-' || d) FROM generate_series(1, 8) AS d)) ELSE none END,
  jsonb_build_object('plan', CASE WHEN n < 0.3 * CAST(:size AS int) THEN 'old' ELSE 'new' END)
    || CASE WHEN n % 5 = 0 THEN CAST('{"devices": true}' AS jsonb) ELSE none END
    || CASE WHEN n % 4 = 0 THEN jsonb_build_object('age', n % 50) WHEN n % 4 = 1
      THEN jsonb_build_object('age', 'grown') ELSE none END,
  jsonb_build_object('orders', n % 7, 'events', 1, 'revenue', none),
  CASE WHEN n % 10 = 9 THEN CAST('{"profiling": true}' AS jsonb) ELSE none END,
  CASE WHEN n % 2 = 0 THEN CAST('{"email": {"all": ["a@x.org"], "verified": ["a@x.org"]}}' AS jsonb)
    ELSE none END,
  CASE WHEN n % 4 = 0 THEN
    CAST('{"email": {"promotion": [{"point": "a@x.org", "state": "granted"}]}}' AS jsonb)
    ELSE none END
FROM nothing, generate_series(0, CAST(:size AS int) - 1) AS n
"""
_ANCHORS = """
INSERT INTO segment.anchor (workspace, profile_id, anchor)
SELECT p.workspace, p.profile_id, substr(sha256(convert_to(k.key, 'UTF8') || decode('00', 'hex')
  || convert_to(v.value, 'UTF8')), 1, 16) FROM segment.person p, jsonb_each(p.identifiers) AS k,
  jsonb_array_elements_text(k.value) AS v WHERE p.workspace = :workspace AND CAST(:size AS int) > 0
"""
_EVENTS = """
INSERT INTO segment.happening (workspace, source, message_id, anchor, name, at, received_at, copy,
  properties)
SELECT :workspace, 'shop', n || e.name, substr(sha256(convert_to('user_id', 'UTF8')
  || decode('00', 'hex') || convert_to(:workspace || '-' || n, 'UTF8')), 1, 16), e.name,
  CAST('2026-01-01T00:00:00Z' AS timestamptz) + e.later, '2026-01-01T02:00:00Z', 0, '{}'
FROM generate_series(0, CAST(:size AS int) - 1) AS n,
  (VALUES ('Cart', CAST('0' AS interval)), ('Bought', CAST('1 hour' AS interval)))
  AS e(name, later) WHERE n % 3 = 0
"""


async def crowd(engine: AsyncEngine, workspace: str, size: int) -> None:
    """So many people in a workspace that has none."""
    async with engine.begin() as tx:
        for statement in (_PEOPLE, _ANCHORS, _EVENTS):
            asked = {"workspace": workspace, "size": size}
            await tx.execute(
                text(statement), {k: v for k, v in asked.items() if f":{k}" in statement}
            )
    async with engine.connect() as connection:
        at_once = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await at_once.execute(text("ANALYZE segment.person, segment.anchor, segment.happening"))
