"""What Postgres alone can do with a million people: what profile writes for a usual event.

In the same tables, over one connection, by bare statements that read nothing and wait for nobody.
What is known of people is written again as it is; the rest is taken away afterwards.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

import asyncpg
import uvloop
from tests.bench import people, sql_ceiling

from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.naming import Ids

BATCH = 1_000
OWN = "ceiling"
"""A schema for what there is one row of: the service's own are the service's."""
W = f"'{people.CROWD}'"
_PEOPLE = """
SELECT CAST(i.id AS text) AS identifier, CAST(p.id AS text) AS id, p.version, p.members,
  CAST(p.summary AS text) AS summary
FROM profile.identifier i JOIN profile.profile p ON p.workspace = i.workspace
  AND p.id = i.profile_id WHERE i.workspace = $1 AND i.id = ANY(CAST($2::text[] AS uuid[]))
"""


@dataclass(frozen=True)
class _Drawn:
    """An event, and what is stored of its person."""

    event: Event
    row: Any


def measure(database: str, key: bytes, wanted: int, count: int) -> float:
    """Events a second (called in a process of its own)."""
    return uvloop.run(_measure(database, key, wanted, count))


async def _measure(database: str, key: bytes, wanted: int, count: int) -> float:
    settings = {"plan_cache_mode": "force_custom_plan"}
    connection = await asyncpg.connect(database, server_settings=settings)
    try:
        await _prepare(connection)
        drawn = await _draw(connection, Ids(key), wanted, count)
        began = time.perf_counter()
        for first in range(0, len(drawn), BATCH):
            await _write(connection, drawn[first : first + BATCH])
        return len(drawn) / (time.perf_counter() - began)
    finally:
        for table in ("inbox", "timeline"):
            await connection.execute(f"DELETE FROM profile.{table} WHERE source = '{OWN}'")
        await connection.execute(f"DROP SCHEMA IF EXISTS {OWN} CASCADE")
        await connection.close()


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.execute(f"DROP SCHEMA IF EXISTS {OWN} CASCADE; CREATE SCHEMA {OWN}")
    for table in ("position", "tally", "outbox_batch"):
        await connection.execute(f"CREATE TABLE {OWN}.{table} (LIKE profile.{table} INCLUDING ALL)")
    await connection.execute(
        f"INSERT INTO {OWN}.position (grp, topic, partition, next_offset) "
        "SELECT 'p', 't', n, 0 FROM generate_series(1, 12) AS n"
    )


async def _draw(connection: asyncpg.Connection, ids: Ids, wanted: int, count: int) -> list[_Drawn]:
    run = f"{OWN}-{time.time_ns()}"
    events = people.visits(run, wanted, count)
    random.Random(run).shuffle(events)
    named = [ids.of(people.CROWD, one.strongest()) for one in events]
    rows = {
        row["identifier"]: row
        for row in await connection.fetch(_PEOPLE, people.CROWD, sorted(set(named)))
    }
    return [_Drawn(one, rows[hub]) for one, hub in zip(events, named, strict=True)]


async def _write(connection: asyncpg.Connection, batch: list[_Drawn]) -> None:
    """One transaction as the consumer's, and one as the relay's."""
    events = [one.event for one in batch]
    who = {one.row["id"]: one.row for one in batch}
    sources, messages = _pack(OWN for _ in batch), [one.message_id for one in events]
    hubs = _pack(one.row["identifier"] for one in batch)
    times, told = [one.timestamp for one in events], [encode(one) for one in events]
    async with connection.transaction():
        await connection.execute(
            f"UPDATE {OWN}.position SET next_offset = next_offset + 1, updated_at = now()"
        )
        hashes = [content_hash(one) for one in events]
        await connection.execute(
            _in(sql_ceiling.INBOX), sources, messages, hashes, hubs, times, times
        )
        await connection.execute(
            _in(sql_ceiling.SUMMARY),
            _pack(who),
            _pack(row["version"] for row in who.values()),
            _pack(row["members"] for row in who.values()),
            [row["summary"] for row in who.values()],
        )
        texts = [one.decode() for one in told]
        await connection.execute(_in(sql_ceiling.TIMELINE), sources, messages, hubs, times, texts)
        await connection.execute(
            f"INSERT INTO {OWN}.outbox_batch (topic, version, keys, payloads, records, bytes) "
            "VALUES ('t', 3, $1, $2, $3, $4)",
            [one.row["id"].encode() for one in batch],
            told,
            len(batch),
            sum(map(len, told)),
        )
        await connection.execute(
            f"INSERT INTO {OWN}.tally AS t (name, value) VALUES ('t', {len(batch)}) "
            "ON CONFLICT (name) DO UPDATE SET value = t.value + excluded.value"
        )
    await connection.execute(f"DELETE FROM {OWN}.outbox_batch")


def _in(statement: str) -> str:
    """A statement of the pipeline's ceiling in our workspace."""
    return statement.replace(sql_ceiling.W, W)


def _pack(values: Any) -> str:
    return ",".join(str(one) for one in values)
