"""Batches on a real Postgres: the result is the same however the events come in."""

import asyncio
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.people import IDS, event, events, expected, voided_aliases
from services.profile.tests.postgres import feed, in_thread, known, told, wipe
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine
from tests.support.outbox import waiting
from tests.support.waiting import HANG_SECONDS

from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.events.topics import PROFILE_ACTIVITY
from rapport_common.testing.examples import examples
from rapport_profile.domain.bounds import HEAVY_BYTES
from rapport_profile.domain.merge_rules import KindRule, MaxNew, MergeRules, RuleBook, Rules
from rapport_profile.store import expiring, reads, timeline

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def database(service_database: object) -> str:
    return service_database("profile")  # type: ignore[operator,no-any-return] # see root conftest


@pytest.mark.parametrize("heavy_from", [HEAVY_BYTES, 0], ids=["light", "heavy"])
@settings(max_examples=examples(40))
@given(history=st.lists(events(), max_size=16), sizes=st.lists(st.integers(1, 6)))
def test_any_batching_of_any_copies_gives_the_same_profiles(
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    heavy_from: int,
    history: list[Event],
    sizes: list[int],
) -> None:
    monkeypatch.setattr("rapport_profile.domain.people.HEAVY_BYTES", heavy_from)

    async def run() -> None:
        engine = patient_engine(database, application="property", pool=1)
        try:
            await wipe(engine)
            rest = list(history)
            for size in [*sizes, len(history)]:
                piece, rest = rest[:size], rest[size:]
                if piece:
                    await feed(engine, piece)
            async with engine.begin() as tx:
                assert await known(tx) == expected(history)
                assert await told(tx) == expected(history)
        finally:
            await engine.dispose()

    # hypothesis calls this from the session's loop: a loop of its own needs a thread of its own.
    in_thread(run)


async def test_two_processes_with_the_same_people_in_opposite_order(engine: AsyncEngine) -> None:
    """No deadlock that is not retried, nothing lost, nothing twice."""
    chance = random.Random(7)
    history = [
        event(
            f"m{n}",
            name="Order Completed",
            said={"total": 1},
            user_id=chance.choice([None, "A", "B", "C", "D"]),
            email=chance.choice([None, "e1", "e2", "e3"]),
            anonymous_id=f"a{chance.randrange(8)}",
            at=n,
        )
        for n in range(400)
    ]

    async def member(mine: list[Event]) -> None:
        for start in range(0, len(mine), 25):
            await feed(engine, mine[start : start + 25])

    # Each gets every event: half of all deliveries are copies.
    async with asyncio.timeout(HANG_SECONDS):
        await asyncio.gather(member(history), member(history[::-1]), member(history[::2]))
    async with engine.begin() as tx:
        assert await known(tx) == expected(history) == await told(tx)
        totals = await reads.stats(tx, "w")
        assert totals["events"] == 400
        tallies = await tx.execute(text("SELECT name, value FROM profile.tally"))
        counted = {row.name: row.value for row in tallies}
    assert counted["profiled"] == 400
    assert counted["duplicate"] == 600


@pytest.mark.parametrize("users", ["", "AB"])
async def test_a_late_event_may_leave_to_somebody_what_too_many_shared_at_once(
    engine: AsyncEngine, users: str
) -> None:
    """Unless two users share it, too."""
    day = 24 * 60
    weekly = Rules(MergeRules(kinds={"email": KindRule(max_new=MaxNew(1, 7))}))
    history = [event(one, user_id=one, anonymous_id="kiosk") for one in users]
    history += [
        event("1", email="e", anonymous_id="kiosk", at=20 * day),
        event("2", email="f", anonymous_id="kiosk", at=21 * day),
        event("3", email="e", anonymous_id="kiosk"),
    ]
    for one in history:
        await feed(engine, [one], RuleBook(w=weekly))
    async with engine.begin() as tx:
        assert await known(tx) == expected(history, weekly) == await told(tx)
        shared = await tx.execute(text("SELECT value FROM profile.identifier WHERE shared"))
        assert list(shared.scalars()) == (["kiosk"] if users else [])


