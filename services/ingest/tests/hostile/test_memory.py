"""The corpus over and over against a real process: nothing of it stays in memory."""

from typing import TYPE_CHECKING

import psutil
import pytest
from services.ingest.tests.hostile import corpus

if TYPE_CHECKING:
    from services.ingest.tests.test_process import Launch, Running

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

ROUNDS, WARM = 5, 2
MAX_GROWTH = 15 * 2**20
SIZE = 200_000
SMALL = [one for one in corpus.ALL if len(one.body) < SIZE][::5]
PATHS = ("/v1/{}", "/batch/", "/com.snowplowanalytics.snowplow/tp2", "/v1/webhook", "/api/s/{}")


async def send_all(running: "Running", key: str) -> set[int]:
    """One body of five to one of the addresses, in every round to the same."""
    found = set()
    for number, case in enumerate(SMALL):
        path = PATHS[number % len(PATHS)].format(case.route)
        headers = {name.encode(): value.strip().encode() for name, value in case.headers.items()}
        headers[b"X-Write-Key"] = key.encode()
        query = {"writeKey": key} if path == "/v1/webhook" else None
        answer = await running.client.post(path, content=case.body, headers=headers, params=query)
        found.add(answer.status_code)
    return found


async def test_the_corpus_leaves_nothing_in_memory(launch: "Launch") -> None:
    running = await launch()
    key = await running.new_key("memory")
    process = psutil.Process(running.process.pid)
    sizes = []
    for _ in range(ROUNDS):
        assert {200, 400} <= await send_all(running, key) <= {200, 400, 413, 415, 422}
        sizes.append(process.memory_info().rss)
    grown = max(sizes[WARM:]) - sizes[WARM - 1]
    assert grown < MAX_GROWTH, [one // 2**20 for one in sizes]
