"""Lists without an id to go by: their pages are the whole list, each entry once, in its order."""

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rapport_common import clock
from rapport_ingest.domain.catalogue import Learnt
from rapport_ingest.store import catalogue, quarantine, violations
from rapport_ingest.store.catalogue import EventName
from rapport_ingest.store.quarantine import Quarantined
from rapport_ingest.store.violations import Broken, Count

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

pytestmark = pytest.mark.integration
NOW = clock.now()
WORDS = ("b", "a", "Ä", "")
LISTS = ("/v1/catalogue", "/v1/violations", "/v1/quarantine/summary", "/v1/quarantine/balance")


@pytest.fixture
def ingest(standing_ingest: "Ingest") -> "Ingest":
    """The one of all tests that only ask."""
    return standing_ingest


@pytest.fixture
async def filled(ingest: "Ingest") -> "Ingest":
    """Many entries with equal counts and times: only names tell them apart."""
    workspace = ingest.workspace
    names = list(itertools.product(WORDS[:3], WORDS))
    learnt = {
        EventName(workspace, source, "track", name): Learnt(n % 3 + 1, 1, NOW, NOW)
        for n, (source, name) in enumerate(names)
    }
    broken = {
        Broken(workspace, source, "track", name, "1", path, "type"): Count(
            1, NOW, NOW - timedelta(days=n % 2), "m", "i"
        )
        for n, ((source, name), path) in enumerate(itertools.product(names, WORDS[:2]))
    }
    rows = [
        Quarantined(source, f"{source}-{path}-{n}", NOW, "code", path, "why", b"{}")
        for number, (source, path) in enumerate(names)
        for n in range(number % 2 + 1)
    ]
    async with ingest.process.engine.begin() as tx:
        await catalogue.merge(tx, learnt)
        await violations.add(tx, broken)
        await quarantine.keep(tx, workspace, rows)
    return ingest


async def page(ingest: "Ingest", path: str, **query: Any) -> dict[str, Any]:
    answer = await ingest.client.get(path, params=query, headers=ingest.token("events:read"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", [1, 5])
async def test_pages_are_the_list(filled: "Ingest", path: str, limit: int) -> None:
    whole = await page(filled, path, limit=1000)
    assert whole["next"] is None
    assert len(whole["items"]) >= 3
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        part = await page(filled, path, limit=limit, **cursor)
        assert len(part["items"]) <= limit
        seen += part["items"]
        if part["next"] is None:
            break
        cursor = {"cursor": part["next"]}
    assert seen == whole["items"]


@pytest.mark.parametrize("path", [*LISTS, "/v1/quarantine"])
@pytest.mark.parametrize("cursor", ["x", "AAAA", "WyJhIl0", "W251bGxd", "WzFlOTldMQ"])
async def test_a_cursor_of_another_list_is_refused(
    ingest: "Ingest", path: str, cursor: str
) -> None:
    answer = await ingest.client.get(
        path, params={"cursor": cursor}, headers=ingest.token("events:read")
    )
    # ["a"] is a place in the balance, which goes by the source.
    is_one = path == "/v1/quarantine/balance" and cursor == "WyJhIl0"
    assert answer.status_code == (200 if is_one else 422), answer.text
