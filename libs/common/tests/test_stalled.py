"""A process that is frozen inside a transaction holds its locks for seconds, whatever it was at."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.waiting import HANG_SECONDS, eventually

from rapport_common.db import create_engine, is_retriable
from rapport_common.stalled import StalledSessions

pytestmark = pytest.mark.integration

# Takes a row, begins what it was told, and stands still.
_PROCESS = """
import asyncio, os, signal, sys
from rapport_common.db import SESSION_SETTINGS, connect

async def main(url, name, step):
    settings = {**SESSION_SETTINGS, "application_name": name}
    connection = await connect(url, settings=settings)
    await connection.execute("BEGIN")
    await connection.execute("UPDATE segment.effect SET member = 'frozen' WHERE member = $1", name)
    if step == "prepare":
        await connection.prepare("SELECT 1")
    elif step == "unread":
        sending = asyncio.ensure_future(connection.execute("SELECT repeat('x', 100000000)"))
        await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    await connection.execute("UPDATE segment.effect SET member = 'thawed'")
    await connection.execute("COMMIT")

asyncio.run(main(*sys.argv[1:]))
"""

Frozen = Callable[[str, str], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def frozen(database_url: str, engine: AsyncEngine) -> AsyncIterator[Frozen]:
    started: list[asyncio.subprocess.Process] = []

    async def freeze(name: str, step: str) -> asyncio.subprocess.Process:
        async with engine.begin() as tx:
            await tx.execute(text("INSERT INTO segment.effect VALUES (1, :name)"), {"name": name})
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PROCESS, database_url, name, step
        )
        started.append(made)
        await asyncio.to_thread(os.waitid, os.P_PID, made.pid, os.WSTOPPED | os.WNOWAIT)
        return made

    yield freeze
    for one in started:
        if one.returncode is None:
            one.kill()
            await one.wait()


@asynccontextmanager
async def looking(database_url: str, **limits: float) -> AsyncIterator[StalledSessions]:
    engine = create_engine(database_url, application="segment-1-worker", pool=1)
    yield StalledSessions(engine, "segment", **limits)
    await engine.dispose()


async def taken(engine: AsyncEngine) -> bool:
    """Whether somebody has a row."""
    async with engine.begin() as tx:
        all_rows = await tx.scalar(text("SELECT count(*) FROM segment.effect"))
        free = await tx.execute(text("SELECT 1 FROM segment.effect FOR UPDATE SKIP LOCKED"))
        return len(free.all()) < (all_rows or 0)


@pytest.mark.parametrize("step", ["prepare", "unread"])
async def test_what_a_frozen_process_holds_is_free_again(
    database_url: str, engine: AsyncEngine, frozen: Frozen, step: str
) -> None:
    process = await frozen("segment-0-consumer", step)
    assert await taken(engine)
    async with looking(database_url, reading=0, writing=0) as watch:
        await eventually("session that was ended", watch.turn)
    await eventually("free row", lambda: _free(engine))
    os.kill(process.pid, signal.SIGCONT)
    async with asyncio.timeout(HANG_SECONDS):
        assert await process.wait() != 0  # it is told, and writes nothing
    async with engine.begin() as tx:
        assert await tx.scalar(text("SELECT member FROM segment.effect")) == "segment-0-consumer"


async def test_only_what_has_stood_for_too_long_and_is_the_services_own_is_ended(
    database_url: str, engine: AsyncEngine, frozen: Frozen
) -> None:
    await frozen("profile-0-consumer", "prepare")
    async with looking(database_url, reading=0, writing=0) as watch:
        assert await watch.turn() == 0  # another service's
    await frozen("segment-0-consumer", "prepare")
    async with looking(database_url, reading=3600, writing=0) as watch:
        assert await watch.turn() == 0  # not for so long
    async with looking(database_url, reading=0, writing=3600) as watch:
        assert await watch.turn() == 1
    assert await taken(engine)


async def test_a_server_that_can_ends_each_transaction_in_the_end(database_url: str) -> None:
    engine = create_engine(
        database_url, application="tests", pool=1, settings={"statement_timeout": "4000"}
    )
    async with engine.connect() as connection:
        version = int(await connection.scalar(text("SHOW server_version_num")) or 0)
        if version >= 170_000:
            assert await connection.scalar(text("SHOW transaction_timeout")) == "6s"
            await connection.execute(text("SET transaction_timeout = 1"))
            await connection.rollback()
            with pytest.raises(DBAPIError) as ended:
                await connection.execute(text("SELECT pg_sleep(600)"))
            assert is_retriable(ended.value)
    await engine.dispose()


async def _free(engine: AsyncEngine) -> bool:
    return not await taken(engine)
