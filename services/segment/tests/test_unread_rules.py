"""A rule that was kept when rules were read otherwise is left out, and stops nothing else."""

import json
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from services.segment.tests.building import build
from services.segment.tests.test_rfm import EURO
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_segment.handlers.activity import Judging

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

BUYERS = {"computed": "orders", "op": "gte", "value": 1}
PERSON = uuid.UUID(int=1)
ID = "01a22947-d1de-7294-96aa-7a623b834ab5"
LOCAL = {
    "or": [
        {"trait": "since", "op": "within", "value": {"this": "day", "zone": "localtime"}},
        {"score": "rfm_tier", "op": "exists"},
        {"segment": ID},
        {"list": ID},
    ]
}
"""Its zone is none any more."""


async def made(client: httpx.AsyncClient, engine: AsyncEngine, name: str, rule: Any) -> str:
    answer = await client.post("/v1/segments", json={"name": name, "rule": rule})
    assert answer.status_code == 202, answer.text
    await build(engine)
    return str(answer.json()["id"])


async def outdated(client: httpx.AsyncClient, engine: AsyncEngine, name: str) -> str:
    """A segment whose rule is not read any more."""
    found = await made(client, engine, name, BUYERS)
    async with engine.begin() as tx:
        for table in ("definition", "definition_version"):
            await tx.execute(
                text(f"UPDATE segment.{table} SET rule = CAST(:rule AS jsonb) WHERE name = :name"),
                {"rule": json.dumps(LOCAL), "name": name},
            )
        await tx.execute(text("UPDATE segment.revision SET revision = revision + 1"))
    return found


@pytest.fixture(autouse=True)
async def known(engine: AsyncEngine, records: "Records") -> None:
    async with engine.begin() as tx:
        told = records.record(records.state(PERSON, orders=1))
        await Judging().on_activity([told], tx)


async def test_others_are_made_and_changed_beside_it(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await outdated(client, engine, "old")
    first = await made(client, engine, "first", BUYERS)
    nested = await made(client, engine, "nested", {"segment": first})
    assert (await client.get(f"/v1/segments/{nested}")).json()["members"] == 1
    assert (await client.delete(f"/v1/segments/{first}")).json()["code"] == "in_use"
    listed = (await client.post("/v1/lists", json={"name": "some"})).json()["id"]
    assert (await client.delete(f"/v1/lists/{listed}")).status_code == 204
    assert (await client.put("/v1/rfm", json=EURO)).status_code == 200
    run = (await client.post("/v1/rfm/run")).json()
    await build(engine)
    assert (await client.get(f"/v1/jobs/{run['id']}")).json()["state"] == "done"
    shown = (await client.get("/v1/segments")).json()["items"]
    assert {one["name"]: one["text"] for one in shown}["old"] == ""


async def test_it_gets_a_rule_that_is_read(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    old = await outdated(client, engine, "old")
    answer = await client.patch(f"/v1/segments/{old}", json={"rule": BUYERS})
    assert answer.status_code == 202, answer.text
    await build(engine)
    shown = (await client.get(f"/v1/segments/{old}")).json()
    assert (shown["status"], shown["members"], shown["text"]) == ("ready", 1, "orders >= 1")


async def test_it_is_archived(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    old = await outdated(client, engine, "old")
    assert (await client.delete(f"/v1/segments/{old}")).status_code == 204
    await build(engine)
    shown = (await client.get(f"/v1/segments/{old}")).json()
    assert (shown["status"], shown["members"]) == ("archived", 0)
