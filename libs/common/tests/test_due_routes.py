"""What operators see of what has a time: their workspace's rows, in pages, and how to let go."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from tests.support.api import patient_app
from tests.support.engines import patient_engine

from rapport_common.db import metadata
from rapport_common.due.routes import due_routes
from rapport_common.due.store import DueStore, NewDue
from rapport_common.due.tables import due_tables
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import mint

pytestmark = pytest.mark.integration

SOON = datetime(2099, 3, 1, 12, tzinfo=UTC)
STORE = DueStore("segment")


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[FastAPI]:
    """Five rows that wait, of which two are at one time; two of kind `bad` were put aside."""
    tables = metadata("segment")
    due_tables(tables)
    engine = patient_engine(database_url, application="tests")
    times = [("x", "a", 0), ("x", "b", 1), ("y", "c", 1), ("x", "d", 2), ("bad", "e", 3)]
    rows = [NewDue("acme", kind, key, SOON + timedelta(hours=n)) for kind, key, n in times]
    rows += [NewDue("acme", "bad", "two words", SOON), NewDue("other", "x", "a", SOON)]
    async with engine.begin() as tx:
        await tx.execute(text("CREATE SCHEMA segment"))
        await tx.run_sync(tables.create_all)
        await STORE.schedule(tx, rows)
        aside = "failed_at = now(), attempts = 10, error = 'KeyError'"
        await tx.execute(text(f"UPDATE segment.due SET {aside} WHERE kind = 'bad'"))
    made = patient_app("segment")
    add_routes(made, due_routes(engine, STORE))
    yield made
    await engine.dispose()


def client(app: FastAPI, workspace: str = "acme", *, whole: bool = False) -> httpx.AsyncClient:
    token = mint(workspace, "ada", ["ops"], timedelta(minutes=5), installation=whole)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://segment",
        headers={"Authorization": f"Bearer {token}"},
    )


async def keys(caller: httpx.AsyncClient, **query: str | int) -> list[str]:
    """The keys of all pages, in their order."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        asked = {**query, **({"cursor": cursor} if cursor else {})}
        answer = await caller.get("/v1/due", params=asked)
        assert answer.status_code == 200, answer.text
        found += [one["key"] for one in answer.json()["items"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_the_earliest_first_in_pages(app: FastAPI, limit: int) -> None:
    async with client(app) as caller:
        assert await keys(caller, limit=limit) == ["a", "b", "c", "d"]
        assert await keys(caller, limit=limit, kind="x") == ["a", "b", "d"]
        assert await keys(caller, limit=limit, state="failed") == ["two words", "e"]


async def test_a_workspace_sees_its_own_and_the_installation_all(app: FastAPI) -> None:
    async with client(app, "other") as stranger:
        assert await keys(stranger) == ["a"]
        assert (await stranger.post("/v1/due/bad/e/retry")).status_code == 404
        assert (await stranger.post("/v1/due/bad/e/discard")).status_code == 404
        assert (await stranger.post("/v1/due/retry")).json() == {"retried": 0, "more": False}
    async with client(app, whole=True) as operator:
        assert await keys(operator, limit=2) == ["a", "a", "b", "c", "d"]


async def test_what_was_put_aside_is_tried_again_or_forgotten(app: FastAPI) -> None:
    async with client(app) as caller:
        shown = (await caller.get("/v1/due", params={"state": "failed"})).json()["items"][0]
        assert (shown["attempts"], shown["error"]) == (10, "KeyError")
        assert shown["failed_at"] is not None
        assert (await caller.post("/v1/due/bad/two%20words/discard")).json()["key"] == "two words"
        again = await caller.post("/v1/due/bad/two%20words/discard")
        assert (again.status_code, again.json()["code"]) == (404, "not_found")
        # What waits for its time is its owner's.
        assert (await caller.post("/v1/due/x/a/discard")).status_code == 404
        assert (await caller.post("/v1/due/bad/e/retry")).json() == {"kind": "bad", "key": "e"}
        assert await keys(caller, state="failed") == []
        assert "e" in await keys(caller)


async def test_all_of_a_kind_are_tried_again(app: FastAPI) -> None:
    async with client(app) as caller:
        none = await caller.post("/v1/due/retry", params={"kind": "x"})
        assert none.json() == {"retried": 0, "more": False}
        assert (await caller.post("/v1/due/retry")).json() == {"retried": 2, "more": False}
        assert (await caller.get("/v1/due", params={"state": "late"})).status_code == 422
        assert (await caller.get("/v1/due", params={"cursor": "x"})).status_code == 422
