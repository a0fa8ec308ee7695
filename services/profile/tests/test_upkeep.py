"""Timelines are kept in months that come by themselves and go as wholes; their sums stay."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.parts import aside, day, fresh_parts, parts
from services.profile.tests.people import IDS, event, expected
from services.profile.tests.postgres import feed, in_thread, known, told, wipe
from services.profile.tests.test_rebuilding import NOTHING, checked, started, worked_off
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine
from tests.support.locks import somebody_waits
from tests.support.waiting import eventually

from rapport_common.events.envelope import Event
from rapport_common.testing.examples import examples
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.timeline_rules import EventClass, TimelineRules
from rapport_profile.handlers.rebuilding import Wanted
from rapport_profile.handlers.upkeep import PATIENCE, Upkeep
from rapport_profile.store import expiring, reads, recounting
from rapport_profile.store import rules as stored_rules

pytestmark = pytest.mark.integration
DAY = 24 * 60
DAYS = 30
"""The installation's limit in these tests."""


class Clock:
    """Says what time it is."""

    def __init__(self) -> None:
        self.at = day(0)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def upkeep(engine: AsyncEngine, clock: Clock) -> Upkeep:
    await fresh_parts(engine)
    return Upkeep(engine, DAYS, now=clock, page=3)


def order(number: int, at: float, **names: str) -> Event:
    """An order of 2 dollars on a day."""
    said = {"order_id": f"o{number}", "total": 2}
    who = names or {"user_id": "U"}
    return event(f"m{number}", name="Order Completed", said=said, at=at * DAY, **who)


async def is_exact(engine: AsyncEngine, history: Sequence[Event]) -> None:
    """All that these events amount to is known and was told, and nothing is found wrong."""
    async with engine.begin() as tx:
        assert await known(tx) == expected(history) == await told(tx)
    assert await checked(engine) == NOTHING


async def done(upkeep: Upkeep) -> None:
    await upkeep.turn(asyncio.Event())


async def test_months_are_made_before_they_begin(
    engine: AsyncEngine, upkeep: Upkeep, clock: Clock
) -> None:
    # Whatever the time of an event, it has its place.
    history = [order(n, at) for n, at in enumerate((0, 100, 130, 2_000, -9_000))]
    await feed(engine, history)
    clock.at = day(60)
    await done(Upkeep(engine, 0, now=clock))
    async with engine.begin() as tx:
        held = await parts(tx)
    assert held == {
        "timeline_early": 1,
        "timeline_2025_12": 0,
        "timeline_2026_01": 1,
        "timeline_2026_02": 0,
        "timeline_2026_03": 0,
        "timeline_2026_04": 1,
        "timeline_2026_05": 1,
        "timeline_2026_06": 0,
        "timeline_late": 1,
    }
    await is_exact(engine, history)


async def test_a_month_is_not_made_while_somebody_reads_and_nobody_queues_for_long(
    engine: AsyncEngine, upkeep: Upkeep, clock: Clock
) -> None:
    clock.at = day(60)
    async with engine.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM profile.timeline"))
        # It has given up when this is through: the reader has not ended.
        await done(upkeep)
        async with engine.begin() as tx:
            assert "timeline_2026_05" not in await parts(tx)
        await feed(engine, [order(1, 100)])
    # Not at once: who tries is in everybody's way, and the reader may go on for hours.
    await done(upkeep)
    async with engine.begin() as tx:
        assert "timeline_2026_04" not in await parts(tx)
    clock.at += timedelta(minutes=5)
    await done(upkeep)
    async with engine.begin() as tx:
        assert (await parts(tx))["timeline_2026_04"] == 1


async def test_what_the_database_refuses_stops_nothing_else(
    engine: AsyncEngine, upkeep: Upkeep, clock: Clock
) -> None:
    await feed(engine, [order(1, 3)])
    async with engine.begin() as tx:
        await tx.execute(text("CREATE TABLE profile.timeline_2026_04 (is_in_the_way text)"))
    clock.at = day(31 + DAYS)
    await done(upkeep)
    async with engine.begin() as tx:
        held = await parts(tx)
        assert ("timeline_2026_03" in held, "timeline_2026_04" in held) == (True, False)
        assert "timeline_2026_01" not in held
        await tx.execute(text("DROP TABLE profile.timeline_2026_04"))
    await done(upkeep)
    async with engine.begin() as tx:
        assert "timeline_2026_04" in await parts(tx)


