"""A million people in profile's tables: made once by profile's own code, and kept between runs."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING

import asyncpg
import uvloop
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from sqlalchemy import text
from tests.bench import newcomers, people
from tests.bench.table import console

from rapport_common.db import create_engine
from rapport_common.kafka.batch import Record
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.events import folded

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from rapport_common.events.envelope import Event

BATCH = 200
"""Events in one transaction: what is done with them between two statements must not take long, or
Postgres ends the session, also where others have the processors.
"""
CHUNK = 5_000
"""People whose rows are written in one transaction: of a run that was cut off whole chunks stay."""

FAST = {"synchronous_commit": "off", "maintenance_work_mem": "512MB"}
"""Settings of who fills: what a crash of the machine would lose is made again."""

_LEFT_OUT = "bench.left_out"
_LEAVE_OUT = f"""
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE IF NOT EXISTS {_LEFT_OUT} (name text PRIMARY KEY, definition text NOT NULL);
INSERT INTO {_LEFT_OUT} SELECT i.indexname, i.indexdef FROM pg_indexes i
WHERE i.schemaname = 'profile' AND i.tablename = ANY('{{{",".join(newcomers.COLUMNS)}}}')
AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid =
  (quote_ident(i.schemaname) || '.' || quote_ident(i.indexname))::regclass)
ON CONFLICT DO NOTHING;
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT name FROM {_LEFT_OUT} LOOP
    EXECUTE format('DROP INDEX IF EXISTS profile.%I', one.name);
  END LOOP;
END $$
"""
"""Drop the indexes that are no keys; how to make them again is kept, should this run be cut off."""


def fill(database: str, key: bytes, wanted: int) -> None:
    """Make people until there are so many, each with a first order, and let them be found."""
    missing = uvloop.run(_begin(database, wanted))
    if missing:
        with Progress(
            "people in the store",
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        ) as bar:
            task = bar.add_task("", total=wanted, completed=wanted - sum(map(len, missing)))
            workers = os.cpu_count() or 1
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                written = [pool.submit(write, database, key, chunk) for chunk in missing]
                for one in as_completed(written):
                    bar.advance(task, one.result())
    uvloop.run(_end(database))


def write(database: str, key: bytes, chunk: range) -> int:
    """Make the people with these numbers and copy their rows (in a process of the pool)."""
    rows = newcomers.rows_of(Ids(key), [people.arrival(number) for number in chunk])
    uvloop.run(_copy(database, rows))
    return len(chunk)


def grow(database: str, key: bytes, sizes: tuple[int, ...]) -> None:
    """Have one person with so many identifiers of each size (in a process of its own)."""
    uvloop.run(_grow(database, key, sizes))


async def _begin(database: str, wanted: int) -> list[range]:
    """The chunks that are not there; where some are not, tables are made ready for them."""
    connection = await asyncpg.connect(database)
    try:
        chunks = [range(at, min(wanted, at + CHUNK)) for at in range(0, wanted, CHUNK)]
        firsts = {people.arrival(one[0]).message_id: one for one in chunks}
        there = await connection.fetch(
            "SELECT message_id FROM profile.inbox "
            "WHERE workspace = $1 AND source = 'bench' AND message_id = ANY($2)",
            people.CROWD,
            list(firsts),
        )
        for row in there:
            del firsts[row["message_id"]]
        if firsts:
            async with connection.transaction():
                await connection.execute(_LEAVE_OUT)
        return list(firsts.values())
    finally:
        await connection.close()


async def _copy(database: str, rows: newcomers.Rows) -> None:
    connection = await asyncpg.connect(database, server_settings=FAST)
    try:
        async with connection.transaction():
            for table, columns in newcomers.COLUMNS.items():
                await connection.copy_records_to_table(
                    table, schema_name="profile", columns=columns, records=rows.tables[table]
                )
    finally:
        await connection.close()


async def _end(database: str) -> None:
    """Make the indexes that were left out, and tell the planner how much there is."""
    connection = await asyncpg.connect(database, server_settings=FAST)
    try:
        if await connection.fetchval("SELECT to_regclass($1)", _LEFT_OUT) is not None:
            for name, definition in await connection.fetch(f"SELECT * FROM {_LEFT_OUT}"):
                console.print(f"index {name} …")
                async with connection.transaction():
                    await connection.execute(definition)
                    await connection.execute(f"DELETE FROM {_LEFT_OUT} WHERE name = $1", name)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _grow(database: str, key: bytes, sizes: tuple[int, ...]) -> None:
    engine = create_engine(database, application="bench")
    try:
        for size in sizes:
            # Events that have been applied are known by their ids.
            await _apply(engine, Ids(key), people.devices(size))
    finally:
        await engine.dispose()


async def _apply(engine: AsyncEngine, ids: Ids, events: list[Event]) -> None:
    """As the consumer does, but nobody is told of it, and they count as none of the topic's."""
    for first in range(0, len(events), BATCH):
        batch = [
            Record("events", 0, at, b"", one)
            for at, one in enumerate(events[first : first + BATCH])
        ]
        async with engine.begin() as tx:
            await folded(ids, batch, tx)
            await tx.execute(text("DELETE FROM profile.outbox_batch"))
        await asyncio.sleep(0)
