"""Points for what was told before there was a programme: as if it had always been there."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.loyal import PER_DOLLAR, day, facts, order, refund
from services.profile.tests.loyal import programme as club
from services.profile.tests.people import START, event
from services.profile.tests.postgres import feed
from services.profile.tests.test_loyalty_large import exact
from services.profile.tests.test_loyalty_stored import (
    TIERED,
    entries,
    member,
    points,
    redeemed,
    settled,
    told,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.envelope import Event
from rapport_common.jobs.worker import Jobs
from rapport_common.pace import Pace
from rapport_profile.domain.loyalty import checkpoint
from rapport_profile.domain.loyalty.programme import Version, counting_from
from rapport_profile.domain.loyalty.rehearsal import Difference, difference
from rapport_profile.domain.loyalty.replay import replay
from rapport_profile.handlers.loyalty_backfill import Backfilling
from rapport_profile.store.jobs import BACKFILL_LOYALTY, JOBS

PATH = "/v1/loyalty/programme"
WHY = {"reason": "test"}
CLUB: dict[str, Any] = {**TIERED, "expiry": {"days": 3650}}
OLD = [
    order("m1", "o1", on=1, total=100),
    order("m2", "o2", on=40, total=60),
    refund("m3", "o1", on=50, total=30),
    order("m4", "o3", on=60, total=50, user_id="B"),
    event("m5", user_id="C", name="Home Seen"),
]


def filling(engine: AsyncEngine) -> Backfilling:
    return Backfilling(engine, 1_000, lambda _seconds: Pace(0), page=1)


async def worked_off(engine: AsyncEngine) -> dict[str, Any]:
    """What the newest job has told, when all are done."""
    while await Jobs(engine, JOBS, {BACKFILL_LOYALTY: filling(engine).work}).turn(asyncio.Event()):
        pass
    async with engine.begin() as tx:
        found = (await JOBS.latest(tx, "w", limit=1))[0]
    assert (found.state, found.error) == ("done", None)
    return found.report


async def declared(client: httpx.AsyncClient, programme: dict[str, Any] = CLUB) -> None:
    """It holds for what happens from day 100 on."""
    asked = {"programme": programme, "version": 0, "since": day(100).isoformat(), **WHY}
    answer = await client.put(PATH, json=asked)
    assert answer.status_code == 200, answer.text


async def asked(
    client: httpx.AsyncClient, since: float = 0, *, dry_run: bool = False
) -> httpx.Response:
    wanted = {"since": day(since).isoformat(), "dry_run": dry_run, **WHY}
    return await client.post(f"{PATH}/backfill", json=wanted)


@pytest.mark.integration
async def test_old_orders_count_when_that_is_asked_for(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, OLD)
    await declared(client)
    await feed(engine, [order("m6", "o4", on=120, total=7)])
    await settled(engine)
    assert (await points(client))["available"] == 7
    before = await entries(client)
    rehearsal = await asked(client, dry_run=True)
    assert rehearsal.status_code == 202, rehearsal.text
    wanted = {"people": 2, "events": 4, "earned": 180, "expired": 0, "points": 180, "tiers": 1}
    assert await worked_off(engine) == wanted
    await settled(engine)
    assert await entries(client) == before
    assert (await client.get(PATH)).json()["starts_at"] == day(100).isoformat()[:19] + "Z"
    assert (await asked(client)).status_code == 202
    # What happens while it goes on is added once.
    await feed(engine, [order("m7", "o5", on=121, total=3), refund("m8", "o2", on=122, total=10)])
    report = await worked_off(engine)
    assert (report["people"], report["events"]) == (2, 4)
    await settled(engine)
    assert (await points(client))["available"] == 70 + 60 - 10 + 7 + 3
    assert (await points(client, "B"))["available"] == 50
    await exact(client, engine)
    assert (await client.get(PATH)).json()["starts_at"] == START.isoformat()[:19] + "Z"
    lots = (await client.get(await member(client))).json()["lots"]
    assert {one["earned_at"][:10] for one in lots} >= {f"{day(1):%Y-%m-%d}", f"{day(40):%Y-%m-%d}"}
    # Again: all is there.
    before = await entries(client)
    assert (await asked(client)).status_code == 202
    report = await worked_off(engine)
    assert (report["people"], report["events"]) == (0, 0)
    await settled(engine)
    assert await entries(client) == before


@pytest.mark.integration
async def test_points_expire_by_the_time_of_the_order_and_old_tiers_begin_no_campaign(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, OLD)
    await declared(client, {**CLUB, "expiry": {"days": 30}})
    assert (await asked(client)).status_code == 202
    await worked_off(engine)
    await settled(engine)
    assert (await points(client))["available"] == 0
    booked = [(one[0], one[1]) for one in (await entries(client))[::-1]]
    # The refund came when the points of its order were gone.
    assert sum(number for _kind, number in booked) == 0
    assert {("earned", 100), ("earned", 60), ("expired", -60)} <= set(booked)
    reached = [one for one in await told(engine) if one.name == "Tier Reached"]
    assert reached
    assert all(one.timestamp <= day(130) for one in reached)


@pytest.mark.integration
async def test_what_is_no_earlier_or_without_a_programme_is_refused(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    assert (await asked(client)).json()["code"] == "no_programme"
    await declared(client)
    late = await asked(client, 101)
    assert (late.status_code, late.json()["details"]["field"]) == (422, "since")
    assert (await asked(client, 100)).status_code == 202
    again = [
        await client.post(
            f"{PATH}/backfill",
            json={"since": START.isoformat(), **WHY},
            headers={"Idempotency-Key": "k"},
        )
        for _twice in range(2)
    ]
    assert again[0].json()["id"] == again[1].json()["id"]


@pytest.mark.integration
async def test_who_has_a_checkpoint_and_has_spent_is_exact_however_the_job_is_begun_again(
    client: httpx.AsyncClient, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left after each page, and the page is done again by who takes it up."""
    monkeypatch.setattr(checkpoint, "MOST_SINCE", 6)
    monkeypatch.setattr(checkpoint, "BEHIND", 3)
    chance = random.Random(7)
    users = ["A", "B", "D", "E", "F"]
    old = [
        order(f"old{n}", f"p{n}", on=chance.randrange(90), total=10, user_id=chance.choice(users))
        for n in range(40)
    ]
    new = [order(f"new{n}", f"q{n}", on=110 + n, total=5) for n in range(20)]
    await feed(engine, old)
    await declared(client)
    await feed(engine, new)
    await settled(engine)
    assert (await redeemed(client, 60)).status_code == 201
    await settled(engine)
    job_id = (await asked(client)).json()["id"]
    async with engine.begin() as tx:
        job = await JOBS.find(tx, "w", job_id)
    assert job is not None
    places, report = 0, {}
    while True:
        # A process that dies has done a page, and what it says of it may be lost.
        lost = chance.random() < 0.4
        steps = [step async for step in _first(filling(engine), job)]
        if not steps:
            break
        places += 1
        if not lost:
            report = steps[0].report
            job = replace(job, position=steps[0].position, report=report)
        if places % 3 == 0:
            await settled(engine)
    assert places > 5
    await worked_off(engine)
    await settled(engine)
    for user in users:
        earned = sum(10 for one in old if ("user_id", user) in one.identifiers)
        earned += (100 - 60) * (user == "A")
        assert (await points(client, user))["available"] == earned
        await exact(client, engine, user)


