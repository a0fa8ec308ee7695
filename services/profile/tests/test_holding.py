"""Events of whom the law wants all kept stay, whatever is over its time, and go when it is over."""

import asyncio
from datetime import datetime, timedelta

import msgspec
import pytest
from services.profile.tests.parts import aside, day, fresh_parts, parts
from services.profile.tests.people import IDS, event
from services.profile.tests.postgres import feed
from services.profile.tests.test_rebuilding import NOTHING, checked
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common.auth import Operator
from rapport_common.due.store import Due
from rapport_common.events.envelope import Event
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.ids import uuid7_text
from rapport_profile.domain.naming import Id
from rapport_profile.domain.timeline_rules import EventClass, TimelineRules
from rapport_profile.handlers.restraining import Restraining
from rapport_profile.handlers.telling_holds import FIRST, KINDS, TELL_HOLDS
from rapport_profile.handlers.upkeep import Upkeep
from rapport_profile.store import expiring, reads
from rapport_profile.store import rules as stored_rules

pytestmark = pytest.mark.integration
CALLER = Operator("ada", "w", frozenset({"*"}))
DAY = 24 * 60


def seen(number: int, at: float, **names: str) -> Event:
    return event(f"m{number}", name="Seen", said={"number": number}, at=at * DAY, **names)


async def restricted(engine: AsyncEngine, *who: str, what: str = "processing") -> Id:
    """Let a person's data be kept and nothing else."""
    restraint = uuid7_text()
    async with engine.begin() as tx:
        told = (restraint, "letter 4716")
        await Restraining(IDS).restrain(tx, CALLER, ("user_id", *who), what, told)  # type: ignore[arg-type] # one of them
    return restraint


async def lifted(engine: AsyncEngine, restraint: Id) -> None:
    async with engine.begin() as tx:
        await Restraining(IDS).lift(tx, CALLER, restraint, "letter 4717")


async def left(engine: AsyncEngine) -> set[str]:
    """The events of sources that have a row in the timeline."""
    async with engine.begin() as tx:
        rows = await tx.execute(
            text("SELECT message_id FROM profile.timeline WHERE source <> 'rapport-profile'")
        )
        return {one for one in rows.scalars() if one.startswith("m")}


async def counted(engine: AsyncEngine) -> int:
    async with engine.begin() as tx:
        return int((await reads.stats(tx, "w"))["events"])


@pytest.mark.parametrize("first", ["keeps", "closes", "settles"])
async def test_a_month_goes_without_the_events_that_are_held(
    engine: AsyncEngine, first: str
) -> None:
    """Whichever looks first: the worker that puts back, a page of the month, or a rebuild."""
    await fresh_parts(engine)
    upkeep = Upkeep(engine, 30, now=lambda: day(61), page=3)
    # Known by a device, too, which the restraint need not name.
    history = [
        *(seen(n, n * 3, user_id="U") for n in range(6)),
        seen(6, 4, user_id="U", anonymous_id="x"),
        *(seen(n, n - 3, anonymous_id="x") for n in range(7, 12)),
        *(seen(n, n - 12, user_id="V") for n in range(12, 20)),
    ]
    await feed(engine, history)
    restraint = await restricted(engine, "U")
    await restricted(engine, "V", what="marketing")
    theirs, all_ = {f"m{n}" for n in range(12)}, await counted(engine)
    await upkeep.close_months()
    async with engine.begin() as tx:
        assert await aside(tx)
    if first == "keeps":
        async with engine.connect() as killed:
            assert await expiring.keep_held(killed, 100) == 2
            await killed.rollback()
        async with engine.begin() as tx:
            assert await expiring.keep_held(tx, 1) == 1
            assert await expiring.keep_held(tx, 100) == 1
        assert await left(engine) == theirs
    elif first == "closes":
        async with engine.begin() as tx:
            while await expiring.expire_closing(tx, 4) is not None:
                pass
    assert await checked(engine) == NOTHING
    for _ in range(2):
        await upkeep.turn(asyncio.Event())
    assert await left(engine) == theirs
    assert await counted(engine) == all_
    assert await checked(engine) == NOTHING
    # What comes late for a month that is over stays, too, and a copy of it is no other event.
    late = seen(20, 2, user_id="U")
    await feed(engine, [late, seen(21, 2, user_id="V"), history[0]])
    await upkeep.turn(asyncio.Event())
    assert await left(engine) == {*theirs, "m20"}
    assert await counted(engine) == all_ + 2
    await lifted(engine, restraint)
    await upkeep.turn(asyncio.Event())
    assert await left(engine) == set()
    assert await counted(engine) >= all_ + 2
    assert await checked(engine) == NOTHING


