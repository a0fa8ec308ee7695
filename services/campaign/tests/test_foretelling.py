"""When messages would go: by paces, warm-ups and accounts; senders keep to what was said."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.campaign.tests.conftest import SEGMENT
from services.campaign.tests.test_broadcasts import Broadcasts
from services.campaign.tests.test_channel_campaigns import person, said
from services.campaign.tests.test_dry_runs import became, claimed_all, pooled, told
from services.campaign.tests.test_mail_paces import World

from rapport_campaign.domain.accounts import ProviderAccount
from rapport_campaign.domain.accounts import Standing as Stands
from rapport_campaign.domain.breaker import Breaker
from rapport_campaign.domain.foretelling import Course, Gates, Shelf
from rapport_campaign.domain.lanes import Standing, behind, room, taken, turn
from rapport_campaign.domain.mail_paces import Lane
from rapport_campaign.domain.pacing import Pace, Warmup
from rapport_campaign.domain.throttles import MICRO, Throttle
from rapport_campaign.handlers.carrying import NO_ACCOUNT
from rapport_campaign.handlers.dry_runs import Looking
from rapport_campaign.handlers.work import Works
from rapport_campaign.store.jobs import JOBS
from rapport_common import clock
from rapport_common.testing.examples import examples

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
integration = pytest.mark.integration
HOUR = timedelta(hours=1)
LET_GO = (
    "UPDATE campaign.plan SET due_at = now() "
    "WHERE due_at BETWEEN now() AND now() + interval '1 hour'"
)


@settings(max_examples=examples(100))
@given(
    st.none() | st.builds(Throttle, st.integers(1, 200), st.sampled_from(["minute", "hour"])),
    st.none() | st.tuples(st.integers(-2, 3), st.integers(1, 3), st.integers(10, 99)),
    st.lists(st.integers(0, 40_000), max_size=12),
    st.sampled_from([1.0, 0.25]),
)
def test_a_turn_is_the_first_instant_at_which_a_lane_has_room(
    throttle: Throttle | None, warm: Any, waits: list[int], part: float
) -> None:
    """Senders ask `room` again and again, dry runs `turn` once."""
    warmup = warm and Warmup(date(2026, 3, 1) + timedelta(days=warm[0]), warm[1], 2.0, warm[2])
    lane, now = Lane(name="x", throttle=throttle, warmup=warmup), NOON
    standing = Standing(share=part, slowed_at=0)
    for seconds in waits:
        now += timedelta(seconds=seconds)
        at = turn(lane, standing, now)
        assert at >= now
        assert room(lane, standing, at, 0, 1) == 1
        assert at == now or room(lane, standing, at - MICRO, 0, 1) == 0
        standing = taken(lane, standing, at, 1)
    assert behind(lane, standing, now, 0) == standing


def account(name: str, **more: Any) -> ProviderAccount:
    fields = {"channel": "sms", "vendor": "twilio", "settings": {}, "secrets": "", "version": 1}
    made = {"created_at": NOON, "created_by": "ada", "changed_at": NOON, "state": "active"}
    first = {"pace": Pace(1.0), "priority": 1, **fields, **made, **more}
    return ProviderAccount(workspace="acme", account_id=name, name=name, **first)


def gates(course: Course, *members: ProviderAccount, throttle: Throttle | None = None) -> Gates:
    return Gates(course, throttle, {}, list(members))


def turns(of: Gates, number: int, at: datetime = NOON) -> list[int]:
    found = [of.through(2, (), at) for _ in range(number)]
    return [round((one - NOON).total_seconds()) for one in found if one is not None]


def test_accounts_take_what_they_may_and_the_next_takes_over() -> None:
    course = Course(accounts={"a": Stands()})
    assert turns(gates(course, account("a")), 3) == [0, 1, 2]
    warm = account("a", warmup=Warmup(NOON.date(), 2, 2.0, 100), pace=Pace(100.0, 10))
    course = Course(accounts={"a": Stands(), "b": Stands()})
    assert turns(gates(course, warm, account("b", priority=2)), 4) == [0, 0, 0, 1]
    course = Course(accounts={"a": Stands()})
    midnight = 12 * 3600
    assert turns(gates(course, warm), 4) == [0, 0, midnight, midnight]
    left_alone = Stands(breaker=Breaker(5, NOON.timestamp() + 90, 0.0, "away"))
    assert turns(gates(Course(accounts={"a": left_alone}), account("a")), 2) == [90, 91]
    assert gates(Course()).through(2, (), NOON) is None
    assert Gates(Course(), None, {}, None).through(2, (), NOON) == NOON


def test_what_comes_back_to_a_shelf_is_given_before_what_is_new() -> None:
    shelf = Shelf()
    shelf.take([("a", "2027"), ("b", "2028")])
    shelf.back.append("a")
    assert (shelf.ends, shelf.code, shelf.back) == ("2028", "b", ["a"])
    shelf.take([("a", "2027"), ("c", "2029")])
    assert (shelf.ends, shelf.code, shelf.back) == ("2029", "c", [])


@pytest.fixture
def cast(scenario: Any) -> Broadcasts:
    return Broadcasts(scenario)


def minutes(people: dict[str, Any], since: datetime) -> dict[str, tuple[str, int]]:
    """The outcome of each, and in how many minutes."""
    return {
        name: (one["outcome"], round((datetime.fromisoformat(one["due_at"]) - since) / HOUR * 60))
        for name, one in people.items()
    }


@integration
async def test_a_throttled_run_goes_in_the_order_and_at_the_times_that_were_said(
    cast: Broadcasts,
) -> None:
    await cast.people(*"abcd")
    await cast.all.client.patch("/v1/policy", json={"broadcast_approval_above": 2})
    broadcast = await cast.made(throttle={"at_most": 2, "per": "hour"})
    began = clock.now()
    people, job = await told(cast, broadcast)
    assert minutes(people, began) == {
        name: ("gets", 30 * place) for place, name in enumerate("abcd")
    }
    about = job.report["run"]
    assert about["not_begun"].startswith("it goes to more people than")
    assert datetime.fromisoformat(about["last_at"]) - datetime.fromisoformat(
        about["first_at"]
    ) >= 1.5 * HOUR - timedelta(seconds=1)
    await cast.all.client.patch("/v1/policy", json={"broadcast_approval_above": None})
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    await cast.all.work()
    order: list[str] = []
    while len(order) < 4:
        await claimed_all(cast)
        order += [
            name
            for name, one in (await became(cast, broadcast)).items()
            if one[0] == "gets" and name not in order
        ]
        await cast.all.ledger.change("UPDATE campaign.broadcast_pace SET free_at = 0")
    assert order == list("abcd")


@integration
async def test_mails_wait_for_their_lane_and_some_are_too_late_as_was_said(
    cast: Broadcasts, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(cast.all)
    await world.ruled(paces=[{"id": "x", "to": ["example.com"], "at_most": 2, "per": "hour"}])
    await cast.people(*"abcd")
    await cast.all.topics.person("o", "o@other.example")
    await cast.all.topics.entered("o", "zz-o")
    broadcast = await cast.made(lateness_seconds=80 * 60)
    began = clock.now()
    people, _ = await told(cast, broadcast)
    said = {name: (one["outcome"], one["reason"]) for name, one in people.items()}
    when = minutes(people, began)
    assert when == {
        "a": ("gets", 0),
        "o": ("gets", 0),
        "b": ("gets", 30),
        "c": ("gets", 60),
        "d": ("never", 90),
    }
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    await cast.all.work()
    for number, more in enumerate((0, 31, 62, 93)):
        with monkeypatch.context() as patched:
            later = clock.now() + timedelta(minutes=more)
            patched.setattr(clock, "now", lambda at=later: at)
            await world.let_go()
            await cast.all.ledger.change(LET_GO)
            await claimed_all(cast)
        now_is = await became(cast, broadcast)
        settled = {name for name, one in now_is.items() if one[0] != "waits"}
        assert settled == {name for name, (_, at) in when.items() if at <= more}, number
    assert await became(cast, broadcast) == said


@integration
async def test_by_a_channel_without_an_account_all_wait(cast: Broadcasts) -> None:
    await cast.all.topics.told("p1", 1, person([said("granted")]))
    await cast.all.topics.entered("p1", segment_id=SEGMENT)
    body = {"name": "x", "audience": {"any": [SEGMENT]}, "purpose": "promotion", "channel": "sms"}
    answer = await cast.all.client.post("/v1/broadcasts", json={**body, "content": {"text": "Hi"}})
    broadcast = answer.json()["id"]
    people, _ = await told(cast, broadcast)
    assert (people["p1"]["outcome"], people["p1"]["reason"]) == ("waits", NO_ACCOUNT)
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    await cast.all.work()
    await cast.all.turn()
    assert await became(cast, broadcast) == {"p1": ("waits", NO_ACCOUNT)}


@integration
async def test_it_goes_on_where_it_was_whoever_dies_or_works_beside(
    cast: Broadcasts, renderer: Any
) -> None:
    """Batches of two; who takes over renders nothing twice, and gives no coupon twice."""
    for name in "abcdefg":
        await cast.all.topics.person(name, f"{name}@example.com", n=20_000 if name in "bf" else 1)
        await cast.all.topics.entered(name, f"1-{name}")
    await pooled(cast, 4)
    html = "{% for i in (1..profile.traits.n) %}.{% endfor %}{{ coupon.code }}"
    broadcast = await cast.made(html=html, coupon_pool="spring")
    plain, whole = await told(cast, broadcast, render=False)
    assert whole.report["run"]["rendered"] is False
    assert sorted(plain.values(), key=lambda one: one["profile_id"])[3]["outcome"] == "gets"
    works = Works(cast.all.engine, Looking(renderer, 2), page=3).kinds["dry_run"]
    path = f"/v1/broadcasts/{broadcast}/dry-runs"
    made = (await cast.all.client.post(path)).json()["id"]
    async with cast.all.engine.begin() as tx:
        job = await JOBS.find(tx, "acme", made)
    assert job is not None
    for _ in range(3):
        async for _ in works(job):
            break
    first, second = works(job), works(job)
    seen = []
    for one, other in pairwise([first, second] * 10):
        seen += [step async for step in _next(one)] + [step async for step in _next(other)]
    items = (await cast.all.client.get(f"{path}/{made}/people")).json()["items"]
    outcomes = {one["profile_id"]: one["outcome"] for one in items}
    tired = {name for name, one in outcomes.items() if one == "fails"}
    assert tired == {"b", "f", "g"}
    assert seen[-1].report["gets"] == {"": 4}


async def _next(steps: Any) -> Any:
    step = await anext(steps, None)
    if step is not None:
        yield step
