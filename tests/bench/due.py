"""What has a time: how late it is run beside a million that wait, and what a row costs."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import psutil
import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.bench.due_replica import KIND, SCHEMA
from tests.bench.table import Row, console

from rapport_common.db import create_engine, metadata
from rapport_common.due.alarm import PACE_SECONDS
from rapport_common.due.store import DueStore, NewDue
from rapport_common.due.tables import due_tables
from rapport_local.postgres import Postgres

WAITING = 1_000_000
WORKSPACES = 50
AHEAD = timedelta(seconds=3)
RATE = 500
STREAM_SECONDS = 24
BURST = 50_000
BATCH = 500
PATIENCE_SECONDS = 120.0
REPLICA = Path(__file__).with_name("due_replica.py")
STORE = DueStore(SCHEMA)
_FILL = f"""
INSERT INTO {SCHEMA}.due (workspace, kind, key, at, try_at)
SELECT 'w' || n % {WORKSPACES}, '{KIND}', 'wait-' || n, at, at FROM (
  SELECT n, now() + interval '10 minutes' + n * interval '7.2 ms' AS at
  FROM generate_series(1, {WAITING}) AS n) AS v
"""
_CEILING = f"""
CREATE TABLE {SCHEMA}.bare (LIKE {SCHEMA}.due INCLUDING ALL);
CREATE TABLE {SCHEMA}.bare_effect (LIKE {SCHEMA}.effect);
INSERT INTO {SCHEMA}.bare (workspace, kind, key, at, try_at) SELECT 'w' || n % {WORKSPACES},
  '{KIND}', 'burst-' || n, now(), now() FROM generate_series(1, {BURST}) AS n;
ANALYZE {SCHEMA}.bare;
"""
_BARE_TAKE = f"""
DELETE FROM {SCHEMA}.bare WHERE ctid = ANY(ARRAY(SELECT ctid FROM {SCHEMA}.bare
  LIMIT {BATCH} FOR UPDATE SKIP LOCKED)) RETURNING *
"""
_BARE_EFFECT = f"""
INSERT INTO {SCHEMA}.bare_effect SELECT key, at, clock_timestamp()
FROM unnest($1::text[], $2::timestamptz[]) AS v(key, at)
"""


def measure() -> list[Row]:
    """Return the rows; two replicas run, one is killed in the middle."""
    with postgres() as (url, server):
        return uvloop.run(_measure(url, server))


@contextmanager
def postgres() -> Iterator[tuple[str, int]]:
    """A Postgres of its own, as the stack's are: its URL and its process."""
    with tempfile.TemporaryDirectory(prefix="rapport-bench-") as folder:
        server = Postgres(Path(folder) / "postgres")
        try:
            running = server.start().running
            assert running is not None
            yield server.url(), running.pid
        finally:
            server.stop()
            server.remove()


async def _measure(url: str, server: int) -> list[Row]:
    console.print(f"{WAITING:,} rows that wait …")
    engine = create_engine(url, application="bench", pool=2, patience=300)
    bare, old = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        await _tables(engine)
        await bare.execute(_FILL)
        await bare.execute(f"VACUUM ANALYZE {SCHEMA}.due")
        # As an analyst's query or a backup does: what dies from here on can't be cleared away.
        await old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class")
        ceiling = await _ceiling(bare, server)
        with ExitStack() as stack:
            replicas = [_replica(stack, url, number) for number in range(2)]
            return await _beside(engine, bare, server, replicas, ceiling)
    finally:
        await bare.close()
        await old.close()
        await engine.dispose()


async def _tables(engine: AsyncEngine) -> None:
    tables = metadata(SCHEMA)
    due_tables(tables)
    async with engine.begin() as tx:
        await tx.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        await tx.run_sync(tables.create_all)
        await tx.execute(
            text(f"CREATE TABLE {SCHEMA}.effect (key text, at timestamptz, done_at timestamptz)")
        )
        # What was filled in by hand needs its lanes too.
        await tx.execute(
            text(
                f"INSERT INTO {SCHEMA}.due_lane SELECT 'w' || n, '{KIND}' "
                f"FROM generate_series(0, {WORKSPACES - 1}) AS n"
            )
        )


class Replica:
    """A process that can be killed, and started again."""

    def __init__(self, url: str, number: int) -> None:
        self._arguments = [sys.executable, str(REPLICA), url, str(number)]
        self.spent = 0.0
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        self._process = subprocess.Popen(self._arguments)

    def cpu(self) -> float:
        """Its CPU seconds so far, those of its earlier lives included."""
        times = psutil.Process(self._process.pid).cpu_times()
        return self.spent + times.user + times.system

    def end(self, number: int) -> None:
        """End it by a signal."""
        self.spent = self.cpu()
        self._process.send_signal(number)
        self._process.wait()


def _replica(stack: ExitStack, url: str, number: int) -> Replica:
    made = Replica(url, number)
    stack.callback(made.end, signal.SIGTERM)
    return made


async def _beside(
    engine: AsyncEngine,
    bare: asyncpg.Connection,
    server: int,
    replicas: Sequence[Replica],
    ceiling: Ceiling,
) -> list[Row]:
    await asyncio.sleep(3)
    console.print(f"{RATE} a second for {STREAM_SECONDS} s, kill -9 of one of two replicas …")
    idle = _cpu(server, replicas)
    await asyncio.sleep(5)
    resting = [
        (after - before) / 5 for before, after in zip(idle, _cpu(server, replicas), strict=True)
    ]
    before = _cpu(server, replicas)
    sent = await _stream(engine, replicas[1])
    await _until(bare, sent)
    spent = [after - first for first, after in zip(before, _cpu(server, replicas), strict=True)]
    rows = await _late(bare, sent, spent, resting, ceiling)
    console.print(f"{BURST:,} due at once …")
    return rows + await _burst(engine, bare, sent, ceiling)


