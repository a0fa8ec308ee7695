"""Builds beside live batches: nobody missed, nobody twice, whatever comes between two pages."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from services.segment.tests.building import build
from services.segment.tests.judging import NOON
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.membership import Membership
from rapport_common.jobs.store import Job, Step
from rapport_segment.handlers import segments as operating
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.building import Building
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.handlers.segments import Amendment
from rapport_segment.store import definitions, entries, people
from rapport_segment.store.jobs import JOBS

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

OPERATOR = Operator("ada", "acme", frozenset({"*"}))
IDS = [uuid.UUID(int=number) for number in range(1, 13)]
BUYERS = {"computed": "orders", "op": "gte", "value": 1}
NOBODY_ELSE = {"identifier": "email", "op": "not_exists"}
Published = Callable[[], Awaitable[list[Membership]]]


class Workspace:
    """One workspace, in which each step is taken by hand."""

    def __init__(self, engine: AsyncEngine, records: "Records", chance: random.Random) -> None:
        self.engine = engine
        self.records = records
        self.chance = chance
        self.consumer = Judging()
        self.segments: list[uuid.UUID] = []

    async def apply(self, *values: ProfileActivity) -> None:
        async with self.engine.begin() as tx:
            batch = [self.records.record(one) for one in values]
            await self.consumer.on_activity(batch, tx)

    async def define(self, name: str, rule: dict[str, Any]) -> uuid.UUID:
        async with self.engine.begin() as tx:
            one = await operating.create(tx, OPERATOR, name, rule)
        self.segments.append(one.stored.segment_id)
        return one.stored.segment_id

    async def change(self, segment: uuid.UUID, amendment: Amendment) -> None:
        async with self.engine.begin() as tx:
            await operating.change(tx, OPERATOR, segment, amendment)

    async def job(self, segment: uuid.UUID) -> Job:
        async with self.engine.begin() as tx:
            one = await definitions.shown(tx, "acme", segment)
            assert one is not None
            newest = one.upcoming.job if one.upcoming else one.stored.job or ""
            job = await JOBS.find(tx, "acme", newest)
        assert job is not None
        return job

    async def live(self) -> None:
        """One batch of whatever may happen to people."""
        values = []
        for _ in range(self.chance.randint(1, 5)):
            who = self.chance.choice(IDS)
            kind = self.chance.random()
            if kind < 0.15:
                other = self.chance.choice([one for one in IDS if one != who])
                values.append(self.records.merged(who, other))
            elif kind < 0.25:
                values.append(self.records.gone(who))
            else:
                values.append(self.records.state(who, orders=self.chance.randint(0, 2)))
        await self.apply(*values)

    async def operate(self) -> None:
        """One change of a definition."""
        value = self.chance.randint(0, 2)
        amendment = self.chance.choice(
            [
                Amendment(rule={"computed": "orders", "op": "eq", "value": value}),
                Amendment(rule={"computed": "orders", "op": "gte", "value": value}),
                Amendment(active=self.chance.random() < 0.5),
            ]
        )
        await self.change(self.chance.choice(self.segments), amendment)


async def rows(engine: AsyncEngine, query: str) -> list[Any]:
    async with engine.begin() as tx:
        return list(await tx.execute(text(query)))


async def misplaced(engine: AsyncEngine) -> list[uuid.UUID]:
    """Who is out of place; of a segment that is not active, its members."""
    found: list[uuid.UUID] = []
    async with engine.begin() as tx:
        for one in await definitions.listed(tx, "acme", archived=False, after=None, limit=99):
            stored = one.stored
            if stored.active:
                found += await definitions.misplaced(
                    tx, "acme", stored.segment_id, rule_of(stored), now=NOON
                )
            else:
                members = await entries.members(tx, "acme", stored.segment_id, after=None, limit=9)
                found += [entry.profile_id for entry in members]
    return found


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_comes_between_two_pages_the_end_is_right(
    engine: AsyncEngine, records: "Records", published: Published, seed: int
) -> None:
    """Pages, batches, changes of definitions and deaths of workers, in any order."""
    chance = random.Random(seed)
    workspace = Workspace(engine, records, chance)
    await workspace.apply(*(records.state(who, orders=chance.randint(0, 2)) for who in IDS))
    for number in range(2):
        await workspace.define(f"{number}", {"computed": "orders", "op": "gte", "value": number})
    begun: list[Any] = []
    for _ in range(40):
        kind = chance.random()
        if kind < 0.2:
            job = await workspace.job(chance.choice(workspace.segments))
            begun.append(Building(engine, pages=(3,)).work(job))
        elif kind < 0.6 and begun:
            steps = chance.choice(begun)
            # One that never goes on is a worker that died; its job is begun anew at the end.
            if await anext(steps, None) is None:
                begun.remove(steps)
        elif kind < 0.9:
            await workspace.live()
        else:
            await workspace.operate()
    await build(engine, page=3)
    assert await misplaced(engine) == []
    told = await published()
    balance = Counter(one.entry_id for one in told if one.change == "entered")
    assert set(balance.values()) <= {1}
    balance.subtract(one.entry_id for one in told if one.change == "exited")
    assert set(balance.values()) <= {0, 1}
    async with engine.begin() as tx:
        counted = await people.counts(tx)
        listed = await definitions.listed(tx, "acme", archived=False, after=None, limit=9)
    assert counted["open_memberships"] == sum(balance.values())
    assert {(one.status, one.upcoming) for one in listed} == {("ready", None)}
    assert await rows(engine, "SELECT 1 FROM segment.membership WHERE beside") == []
    assert await rows(engine, "SELECT 1 FROM segment.candidate") == []


async def test_an_event_during_the_build_does_not_hide_who_fitted_before(
    engine: AsyncEngine, records: "Records", published: Published
) -> None:
    """Who fitted when the segment was defined enters because of that, whoever comes first."""
    workspace = Workspace(engine, records, random.Random(0))
    before, became, stranger = IDS[:3]
    await workspace.apply(records.state(before, orders=1), records.state(became))
    await workspace.define("buyers", BUYERS)
    await workspace.apply(*(records.state(who, orders=2) for who in (before, became, stranger)))
    await build(engine)
    await workspace.apply(records.state(before), records.state(before, orders=1))
    told = [(one.change, one.profile_id, one.cause) for one in await published()]
    assert told == [
        ("entered", str(before), "definition"),
        ("entered", str(became), "event"),
        ("entered", str(stranger), "event"),
        ("exited", str(before), "event"),
        ("entered", str(before), "event"),
    ]


async def test_a_definition_does_not_wait_for_people_nor_they_for_it(
    engine: AsyncEngine, records: "Records", client: httpx.AsyncClient
) -> None:
    """While somebody holds a person of the workspace, defining answers; and batches go on."""
    workspace = Workspace(engine, records, random.Random(0))
    await workspace.apply(*(records.state(who, orders=1) for who in IDS))
    async with engine.connect() as other:
        await other.execute(
            text("SELECT 1 FROM segment.person WHERE profile_id = :id FOR UPDATE"), {"id": IDS[0]}
        )
        answer = await client.post("/v1/segments", json={"name": "buyers", "rule": BUYERS})
        assert answer.status_code == 202
        steps = Building(engine).work(await workspace.job(uuid.UUID(answer.json()["id"])))
        assert isinstance(await anext(steps), Step)
        # Its page waits for the person; a batch of other people does not wait for the page.
        waiting = asyncio.ensure_future(anext(steps))
        await workspace.apply(records.state(IDS[1], orders=0))
        assert not waiting.done()
        await other.rollback()
        await waiting
    await build(engine)
    assert await misplaced(engine) == []


async def test_a_member_who_is_merged_behind_the_build_leaves_too(
    engine: AsyncEngine, records: "Records"
) -> None:
    """Of a segment that is emptied: nobody judges it any more, so the build must find them all."""
    workspace = Workspace(engine, records, random.Random(0))
    await workspace.apply(records.state(IDS[0], orders=1), records.state(IDS[5], orders=1))
    segment = await workspace.define("buyers", BUYERS)
    await build(engine)
    await workspace.change(segment, Amendment(active=False))
    steps = Building(engine, pages=(1,)).work(await workspace.job(segment))
    for _ in range(2):  # begun, and the first has left
        assert await anext(steps, None)
    await workspace.apply(records.merged(IDS[5], IDS[0]))
    while await anext(steps, None):
        pass
    assert await misplaced(engine) == []


async def test_a_cancelled_build_is_told_and_can_be_done_again(
    engine: AsyncEngine, records: "Records", client: httpx.AsyncClient
) -> None:
    workspace = Workspace(engine, records, random.Random(0))
    await workspace.apply(*(records.state(who, orders=1) for who in IDS))
    made = (await client.post("/v1/segments", json={"name": "buyers", "rule": BUYERS})).json()
    path = f"/v1/segments/{made['id']}"
    await client.post(f"/v1/jobs/{made['job_id']}/cancel")
    assert await build(engine) == 0
    assert (await client.get(path)).json()["status"] == "incomplete"
    again = (await client.post(f"{path}/rebuild")).json()
    assert (again["status"], again["version"]) == ("building", 1)
    await build(engine)
    shown = (await client.get(path)).json()
    assert (shown["status"], shown["members"]) == ("ready", len(IDS))


async def test_an_archived_segment_is_left_loudly_and_its_name_is_free(
    engine: AsyncEngine, records: "Records", client: httpx.AsyncClient, published: Published
) -> None:
    workspace = Workspace(engine, records, random.Random(0))
    await workspace.apply(records.state(IDS[0], orders=1))
    segment = await workspace.define("buyers", BUYERS)
    await build(engine)
    path = f"/v1/segments/{segment}"
    for _ in range(2):
        assert (await client.delete(path)).status_code == 204
    gone = (await client.get(path)).json()
    assert (gone["status"], gone["version"]) == ("archived", 2)
    await build(engine)
    exits = [(one.change, one.cause, one.reason) for one in await published()][1:]
    assert exits == [("exited", "definition", "the segment is archived")]
    for answer in (
        await client.patch(path, json={"name": "x"}),
        await client.post(path + "/rebuild"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "archived")
    assert (await client.get("/v1/segments")).json()["items"] == []
    kept = (await client.get("/v1/segments?archived=true")).json()["items"]
    assert [(one["id"], one["members"]) for one in kept] == [(str(segment), 0)]
    assert (await client.post("/v1/segments", json={"name": "buyers", "rule": BUYERS})).is_success


async def test_nobody_is_in_no_segment(
    engine: AsyncEngine, records: "Records", client: httpx.AsyncClient, published: Published
) -> None:
    """An id that is gone fits no rule: not even not_exists."""
    workspace = Workspace(engine, records, random.Random(0))
    await workspace.define("no address", NOBODY_ELSE)
    await workspace.apply(records.state(IDS[0]), records.state(IDS[1]))
    older = records.state(IDS[1])
    await workspace.apply(records.gone(IDS[1]), older)
    await build(engine)
    told = [(one.change, one.profile_id) for one in await published()]
    assert told == [
        ("entered", str(IDS[0])),
        ("entered", str(IDS[1])),
        ("exited", str(IDS[1])),
    ]
    preview = await client.post("/v1/segments/preview", json={"rule": NOBODY_ELSE})
    assert (preview.json()["count"], preview.json()["of"]) == (1, 1)
    async with engine.begin() as tx:
        assert (await people.counts(tx))["persons"] == 1
    # Whoever has the id again later is somebody again.
    await workspace.apply(records.state(IDS[1]))
    assert (await client.post("/v1/segments/preview", json={"rule": NOBODY_ELSE})).json()["of"] == 2
