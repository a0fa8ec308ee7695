"""What counts on the day of its order: in any order, in any parts, of anybody's events."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.computed_people import Computed
from services.profile.tests.people import START, event
from services.profile.tests.test_computed_people import counting

from rapport_common.events.envelope import Event
from rapport_common.events.profile import DefinedValue
from rapport_common.testing.examples import examples
from rapport_profile.domain.computed import states
from rapport_profile.domain.computed.book import Trait, Traits
from rapport_profile.domain.computed.checking import DefinitionError, check
from rapport_profile.domain.computed.definition import Definition
from rapport_profile.domain.computed.states import State, joined_all
from rapport_profile.domain.computed.values import valued
from rapport_profile.domain.stamps import believed_time

ORDERED = {"event": "Order Completed"}
REFUNDED = {"event": "Order Refunded", "minus": True, "dated": "order"}
DAY = 24 * 60


def net(days: dict[str, Any], **changes: Any) -> Definition:
    document: dict[str, Any] = {"aggregate": "sum", "kind": "money", "window": days}
    document |= {"events": [ORDERED, REFUNDED], "value": {"property": "total"}, **changes}
    one = msgspec.convert(document, Definition)
    check(one)
    return one


NET = net({"days": 30})
COUNT = net({"days": 3}, aggregate="count", kind="number", value=None)
MONTH = net({"this": "month"})
TRAITS = Traits(
    Trait(number, f"t{number}", 1, "live", one) for number, one in enumerate((NET, COUNT, MONTH))
)


def told(number: object, name: str, day: float, order: str | None, total: Any, **who: Any) -> Event:
    said = {"total": total} | ({} if order is None else {"order_id": order})
    return event(f"m{number}", name=f"Order {name}", at=int(day * DAY), said=said, **who)


# --- the oracle: a plain look at all events at once -------------------------------------------


def is_inside(one: Definition, day: datetime, now: datetime) -> bool:
    if one.window is not None and one.window.days is not None:
        return (now.date() - day.date()).days < one.window.days
    return (day.year, day.month) == (now.year, now.month)


def looked_at(one: Definition, events: Sequence[Event], now: datetime) -> DefinedValue | None:
    found = [(each, msgspec.json.decode(bytes(each.properties))) for each in events]
    found = [each for each in found if each[0].name in {"Order Completed", "Order Refunded"}]
    if not found:
        return None
    days = {
        said["order_id"]: max(
            believed_time(each)
            for each, other in found
            if each.name == "Order Completed" and other.get("order_id") == said["order_id"]
        )
        for bought, said in found
        if bought.name == "Order Completed" and "order_id" in said
    }
    amounts = []
    for each, said in found:
        day = believed_time(each)
        if each.name == "Order Refunded" and "order_id" in said:
            if said["order_id"] not in days:
                continue
            day = days[said["order_id"]]
        amount = Decimal(1) if one.value is None else Decimal(str(said["total"]))
        if is_inside(one, day, now):
            amounts.append(-amount if each.name == "Order Refunded" else amount)
    if one.kind == "money":
        return DefinedValue(money={"USD": format(sum(amounts, Decimal(0)), "f")} if amounts else {})
    return DefinedValue(number=format(sum(amounts, Decimal(0)), "f"))


def value(one: Definition, state: State | None, now: datetime) -> DefinedValue | None:
    return None if state is None else valued(0, one, state, now).value


def stored(state: State) -> State:
    """As it is read back."""
    return msgspec.json.decode(msgspec.json.encode(state), type=State)


def state_of(one: Definition, events: Iterable[Event]) -> State | None:
    book = Traits([Trait(0, "t", 1, "live", one)])
    return joined_all(stored(state[0]) for state in map(book.of_event, events) if state)


WHO = st.sampled_from(
    [
        {"user_id": "A"},
        {"anonymous_id": "x"},
        {"email": "e1"},
        {"user_id": "A", "anonymous_id": "x"},
        {"email": "e1", "anonymous_id": "x"},
    ]
)
TOLD = st.builds(
    lambda number, name, day, order, total, who: told(number, name, day, order, total, **who),
    st.integers(0, 30),
    st.sampled_from(["Completed", "Completed", "Refunded", "Viewed"]),
    st.integers(0, 45),
    st.sampled_from(["1", "2", "3", None]),
    st.sampled_from([5, "5.00", "12.5", 7]),
    WHO,
)
HISTORIES = st.lists(TOLD, max_size=16)


@given(HISTORIES, st.data(), st.integers(45, 90))
def test_it_is_that_of_all_events_in_any_parts(history: list[Event], data: Any, days: int) -> None:
    history = counting(history)
    now = START + timedelta(days=days)
    order = data.draw(st.permutations(history))
    cut = data.draw(st.integers(0, len(order)))
    for one in (NET, COUNT, MONTH):
        parts = [state_of(one, order[:cut]), state_of(one, order[cut:])]
        whole = joined_all(stored(part) for part in parts if part is not None)
        assert whole == state_of(one, history)
        assert value(one, whole, now) == looked_at(one, history, now)


@settings(max_examples=examples(60))
@given(HISTORIES, st.data())
def test_it_is_that_of_a_persons_events_through_merges_and_cuts(
    history: list[Event], data: Any
) -> None:
    made = Computed(TRAITS, START + timedelta(days=46))

    def check_all() -> None:
        made.check_values()
        for id_ in made.profiles:
            members = [one for one, row in made.rows.items() if row.profile == id_]
            events = [each for one in members for each in made.timeline(one)]
            found = made.profile(id_).values
            for trait in TRAITS.by_id.values():
                wanted = looked_at(trait.definition, events, made.now)
                held = found.get(trait.name)
                assert (None if held is None else held.value) == wanted

    order = data.draw(st.permutations(history))
    while order:
        size = data.draw(st.integers(1, 4))
        made.feed(order[:size])
        order = order[size:]
        check_all()
    for one in counting(history):
        if data.draw(st.booleans()):
            made.cut(one.message_id)
            check_all()
    assert made.rebuild(data.draw(st.integers(1, 4))) == 0
    made.lapse(made.now + timedelta(days=data.draw(st.integers(0, 40))))
    check_all()


def amount(events: Sequence[Event], day: float) -> str | None:
    found = value(NET, state_of(NET, events), START + timedelta(days=day))
    return None if found is None or not found.money else found.money["USD"]


def test_a_refund_of_an_older_order_takes_nothing_off_what_was_bought_since() -> None:
    old, new = told(1, "Completed", 0, "old", 100), told(2, "Completed", 35, "new", 20)
    back = told(3, "Refunded", 36, "old", 100)
    assert amount([old, new, back], 36) == "20"
    # While the order is in the window so is its refund, and both leave it on the same day.
    early = told(4, "Refunded", 5, "old", 60)
    assert amount([old, early], 29) == "40"
    assert amount([old, early], 30) is None


def test_a_refund_waits_for_its_order() -> None:
    back, bought = told(1, "Refunded", 3, "1", 5), told(2, "Completed", 1, "1", 20)
    assert amount([back], 3) is None
    assert amount([back, bought], 3) == "15"


def test_a_refund_that_names_no_order_has_its_own_day() -> None:
    assert amount([told(1, "Refunded", 3, None, 5)], 3) == "-5"
    assert amount([told(1, "Refunded", 3, "none", 5)], 3) == "-5"


def test_time_takes_the_value_away_on_the_day_of_the_order() -> None:
    state = state_of(NET, [told(1, "Completed", 0, "1", 9), told(2, "Refunded", 20, "1", 4)])
    assert state is not None
    until = valued(0, NET, state, START + timedelta(days=20)).until
    assert until == datetime.combine(START.date() + timedelta(days=30), datetime.min.time(), UTC)


@pytest.mark.parametrize("many", ["orders", "refunds"])
def test_what_is_too_much_is_the_same_in_any_parts_and_said(many: str) -> None:
    """So many in one day that not all are kept."""
    most = max(states.MAX_ORDERS, states.MAX_BACK) + 20
    name = "Completed" if many == "orders" else "Refunded"
    events = [told(n, name, 1 + n % 2, f"o{n}", n % 7) for n in range(most)]
    ways = [events, events[::-1], events[::3] + events[1::3] + events[2::3]]
    found = [state_of(NET, way) for way in ways]
    found.append(
        joined_all(filter(None, [state_of(NET, events[:300]), state_of(NET, events[300:])]))
    )
    assert all(one == found[0] for one in found)
    assert found[0] is not None
    assert valued(0, NET, found[0], START + timedelta(days=2)).value.bounded


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"window": None}, "events.1.dated"),
        (
            {"aggregate": "average", "events": [ORDERED, {**REFUNDED, "minus": False}]},
            "events.1.dated",
        ),
        ({"events": [REFUNDED]}, "events.0.dated"),
    ],
)
def test_where_it_makes_no_sense_it_is_refused(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        net({"days": 30}, **changes)
    assert refused.value.where == where
