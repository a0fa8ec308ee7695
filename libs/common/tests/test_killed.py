"""Processes that die again and again: what they were at is done once, and to its end."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine
from tests.support.waiting import HANG_SECONDS, eventually

from rapport_common import db
from rapport_common.due.store import DueStore, NewDue
from rapport_common.due.tables import due_tables
from rapport_common.jobs.store import Job, JobStore, NewJob
from rapport_common.jobs.tables import job_table
from rapport_common.stalled import StalledSessions

pytestmark = pytest.mark.integration
HERE = Path(__file__).parent


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    tables = db.metadata("segment")
    _declare(tables)
    made = patient_engine(database_url, application="tests")
    async with made.begin() as tx:
        await tx.execute(text("CREATE SCHEMA segment"))
        await tx.run_sync(tables.create_all)
    yield made
    await made.dispose()


def _declare(tables: MetaData) -> None:
    due_tables(tables)
    job_table(tables)


@contextmanager
def process(program: str, url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of a file beside this one; killed at the end, if it lives."""
    started = subprocess.Popen([sys.executable, str(HERE / program), url])
    try:
        yield started
    finally:
        started.kill()
        started.wait()


async def look(engine: AsyncEngine, query: str) -> int:
    async with engine.begin() as tx:
        return int((await tx.execute(text(query))).scalar_one())


async def grown(engine: AsyncEngine, least: int) -> None:
    """Wait until there are so many effects."""

    async def enough() -> bool:
        return await look(engine, "SELECT count(*) FROM segment.effect") >= least

    await eventually(f"{least} effects", enough)


@pytest.mark.parametrize(
    ("rows", "kills"), [(20_000, 3), pytest.param(100_000, 10, marks=pytest.mark.long)]
)
async def test_a_job_killed_again_and_again_is_exact(
    engine: AsyncEngine, database_url: str, rows: int, kills: int
) -> None:
    store, chance = JobStore("segment"), Random(rows)
    async with engine.begin() as tx:
        await tx.execute(text("CREATE TABLE segment.effect (n int PRIMARY KEY)"))
        await store.add(tx, "acme", NewJob("j", "write", {"rows": rows}))
    places = sorted(chance.sample(range(rows * 9 // 10), kills))
    for place in places:
        with process("job_process.py", database_url):
            await grown(engine, place + 1)
    with process("job_process.py", database_url):

        async def ended() -> Job | None:
            async with engine.begin() as tx:
                job = await store.find(tx, "acme", "j")
            return job if job is not None and job.finished_at is not None else None

        job = await eventually("end of the job", ended)
    assert job is not None
    assert (job.state, job.done, job.accepted, job.total) == ("done", rows, rows, rows)
    assert job.position == {"after": rows}
    assert await look(engine, "SELECT count(*) FROM segment.effect WHERE n > 0") == rows


async def test_replicas_that_die_and_freeze_run_each_row_once(
    engine: AsyncEngine, database_url: str
) -> None:
    """Two processes, each killed in its turn; a third is frozen, and wakes when all is done."""
    rows = 4_000
    async with engine.begin() as tx:
        await tx.execute(text("CREATE TABLE segment.effect (id text)"))
        now = (await tx.execute(text("SELECT clock_timestamp()"))).scalar_one()
        await DueStore("segment").schedule(
            tx,
            [
                NewDue(
                    f"w{number % 7}",
                    "xy"[number % 2],
                    str(number),
                    now + timedelta(milliseconds=number % 3000),
                    {"again": True} if number % 10 == 0 else {},
                )
                for number in range(rows)
            ],
        )
    expected = rows + rows // 10
    with process("due_process.py", database_url) as frozen:
        for share in (0.1, 0.3, 0.5):
            with process("due_process.py", database_url):
                await grown(engine, int(rows * share))
        frozen.send_signal(signal.SIGSTOP)
        stop = asyncio.Event()
        with process("due_process.py", database_url):
            # Whoever stands still in a transaction loses it, as in a service.
            watcher = StalledSessions(engine, "segment", reading=1.0)
            async with asyncio.timeout(HANG_SECONDS), asyncio.TaskGroup() as group:
                group.create_task(watcher.run(stop))
                await grown(engine, expected)
                stop.set()
        frozen.send_signal(signal.SIGCONT)
    assert await look(engine, "SELECT count(*) FROM segment.due") == 0
    assert await look(engine, "SELECT count(*) FROM segment.effect") == expected
    assert await look(engine, "SELECT count(DISTINCT id) FROM segment.effect") == expected
