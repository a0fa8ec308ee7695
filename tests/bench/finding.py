"""People written to search and searched, at rest and beside events; without Kafka."""

from __future__ import annotations

import asyncio
import gc
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
from tests.bench.finding_load import IDS, PEOPLE, WORKSPACE, applied, newcomer
from tests.bench.histogram import Histogram
from tests.bench.table import Row, console
from tests.support.api import patient_app
from tests.support.servers import ROOT, create_database, migrate

from rapport_common.db import create_engine
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import EVENT_KEY, RECEIPT_KEY, mint
from rapport_profile.api import routers
from rapport_profile.handlers.accessing import Accessing
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.handlers.erasing import Erasing
from rapport_profile.handlers.hands import Hands
from rapport_profile.handlers.indexing import Indexing
from rapport_profile.handlers.loyalty_settling import Settling

SEARCHES = 300
LOAD = Path(__file__).with_name("finding_load.py")
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
    engine = create_engine(url, application="bench", pool=5)
    try:
        await applied(engine, list(map(newcomer, range(PEOPLE))))
        gc.freeze()  # as a service does when it starts
        rows = [
            Row("people written to search", await _indexed(engine), "/s", note="without its rests"),
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
        return [*rows, Row("orders beside searches", rate, "/s", note=NOTE)]
    finally:
        await engine.dispose()


async def _indexed(engine: AsyncEngine) -> float:
    loop = Indexing(engine, {"city"}, 100_000)
    began, written = time.perf_counter(), 0
    while found := await loop.turn():
        written += found
    return written / (time.perf_counter() - began)


async def _asked(engine: AsyncEngine, when: str) -> list[Row]:
    """How long searches take, one after the other, with the API's own part."""
    async with _api(engine) as client:
        told = Histogram.of([await _search(client, number) for number in range(SEARCHES)])
    return [
        Row(f"search {when}, {name}", told.milliseconds(share), "ms")
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


@asynccontextmanager
async def _api(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    app = patient_app("profile")
    erasing = Erasing(IDS, EVENT_KEY, RECEIPT_KEY)
    publisher = Publisher("profile", EVENTS, EVENT_KEY)
    hands = Hands(Arrivals(engine), erasing, Accessing(erasing), publisher, Settling(EVENT_KEY))
    add_routes(app, *routers(engine, IDS, hands))
    token = mint(WORKSPACE, "bench", ["*"], timedelta(hours=1))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://bench",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client


async def _search(client: httpx.AsyncClient, number: int) -> float:
    began = time.perf_counter()
    answer = await client.get("/v1/profiles/search", params={"q": WORDS[number % len(WORDS)]})
    answer.raise_for_status()
    return time.perf_counter() - began
