"""Who enters and leaves because time passes: at the very instant, however late it is looked at."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from services.segment.tests.building import build
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator
from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.membership import Membership
from rapport_common.events.profile import AbsorbedId
from rapport_segment.handlers import segments
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.passing import Passing
from rapport_segment.store.due import CHECK

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

ADA, BOB = uuid.UUID(int=1), uuid.UUID(int=2)
OPERATOR = Operator("ada", "acme", frozenset({"*"}))
RECENT = {"computed": "last_order_at", "op": "within", "value": {"last": "30d"}}
BIRTHDAY = {"trait": "born", "op": "anniversary", "value": {"next": "7d", "zone": "Europe/Berlin"}}
GOLD = {"trait": "plan", "op": "eq", "value": "gold"}
DAY = timedelta(days=1)
Published = Callable[[], Awaitable[list[Membership]]]


class Clock:
    """The clock of everybody in the test; it starts in the future, since an operator's change is
    dated by the real one.
    """

    def __init__(self) -> None:
        self.now = datetime(2040, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Shop:
    """The handlers of segment over a database, at a time that is moved by hand."""

    def __init__(self, engine: AsyncEngine, records: "Records") -> None:
        self.engine = engine
        self.clock = Clock()
        self._records = records
        self._judging = Judging(self.clock)
        due = DueStore("segment", now=self.clock)
        self._worker = DueWorker(engine, due, Passing(due).kinds)

    async def define(self, **rules: dict[str, Any]) -> None:
        for name, rule in rules.items():
            async with self.engine.begin() as tx:
                await segments.create(tx, OPERATOR, name, rule)
        await build(self.engine, now=self.clock)

    async def tell(self, *values: ProfileActivity) -> None:
        batch = [self._records.record(one) for one in values]
        async with self.engine.begin() as tx:
            await self._judging.on_activity(batch, tx)

    async def wait(self, until: datetime) -> None:
        """Move the clock on, and do what is due."""
        self.clock.now = until
        await self.work()

    async def work(self) -> None:
        while await self._worker.turn():
            pass

    async def due(self) -> list[tuple[str, datetime]]:
        """Who is to be looked at, and when."""
        async with self.engine.begin() as tx:
            rows = await tx.execute(
                text("SELECT key, at FROM segment.due WHERE kind = :kind ORDER BY key, at"),
                {"kind": CHECK},
            )
            return [(row.key, row.at) for row in rows]


@pytest.fixture
def shop(engine: AsyncEngine, records: "Records") -> Shop:
    return Shop(engine, records)


def told(changes: list[Membership]) -> list[tuple[str, datetime, bool]]:
    return [(one.change, one.at, one.by_time) for one in changes]


async def test_who_has_bought_is_in_for_thirty_days_to_the_microsecond(
    shop: Shop, records: "Records", published: Published
) -> None:
    await shop.define(recent=RECENT)
    bought = shop.clock.now
    await shop.tell(records.state(ADA, last_order_at=bought))
    assert await shop.due() == [(str(ADA), bought + 30 * DAY)]
    await shop.wait(bought + 30 * DAY - timedelta(microseconds=1))
    assert len(await published()) == 1
    await shop.wait(bought + 30 * DAY)
    assert told(await published()) == [
        ("entered", bought, False),
        ("exited", bought + 30 * DAY, True),
    ]
    [_, left] = await published()
    assert left.reason.startswith("time passed: last_order_at ")
    assert left.cause == "event"
    assert await shop.due() == []


async def test_what_happened_while_nobody_looked_has_its_own_instants(
    shop: Shop, records: "Records", published: Published
) -> None:
    await shop.define(birthday=BIRTHDAY)
    await shop.tell(records.state(ADA, traits={"born": "1990-05-10"}))
    await shop.wait(datetime(2041, 7, 1, tzinfo=UTC))
    # Seven days in the zone, in both years; summer time has begun by then.
    assert told(await published()) == [
        (change, datetime(year, 5, day, 22, tzinfo=UTC), True)
        for year in (2040, 2041)
        for change, day in (("entered", 3), ("exited", 10))
    ]
    assert len({one.entry_id for one in await published()}) == 2
    assert await shop.due() == [(str(ADA), datetime(2042, 5, 3, 22, tzinfo=UTC))]


async def test_a_record_that_comes_late_does_not_undo_what_time_did(
    shop: Shop, records: "Records", published: Published
) -> None:
    """She was out for five days when she bought again, though no worker had looked."""
    await shop.define(recent=RECENT)
    bought = shop.clock.now
    await shop.tell(records.state(ADA, last_order_at=bought))
    shop.clock.now = again = bought + 35 * DAY
    await shop.tell(records.state(ADA, last_order_at=again))
    await shop.work()
    assert told(await published()) == [
        ("entered", bought, False),
        ("exited", bought + 30 * DAY, True),
        ("entered", again, False),
    ]
    assert await shop.due() == [(str(ADA), again + 30 * DAY)]


async def test_there_is_one_row_for_a_person_and_it_only_comes_nearer(
    shop: Shop, records: "Records", published: Published
) -> None:
    week = {**RECENT, "value": {"last": "7d"}}
    await shop.define(recent=RECENT, week=week, plan=GOLD)
    bought = shop.clock.now
    await shop.tell(records.state(ADA, last_order_at=bought))
    assert await shop.due() == [(str(ADA), bought + 7 * DAY)]
    # A later order moves both ends; the row stays, and is found to be early when its time comes.
    shop.clock.now = bought + DAY
    await shop.tell(records.state(ADA, last_order_at=bought + DAY))
    assert await shop.due() == [(str(ADA), bought + 7 * DAY)]
    await shop.wait(bought + 7 * DAY)
    assert await shop.due() == [(str(ADA), bought + 8 * DAY)]
    await shop.wait(bought + 8 * DAY)
    assert await shop.due() == [(str(ADA), bought + 31 * DAY)]
    assert [one.change for one in await published()] == ["entered", "entered", "exited"]


async def test_a_build_plans_for_those_who_are_there_already(
    shop: Shop, records: "Records", published: Published
) -> None:
    """Also for who stays where they are: Ada is to enter in twenty days."""
    bought = shop.clock.now - 10 * DAY
    await shop.tell(records.state(ADA, last_order_at=bought), records.state(BOB))
    await shop.define(lapsed={"not": RECENT})
    assert await shop.due() == [(str(ADA), bought + 30 * DAY)]
    await shop.wait(bought + 30 * DAY)
    ends = [(one.change, one.profile_id, one.cause, one.by_time) for one in await published()]
    assert ends == [
        ("entered", str(BOB), "definition", False),
        ("entered", str(ADA), "event", True),
    ]


async def test_who_was_merged_away_needs_no_look(
    shop: Shop, records: "Records", published: Published
) -> None:
    await shop.define(recent=RECENT)
    bought = shop.clock.now
    await shop.tell(records.state(ADA, last_order_at=bought))
    await shop.tell(records.state(BOB, last_order_at=bought), records.merged(ADA, BOB))
    await shop.wait(bought + 30 * DAY)
    ends = [(one.change, one.profile_id, one.by_time) for one in await published()]
    assert ends == [
        ("entered", str(ADA), False),
        ("entered", str(BOB), False),
        ("exited", str(ADA), False),
        ("exited", str(BOB), True),
    ]
    assert await shop.due() == []


async def test_who_is_merged_away_late_has_left_before(
    shop: Shop, records: "Records", published: Published
) -> None:
    await shop.define(recent=RECENT, gold=GOLD)
    bought = shop.clock.now
    await shop.tell(records.state(ADA, last_order_at=bought), records.state(BOB))
    shop.clock.now = bought + 40 * DAY
    survivor = msgspec.structs.replace(
        records.state(BOB, last_order_at=bought), absorbed=[AbsorbedId(str(ADA), 2)]
    )
    await shop.tell(survivor)
    await shop.tell(records.merged(ADA, BOB))
    await shop.work()
    assert told(await published()) == [
        ("entered", bought, False),
        ("exited", bought + 30 * DAY, True),
    ]


async def test_whom_a_batch_has_in_hand_is_looked_at_when_it_is_done(
    shop: Shop, records: "Records", published: Published
) -> None:
    await shop.define(recent=RECENT)
    bought = shop.clock.now
    await shop.tell(records.state(ADA, last_order_at=bought))
    shop.clock.now = bought + 31 * DAY
    async with shop.engine.begin() as batch:
        await batch.execute(text("SELECT FROM segment.person FOR NO KEY UPDATE"))
        async with shop.engine.begin() as tx:
            due = DueStore("segment", now=shop.clock)
            look = await due.look(tx, [CHECK], None)
            assert look.first == bought + 30 * DAY
        await shop._worker.turn()
        assert await shop.due() == [(str(ADA), bought + 30 * DAY)]
    await shop.work()
    assert told(await published())[-1] == ("exited", bought + 30 * DAY, True)


async def test_an_event_that_another_clock_has_ahead_counts_from_its_instant_after_a_build(
    shop: Shop, records: "Records", published: Published
) -> None:
    """A window that does not move lets nobody in by itself, but for what is yet to come."""
    ahead = shop.clock.now + timedelta(seconds=30)
    state = records.state(ADA)
    assert state.event is not None
    event = msgspec.structs.replace(
        state.event,
        name="Order Completed",
        identifiers=[("user_id", str(ADA))],
        timestamp=ahead,
        received_at=ahead,
    )
    await shop.tell(msgspec.structs.replace(state, event=event))
    await shop.define(bought={"performed": "Order Completed"})
    assert await published() == []
    await shop.wait(ahead)
    assert told(await published()) == [("entered", ahead, True)]
