"""A database that is away, or stands still: what waits for it lives on, and begins when it can."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common import db, runtime
from rapport_common.composition import open_api_engine, open_process
from rapport_common.db import SchemaError, SchemaGate, answers, create_engine
from rapport_common.http import Health
from rapport_common.settings import ServiceSettings
from rapport_common.testing.credentials import KEY_SETTINGS
from rapport_common.watchdog import ASK_TICKS, LoopWatchdog, ProgressWatchdog

LIMIT = 30
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


class WatchedConsumer:
    """A consumer that gives no sign, and a database."""

    def __init__(self) -> None:
        self.signs = 0.0
        self.work = self.there = True
        self.asked = 0
        self.watchdog = ProgressWatchdog(
            has_work=lambda: self.work,
            last_progress=lambda: self.signs,
            reachable=self.answers,
            limit=LIMIT,
        )

    async def answers(self) -> bool:
        self.asked += 1
        return self.there

    async def hangs_within(self, seconds: int) -> bool:
        return any([await self.watchdog.hangs() for _ in range(seconds)])


async def test_who_stands_still_beside_a_database_that_answers_hangs() -> None:
    watched = WatchedConsumer()
    assert not await watched.hangs_within(LIMIT - 1)
    assert await watched.watchdog.hangs()


async def test_waiting_for_a_database_that_is_away_is_no_hang() -> None:
    watched = WatchedConsumer()
    watched.there = False
    assert not await watched.hangs_within(100 * LIMIT)
    # It is back: whoever waited has all the time again, and then no more.
    watched.there = True
    assert not await watched.hangs_within(LIMIT - ASK_TICKS)
    assert await watched.hangs_within(ASK_TICKS)


async def test_who_gives_signs_or_has_no_work_is_not_looked_after() -> None:
    watched = WatchedConsumer()
    for _ in range(3 * LIMIT):
        watched.signs += 1
        assert not await watched.watchdog.hangs()
    watched.work = False
    assert not await watched.hangs_within(3 * LIMIT)
    assert watched.asked == 0


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that stands still: the kernel connects, and nobody speaks."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"postgresql://nobody@127.0.0.1:{listening.getsockname()[1]}/none"


async def test_whether_a_database_answers(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not await answers(NOWHERE)
    monkeypatch.setattr(db, "ANSWER_SECONDS", 0.05)
    assert not await answers(silent)


async def test_a_schema_that_can_not_be_read_says_why(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's time-outs have no words of their own."""
    monkeypatch.setattr(db, "CONNECT_SECONDS", 0.05)
    engine = create_engine(silent, application="tests")
    with pytest.raises(SchemaError, match="schema profile: TimeoutError"):
        await db.require_head(engine, "profile", Path())
    await engine.dispose()


class Worker:
    name = "worker"

    def __init__(self) -> None:
        self.ran = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        self.ran.set()
        await stop.wait()


class Watching(Worker):
    from_the_start = True


async def test_the_api_answers_while_the_workers_wait() -> None:
    worker, watching, there = Worker(), Watching(), asyncio.Event()
    app = FastAPI()

    @app.get("/asked")
    async def asked() -> bool:
        return worker.ran.is_set()

    async def ready(_stop: asyncio.Event) -> bool:
        return await there.wait()

    server = runtime._server(app, "127.0.0.1", 0)
    leave = asyncio.Event()
    workers = [watching, worker]
    running = asyncio.create_task(runtime._run_all(server, workers, leave, Health(), ready))
    async with asyncio.timeout(HANG_SECONDS), httpx.AsyncClient(timeout=HANG_SECONDS) as client:
        while not server.started:
            await between_looks()
        port = server.servers[0].sockets[0].getsockname()[1]
        assert (await client.get(f"http://127.0.0.1:{port}/asked")).json() is False
        await watching.ran.wait()
        there.set()
        await worker.ran.wait()
        leave.set()
        await running


