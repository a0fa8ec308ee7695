"""Builds of one workspace, however many and however long, stop no other."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from services.segment.tests.building import build
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.locks import somebody_waits

from rapport_common.auth import Operator
from rapport_common.jobs.store import Step
from rapport_common.jobs.worker import Jobs
from rapport_segment.handlers import segments
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.building import Building
from rapport_segment.store.jobs import BUILD, JOBS

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

PEOPLE = [uuid.UUID(int=number) for number in range(1, 9)]
BUYERS = {"computed": "orders", "op": "gte", "value": 1}
BUSY, OTHER = "acme", "globex"


class Shops:
    """Two workspaces with the same people, who have one order each."""

    def __init__(self, engine: AsyncEngine, records: "Records") -> None:
        self.engine, self._records = engine, records

    async def orders(self, workspace: str, orders: int, *people: uuid.UUID) -> None:
        told = [self._records.state(who, workspace=workspace, orders=orders) for who in people]
        async with self.engine.begin() as tx:
            await Judging().on_activity([self._records.record(one) for one in told], tx)

    async def define(self, workspace: str, name: str) -> str:
        """A segment of buyers; its job."""
        caller = Operator("ada", workspace, frozenset({"*"}))
        async with self.engine.begin() as tx:
            made = await segments.create(tx, caller, name, BUYERS)
        return made.stored.job or ""

    async def states(self, workspace: str) -> list[str]:
        async with self.engine.begin() as tx:
            found = await JOBS.latest(tx, workspace, limit=99)
        return [one.state for one in reversed(found)]


@pytest.fixture
async def shops(engine: AsyncEngine, records: "Records") -> Shops:
    made = Shops(engine, records)
    for workspace in (BUSY, OTHER):
        await made.orders(workspace, 1, *PEOPLE)
    return made


async def test_a_page_that_stands_still_stops_no_other_workspace(
    shops: Shops, engine: AsyncEngine, client_of: Callable[..., httpx.AsyncClient]
) -> None:
    """It waits for a person; others build, and are judged, and change their rules meanwhile."""
    await shops.define(BUSY, "buyers")
    async with engine.begin() as tx:
        job = await JOBS.claim(tx, "test")
        assert job is not None
        # Whoever is slow here is not taken for dead.
        await tx.execute(text("UPDATE segment.job SET held_until = now() + interval '1 h'"))
    steps = cast("AsyncGenerator[Step]", Building(engine).work(job))
    async with aclosing(steps), engine.connect() as holder:
        await anext(steps)
        await holder.execute(
            text("SELECT 1 FROM segment.person WHERE workspace = :w FOR UPDATE"), {"w": BUSY}
        )
        page = asyncio.ensure_future(anext(steps))
        await somebody_waits(engine)
        async with client_of(OTHER) as other:
            await shops.define(OTHER, "buyers")
            assert await build(engine) == 1
            [one] = (await other.get("/v1/segments")).json()["items"]
            assert (one["status"], one["members"]) == ("ready", len(PEOPLE))
            await shops.orders(OTHER, 0, PEOPLE[0])
            path = f"/v1/segments/{one['id']}"
            assert (await other.get(path)).json()["members"] == len(PEOPLE) - 1
            none = {"computed": "orders", "op": "lte", "value": 0}
            await other.patch(path, json={"rule": none})
            assert await build(engine) == 1
            shown = (await other.get(path)).json()
            assert (shown["status"], shown["version"], shown["members"]) == ("ready", 2, 1)
        assert not page.done()
        await holder.rollback()
        assert (await page).done == len(PEOPLE)
    assert await shops.states(BUSY) == ["running"]


async def test_a_workspace_with_many_builds_has_one_turn_as_any_other(
    shops: Shops, engine: AsyncEngine
) -> None:
    for number in range(6):
        await shops.define(BUSY, f"buyers {number}")
    await shops.define(OTHER, "buyers")
    works: dict[str, Any] = {BUILD: Building(engine).work}
    worker = Jobs(engine, JOBS, works)
    for _ in range(2):
        assert await worker.turn(asyncio.Event())
    assert await shops.states(OTHER) == ["done"]
    assert (await shops.states(BUSY)).count("done") == 1
    while await worker.turn(asyncio.Event()):
        pass
    assert set(await shops.states(BUSY)) == {"done"}
