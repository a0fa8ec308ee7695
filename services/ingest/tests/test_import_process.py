"""An import in a real process that is killed in the middle."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from services.ingest.tests.driving import names
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common.testing.credentials import KEY_ENVIRONMENT, mint

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

ROWS = 20_000
BAD = 250
Log = Callable[[str], Awaitable[list[dict[str, Any]]]]


class Running:
    """One `python -m rapport_ingest run`, started again after each kill."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{environment['RAPPORT_PORT']}",
            timeout=HANG_SECONDS,
            headers=self._headers(),
        )

    def _headers(self) -> dict[str, str]:
        token = mint("killed", "t", ["*"], timedelta(minutes=30))
        return {"Authorization": f"Bearer {token}"}

    async def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rapport_ingest", "run"],
            env={**os.environ, **self._environment},
            stdout=subprocess.DEVNULL,
        )
        async with asyncio.timeout(HANG_SECONDS):
            while True:
                with suppress(httpx.TransportError):
                    if (await self.client.get("/readyz")).status_code == 200:
                        return
                assert self.process.poll() is None
                await between_looks()

    async def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(self.process.wait, HANG_SECONDS)

    async def until(self, job: str, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(HANG_SECONDS):
            while True:
                shown: dict[str, Any] = (await self.client.get(f"/v1/jobs/{job}")).json()
                if enough(shown):
                    return shown
                await between_looks()


@pytest.fixture
async def running(
    service_database: Callable[[str], str],
    kafka_bootstrap: str,
    free_ports: Callable[[int], int],
    tmp_path: Path,
) -> AsyncIterator[Running]:
    made = Running(
        {
            "RAPPORT_DATABASE_URL": service_database("ingest"),
            "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
            **KEY_ENVIRONMENT,
            "RAPPORT_PORT": str(free_ports(1)),
            "RAPPORT_METRICS_PORT": str(free_ports(1)),
            "RAPPORT_LOG_LEVEL": "warning",
            "RAPPORT_DATA_FOLDER": str(tmp_path),
            "RAPPORT_IMPORT_ROWS_PER_SECOND": "1000000",
        }
    )
    await made.start()
    yield made
    await made.client.aclose()
    await made.kill()


async def test_killed_in_the_middle_an_import_loses_and_doubles_nothing(
    running: Running, log_of: Log
) -> None:
    await running.client.post("/v1/sources", json={"name": "crm"})
    mapping = {"type": "identify", "fields": {"userId": "id", "traits.name": "name"}}
    spec = {"source": "crm", "name": "a.csv", "mapping": mapping}
    job = (await running.client.post("/v1/imports", json=spec)).json()["id"]
    every = ROWS // BAD
    rows = (f"{n if n % every else ''},Ann {n}\n" for n in range(ROWS))
    data = ("id,name\n" + "".join(rows)).encode()
    answer = await running.client.put(f"/v1/imports/{job}/file", content=data)
    assert answer.json()["state"] == "queued", answer.text
    shown = await running.until(job, lambda one: one["done"] > 0.3 * ROWS)
    assert shown["state"] == "running"
    await running.kill()
    await running.start()
    shown = await running.until(job, lambda one: one["state"] not in {"queued", "running"})
    assert (shown["state"], shown["error"]) == ("done", None)
    assert (shown["done"], shown["accepted"], shown["rejected"]) == (ROWS, ROWS - BAD, BAD)
    assert shown["report"]["codes"] == {"no_identifier": BAD}
    by_id: dict[str, set[str]] = {}
    for event in await log_of("killed"):
        by_id.setdefault(event["message_id"], set()).add(names(event)["user_id"])
    # One person for each id, whatever was sent again: a copy is the same event.
    assert Counter(map(len, by_id.values())) == {1: ROWS - BAD}
    people = {next(iter(users)) for users in by_id.values()}
    assert people == {str(n) for n in range(ROWS) if n % every}
