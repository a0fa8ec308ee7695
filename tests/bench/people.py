"""Profile alone: events applied, people written to search, looked up and searched, at rest and not.

Smaller than a shop of a million, and without Kafka: to compare a change with what was before it.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.bench.due import postgres
from tests.bench.histogram import Histogram
from tests.bench.people_load import IDS, PEOPLE, WORKSPACE, applied, newcomer, order
from tests.bench.table import Row, console
from tests.support.api import patient_app
from tests.support.servers import ROOT, create_database, migrate

from rapport_common.composition import BY_KEY
from rapport_common.db import create_engine
from rapport_common.testing.credentials import mint
from rapport_profile.api import routers
from rapport_profile.handlers.indexing import Indexing

LOOKUPS = 2_000
SEARCHES = 200
LOAD = Path(__file__).with_name("people_load.py")
WORDS = ("anna", "zhang", "zw", "伟", "muller", "mulelr", "ann berg", "person77", "c-123", "a")
NOTE = "one process, in memory"


def measure() -> list[Row]:
    """Return the rows."""
    with postgres() as (url, _process):
        server = url.rpartition("/")[0]
        create_database(server, "bench")
        migrate("profile", f"{server}/bench")
        return uvloop.run(_measure(f"{server}/bench"))


async def _measure(url: str) -> list[Row]:
    console.print(f"{PEOPLE:,} people come …")
    engine = create_engine(url, application="bench", pool=5, settings=BY_KEY)
    try:
        rows = [
            Row("newcomers", await applied(engine, list(map(newcomer, range(PEOPLE)))), "/s"),
            Row("people written to search", await _indexed(engine), "/s", note="without its rests"),
            Row("orders of known people", await _orders(engine), "/s", "8,000", note=NOTE),
            *await _asked(engine, "at rest"),
        ]
        load = subprocess.Popen(
            [sys.executable, str(LOAD), url],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
        )
        rows += await _asked(engine, "beside orders")
        load.send_signal(signal.SIGTERM)
        rate = float((await asyncio.to_thread(load.communicate))[0])
        return [*rows, Row("orders beside lookups and searches", rate, "/s", note=NOTE)]
    finally:
        await engine.dispose()


async def _indexed(engine: AsyncEngine) -> float:
    loop = Indexing(engine, {"city"}, 100_000)
    began, written = time.perf_counter(), 0
    while found := await loop.turn():
        written += found
    return written / (time.perf_counter() - began)


async def _orders(engine: AsyncEngine) -> float:
    chosen = random.choices(range(PEOPLE), k=PEOPLE)
    return await applied(engine, [order(at, who) for at, who in enumerate(chosen)])


async def _asked(engine: AsyncEngine, when: str) -> list[Row]:
    """How long lookups and searches take, one after the other, with the API's own part."""
    async with _api(engine) as client:
        found = [await _one(client) for _ in range(LOOKUPS)]
        searched = [await _search(client, number) for number in range(SEARCHES)]
    rows = []
    for what, times, goal in (("lookup", found, "10"), ("search", searched, "")):
        told = Histogram.of(times)
        rows.append(Row(f"{what} {when}, p50", told.milliseconds(0.5), "ms"))
        rows.append(Row(f"{what} {when}, p99", told.milliseconds(0.99), "ms", goal))
    return rows


@asynccontextmanager
async def _api(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    app = patient_app("profile")
    for router in routers(engine, IDS):
        app.include_router(router)
    token = mint(WORKSPACE, "bench", ["*"], timedelta(hours=1))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://bench",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client


async def _one(client: httpx.AsyncClient) -> float:
    number = random.randrange(PEOPLE)
    return await _timed(client, "/v1/profiles", kind="email", value=f"person{number}@bench.example")


async def _search(client: httpx.AsyncClient, number: int) -> float:
    return await _timed(client, "/v1/profiles/search", q=WORDS[number % len(WORDS)])


async def _timed(client: httpx.AsyncClient, path: str, **query: str) -> float:
    began = time.perf_counter()
    answer = await client.get(path, params=query)
    answer.raise_for_status()
    return time.perf_counter() - began
