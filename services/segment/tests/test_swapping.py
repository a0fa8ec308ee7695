"""A rule that takes the place of another: built beside it, and swapped with just the difference."""

import random
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import httpx
import pytest
from services.segment.tests.building import build
from services.segment.tests.test_building import Workspace, misplaced, rows
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.membership import Membership
from rapport_segment.handlers.building import Building
from rapport_segment.handlers.segments import Amendment

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

IDS = [uuid.UUID(int=number) for number in range(1, 11)]
BUYERS = {"computed": "orders", "op": "gte", "value": 1}
FEW = {"computed": "orders", "op": "lte", "value": 2}
Published = Callable[[], Awaitable[list[Membership]]]


@pytest.fixture
async def workspace(engine: AsyncEngine, records: "Records") -> Workspace:
    """Ten people with 0 to 4 orders, two of each."""
    made = Workspace(engine, records, random.Random(0))
    await made.apply(*(records.state(who, orders=n % 5) for n, who in enumerate(IDS)))
    return made


def said(told: list[Membership]) -> list[tuple[str, int]]:
    return sorted((one.change, uuid.UUID(one.profile_id).int) for one in told)


async def test_the_old_rule_is_in_force_until_the_new_one_is_built(
    workspace: Workspace, records: "Records", published: Published, client: httpx.AsyncClient
) -> None:
    segment = await workspace.define("buyers", BUYERS)
    await build(workspace.engine)
    before = await published()
    stays = {one.profile_id: one.entry_id for one in before}
    await workspace.change(segment, Amendment(rule=FEW))
    steps = Building(workspace.engine, pages=(4,)).work(await workspace.job(segment))
    for _ in range(3):  # begun, and two of three pages
        assert await anext(steps)
    # One has his first order, one of those who are through and fitted the new rule has many.
    await workspace.apply(records.state(IDS[0], orders=1), records.state(IDS[1], orders=9))
    told = (await published())[len(before) :]
    assert said(told) == [("entered", 1)]
    shown = (await client.get(f"/v1/segments/{segment}")).json()
    assert (shown["version"], shown["members"], shown["status"]) == (1, 9, "ready")
    answer = (await client.get(f"/v1/segments/{segment}/members/{IDS[5]}")).json()
    assert answer["member"] is False
    ledger = (await client.get("/v1/ledger")).json()
    assert ledger["entered"] - ledger["exited"] == ledger["open_memberships"] == 9
    async for _step in steps:
        pass
    told = (await published())[len(before) + 1 :]
    # 2, 4, 5, 9 and 10 have three orders or more by now; 6 has none.
    assert said(told) == [("entered", 6)] + [("exited", one) for one in (2, 4, 5, 9, 10)]
    assert {one.cause for one in told} == {"definition"}
    assert {one.segment_version for one in told} == {2}
    kept = await rows(
        workspace.engine,
        "SELECT profile_id, entry_id FROM segment.membership m WHERE exited_at IS NULL ORDER BY 1",
    )
    assert [(str(who), str(entry)) for who, entry in kept if str(who) in stays] == [
        (str(who), stays[str(who)]) for who in (IDS[2], IDS[6], IDS[7])
    ]
    assert await misplaced(workspace.engine) == []
    history = (await client.get(f"/v1/segments/{segment}/versions")).json()["items"]
    assert [(one["version"], one["rule"]) for one in history] == [(2, FEW), (1, BUYERS)]


async def test_a_worker_that_dies_after_any_step_leaves_nothing_undone_or_done_twice(
    workspace: Workspace, published: Published
) -> None:
    """What a step did is there, that it did it is not noted: so a killed process leaves it."""
    reached: set[str] = set()
    for steps_done in range(10):
        segment = await workspace.define(f"buyers {steps_done}", BUYERS)
        await build(workspace.engine)
        before = len(await published())
        await workspace.change(segment, Amendment(rule=FEW))
        steps = Building(workspace.engine, pages=(4,)).work(await workspace.job(segment))
        for _ in range(steps_done):
            if (step := await anext(steps, None)) is not None:
                reached |= step.position.keys()
        await build(workspace.engine, page=4)
        told = (await published())[before:]
        assert said(told) == [("entered", one) for one in (1, 6)] + [
            ("exited", one) for one in (4, 5, 9, 10)
        ]
        assert await misplaced(workspace.engine) == []
    assert reached == {"after", "swapping", "clearing"}
    assert await rows(workspace.engine, "SELECT 1 FROM segment.membership WHERE beside") == []


async def test_a_rule_that_is_not_in_force_yet_can_be_given_up(
    workspace: Workspace, published: Published, client: httpx.AsyncClient
) -> None:
    segment = await workspace.define("buyers", BUYERS)
    await build(workspace.engine)
    before = len(await published())
    path = f"/v1/segments/{segment}"
    changed = (await client.patch(path, json={"rule": FEW})).json()
    steps = Building(workspace.engine, pages=(4,)).work(await workspace.job(segment))
    for _ in range(2):
        await anext(steps)
    await client.post(f"/v1/jobs/{changed['job_id']}/cancel")
    shown = (await client.get(path)).json()
    assert (shown["status"], shown["upcoming"]["status"]) == ("ready", "incomplete")
    again = (await client.post(f"{path}/rebuild")).json()
    assert again["upcoming"]["status"] == "building"
    # The rule that is in force: then there is none to come, and who fitted it is forgotten.
    given_up = (await client.patch(path, json={"rule": BUYERS})).json()
    assert (given_up["version"], given_up["upcoming"]) == (1, None)
    await build(workspace.engine)
    assert len(await published()) == before
    assert await rows(workspace.engine, "SELECT 1 FROM segment.membership WHERE beside") == []


async def test_a_draft_has_nobody_until_it_is_made_active(
    workspace: Workspace, published: Published, client: httpx.AsyncClient
) -> None:
    body = {"name": "buyers", "rule": FEW, "active": False}
    made = (await client.post("/v1/segments", json=body)).json()
    assert (made["state"], made["status"], made["job_id"]) == ("draft", "ready", None)
    path = f"/v1/segments/{made['id']}"
    edited = (await client.patch(path, json={"rule": BUYERS})).json()
    assert (edited["version"], edited["rule"], edited["job_id"]) == (2, BUYERS, None)
    assert await build(workspace.engine) == 0
    assert (await client.patch(path, json={"active": True})).json()["state"] == "active"
    await build(workspace.engine)
    assert len(await published()) == 8


async def test_what_is_true_is_not_what_is_1(client: httpx.AsyncClient) -> None:
    rule = {"trait": "vip", "op": "eq", "value": 1}
    body = {"name": "vip", "rule": rule, "active": False}
    made = (await client.post("/v1/segments", json=body)).json()
    path = f"/v1/segments/{made['id']}"
    changed = (await client.patch(path, json={"rule": {**rule, "value": True}})).json()
    assert (changed["version"], changed["rule"]["value"]) == (2, True)
