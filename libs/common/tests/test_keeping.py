"""What is over its time by a workspace's rules goes, page by page, but for whom it is only kept."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app
from tests.support.engines import patient_engine

from rapport_common import clock
from rapport_common.db import metadata
from rapport_common.keeping.classes import DataClass
from rapport_common.keeping.holding import held_by
from rapport_common.keeping.keeper import Keeper
from rapport_common.keeping.routes import keeping_routes
from rapport_common.keeping.tables import keeping_tables
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import mint

pytestmark = pytest.mark.integration
LETTERS = DataClass(
    name="letters",
    about="letters",
    table="test.letter",
    key={"owner": "text", "n": "bigint"},
    over="t.at < :before AND t.word IS NOT NULL",
    gone=("UPDATE test.letter SET word = NULL", "UPDATE test.letter SET seal = NULL"),
    owner=("owner",),
    held=held_by("test", "page.owner"),
    shortest=7,
)
BROKEN = DataClass(
    name="broken",
    about="a class whose statement fails",
    table="test.none",
    key={"n": "bigint"},
    over="true",
    gone=("DELETE FROM test.none",),
    owner=(),
    held="false",
)
CLASSES = [BROKEN, LETTERS]
PATH = "/v1/retention-rules"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    tables = metadata("test")
    keeping_tables(tables)
    made = patient_engine(database_url, application="tests", pool=5)
    async with made.begin() as tx:
        await tx.execute(text("CREATE SCHEMA test"))
        await tx.run_sync(tables.create_all)
        await tx.execute(
            text(
                "CREATE TABLE test.letter (workspace text, owner text, n bigint, at timestamptz, "
                "word text, seal text DEFAULT 's', PRIMARY KEY (workspace, owner, n))"
            )
        )
        await tx.execute(
            text(
                "CREATE TABLE test.person (workspace text, profile_id text, heir text, "
                "restraints json, PRIMARY KEY (workspace, profile_id))"
            )
        )
    yield made
    await made.dispose()


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    app = patient_app("test")
    add_routes(app, keeping_routes(engine, "test", CLASSES))
    async with calling(app) as made:
        yield made


def calling(app: FastAPI) -> httpx.AsyncClient:
    token = mint("w", "ada", ["*"], timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=headers
    )


async def write(engine: AsyncEngine, owner: str, *days: int, workspace: str = "w") -> None:
    """A letter of this age for each of `days`."""
    async with engine.begin() as tx:
        for n, age in enumerate(days):
            await tx.execute(
                text(
                    "INSERT INTO test.letter (workspace, owner, n, at, word) VALUES (:workspace, "
                    ":owner, :n, clock_timestamp() - make_interval(days => :age), 'x')"
                ),
                {"workspace": workspace, "owner": owner, "n": n, "age": age},
            )


async def know(engine: AsyncEngine, who: str, heir: str | None, *restraints: str) -> None:
    async with engine.begin() as tx:
        await tx.execute(
            text("INSERT INTO test.person VALUES ('w', :who, :heir, CAST(:restraints AS json))"),
            {"who": who, "heir": heir, "restraints": json.dumps(restraints)},
        )


async def left(engine: AsyncEngine) -> list[tuple[str, str, int]]:
    async with engine.begin() as tx:
        rows = await tx.execute(
            text(
                "SELECT workspace, owner, n FROM test.letter WHERE word IS NOT NULL "
                "AND seal IS NOT NULL ORDER BY 1, 2, 3"
            )
        )
        return [tuple(row) for row in rows]


async def declared(client: httpx.AsyncClient, version: int, **days: int) -> dict[str, Any]:
    body = {"version": version, "days": days, "reason": "no longer needed"}
    answer = await client.put(PATH, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def worked(keeper: Keeper) -> int:
    """So many pages were looked at."""
    pages = 0
    while await keeper.turn():
        pages += 1
    return pages


async def test_what_is_over_its_time_goes_and_is_counted(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await write(engine, "ada", 50, 40, 5)
    await write(engine, "held", 50)
    await write(engine, "former", 50, 60)
    await write(engine, "objects", 50)
    await write(engine, "ada", 50, workspace="v")
    await know(engine, "held", None, "processing")
    # A former id of somebody who is held now.
    await know(engine, "former", "between")
    await know(engine, "between", "held")
    await know(engine, "objects", None, "marketing")
    told = (await client.post(f"{PATH}/preview", json={"days": {"letters": 30}})).json()
    assert told == {"rows": {"letters": 6}}
    assert (await client.get(PATH)).json()["version"] == 0
    made = await declared(client, 0, letters=30, broken=1)
    assert (made["version"], made["days"], made["actor"]) == (
        1,
        {"letters": 30, "broken": 1},
        "ada",
    )
    keeper = Keeper("test", engine, CLASSES, page=2)
    # One that fails, and six rows in pages of two.
    assert await worked(keeper) == 5
    assert await left(engine) == [
        ("v", "ada", 0),
        ("w", "ada", 2),
        ("w", "former", 0),
        ("w", "former", 1),
        ("w", "held", 0),
    ]
    (gone,) = (await client.get(f"{PATH}/gone")).json()["items"]
    assert gone == {"day": clock.now().date().isoformat(), "name": "letters", "rows": 3}
    assert await worked(Keeper("test", engine, CLASSES)) == 2, "nothing more: one that fails again"
    assert len((await client.get(f"{PATH}/gone")).json()["items"]) == 1


async def test_rules_that_are_declared_meanwhile_hold(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await write(engine, "ada", 50, 50, 50)
    await declared(client, 0, letters=30)
    keeper = Keeper("test", engine, [LETTERS], page=2)
    assert await keeper.turn()
    await declared(client, 1)
    await worked(keeper)
    assert await left(engine) == [("w", "ada", 2)]
    shown = (await client.get(f"{PATH}/history")).json()["items"]
    assert [(one["version"], one["days"]) for one in shown] == [(2, {}), (1, {"letters": 30})]


@pytest.mark.parametrize("days", [{"none": 30}, {"letters": 6}, {"letters": 0}, {"letters": "9"}])
async def test_what_can_not_be_is_named(client: httpx.AsyncClient, days: dict[str, Any]) -> None:
    for answer in (
        await client.put(PATH, json={"version": 0, "days": days, "reason": "r"}),
        await client.post(f"{PATH}/preview", json={"days": days}),
    ):
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid_request"


async def test_nobodys_rules_are_written_over(client: httpx.AsyncClient) -> None:
    await declared(client, 0, letters=30)
    body = {"version": 0, "days": {}, "reason": "r"}
    answer = await client.put(PATH, json=body)
    assert (answer.status_code, answer.json()["details"]) == (409, {"version": 1})