@pytest.mark.parametrize("story", voided_aliases())
async def test_who_is_shared_with_an_alias_may_be_so_without_it(
    engine: AsyncEngine, story: str
) -> None:
    rules = Rules(MergeRules(("anonymous_id",), {"anonymous_id": KindRule(1)}))
    batches = voided_aliases()[story]
    for one in batches:
        await feed(engine, one, RuleBook(w=rules))
    async with engine.begin() as tx:
        told_of = [each for one in batches for each in one]
        assert await known(tx) == expected(told_of, rules) == await told(tx)
        shared = await tx.execute(text("SELECT value FROM profile.identifier WHERE shared"))
        assert list(shared.scalars()) == (["e"] if story == "shared before" else [])


async def test_an_event_that_names_nobody_is_named_by_its_index(engine: AsyncEngine) -> None:
    with pytest.raises(InvalidEvent) as verdict:
        await feed(engine, [event("1", user_id="U"), event("2")])
    assert verdict.value.index == 1


async def test_what_retention_removes_stays_in_the_sums(engine: AsyncEngine) -> None:
    history = [
        event(str(n), name="Order Completed", said={"total": 2}, user_id="U", at=n)
        for n in range(10)
    ]
    await feed(engine, history)
    hub = IDS.of("w", ("user_id", "U"))
    async with engine.begin() as tx:
        assert await expiring.remove(tx, "w", [(hub, one) for one in history[:4]]) == 4
        assert await expiring.remove(tx, "w", [(hub, one) for one in history[3:7]]) == 3
        totals = await reads.stats(tx, "w")
    assert totals == {"profiles": 1, "events": 10, "orders": 10, "revenue": {"USD": "20"}}
    # A copy that takes an event's place makes the sums anew, from what is left and the expired.
    copies = [
        event("9", name="Order Completed", said={"total": 5 + n}, user_id="U", at=9)
        for n in range(8)
    ]
    await feed(engine, copies)
    async with engine.begin() as tx:
        remade = await reads.stats(tx, "w")
        assert await known(tx) == expected([*history, *copies])
    assert remade["events"] == 10
    # A copy of an event that is gone changes nothing.
    gone = [
        event("0", name="Order Completed", said={"total": 100 + n}, user_id="U") for n in range(8)
    ]
    await feed(engine, gone)
    async with engine.begin() as tx:
        assert await reads.stats(tx, "w") == remade


async def test_timeline_is_newest_first_and_follows_a_merge(engine: AsyncEngine) -> None:
    await feed(engine, [event("1", anonymous_id="a", at=1), event("2", user_id="U", at=2)])
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT id FROM profile.profile ORDER BY id"))
        before = [row.id for row in rows]
    await feed(engine, [event("3", user_id="U", anonymous_id="a", at=3)])
    async with engine.begin() as tx:
        now = [await reads.alive(tx, "w", one) for one in before]
        assert now[0] is not None
        assert now[1] is not None
        assert now[0].id == now[1].id
        listed = await timeline.events(tx, reads.Person("w", now[0].id), timeline.Span(), 10)
    assert [one.message_id for one in listed] == ["3", "2", "1"]


async def test_a_step_tells_by_which_identifier_its_event_was_applied_and_which_copy_it_is(
    engine: AsyncEngine,
) -> None:
    plain = event("1", user_id="U", anonymous_id="a", at=1)
    placeholder = event("2", user_id="guest", anonymous_id="a", at=2)
    copies = [event("3", user_id="U", said={"total": total}, at=3) for total in range(9)]
    await feed(engine, [plain, placeholder])
    for one in copies:
        await feed(engine, [one])
    async with engine.begin() as tx:
        found = await waiting(tx, "profile", PROFILE_ACTIVITY.name)
    steps = [msgspec.json.decode(one.value, type=ProfileActivity) for one in found]
    told = [one for one in steps if one.event is not None]
    hubs = {one.event.message_id: one.hub for one in told if one.event and not one.replaced}
    assert hubs == {"1": None, "2": ("anonymous_id", "a"), "3": None}
    replaced = [one.replaced for one in told if one.event and one.event.message_id == "3"]
    counted = await _counted(engine)
    assert replaced == list(range(counted + 1))
    assert counted > 0


async def _counted(engine: AsyncEngine) -> int:
    async with engine.begin() as tx:
        query = text("SELECT replaced FROM profile.inbox WHERE message_id = '3'")
        return int((await tx.execute(query)).scalar_one())
