"""What Postgres alone can do here: the pipeline's writes as bare batch statements, nothing else."""

from __future__ import annotations

import os
import time
import uuid

import asyncpg
import uvloop
from tests.bench.kafka_ceiling import Records

DATABASE = "bench_ceiling"
BATCH = 1000
TABLES = """
CREATE TABLE inbox (workspace text, source text, message_id text, hash bytea NOT NULL,
  PRIMARY KEY (workspace, source, message_id));
CREATE TABLE timeline (workspace text, identifier_id uuid, at timestamptz, message_id text,
  event json NOT NULL, PRIMARY KEY (workspace, identifier_id, at, message_id));
CREATE TABLE identifier (workspace text, id uuid, fold json NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL,
  keys bytea[] NOT NULL, payloads bytea[] NOT NULL);
ALTER TABLE outbox ALTER COLUMN payloads SET STORAGE EXTERNAL;
"""
INBOX = """INSERT INTO inbox SELECT 'w', 's', id, sum FROM unnest($1::text[], $2::bytea[])
  AS v(id, sum) ON CONFLICT DO NOTHING"""
TIMELINE = """INSERT INTO timeline SELECT 'w', who, now(), id, event::json
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS v(who, id, event)"""
IDENTIFIER = """INSERT INTO identifier SELECT 'w', id, fold::json
  FROM unnest($1::uuid[], $2::text[]) AS v(id, fold)
  ON CONFLICT (workspace, id) DO UPDATE SET fold = excluded.fold"""
OUTBOX = """INSERT INTO outbox (topic, keys, payloads) VALUES ('profile.activity', $1, $2)"""
FOLD = '{"events":7,"orders":7,"revenue":{"USD":"123.40"},"first":"1997-01-01","last":"1998-01-01"}'


def writes(server: str, records: Records, people: int, seconds: float) -> float:
    """Return events per second: inbox, timeline, two identifiers, outbox; 1,000 a transaction."""
    return uvloop.run(_writes(server, records, people, seconds))


async def _writes(server: str, records: Records, people: int, seconds: float) -> float:
    await _recreate(server)
    connection = await asyncpg.connect(f"{server}/{DATABASE}")
    try:
        await connection.execute(TABLES)
        ids = sorted(uuid.UUID(bytes=os.urandom(16)) for _ in range(2 * people))
        began, done = time.perf_counter(), 0
        while time.perf_counter() < began + seconds:
            await _batch(connection, done, records, ids)
            done += BATCH
        return done / (time.perf_counter() - began)
    finally:
        await connection.close()


async def _recreate(server: str) -> None:
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()


async def _batch(
    connection: asyncpg.Connection, first: int, records: Records, ids: list[uuid.UUID]
) -> None:
    """Write one batch; person n has the identifiers 2n and 2n + 1 of `ids`, which are sorted."""
    numbers = range(first, first + BATCH)
    messages = [f"message-{number}" for number in numbers]
    values = [records[number % len(records)][1] for number in numbers]
    people = [number % (len(ids) // 2) for number in numbers]
    touched = [ids[2 * one + side] for one in sorted(set(people)) for side in (0, 1)]
    strongest = [ids[2 * one] for one in people]
    hashes = [b"0123456789abcdef"] * BATCH
    async with connection.transaction():
        await connection.execute(INBOX, messages, hashes)
        await connection.execute(IDENTIFIER, touched, [FOLD] * len(touched))
        await connection.execute(TIMELINE, strongest, messages, [one.decode() for one in values])
        # An activity record holds the event and the person's whole state: about twice as long.
        await connection.execute(OUTBOX, hashes, [one + one for one in values])
