"""Paces and warm-ups over a real database: what goes, what waits where no claim sees it, who is let
go. Loops are driven by hand, slots are a day apart or were made free by the test.
"""

import asyncio
import uuid
from typing import Any

import pytest
from services.campaign.tests.conftest import make_sender, publisher, quick_settings
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine

from rapport_campaign.domain.delivery import Limits, Outcome
from rapport_campaign.handlers.dispatch import Batch, Dispatcher, Result
from rapport_campaign.handlers.mail_paces import Paces
from rapport_campaign.store import lanes, plan
from rapport_common import clock

pytestmark = pytest.mark.integration
LIMITS = Limits(lease=60.0, max_attempts=3, first_delay=0.1)
HOURLY = {"id": "x", "to": ["example.com"], "at_most": 1, "per": "hour"}
FREED = "UPDATE campaign.mail_lane SET free_at = 0"
LANES = "SELECT lane, count(*) AS n FROM campaign.plan GROUP BY lane"


class World:
    """What the tests do; `paces` are those of a process."""

    def __init__(self, scenario: Any) -> None:
        self.all, self.paces, self.version = scenario, Paces("no-reply@shop.example"), 0

    async def ruled(self, **rules: Any) -> None:
        body = {**rules, "version": self.version, "reason": "spring"}
        answer = await self.all.client.put("/v1/mail-paces", json=body)
        assert answer.status_code == 200, answer.text
        self.version = answer.json()["version"]
        self.paces = Paces("no-reply@shop.example")

    async def members(self, *names: str) -> None:
        for name in names:
            await self.all.topics.person(name, f"{name}@example.com")
            await self.all.topics.entered(name, f"entry-{name}")

    async def claim(self, size: int = 50, engine: AsyncEngine | None = None) -> Batch:
        dispatcher = Dispatcher(publisher(), LIMITS, paces=self.paces)
        async with (engine or self.all.engine).begin() as tx:
            return await dispatcher.claim(tx, size, str(uuid.uuid4()))

    async def claimed(self) -> list[str]:
        return sorted(one.claimed.profile_id for one in (await self.claim()).jobs)

    async def ended(self, batch: Batch, outcome: Outcome) -> None:
        results = [Result(one, outcome, clock.now()) for one in batch.jobs]
        async with self.all.engine.begin() as tx:
            await Dispatcher(publisher(), LIMITS, paces=self.paces).record(tx, batch.token, results)

    async def let_go(self) -> int:
        async with self.all.engine.begin() as tx:
            found = await lanes.parked_in(tx)
        number = 0
        for one in found:
            async with self.all.engine.begin() as tx:
                number += await self.paces.let_go(tx, one)
        return number

    async def parked(self) -> dict[str | None, int]:
        return {one["lane"]: one["n"] for one in await self.all.ledger.query(LANES)}

    async def is_due(self) -> bool:
        async with self.all.engine.begin() as tx:
            return await plan.anything_due(tx)

    async def standing(self) -> dict[str, dict[str, Any]]:
        answer = await self.all.client.get("/v1/mail-paces/standing")
        return {one["lane"]: one for one in answer.json()["lanes"]}


@pytest.fixture
def world(scenario: Any) -> World:
    return World(scenario)


async def test_of_many_senders_that_race_no_more_are_on_their_way_than_may_be(
    world: World, database_url: str
) -> None:
    await world.ruled(paces=[{"id": "x", "to": ["*"], "at_once": 3}])
    await world.all.started()
    await world.members(*(f"p{number}" for number in range(12)))
    other = patient_engine(database_url, application="campaign-race", pool=4)
    try:
        batches = await asyncio.gather(
            *(world.claim(2, one) for _ in range(4) for one in (world.all.engine, other))
        )
    finally:
        await other.dispose()
    batches += [await world.claim()]
    assert sum(len(one.jobs) for one in batches) == 3
    assert await world.all.ledger.states() == {"sending": 3, "planned": 9}
    assert await world.parked() == {"to:x": 9}
    # Nobody looks at them again until there is room.
    assert not await world.is_due()
    for one in batches:
        await world.ended(one, Outcome("sent"))
    assert await world.let_go() == 9
    assert await world.let_go() == 0
    assert len((await world.claim()).jobs) == 3
    assert (await world.standing())["to:x"] | {"waiting": 0} == {
        "lane": "to:x",
        "waiting": 0,
        "in_hand": 3,
        "percent": 100,
        "sent_today": 6,
        "allowed_today": None,
    }


async def test_transactional_mails_go_first_and_within_the_pace(world: World) -> None:
    await world.ruled(paces=[HOURLY])
    await world.all.started()
    await world.members("ada", "ben")
    await world.all.topics.requested("r1", profile_id="eve", to="eve@example.com")
    assert await world.claimed() == ["eve"]
    assert await world.parked() == {"to:x": 2}
    await world.all.topics.requested("r2", profile_id="fay", to="fay@example.com")
    batch = await world.claim()
    # It is no reason to rest: behind what was parked there may be more.
    assert (batch.jobs, batch.settled) == ([], 1)
    assert await world.parked() == {"to:x": 2, "!to:x": 1}
    # There is a slot; a newcomer does not take it from who waits.
    await world.all.ledger.change(FREED)
    await world.members("zoe")
    assert await world.claimed() == []
    assert await world.let_go() == 1
    assert await world.claimed() == ["fay"]
    assert await world.parked() == {"to:x": 3}
    for who in ("ada", "ben"):
        await world.all.ledger.change(FREED)
        assert await world.let_go() == 1
        assert await world.claimed() == [who]
    why = await world.all.ledger.rows("state = 'planned'")
    assert [one["reason"] for one in why] == ["the pace to:x"]
    told = await world.all.client.get(f"/v1/messages/{why[0]['send_key']}/why")
    assert told.json()["sentence"] == "It waits: the pace to:x."