async def test_what_is_held_in_the_next_month_is_held_as_well(engine: AsyncEngine) -> None:
    await fresh_parts(engine)
    now = [day(61)]

    def clock() -> datetime:
        return now[0]

    upkeep = Upkeep(engine, 30, now=clock, page=3)
    await feed(engine, [seen(n, n * 10, user_id=("U", "V")[n % 2]) for n in range(8)])
    await restricted(engine, "U")
    for at in (61, 92, 123):
        now[0] = day(at)
        await upkeep.turn(asyncio.Event())
        assert {"m0", "m2", "m4", "m6"} <= await left(engine)
    assert await left(engine) == {"m0", "m2", "m4", "m6"}
    async with engine.begin() as tx:
        assert (await parts(tx))["timeline_early"] == 4
    assert await checked(engine) == NOTHING


async def test_events_of_a_class_stay_as_long_as_they_are_held(engine: AsyncEngine) -> None:
    await fresh_parts(engine)
    now = [day(20)]
    await feed(engine, [seen(n, n % 10, user_id=("U", "V")[n % 2]) for n in range(20)])
    restraint = await restricted(engine, "U")
    rules = TimelineRules((EventClass(days=5),))
    async with engine.begin() as tx:
        by = ("ada", "a test")
        assert await stored_rules.add(tx, stored_rules.TIMELINE_RULES, "w", 1, rules, by=by)
    keeping = Upkeep(engine, 0, now=lambda: now[0], page=4)
    await keeping.turn(asyncio.Event())
    assert await left(engine) == {f"m{n}" for n in range(0, 20, 2)}
    await lifted(engine, restraint)
    now[0] = day(21)
    await keeping.turn(asyncio.Event())
    assert await left(engine) == set()
    assert await checked(engine) == NOTHING


async def told(engine: AsyncEngine) -> list[PrivacyRecord]:
    """What is told of holds on `privacy`, in its order."""
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile", "privacy")
    return [msgspec.json.decode(one.value, type=PrivacyRecord) for one in rows]


def digits(*names: tuple[str, str]) -> list[str]:
    return sorted(IDS.of("w", one).replace("-", "") for one in names)


def due(at: datetime) -> Due:
    return Due("w", TELL_HOLDS, FIRST, at, at, {}, None, 0, None, None)


async def test_who_follows_nobody_is_told_at_once_and_once_a_day(engine: AsyncEngine) -> None:
    await feed(engine, [seen(1, 1, user_id="U")])
    restraint = await restricted(engine, "U")
    await restricted(engine, "U", what="profiling")
    [first] = await told(engine)
    assert (first.kind, first.request_id, first.lifted) == ("restrict", restraint, False)
    assert (first.subjects, first.kinds) == (digits(("user_id", "U")), ["user_id"])
    await feed(engine, [seen(2, 2, user_id="U", anonymous_id="x"), seen(3, 3, user_id="V")])
    async with engine.begin() as tx:
        [row] = (await tx.execute(text("SELECT kind, key, at FROM profile.due"))).fetchall()
        assert (row.kind, row.at - first.at < timedelta(days=1, seconds=1)) == (TELL_HOLDS, True)
        await KINDS[TELL_HOLDS](tx, [due(row.at)], row.at)
    again = (await told(engine))[-1]
    assert (again.request_id, again.at) == (restraint, row.at)
    assert again.subjects == digits(("anonymous_id", "x"), ("user_id", "U"))
    await lifted(engine, restraint)
    last = (await told(engine))[-1]
    assert (last.request_id, last.lifted) == (restraint, True)
    before = len(await told(engine))
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM profile.due"))
        await KINDS[TELL_HOLDS](tx, [due(row.at)], row.at)
        assert await tx.scalar(text("SELECT count(*) FROM profile.due")) == 0
    assert len(await told(engine)) == before, "nobody is held, so nobody is told of"
