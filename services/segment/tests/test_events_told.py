"""Events as records tell of them: who enters, when, and who is found again if another was told."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from services.segment.tests.test_passing import Published, Shop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.events.profile import ComputedState, IdentifierState
from rapport_common.privacy.subject import Subject
from rapport_common.testing.profiles import Profiles
from rapport_segment.domain.sections import anchor_of
from rapport_segment.handlers.happenings import asked_events
from rapport_segment.store import happenings
from rapport_segment.store.people import FOLLOWER
from rapport_segment.store.privacy import ANCHORS, HAPPENINGS

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

ADA, BOB, CID = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
BOUGHT = {"performed": "Order"}
RECENT = {"performed": "Order", "within": {"last": "30d"}}
UNPAID = {"sequence": [{"performed": "Order"}, {"not_performed": "Paid", "within": "1h"}]}
MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Told:
    """Events of people, as profile tells of them."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.profiles = Profiles()
        self._number = 0

    def event(
        self, who: str, name: str = "Order", *, hub: str | None = None, **more: Any
    ) -> ProfileActivity:
        """Somebody does something now, under an identifier, which is their id if none is given."""
        self._number += 1
        first = not self.profiles.held.get(who)
        told: dict[str, Any] = {"computed": ComputedState(events=self._number)}
        if first:
            told["identifiers"] = [IdentifierState("user_id", who)]
        now = self.shop.clock.now
        event = Event(
            workspace="acme",
            source="shop",
            message_id=more.pop("message_id", str(self._number)),
            type="track",
            timestamp=more.pop("at", now),
            received_at=now,
            name=name,
            identifiers=[("user_id", hub or who)],
        )
        return replace(self.profiles.event(who, **told), event=event, **more)

    def named(self, who: str, *values: str) -> ProfileActivity:
        """Somebody has these identifiers now."""
        some = [IdentifierState("user_id", one) for one in values]
        return self.profiles.changed(who, identifiers=some)

    async def members(self, engine: AsyncEngine) -> list[str]:
        """Who is in any segment."""
        async with engine.begin() as tx:
            query = (
                "SELECT CAST(profile_id AS text) FROM segment.membership WHERE exited_at IS NULL"
            )
            return sorted(await tx.scalars(text(query)))


@pytest.fixture
def shop(engine: AsyncEngine, records: "Records") -> Shop:
    return Shop(engine, records)


@pytest.fixture
def told(shop: Shop) -> Told:
    return Told(shop)


async def test_who_has_done_it_is_in_until_the_window_lets_it_go(
    shop: Shop, told: Told, published: Published
) -> None:
    await shop.define(recent=RECENT)
    start = shop.clock.now
    await shop.tell(told.event(ADA), told.event(BOB, "Visit"))
    await shop.wait(start + 10 * DAY)
    await shop.tell(told.event(ADA, at=start - DAY))
    await shop.wait(start + 40 * DAY)
    changes = await published()
    assert [(one.change, one.profile_id, one.at) for one in changes] == [
        ("entered", ADA, start),
        ("exited", ADA, start + 30 * DAY),
    ]
    assert changes[0].reason == "performed Order"
    assert changes[1].by_time


async def test_an_event_that_no_rule_reads_is_kept_and_nothing_is_read_for_it(
    engine: AsyncEngine, shop: Shop, told: Told
) -> None:
    await shop.define(bought=BOUGHT, plan={"trait": "plan", "op": "eq", "value": "gold"})
    await shop.tell(told.event(ADA))
    visit = told.event(ADA, "Visit")
    [(step, _record)] = FOLLOWER.read([shop._records.record(visit)])
    async with engine.begin() as tx:
        rules = await shop._judging._rulebooks.in_force(tx, ["acme"])
    assert asked_events([step], rules) == {("acme", ADA): frozenset()}
    await shop.tell(visit)
    async with engine.begin() as tx:
        names = await tx.scalars(text("SELECT name FROM segment.happening ORDER BY 1"))
        assert list(names) == ["Order", "Visit"]


async def test_a_new_rule_knows_what_happened_before(
    engine: AsyncEngine, shop: Shop, told: Told
) -> None:
    await shop.tell(told.event(ADA), told.event(BOB, "Visit"))
    await shop.define(bought=BOUGHT)
    assert await told.members(engine) == [ADA]