async def test_parked_mails_of_a_paused_campaign_hold_up_nobody(world: World) -> None:
    await world.ruled(paces=[HOURLY])
    paused = await world.all.started()
    await world.members("ada", "ben")
    assert len(await world.claimed()) == 1
    running = await world.all.started(name="other")
    await world.members("cid")
    assert await world.claimed() == []
    assert await world.parked() == {"to:x": 3}
    await world.all.client.post(f"/v1/campaigns/{paused}/pause")
    await world.all.ledger.change(FREED)
    assert await world.let_go() == 1
    batch = await world.claim()
    assert [one.claimed.campaign_id for one in batch.jobs] == [running]
    assert await world.parked() == {None: 2}
    await world.all.client.post(f"/v1/campaigns/{paused}/resume")
    assert await world.claimed() == []
    assert await world.parked() == {"to:x": 2}
    await world.all.client.delete(f"/v1/campaigns/{paused}")
    await world.all.work()
    assert await world.all.ledger.states() == {"sending": 2, "suppressed": 2}


async def test_a_warm_up_holds_its_day_and_rules_that_go_let_all_go(world: World) -> None:
    today = clock.now().date().isoformat()
    warm = {"sender": "shop.example", "starts_on": today, "first": 2, "growth": 2, "enough": 99}
    await world.ruled(paces=[{**HOURLY, "at_most": 1_000_000}], warmups=[warm])
    await world.all.started()
    await world.members("ada", "ben", "cid")
    assert len(await world.claimed()) == 2
    assert await world.parked() == {"from:shop.example": 1}
    assert await world.let_go() == 0
    found = (await world.standing())["from:shop.example"]
    assert (found["waiting"], found["sent_today"], found["allowed_today"]) == (1, 2, 2)
    # Who has waited is asked of the other lane as such, though others wait there.
    await world.all.ledger.change("UPDATE campaign.mail_lane SET sent = 1")
    assert await world.let_go() == 1
    assert len(await world.claimed()) == 1
    await world.members("dan")
    assert await world.claimed() == []
    await world.ruled()
    assert await world.let_go() == 0
    assert await world.claimed() == ["dan"]


async def test_a_server_that_says_too_many_halves_the_pace_of_its_domain(world: World) -> None:
    await world.ruled(paces=[{"id": "x", "to": ["example.com"], "at_once": 4}])
    await world.all.started()
    await world.members("ada", "ben")
    batch = await world.claim()
    await world.ended(batch, Outcome("retry", "421 4.7.0 too many"))
    assert (await world.standing())["to:x"]["percent"] in range(50, 52)
    assert await world.all.ledger.states() == {"planned": 2}


async def test_what_waits_is_sent_by_a_sender_that_looks(world: World, renderer: Any) -> None:
    await world.ruled(paces=[{"id": "x", "to": ["*"], "at_once": 1}])
    await world.all.started()
    await world.members("ada", "ben", "cid")
    sender = make_sender(world.all.engine, quick_settings(world.all.mail_server.port), renderer)
    try:
        for number in range(1, 4):
            await world.all.turn()
            assert (await world.all.ledger.states())["sent"] == number
            await sender._let_go()
            # Each has its time within this second: here it has come.
            await world.all.ledger.change(
                "UPDATE campaign.plan SET due_at = now() WHERE due_at < now() + interval '1 day'"
            )
    finally:
        await sender._carriers.http.close()
    assert len(world.all.mail_server.mails) == 3


async def test_rules_are_kept_in_versions(world: World) -> None:
    client = world.all.client
    assert (await client.get("/v1/mail-paces")).json()["version"] == 0
    await world.ruled(paces=[HOURLY], slow_down={"least_percent": 25, "minutes": 60})
    found = (await client.get("/v1/mail-paces")).json()
    assert found["paces"] == [{**HOURLY, "senders": [], "at_once": None}]
    assert (found["version"], found["actor"], found["reason"]) == (1, "ada", "spring")
    late = await client.put("/v1/mail-paces", json={"version": 0, "reason": "x"})
    assert (late.status_code, late.json()["details"]) == (409, {"version": 1})
    bad = {"version": 1, "reason": "x", "paces": [{"id": "x", "to": ["example.com"]}]}
    refused = await client.put("/v1/mail-paces", json=bad)
    assert (refused.status_code, refused.json()["details"]) == (422, {"field": "paces[0]"})
    history = (await client.get("/v1/mail-paces/history")).json()["items"]
    assert [one["version"] for one in history] == [1]
    async with world.all.client_of("other") as other:
        assert (await other.get("/v1/mail-paces")).json()["version"] == 0
        assert (await other.get("/v1/mail-paces/standing")).json() == {"lanes": []}
