"""What others are told of members, and what loyalty keeps of events that are odd."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from services.profile.tests.loyal import PER_DOLLAR, day, facts, order, programme, since_ever
from services.profile.tests.people import event

from rapport_common.events.envelope import Event
from rapport_profile.domain.loyalty.facts import MAX_SAID, Line, content_of
from rapport_profile.domain.loyalty.news import Member, Told, news
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.programme import NONE, Programme, Version
from rapport_profile.domain.loyalty.programme import at as programme_at
from rapport_profile.domain.loyalty.replay import replay

NOTHING = Told()
WHO = Member("w", "p", ("user_id", "A"))
CLUB = programme(
    expiry={"days": 60},
    tiers={
        "measure": "spend",
        "currency": "USD",
        "window": {"days": 90},
        "levels": [{"id": "gold", "threshold": "10.5"}, {"id": "reserve", "threshold": "99"}],
    },
)


def told(one: Programme, *events: Event, on: float, before: Told = NOTHING) -> Any:
    standing = replay(since_ever(one), facts(*events), [], day(on))
    return news(WHO, standing, before, day(on))


def test_traits_and_events_are_told_once() -> None:
    bought = order("1", total=20)
    events, after = told(CLUB, bought, on=1)
    assert [one.name for one in events] == [None, "Tier Reached"]
    assert msgspec.json.decode(events[0].traits) == {
        "loyalty_balance": 20,
        "loyalty_pending": 0,
        "loyalty_tier": "gold",
        "loyalty_tier_until": "2026-04-01T00:00:00Z",
        "loyalty_next_tier": "reserve",
        "loyalty_next_tier_gap": 79,
        "loyalty_next_expiry_at": "2026-03-02T00:00:00Z",
        "loyalty_next_expiry_points": 20,
    }
    assert msgspec.json.decode(events[1].properties) == {
        "tier": "gold",
        "former_tier": None,
        "reason": "reached",
    }
    assert told(CLUB, bought, on=2, before=after) == ([], after)
    events, noticed = told(CLUB, bought, on=31, before=after)
    assert [one.name for one in events] == ["Points Expiring"]
    assert told(CLUB, bought, on=32, before=noticed)[0] == []
    events, lost = told(CLUB, bought, on=100, before=noticed)
    assert [one.name for one in events] == [None, "Tier Lost"]
    assert msgspec.json.decode(events[0].traits)["loyalty_tier"] is None
    assert lost.tier is None


def test_a_gap_that_is_no_whole_number_is_told_as_it_is() -> None:
    events, _after = told(CLUB, order("1", total=1.25), on=1)
    assert msgspec.json.decode(events[0].traits)["loyalty_next_tier_gap"] == 9.25


def test_before_any_programme_there_is_nothing() -> None:
    standing = replay([], facts(order("1", total=20)), [], day(1))
    assert (standing.points.total, standing.tier, standing.gap) == (0, None, None)
    events, after = news(WHO, standing, Told(tier="gold"), day(1))
    assert [one.name for one in events] == [None, "Tier Lost"]
    assert after.tier is None
    assert programme_at([], day(0)) is None
    assert programme_at([Version(day(1), NONE)], day(2)) is NONE


def test_an_operator_gives_points_with_an_end_and_takes_some() -> None:
    given = Operation(id="a", anchor="x", kind="adjust", at=day(1), points=10, expires_at=day(5))
    taken = Operation(id="b", anchor="x", kind="adjust", at=day(2), points=-4)
    found = replay(since_ever(CLUB), [], [given, taken], day(3))
    assert (found.points.available, found.expiring, given.state(day(3))) == (
        6,
        [(day(5), 6)],
        "done",
    )
    assert found.allocation(9) == {"adjust:a": 6}
    lasting = Operation(id="c", anchor="x", kind="adjust", at=day(2), points=7)
    both = replay(since_ever(CLUB), [], [given, lasting], day(3))
    assert [one.expires_at for one in both.lots] == [day(5), day(62)]
    assert both.allocation(4) == {"adjust:a": 4}
    assert found.expiring_by(day(5)) == 6
    assert replay(since_ever(CLUB), [], [given, taken], day(5)).points.total == 0


def test_what_is_read_of_an_event_is_bounded() -> None:
    said = {f"p{n:03}": n for n in range(100)} | {"long": "x" * 500, "x" * 300: 1, "yes": True}
    found = content_of(event("1", name="Seen", said=said), {"Seen"})
    assert found is not None
    assert len(found.said) == MAX_SAID
    assert "long" not in found.said
    assert content_of(event("1", name="Other", said=said), {"Seen"}) is None
    assert content_of(event("1", type="page", said=said), {"Seen"}) is None


def test_lines_of_an_order_are_those_that_can_be_read() -> None:
    products = [
        {"price": "2", "quantity": 3, "category": "tea", "sku": "t-1"},
        {"price": "dear"},
        "tea",
        {"price": 1, "product_id": True},
    ]
    found = content_of(order("1", products=products), ())
    assert found is not None
    assert found.lines == (Line(6, "tea", "t-1"), Line(1, "", "true"))  # type: ignore[arg-type] # equal to decimals


def test_of_two_who_tell_of_one_order_the_later_lines_count() -> None:
    one = programme(rules=[{**PER_DOLLAR, "products": ["t-1"]}])
    tea = {"product_id": "t-1", "price": 10}
    told_of = [
        order("1", total=20, products=[tea, tea]),
        order("2", name="Order Updated", on=1, total=20, products=[tea]),
    ]
    assert replay(since_ever(one), facts(*told_of), [], day(2)).points.total == 10


def test_a_time_before_all_that_is_believed_is_that_of_the_receipt() -> None:
    old = msgspec.structs.replace(order("1"), timestamp=datetime(1970, 1, 1, tzinfo=UTC))
    found = content_of(old, ())
    assert found is not None
    assert found.stamp.at == old.received_at


@pytest.mark.parametrize(
    ("said", "points"),
    [({}, 5), ({"total": 0}, 5), ({"total": 10}, 15), ({"total": -10}, 0)],
)
def test_an_order_without_a_price_has_its_bonus(said: dict[str, Any], points: int) -> None:
    one = programme(rules=[{**PER_DOLLAR, "fixed": 5}])
    assert replay(since_ever(one), facts(order("1", **said)), [], day(1)).points.total == points
    back = order("2", name="Order Refunded", on=1)
    assert replay(since_ever(one), facts(order("1", **said), back), [], day(2)).points.total == 0


def test_an_order_without_an_id_is_what_its_event_tells() -> None:
    found = replay(
        since_ever(CLUB), facts(order("1", None, total=5), order("2", None, total=5)), [], day(1)
    )
    assert [one.key for one in found.lots] == ["event:shop:1:spend", "event:shop:2:spend"]