async def test_what_is_told_late_of_who_was_merged_away_is_the_survivors(
    engine: AsyncEngine, shop: Shop, told: Told
) -> None:
    await shop.define(bought=BOUGHT)
    await shop.tell(told.event(ADA, "Visit"), told.event(BOB, "Visit"))
    late = told.event(ADA)
    both = [IdentifierState("user_id", one) for one in (ADA, BOB)]
    end, survivor = told.profiles.merged(ADA, BOB, identifiers=both)
    await shop.tell(survivor)
    await shop.tell(late, end)
    assert await told.members(engine) == []
    await shop.wait(shop.clock.now + 10 * SECOND)
    assert await told.members(engine) == [BOB]


async def test_what_was_told_of_another_goes_with_its_identifier(
    engine: AsyncEngine, shop: Shop, told: Told
) -> None:
    await shop.define(bought=BOUGHT)
    await shop.tell(told.event(ADA, "Visit"))
    both = [IdentifierState("user_id", one) for one in (ADA, "x")]
    await shop.tell(told.profiles.changed(ADA, identifiers=both))
    await shop.tell(told.event(ADA, hub="x"))
    assert await told.members(engine) == [ADA]
    apart = told.profiles.changed(ADA, identifiers=both[:1])
    await shop.tell(told.profiles.changed(BOB, identifiers=both[1:]), apart)
    assert await told.members(engine) == [BOB]


@pytest.mark.parametrize("end", ["moves", "merges", "gone"])
async def test_what_is_told_of_who_had_an_identifier_is_found_by_who_has_it_already(
    engine: AsyncEngine, shop: Shop, told: Told, end: str
) -> None:
    """Ada's partition is behind: it tells of her what happened before x was Bob's."""
    await shop.define(bought=BOUGHT)
    await shop.tell(told.named(ADA, "x") if end == "gone" else told.named(ADA, ADA, "x"))
    late = told.event(ADA, hub="x")
    await shop.tell(told.named(BOB, "x"))
    await shop.tell(late)
    assert await told.members(engine) == [ADA]
    if end == "moves":
        await shop.tell(told.named(ADA, ADA))
    elif end == "gone":
        await shop.tell(told.profiles.gone(ADA))
    else:
        heir = IdentifierState("user_id", ADA)
        await shop.tell(*told.profiles.merged(ADA, CID, identifiers=[heir]))
    assert await told.members(engine) == []
    await shop.wait(shop.clock.now + 10 * SECOND)
    assert await told.members(engine) == [BOB]


async def test_nobody_is_looked_for_who_was_judged_or_whom_nothing_concerns(
    engine: AsyncEngine, shop: Shop, told: Told
) -> None:
    await shop.define(bought=BOUGHT)
    await shop.tell(told.event(ADA, "Visit"), told.event(BOB), told.named(CID, CID, "x"))
    both = [IdentifierState("user_id", one) for one in (ADA, BOB)]
    await shop.tell(*told.profiles.merged(BOB, ADA, identifiers=both))
    await shop.tell(told.named(CID, CID))
    async with engine.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM segment.due WHERE kind = 'stray'")) == 0
    assert await told.members(engine) == [ADA]


async def test_whose_the_anchors_are_follows_what_is_told(
    engine: AsyncEngine, shop: Shop, told: Told
) -> None:
    async def noted() -> list[tuple[str, str]]:
        names = {anchor_of("user_id", one): one for one in ("a", "b", "x")}
        async with engine.begin() as tx:
            rows = await tx.execute(
                text("SELECT CAST(profile_id AS text), anchor FROM segment.anchor")
            )
            return sorted((who, names[anchor]) for who, anchor in rows.all())

    await shop.tell(told.named(ADA, "a", "x"), told.named(BOB, "b"))
    assert await noted() == [(ADA, "a"), (ADA, "x"), (BOB, "b")]
    await shop.tell(told.named(ADA, "a"), told.named(BOB, "b", "x"))
    assert await noted() == [(ADA, "a"), (BOB, "b"), (BOB, "x")]
    end, _heir = told.profiles.merged(BOB, ADA)
    await shop.tell(end)
    assert await noted() == [(ADA, "a")]
    await shop.tell(told.named(ADA, "a", "b"), told.named(BOB, "x"))
    assert await noted() == [(ADA, "a"), (ADA, "b"), (BOB, "x")]
    # Those of who is gone lead to their events, should these have to be forgotten.
    await shop.tell(told.profiles.gone(BOB))
    assert await noted() == [(ADA, "a"), (ADA, "b"), (BOB, "x")]