async def _stream(engine: AsyncEngine, victim: Replica) -> int:
    """Schedule so many a second, each three seconds ahead; how many."""
    sent, step = 0, 0.1
    began = time.perf_counter()
    for tick in range(int(STREAM_SECONDS / step)):
        await asyncio.sleep(max(0.0, began + tick * step - time.perf_counter()))
        if tick == int(STREAM_SECONDS / step / 2):
            victim.end(signal.SIGKILL)
        if tick == int(STREAM_SECONDS / step / 2) + int(5 / step):
            victim.start()
        async with engine.begin() as tx:
            now: datetime = (await tx.execute(text("SELECT clock_timestamp()"))).scalar_one()
            numbers = range(sent, sent + int(RATE * step))
            await STORE.schedule(
                tx,
                [
                    NewDue(
                        f"w{number % WORKSPACES}",
                        KIND,
                        f"stream-{number}",
                        now + AHEAD + timedelta(milliseconds=2 * place),
                    )
                    for place, number in enumerate(numbers)
                ],
            )
        sent += len(numbers)
    return sent


async def _until(bare: asyncpg.Connection, number: int) -> None:
    """Wait until so many effects are there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await bare.fetchval(f"SELECT count(*) FROM {SCHEMA}.effect") < number:
        if time.monotonic() > deadline:
            message = "what is due is not run"
            raise TimeoutError(message)
        await asyncio.sleep(0.05)


def _cpu(server: int, replicas: Sequence[Replica]) -> tuple[float, float]:
    """CPU seconds of (the replicas, Postgres)."""
    whole = [psutil.Process(server), *psutil.Process(server).children(recursive=True)]
    times = [one.cpu_times() for one in whole]
    return sum(one.cpu() for one in replicas), sum(one.user + one.system for one in times)


async def _late(
    bare: asyncpg.Connection,
    sent: int,
    spent: Sequence[float],
    resting: Sequence[float],
    ceiling: Ceiling,
) -> list[Row]:
    found = await bare.fetchrow(
        "SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY "
        "extract(epoch FROM done_at - at)) AS late, count(*) AS done, "
        f"count(DISTINCT key) AS different FROM {SCHEMA}.effect"
    )
    lost, doubled = sent - found["different"], found["done"] - found["different"]
    exact = f"{sent:,} rows: {lost} lost, {doubled} doubled"
    middle, most, worst = (1000 * one for one in found["late"])
    what = f"late at {RATE}/s beside {WAITING:,} that wait"
    per_row = [1e6 * one / sent for one in spent]
    costs = f"CPU a row: replicas {per_row[0]:.0f} us, Postgres {per_row[1]:.0f} us"
    rest = f"at rest {100 * resting[0]:.1f} % and {100 * resting[1]:.1f} % of a core"
    pace, beside = 1000 * PACE_SECONDS, "beside an old snapshot; ceiling: its own pace"
    return [
        Row(f"{what}, p50", middle, "ms", "1,000", pace / 2, f"kill -9 of one of two; {exact}"),
        Row(f"{what}, p99", most, "ms", "1,000", pace, f"the worst {worst:.0f} ms; {beside}"),
        Row("CPU of 1,000 due rows", sum(per_row), "ms", "", ceiling.cpu, f"{costs}; {rest}"),
    ]


async def _burst(
    engine: AsyncEngine, bare: asyncpg.Connection, before: int, ceiling: Ceiling
) -> list[Row]:
    """How quickly many that are due at once are run, beside the same statements alone."""
    async with engine.begin() as tx:
        now = (await tx.execute(text("SELECT clock_timestamp()"))).scalar_one()
        keys = [(f"w{number % WORKSPACES}", f"burst-{number}") for number in range(BURST)]
        await STORE.schedule(tx, [NewDue(one, KIND, key, now) for one, key in keys])
    began = time.perf_counter()
    await _until(bare, before + BURST)
    rate = BURST / (time.perf_counter() - began)
    note = "two replicas; ceiling: taken and noted by one bare connection"
    return [Row(f"{BURST:,} due at once", rate, "rows/s", "", ceiling.rate, note)]


@dataclass(frozen=True)
class Ceiling:
    """What the same statements do alone: rows a second, and ms of CPU for 1,000 rows."""

    rate: float
    cpu: float


async def _ceiling(bare: asyncpg.Connection, server: int) -> Ceiling:
    await bare.execute(_CEILING)
    before = _cpu(server, ())[1] + time.process_time()
    began = time.perf_counter()
    while await _bare_batch(bare):
        pass
    seconds = time.perf_counter() - began
    spent = _cpu(server, ())[1] + time.process_time() - before
    return Ceiling(BURST / seconds, 1e6 * spent / BURST)


async def _bare_batch(bare: asyncpg.Connection) -> int:
    async with bare.transaction():
        rows = await bare.fetch(_BARE_TAKE)
        await bare.execute(_BARE_EFFECT, [one["key"] for one in rows], [one["at"] for one in rows])
    return len(rows)
