"""What Postgres alone can do with the people of segment's bench: the conditions of rules as plain
SELECTs, and what segment writes for a usual record as bare statements.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import uvloop
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.bench import shoppers
from tests.bench.shoppers import CROWD

from rapport_common.db import create_engine
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import anchor_of
from rapport_segment.store.condition import Condition
from rapport_segment.store.definitions import EVERYBODY
from rapport_segment.store.matching import matched

MOST_SECONDS = 120.0
"""A SELECT that takes longer is given up, and counts as so long."""
BATCH = 1000
OWN = "ceiling"
_COMPUTED = """
UPDATE segment.person p SET computed = p.computed, version = p.version,
  computed_version = p.computed_version FROM unnest($2::uuid[]) AS v(id)
WHERE p.workspace = $1 AND p.profile_id = v.id
"""
_HAPPENED = f"""
INSERT INTO segment.happening (workspace, source, message_id, anchor, name, at, received_at, copy,
  properties) SELECT $1, '{OWN}', v.id, v.anchor, '{shoppers.ORDER}', now(), now(), 0, '{{}}'
FROM unnest($2::text[], $3::bytea[]) AS v(id, anchor)
"""
_MOVED = f"UPDATE {OWN}.position SET next_offset = next_offset + 1, updated_at = now()"


def selects(database: str, rules: Sequence[dict[str, Any]]) -> list[float]:
    """Seconds of a plain SELECT for each rule (called in a process of its own)."""
    return uvloop.run(_selects(database, rules))


async def _selects(database: str, rules: Sequence[dict[str, Any]]) -> list[float]:
    settings = {"statement_timeout": f"{MOST_SECONDS * 1000:.0f}"}
    engine = create_engine(
        database, application="bench", pool=1, settings=settings, patience=2 * MOST_SECONDS
    )
    found, given = [], {"workspace": CROWD}
    try:
        for one in map(parse, rules):
            try:
                async with engine.begin() as tx:
                    texts = await matched(tx, one, EVERYBODY, given)
                    condition = Condition(one, datetime.now(UTC), texts)
                    began = time.perf_counter()
                    await tx.execute(
                        text(
                            f"SELECT count(*) FROM segment.person p WHERE {EVERYBODY} "
                            f"AND {condition.sql}"
                        ),
                        {**given, **condition.parameters},
                    )
                    found.append(time.perf_counter() - began)
            except DBAPIError:
                found.append(MOST_SECONDS)
        return found
    finally:
        await engine.dispose()


def writes(database: str, people: int, count: int) -> float:
    """Records a second whose writes one connection does (called in a process of its own)."""
    return uvloop.run(_writes(database, people, count))


async def _writes(database: str, people: int, count: int) -> float:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(
            f"DROP SCHEMA IF EXISTS {OWN} CASCADE; CREATE SCHEMA {OWN}; "
            f"CREATE TABLE {OWN}.position (LIKE segment.position INCLUDING ALL); "
            f"INSERT INTO {OWN}.position (grp, topic, partition, next_offset) "
            "SELECT 'p', 't', n, 0 FROM generate_series(1, 12) AS n"
        )
        chance, run = random.Random(count), time.time_ns()
        began = time.perf_counter()
        for first in range(0, count, BATCH):
            numbers = sorted({chance.randrange(people) for _ in range(BATCH)})
            anchors = [anchor_of(*shoppers.identifiers(one)[0]) for one in numbers]
            ids = [f"{run}/{first}/{one}" for one in numbers]
            async with connection.transaction():
                await connection.execute(_MOVED)
                await connection.execute(
                    _COMPUTED, CROWD, [shoppers.profile_id(one) for one in numbers]
                )
                await connection.execute(_HAPPENED, CROWD, ids, anchors)
        return count / (time.perf_counter() - began)
    finally:
        await connection.execute(f"DELETE FROM segment.happening WHERE source = '{OWN}'")
        await connection.execute(f"DROP SCHEMA IF EXISTS {OWN} CASCADE")
        await connection.close()