@pytest.mark.parametrize(
    ("rule", "enters"),
    [
        ({"not": RECENT}, 30 * DAY),
        (UNPAID, HOUR),
        ({"first": "Order", "op": "lt", "value": {"now": "-30d"}}, 30 * DAY + MICROSECOND),
    ],
)
async def test_a_build_plans_for_who_enters_later_by_time_alone(
    shop: Shop, told: Told, published: Published, rule: dict[str, Any], enters: timedelta
) -> None:
    start = shop.clock.now
    await shop.tell(told.event(ADA))
    shop.clock.now = start + enters / 2
    await shop.define(one=rule)
    assert await published() == []
    assert await shop.due() == [(ADA, start + enters)]
    await shop.wait(start + enters)
    [entered] = await published()
    assert (entered.profile_id, entered.at, entered.by_time) == (ADA, start + enters, True)


@pytest.mark.parametrize("by_record", [True, False])
async def test_what_time_has_done_while_nobody_looked_is_judged_by_the_events_of_then(
    shop: Shop, told: Told, published: Published, *, by_record: bool
) -> None:
    """By now the window lets nothing through of what took her in."""
    await shop.define(unpaid={**UNPAID, "within": {"last": "30d"}})
    start = shop.clock.now
    await shop.tell(told.event(ADA))
    shop.clock.now = start + 400 * DAY
    await (shop.tell(told.event(ADA, "Visit")) if by_record else shop.work())
    assert [(one.change, one.at, one.by_time) for one in await published()] == [
        ("entered", start + HOUR, True),
        ("exited", start + 30 * DAY, True),
    ]


async def test_events_are_read_as_far_back_as_any_rule_looks(
    engine: AsyncEngine, shop: Shop, told: Told
) -> None:
    twice = {"count": "Order", "within": {"last": "60d"}, "op": "gte", "value": 2}
    await shop.define(twice=twice, short={"performed": "Order", "within": {"last": "1d"}})
    start = shop.clock.now
    for days in (40, 50):
        await shop.tell(told.event(ADA, at=start - days * DAY))
    assert await told.members(engine) == [ADA]


@pytest.mark.parametrize("at_once", [True, False])
async def test_of_copies_the_last_counts_whichever_is_told_first(
    engine: AsyncEngine, shop: Shop, told: Told, *, at_once: bool
) -> None:
    await shop.define(bought=BOUGHT)
    copies = [
        told.event(ADA, "Visit", message_id="m", replaced=1),
        told.event(ADA, "Order", message_id="m"),
    ]
    for batch in [copies] if at_once else [[one] for one in copies]:
        await shop.tell(*batch)
    assert await told.members(engine) == []
    async with engine.begin() as tx:
        kept = await happenings.copies(tx, [("acme", "shop", "m")])
    assert [(one.copy, one.name) for one in kept.values()] == [(1, "Visit")]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_copy_that_takes_the_place_of_another_takes_people_out(
    engine: AsyncEngine, shop: Shop, told: Told, *, at_once: bool
) -> None:
    await shop.define(bought=BOUGHT)
    copies = [
        told.event(ADA, "Order", message_id="m"),
        told.event(BOB, "Visit", message_id="m", replaced=1),
    ]
    for batch in [copies] if at_once else [[one] for one in copies]:
        await shop.tell(*batch)
    assert await told.members(engine) == [ADA]
    await shop.wait(shop.clock.now + 10 * SECOND)
    assert await told.members(engine) == []


async def test_events_go_with_who_is_forgotten(engine: AsyncEngine, shop: Shop, told: Told) -> None:
    await shop.tell(told.event(ADA), told.event(BOB))
    await shop.tell(told.profiles.gone(ADA))
    who = Subject(
        workspace="acme",
        request_id="r",
        profile_id=ADA,
        subjects=frozenset(),
        kinds=frozenset(),
        profiles=frozenset({ADA}),
        at=shop.clock.now + 10 * SECOND,
    )
    async with engine.begin() as tx:
        for sweep in (HAPPENINGS, ANCHORS):
            assert await sweep.count(tx, who) == 1
            assert (await sweep.page(tx, who, None)).removed == 1
            assert (await sweep.page(tx, who, None)).removed == 0
        left = await tx.scalars(text("SELECT CAST(profile_id AS text) FROM segment.anchor"))
        assert list(left) == [BOB]
        assert await tx.scalar(text("SELECT count(*) FROM segment.happening")) == 1