async def test_a_process_that_waits_for_its_database_can_be_stopped() -> None:
    engine = create_engine(NOWHERE, application="tests")
    stop = asyncio.Event()
    stop.set()
    assert await SchemaGate(engine, "profile", Path()).wait(stop) is False
    await engine.dispose()


def settings(database_url: str, **chosen: Any) -> ServiceSettings:
    values: dict[str, Any] = {
        "database_url": database_url,
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "port": 1,
        "metrics_port": 1,
        "request_seconds": 0.1,
        **KEY_SETTINGS,
        **chosen,
    }
    return ServiceSettings(**values)


@pytest.fixture
async def frozen(silent: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncEngine]:
    monkeypatch.setattr(db, "CONNECT_SECONDS", 0.05)
    engine = open_api_engine(settings(silent), "segment")
    yield engine
    await engine.dispose()


async def test_a_request_beside_a_database_that_stands_still_is_told_to_come_again(
    frozen: AsyncEngine,
) -> None:
    app = patient_app("segment")

    @app.get("/look")
    async def look() -> None:
        async with frozen.begin():
            pass

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/look")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_a_slow_machine_is_given_time_by_settings(tmp_path: Path) -> None:
    """To answer a request, and to give a sign of life."""
    chosen = settings(NOWHERE, request_seconds=120, watchdog_seconds=300)
    process = await open_process("segment", chosen, root_with(tmp_path, "0001"))
    try:
        assert process.bounds.seconds == 120
        process.watch(Worker(), lambda: 0.0)
        *_, watchdog = process.workers
        assert isinstance(watchdog, ProgressWatchdog)
        assert watchdog.limit == 300
        assert LoopWatchdog("segment", chosen.watchdog_seconds).limit == 300
    finally:
        await process.producer.stop()


def root_with(tmp_path: Path, version: str) -> Path:
    (tmp_path / "migrations/versions").mkdir(parents=True)
    (tmp_path / f"migrations/versions/{version}_first.py").touch()
    return tmp_path


@pytest.mark.integration
async def test_the_workers_begin_when_the_database_is_there(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And end the process when the schema is not the one they were written for."""
    monkeypatch.setattr(db, "LOOK_SECONDS", 0.01)
    assert await answers(database_url)
    root = root_with(tmp_path, "0001")
    own = create_engine(database_url, application="tests")
    async with own.begin() as tx:
        await tx.execute(text("CREATE SCHEMA profile"))
        await tx.execute(text("CREATE TABLE profile.alembic_version (version_num text)"))
        await tx.execute(text("INSERT INTO profile.alembic_version VALUES ('0001')"))
    asked = urlsplit(database_url)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours, theirs = await asyncio.open_connection(asked.hostname, asked.port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(2**16):
                target.write(data)
            target.close()

        await asyncio.gather(pump(reader, theirs), pump(ours, writer))

    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    there = database_url.replace(f":{asked.port}/", f":{port}/")
    engine = create_engine(there, application="tests")
    gate, stop = SchemaGate(engine, "profile", root), asyncio.Event()
    assert not await gate.look()
    waiting = asyncio.create_task(gate.wait(stop))
    async with asyncio.timeout(HANG_SECONDS):
        async with await asyncio.start_server(forward, "127.0.0.1", port):
            assert await waiting
            await engine.dispose()
        other = SchemaGate(own, "profile", root_with(tmp_path / "newer", "0002"))
        with pytest.raises(SchemaError, match="is at 0001, this code needs 0002"):
            await other.wait(stop)
    await own.dispose()


@pytest.mark.integration
async def test_a_database_that_is_not_there_is_told_and_not_waited_for(database_url: str) -> None:
    engine = create_engine(f"{database_url}_not", application="tests")
    with pytest.raises(SchemaError, match=r"schema profile: .*InvalidCatalogNameError"):
        await SchemaGate(engine, "profile", Path()).look()
    await engine.dispose()