async def _first(work: Backfilling, job: Any) -> Any:
    async for step in work.work(job):
        yield step
        return


# --- a rehearsal says what will be -----------------------------------------------------------

MOMENTS = st.integers(0, 200)
TELLINGS = st.lists(
    st.tuples(MOMENTS, st.sampled_from("abc"), st.sampled_from(["order", "refund"])), max_size=10
)


def events_of(told_of: Sequence[tuple[int, str, str]]) -> list[Event]:
    made = {"order": order, "refund": refund}
    return [
        made[kind](f"m{number}", which, on=on, total=20)
        for number, (on, which, kind) in enumerate(told_of)
    ]


@given(TELLINGS, st.integers(0, 100), st.sets(st.integers(0, 9)), st.integers(200, 400))
def test_a_rehearsal_says_what_will_be(
    told_of: Sequence[tuple[int, str, str]], start: int, kept: set[int], today: int
) -> None:
    """By all facts since the start, each known or not."""
    tiers = {"measure": "points", "window": {"months": 12}, "levels": CLUB["tiers"]["levels"]}
    versions = [Version(day(100), club(rules=[PER_DOLLAR], expiry={"days": 90}, tiers=tiers))]
    stored = [one for one in events_of(told_of) if one.timestamp >= day(start)]
    known = [one for n, one in enumerate(stored) if n in kept or one.timestamp >= day(100)]
    both = (versions, counting_from(versions, day(start)))
    now = day(today)
    found = difference(both, facts(*known), facts(*stored), [], now)
    before, after = (
        replay(versions, facts(*known), [], now),
        replay(both[1], facts(*stored), [], now),
    )
    if len(known) == len(stored):
        assert found == Difference()
        return
    assert found.events == len(stored) - len(known)
    assert found.points == after.points.total - before.points.total
    assert found.earned - found.expired == found.points
    assert found.tiers == (after.tier != before.tier)


def test_it_never_begins_later_than_it_does() -> None:
    versions = [Version(day(10), club()), Version(day(20), club())]
    assert counting_from(versions, day(15)) == versions
    assert [one.since for one in counting_from(versions, day(5))] == [day(5), day(20)]
    assert counting_from([], day(5)) == []


def test_what_would_be_other_of_many_is_their_sum() -> None:
    found = Difference(people=1, events=2, earned=3, expired=4, points=-5, tiers=6)
    found.add(Difference(people=10, events=20, earned=30, expired=40, points=50, tiers=60))
    assert found == Difference(11, 22, 33, 44, 45, 66)