async def test_a_month_goes_as_a_whole_and_its_sums_stay(
    engine: AsyncEngine, upkeep: Upkeep, clock: Clock
) -> None:
    history = [order(n, n * 7, user_id=f"U{n % 3}") for n in range(12)]
    await feed(engine, history)
    clock.at = day(31 + DAYS)
    await upkeep.close_months()
    async with engine.begin() as tx:
        assert await aside(tx) == ["timeline_2025_12", "timeline_2026_01", "timeline_early_2025_12"]
        assert min(await parts(tx)) == "timeline_2026_02"
    # What is between the timeline and the sums is missed by nobody, page after page.
    assert await checked(engine) == NOTHING
    late = order(20, 3, user_id="U1")
    await feed(engine, [late])
    pages = 0
    async with engine.connect() as killed:
        # What a kill interrupts has not happened.
        await expiring.expire_closing(killed, 3)
        await killed.rollback()
    while True:
        async with engine.begin() as tx:
            gone = await expiring.expire_closing(tx, 2)
        if gone is None:
            break
        pages += 1
        assert await checked(engine) == NOTHING
    assert pages > 3
    await done(upkeep)
    async with engine.begin() as tx:
        assert await aside(tx) == []
        held = await parts(tx)
        tables = await tx.execute(
            text("SELECT tablename FROM pg_tables WHERE tablename LIKE 'timeline\\_2026\\_01%'")
        )
        assert tables.fetchall() == []
        assert (await reads.stats(tx, "w"))["events"] == 13
    # The late one went as it had come.
    assert held["timeline_early"] == 0
    await is_exact(engine, [*history, late])


async def test_copies_of_what_is_between_timeline_and_sums(
    engine: AsyncEngine, upkeep: Upkeep, clock: Clock
) -> None:
    """One in a month that stays takes a place; one in a month that goes is too late."""
    history = [order(n, n * 9) for n in range(8)]
    await feed(engine, history)
    clock.at = day(31 + DAYS)
    await upkeep.close_months()
    async with engine.begin() as tx:
        await expiring.expire_closing(tx, 1)
    for one in (history[1], history[6]):
        said = ({"order_id": "copy", "total": n} for n in range(99))
        copies = (
            msgspec.structs.replace(one, properties=msgspec.Raw(msgspec.json.encode(other)))
            for other in said
        )
        await feed(engine, [next(c for c in copies if content_hash(c) < content_hash(one))])
        assert await checked(engine) == NOTHING
    async with engine.begin() as tx:
        totals = await reads.stats(tx, "w")
    assert (totals["events"], totals["orders"]) == (8, 8)
    await done(upkeep)
    assert await checked(engine) == NOTHING
    async with engine.begin() as tx:
        assert await reads.stats(tx, "w") == totals


async def test_two_processes_at_one_month_add_each_event_once(
    engine: AsyncEngine, upkeep: Upkeep, clock: Clock
) -> None:
    history = [order(n, n / 10, user_id=f"U{n % 7}") for n in range(60)]
    await feed(engine, history)
    clock.at = day(31 + DAYS)
    other = Upkeep(engine, DAYS, now=clock, page=2)
    await asyncio.gather(done(upkeep), done(other), started(engine, Wanted(repair=True)))
    await worked_off(engine)
    await done(other)
    async with engine.begin() as tx:
        assert await aside(tx) == []
    await is_exact(engine, history)


@pytest.mark.parametrize("page_first", [True, False])
async def test_a_page_and_who_settles_wait_for_each_other(
    engine: AsyncEngine, upkeep: Upkeep, clock: Clock, *, page_first: bool
) -> None:
    history = [order(n, n) for n in range(5)]
    await feed(engine, history)
    hub = IDS.of("w", ("user_id", "U"))
    clock.at = day(31 + DAYS)
    await upkeep.close_months()
    async with engine.begin() as tx:
        assert await expiring.expire_closing(tx, 2) == 0, "december is empty"
    async with engine.connect() as first, engine.connect() as second:
        works = [
            (expiring.expire_closing(first if page_first else second, 2)),
            (expiring.settle(second if page_first else first, "w", [hub])),
        ]
        one, other = works if page_first else works[::-1]
        await one
        async with asyncio.TaskGroup() as group:
            group.create_task(_awaited(other))
            await somebody_waits(engine)
            await first.commit()
        sums = await recounting.expired(second, "w", [hub])
        assert sums[hub].events == 5
        await second.commit()
    await done(upkeep)
    await is_exact(engine, history)


async def _awaited(work: Awaitable[object]) -> None:
    await work


async def test_events_of_a_class_go_earlier_and_others_stay(
    engine: AsyncEngine, upkeep: Upkeep, clock: Clock
) -> None:
    views = [
        event(f"v{n}", type="page", name="Home", user_id=f"U{n % 3}", at=n * DAY) for n in range(20)
    ]
    orders = [order(n, n, user_id=f"U{n % 3}") for n in range(10)]
    await feed(engine, [*views, *orders])
    rules = TimelineRules((EventClass(days=10, types=("page", "screen")),))
    async with engine.begin() as tx:
        assert await stored_rules.add(
            tx, stored_rules.TIMELINE_RULES, "w", 1, rules, by=("ada", "a test")
        )
    clock.at = day(20)
    keeping = Upkeep(engine, 0, now=clock, page=4)
    await done(keeping)
    async with engine.begin() as tx:
        left = await tx.execute(text("SELECT message_id FROM profile.timeline"))
        assert set(left.scalars()) == {one.message_id for one in [*views[10:], *orders]}
    await is_exact(engine, [*views, *orders])
    # What comes late for it goes with the sweep of the next day, and not before.
    late = event("late", type="page", user_id="U1", at=DAY)
    await feed(engine, [late])
    counted = text("SELECT count(*) FROM profile.timeline WHERE message_id = 'late'")
    for hours, stays in ((23, 1), (24, 0)):
        clock.at = day(20) + timedelta(hours=hours)
        await done(keeping)
        async with engine.begin() as tx:
            assert (await tx.execute(counted)).scalar() == stays
    # Other rules begin at once.
    async with engine.begin() as tx:
        named = TimelineRules((EventClass(days=3, names=("Order*",)), EventClass(days=None)))
        assert await stored_rules.add(
            tx, stored_rules.TIMELINE_RULES, "w", 2, named, by=("ada", "a test")
        )
        assert (
            await stored_rules.add(
                tx, stored_rules.TIMELINE_RULES, "w", 2, named, by=("bob", "the same")
            )
            is None
        )
    await done(keeping)
    async with engine.begin() as tx:
        left = await tx.execute(
            text("SELECT count(*) FROM profile.timeline WHERE message_id LIKE 'm%'")
        )
        assert left.scalar() == 0
    await is_exact(engine, [*views, *orders, late])


async def test_it_goes_on_until_it_is_stopped(
    engine: AsyncEngine, upkeep: Upkeep, clock: Clock
) -> None:
    await feed(engine, [order(n, n) for n in range(20)])
    clock.at = day(31 + DAYS)
    stop = asyncio.Event()
    keeping = Upkeep(engine, DAYS, now=clock, page=4, interval=0.05)
    running = asyncio.create_task(keeping.run(stop))

    async def is_dropped() -> bool:
        # On a busy machine somebody may have read for half a second: then it is tried again.
        clock.at += PATIENCE
        async with engine.begin() as tx:
            return "timeline_2026_01" not in await parts(tx) and not await aside(tx)

    await eventually("the month is dropped", is_dropped)
    stop.set()
    await running
    # Stopped before it began, it has done nothing.
    clock.at = day(90 + DAYS)
    await upkeep.turn(stop)
    async with engine.begin() as tx:
        assert "timeline_2026_02" in await parts(tx)


@pytest.fixture(scope="module")
def database(service_database: object) -> str:
    return service_database("profile")  # type: ignore[operator,no-any-return] # see root conftest


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("feed"), st.integers(0, 70), st.sampled_from("ABC"), st.sampled_from("xyz")
        ),
        st.tuples(st.just("copy"), st.integers(0, 9)),
        st.tuples(st.just("close"), st.integers(1, 90)),
        st.tuples(st.just("page"), st.integers(1, 3)),
        st.tuples(st.just("early"), st.integers(1, 3)),
        st.tuples(st.just("settle"), st.sampled_from("ABC")),
        st.tuples(st.just("check")),
    ),
    max_size=24,
)


@settings(max_examples=examples(20))
@given(plan=steps)
def test_whatever_happens_between_the_pages_each_event_counts_once(
    database: str, plan: list[tuple[object, ...]]
) -> None:
    async def run() -> None:
        engine = patient_engine(database, application="property", pool=2)
        try:
            await wipe(engine)
            await fresh_parts(engine)
            history = await _carried_out(engine, plan)
            await is_exact(engine, history)
        finally:
            await engine.dispose()

    in_thread(run)


async def _copied(engine: AsyncEngine, one: Event) -> Event:
    """The copy that counts after another one has come, which would take its place if it can."""
    said = ({"order_id": "copy", "total": 3, "n": n} for n in range(999))
    others = (
        msgspec.structs.replace(one, properties=msgspec.Raw(msgspec.json.encode(other)))
        for other in said
    )
    copy = next((each for each in others if content_hash(each) < content_hash(one)), one)
    await feed(engine, [copy])
    counting = text("SELECT hash FROM profile.inbox WHERE message_id = :id")
    async with engine.begin() as tx:
        held = (await tx.execute(counting, {"id": one.message_id})).scalar_one()
    return copy if held == content_hash(copy) else one


async def _carried_out(engine: AsyncEngine, plan: list[tuple[object, ...]]) -> list[Event]:
    clock = Clock()
    upkeep = Upkeep(engine, DAYS, now=clock)
    history: list[Event] = []
    for number, step in enumerate(plan):
        match step:
            case ("feed", int(at), str(user), str(visitor)):
                history.append(order(number, at, user_id=user, anonymous_id=visitor))
                await feed(engine, [history[-1]])
            case ("copy", int(place)) if place < len(history):
                history[place] = await _copied(engine, history[place])
            case ("close", int(at)):
                clock.at = max(clock.at, day(at))
                await upkeep.close_months()
            case ("page", int(size)):
                async with engine.begin() as tx:
                    await expiring.expire_closing(tx, size)
            case ("early", int(size)):
                async with engine.begin() as tx:
                    await expiring.expire_early(tx, clock.at - timedelta(days=DAYS), size)
            case ("settle", str(user)):
                async with engine.begin() as tx:
                    await expiring.settle(tx, "w", [IDS.of("w", ("user_id", user))])
            case _:
                assert await checked(engine) == NOTHING
    return history
