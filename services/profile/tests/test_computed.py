"""Computed traits: the same value in any order, in any parts, and that of a plain look at all."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.events.envelope import Event
from rapport_common.events.profile import DefinedValue
from rapport_common.testing.examples import examples
from rapport_profile.domain.computed.book import Trait, Traits
from rapport_profile.domain.computed.checking import DefinitionError, check, check_name
from rapport_profile.domain.computed.definition import (
    Condition,
    Definition,
    Selector,
    is_same,
    type_of,
)
from rapport_profile.domain.computed.states import MAX_CELLS, State, joined, joined_all
from rapport_profile.domain.computed.values import valued

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 20, tzinfo=UTC)
"""Nine days before the clocks of Berlin go forward."""

ORDERED = {"event": "Ordered"}
EVERY: list[dict[str, Any]] = [
    {"aggregate": "count", "events": [ORDERED, {"event": "Returned", "minus": True}]},
    {"aggregate": "sum", "events": [ORDERED, {"event": "Returned", "minus": True}]}
    | {"value": {"property": "total"}, "kind": "money"},
    {"aggregate": "sum", "events": [ORDERED], "value": {"property": "lines[].count"}},
    {"aggregate": "average", "events": [ORDERED], "value": {"property": "total"}},
    {"aggregate": "min", "events": [ORDERED], "value": {"property": "total"}, "kind": "money"},
    {"aggregate": "max", "events": [ORDERED], "value": {"property": "total"}},
    {"aggregate": "first", "events": [ORDERED]},
    {"aggregate": "last", "events": [ORDERED], "value": {"property": "shop"}, "kind": "text"},
    {"aggregate": "distinct", "events": [ORDERED], "value": {"property": "lines[].sort"}}
    | {"kind": "text"},
    {"aggregate": "list", "events": [ORDERED], "value": {"property": "shop"}, "kind": "text"},
    {"aggregate": "most_frequent", "events": [ORDERED], "kind": "text"}
    | {"value": {"property": "lines[].sort"}},
    {"aggregate": "most_frequent", "events": [ORDERED], "value": {"time": "weekday"}}
    | {"kind": "text"},
    {"aggregate": "share", "events": [{"event": "Ordered", "part": True}, {"event": "Returned"}]}
    | {},
    {"aggregate": "streak", "events": [ORDERED], "unit": "day"},
    {"aggregate": "streak", "events": [ORDERED], "unit": "week"},
    {"aggregate": "median_gap", "events": [ORDERED]},
]
WINDOWS: list[dict[str, Any]] = [
    {},
    {"days": 1},
    {"days": 7},
    {"this": "day"},
    {"this": "week"},
    {"this": "month"},
    {"this": "year"},
]
LATER = st.sampled_from([0, 1, 20, 30, 100, 170, 400, 9000])
"""Hours after the last event."""
FIXED = {"streak", "median_gap"}


def condition(name: str, op: str, value: Any = None) -> dict[str, Any]:
    """A selector with one condition."""
    given_value = {} if value is None else {"value": value}
    return {"event": "Ordered", "where": [{"property": name, "op": op, **given_value}]}


def definition(document: dict[str, Any]) -> Definition:
    one = msgspec.convert(document, Definition)
    check(one)
    return one


ALL = [
    definition({**one, "zone": "Europe/Berlin", **({"window": window} if window else {})})
    for one in EVERY
    for window in WINDOWS
    if not (window and one["aggregate"] in FIXED)
]


def traits(definitions: Sequence[Definition]) -> Traits:
    return Traits(
        Trait(number, f"t{number}", 1, "live", one) for number, one in enumerate(definitions)
    )


BOOK = traits(ALL)


def happened(number: int, at: datetime, name: str, said: dict[str, Any]) -> Event:
    return Event(
        workspace="w",
        source="till",
        message_id=f"m{number}",
        type="track",
        timestamp=at,
        received_at=at + timedelta(seconds=1),
        identifiers=[("user_id", "U")],
        name=name,
        properties=msgspec.Raw(msgspec.json.encode(said)),
    )


MOMENTS = st.integers(0, 20 * 24).map(lambda hours: START + timedelta(hours=hours))
SAID = st.fixed_dictionaries(
    {"total": st.sampled_from(["1.50", "10", 3, "10.00"]), "shop": st.sampled_from(["x", "y", "z"])}
    | {"currency": st.sampled_from(["EUR", "usd"])},
    optional={
        "lines": st.lists(
            st.fixed_dictionaries(
                {"sort": st.sampled_from(["tea", "pot"]), "count": st.integers(1, 3)}
            ),
            max_size=3,
        )
    },
)
STORIES = st.lists(st.tuples(MOMENTS, st.sampled_from(["Ordered", "Returned"]), SAID), max_size=14)


def events_of(story: Sequence[tuple[datetime, str, dict[str, Any]]]) -> list[Event]:
    return [happened(number, *one) for number, one in enumerate(story)]


# --- the oracle: a plain look at the list -----------------------------------------------------


def is_now(one: Definition, at: datetime, now: datetime) -> bool:
    if one.window is None:
        return True
    day, today = at.astimezone(BERLIN).date(), now.astimezone(BERLIN).date()
    if one.window.days is not None:
        return (today - day).days < one.window.days
    if one.window.this == "week":
        return day.isocalendar()[:2] == today.isocalendar()[:2]
    if one.window.this == "year":
        return day.year == today.year
    if one.window.this == "month":
        return (day.year, day.month) == (today.year, today.month)
    return day == today


def looked_at(one: Definition, events: Sequence[Event], now: datetime) -> DefinedValue | None:
    """None: no event says anything of it, so it isn't there at all."""
    taken = []
    for event in sorted(events, key=lambda each: (each.timestamp, each.message_id)):
        selector = next((each for each in one.events if each.event == event.name), None)
        if selector is not None:
            taken.append((event, selector, read(one, event)))
    if not any(values for _event, _selector, values in taken):
        return None
    inside = [each for each in taken if each[2] and is_now(one, each[0].timestamp, now)]
    signed = [
        (key, -value if selector.minus else value, event)
        for event, selector, values in inside
        for key, value in values
    ]
    return total(one, signed, inside, now)


def read(one: Definition, event: Event) -> list[tuple[str, Any]]:
    said = msgspec.json.decode(bytes(event.properties))
    key = said["currency"].upper() if one.kind == "money" else ""
    if one.value is None:
        return [("", Decimal(1))]
    if one.value.time is not None:
        return [("", event.timestamp.astimezone(BERLIN).strftime("%A").lower())]
    path = one.value.property or ""
    if path.startswith("lines"):
        name = path.split(".")[1]
        found = [line[name] for line in said.get("lines", [])]
    else:
        found = [said[path]]
    return [(key, value if one.kind == "text" else Decimal(str(value))) for value in found]


def total(one: Definition, signed: list[Any], inside: list[Any], now: datetime) -> DefinedValue:
    values = [value for _key, value, _event in signed]
    match one.aggregate:
        case "streak":
            return DefinedValue(number=str(streak(one, [each[0] for each in inside], now)))
        case "median_gap":
            times = [each[0].timestamp for each in inside]
            gaps = [(after - before) / timedelta(days=1) for before, after in pairwise(times)]
            return DefinedValue(number=plain(Decimal(median(gaps)))) if gaps else DefinedValue()
        case "distinct":
            return DefinedValue(number=str(len(set(values))))
        case "list":
            last = {value: event.timestamp for _key, value, event in signed}
            order = sorted(last, key=lambda value: (last[value], value), reverse=True)
            return DefinedValue(values=order)
        case "most_frequent":
            return DefinedValue(text=favourite(one, signed))
        case "first" | "last":
            at = 0 if one.aggregate == "first" else -1
            if one.value is None:
                return DefinedValue(time=inside[at][0].timestamp) if inside else DefinedValue()
            return DefinedValue(text=values[at]) if values else DefinedValue()
        case "share":
            parts = [selector.part for _event, selector, _values in inside]
            return DefinedValue(number=plain(Decimal(sum(parts)) / len(parts)) if parts else None)
        case _:
            return amounts(one, signed)


def amounts(one: Definition, signed: list[Any]) -> DefinedValue:
    by_key: dict[str, list[Decimal]] = {}
    for key, value, _event in signed:
        by_key.setdefault(key, []).append(value)
    found = {key: amount(one, some) for key, some in sorted(by_key.items())}
    if one.kind == "money":
        return DefinedValue(money=found)
    nothing = "0" if one.aggregate in {"count", "sum"} else None
    return DefinedValue(number=found.get("", nothing))


def amount(one: Definition, some: list[Decimal]) -> str:
    match one.aggregate:
        case "min":
            return format(min(some, key=lambda each: (each, format(each, "f"))), "f")
        case "max":
            return format(max(some, key=lambda each: (each, format(each, "f"))), "f")
        case "average":
            return plain(sum(some, Decimal(0)) / len(some))
        case _:
            return format(sum(some, Decimal(0)), "f")


def plain(number: Decimal) -> str:
    return format(number.quantize(Decimal("0.0001")).normalize(), "f")


def favourite(one: Definition, signed: list[Any]) -> str | None:
    counts = Counter(value for _key, value, _event in signed)

    def newest(value: str) -> tuple[int, ...]:
        times = [
            event.timestamp.astimezone(BERLIN) for _k, other, event in signed if other == value
        ]
        at = max(times)
        if one.window is None:
            return (at.year, at.month)
        return () if one.window.days is None else (at.year, at.month, at.day)

    return max(counts, key=lambda value: (counts[value], newest(value), value), default=None)


def streak(one: Definition, events: Sequence[Event], now: datetime) -> int:
    def number(at: datetime) -> int:
        day = at.astimezone(BERLIN).date()
        monday = day - timedelta(days=day.weekday())
        return day.toordinal() if one.unit == "day" else monday.toordinal() // 7

    there = {number(event.timestamp) for event in events}
    last = number(now)
    if last not in there:
        last -= 1
    length = 0
    while last - length in there:
        length += 1
    return length


# --- what holds -------------------------------------------------------------------------------


def told(state: State | None, one: Definition, now: datetime) -> DefinedValue | None:
    return None if state is None else valued(1, one, state, now).value


@given(STORIES, st.randoms(use_true_random=False), LATER)
def test_a_value_is_that_of_a_plain_look_in_any_order_and_parts(
    story: list[Any], chance: Any, hours: int
) -> None:
    events = events_of(story)
    now = max([START, *(one.timestamp for one in events)]) + timedelta(hours=hours)
    shuffled = chance.sample(events, len(events))
    cut = chance.randint(0, len(events))
    whole, mixed = BOOK.of_events(events), BOOK.of_events(shuffled)
    left, right = BOOK.of_events(shuffled[:cut]), BOOK.of_events(shuffled[cut:])
    for number, one in enumerate(ALL):
        wanted = looked_at(one, events, now)
        assert told(whole.get(number), one, now) == wanted, one
        assert mixed.get(number) == whole.get(number)
        parts = [some[number] for some in (right, left) if number in some]
        assert joined_all(parts) == whole.get(number)


@given(STORIES.filter(bool))
def test_a_value_stays_as_it_is_until_it_says_and_not_longer(story: list[Any]) -> None:
    events = events_of(story)
    now = max(one.timestamp for one in events)
    for number, state in BOOK.of_events(events).items():
        one = ALL[number]
        found = valued(number, one, state, now)
        for _turn in range(4):
            if found.until is None:
                assert told(state, one, now + timedelta(days=800)) == found.value
                break
            assert found.until > now
            before = found.until - timedelta(microseconds=1)
            assert valued(number, one, state, before) == found
            now = found.until
            found = valued(number, one, state, now)


@given(STORIES)
def test_a_state_is_the_same_after_it_was_stored(story: list[Any]) -> None:
    for state in BOOK.of_events(events_of(story)).values():
        assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state


@settings(max_examples=examples(15))
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400)), min_size=25, max_size=40))
def test_bounds_do_not_depend_on_the_order(told_of: list[tuple[int, int]]) -> None:
    """Many more values than are kept: which ones stay, and what is lost, is the same."""
    sorts = {"events": [ORDERED], "kind": "text", "value": {"property": "lines[].sort"}}
    several = [
        definition({**sorts, "aggregate": "most_frequent", "window": {"days": 3}}),
        definition({**sorts, "aggregate": "most_frequent"}),
        definition({**sorts, "aggregate": "list"}),
        definition({"aggregate": "median_gap", "events": [ORDERED]}),
    ]
    events = [
        happened(
            number,
            START + timedelta(days=day, minutes=number),
            "Ordered",
            {"lines": [{"sort": f"s{first + place}"} for place in range(100)]},
        )
        for number, (day, first) in enumerate(told_of)
    ]
    book = traits(several)
    wanted = book.of_events(events)
    order = sorted(events, key=lambda one: one.message_id[::-1])
    cut = len(order) // 3
    parts = [book.of_events(order[cut:]), book.of_events(order[:cut])]
    for trait, state in wanted.items():
        assert joined_all([one[trait] for one in parts if trait in one]) == state
        assert sum(map(len, state.tallies.values())) <= MAX_CELLS
    tallies = wanted[0].tallies
    assert set(tallies) >= {max(tallies), *(one for one in tallies if one > max(tallies) - 3)}


def test_of_too_many_cells_the_newest_stay() -> None:
    """In whatever order: what was lost is known by its bucket, while that would still count."""
    sorts = {"events": [ORDERED], "kind": "text", "value": {"property": "lines[].sort"}}
    one = definition({**sorts, "aggregate": "most_frequent", "window": {"days": 4}})
    book = traits([one])

    def day(number: int, sorts: int) -> list[Event]:
        many = [{"sort": f"{number}-{place}"} for place in range(200)]
        return [
            happened(
                100 * number + part,
                START + timedelta(days=number),
                "Ordered",
                {"lines": [{"sort": f"{each['sort']}-{part}"} for each in many]},
            )
            for part in range(sorts)
        ]

    first, second, third, last = day(0, 2), day(1, 1), day(2, 3), day(4, 1)
    total = book.of_events([*first, *second, *third])[0]
    assert total == book.of_events([*third, *first, *second])[0]
    assert total.lost == min(total.tallies) - 1
    assert valued(0, one, total, START + timedelta(days=2)).value.bounded
    total = joined(total, book.of_events(last)[0])
    assert total.lost == min(total.tallies) - 1
    assert sum(map(len, total.tallies.values())) == MAX_CELLS
    total = joined(total, book.of_event(day(9, 1)[0])[0])
    assert (total.lost, len(total.tallies)) == (None, 1)


def test_what_is_lost_is_shown_as_long_as_it_would_count() -> None:
    one = definition(
        {"aggregate": "distinct", "events": [ORDERED], "kind": "text"}
        | {"value": {"property": "lines[].sort"}, "window": {"days": 3}}
    )
    events = [
        happened(day, START + timedelta(days=day), "Ordered", {"lines": lines})
        for day, lines in enumerate(
            [[{"sort": f"{day}-{place}"} for place in range(150)] for day in range(2)]
        )
    ]
    state = traits([one]).of_events(events)[0]
    later = START + timedelta(days=1)
    assert told(state, one, later) == DefinedValue(number="200", bounded=True)
    assert told(state, one, later + timedelta(days=2)) == DefinedValue(number="150")


def test_a_day_is_one_of_the_zone_also_when_the_clocks_change() -> None:
    """Berlin, 29 March 2026: the day has 23 hours. Half an hour before it ends is still it."""
    one = definition(
        {"aggregate": "count", "events": [ORDERED], "window": {"days": 1}}
        | {"zone": "Europe/Berlin"}
    )
    at = datetime(2026, 3, 29, 21, 30, tzinfo=UTC)
    state = traits([one]).of_event(happened(1, at, "Ordered", {}))[0]
    found = valued(1, one, state, at)
    assert found.until == datetime(2026, 3, 29, 22, tzinfo=UTC)
    early = datetime(2026, 3, 28, 23, 10, tzinfo=UTC)
    state = joined(state, traits([one]).of_event(happened(2, early, "Ordered", {}))[0])
    assert told(state, one, at) == DefinedValue(number="2")
    assert told(state, one, found.until) == DefinedValue(number="0")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"events": []}, "events"),
        ({"aggregate": "sum"}, "events.0.value"),
        ({"value": {"property": "total"}}, "value"),
        ({"aggregate": "sum", "value": {"property": "a..b"}}, "value.property"),
        ({"aggregate": "sum", "value": {"property": "a", "text": "b"}}, "value"),
        ({"aggregate": "sum", "value": {"property": "a"}, "kind": "text"}, "kind"),
        ({"aggregate": "sum", "value": {"text": "a"}}, "value"),
        ({"aggregate": "list", "kind": "text", "value": {"text": "a" * 201}}, "value.text"),
        ({"aggregate": "sum", "events": [{"event": "a", "value": {}}]}, "events.0.value"),
        ({"window": {}}, "window"),
        ({"window": {"days": 367}}, "window.days"),
        ({"aggregate": "streak", "window": {"days": 3}}, "window"),
        ({"unit": "week"}, "unit"),
        ({"zone": "Mars/Base"}, "zone"),
        ({"zone": "localtime"}, "zone"),
        ({"zone": "../etc/passwd"}, "zone"),
        ({"events": [{"event": ""}]}, "events.0.event"),
        ({"events": [{"event": "a", "part": True}]}, "events.0.part"),
        ({"aggregate": "streak", "events": [{"event": "a", "minus": True}]}, "events.0.minus"),
        ({"events": [condition("a", "exists", 1)]}, "events.0.where.0.value"),
        ({"events": [condition("a", "eq")]}, "events.0.where.0.value"),
        ({"events": [condition("a", "in", 1)]}, "events.0.where.0.value"),
        ({"events": [condition("a", "in", [])]}, "events.0.where.0.value"),
        ({"events": [condition("a", "gt", True)]}, "events.0.where.0.value"),
        ({"events": [condition("a", "eq", "x" * 201)]}, "events.0.where.0.value"),
        ({"events": [condition("a" * 101, "exists")]}, "events.0.where.0.property"),
        (
            {"events": [{"event": "a", "where": [{"property": "a", "op": "exists"}] * 11}]},
            "events.0.where",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(change: dict[str, Any], where: str) -> None:
    document = {"aggregate": "count", "events": [ORDERED], **change}
    with pytest.raises(DefinitionError) as refused:
        definition(document)
    assert refused.value.where == where


@pytest.mark.parametrize("name", ["", "Orders", "1st", "a-b", "x" * 64, "revenue", "__proto__"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        check_name(name)
    assert refused.value.where == "name"


@pytest.mark.parametrize(
    ("where", "said", "fits"),
    [
        (condition("total", "gte", 10), {"total": "10.00"}, True),
        (condition("total", "gt", 10), {"total": 10}, False),
        (condition("total", "lt", "11"), {"total": 10.5}, True),
        (condition("total", "lte", 10), {"total": "ten"}, False),
        (condition("plan", "eq", "gold"), {"plan": "gold"}, True),
        (condition("total", "eq", 10), {"total": "10.0"}, True),
        (condition("plan", "ne", "gold"), {}, True),
        (condition("plan", "ne", "gold"), {"plan": ["silver", "gold"]}, False),
        (condition("plan", "in", ["gold", "silver"]), {"plan": "silver"}, True),
        (condition("plan", "gte", "m"), {"plan": "gold"}, False),
        (condition("new", "eq", True), {"new": True}, True),
        (condition("new", "eq", True), {"new": 1}, False),
        (
            condition("lines[].sort", "eq", "tea"),
            {"lines": [{"sort": "pot"}, {"sort": "tea"}]},
            True,
        ),
        (condition("lines[].sort", "exists"), {"lines": "none"}, False),
        (condition("a.b", "not_exists"), {"a": {"b": None}}, True),
        (condition("a.b", "gt", "x"), {"a": 1}, False),
    ],
)
def test_conditions(where: dict[str, Any], said: dict[str, Any], fits: bool) -> None:  # noqa: FBT001
    one = definition({"aggregate": "count", "events": [where]})
    assert bool(traits([one]).of_event(happened(1, START, "Ordered", said))) is fits


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"aggregate": "count"}, "number"),
        ({"aggregate": "list", "value": {"property": "a"}, "kind": "text"}, "list"),
        ({"aggregate": "most_frequent", "value": {"property": "a"}, "kind": "number"}, "text"),
        ({"aggregate": "first"}, "time"),
        ({"aggregate": "first", "value": {"property": "a"}, "kind": "number"}, "number"),
        ({"aggregate": "sum", "value": {"property": "a"}, "kind": "money"}, "money"),
    ],
)
def test_types(document: dict[str, Any], kind: str) -> None:
    one = definition({"events": [ORDERED], **document})
    assert type_of(one) == kind


def value_of(document: dict[str, Any], *said: dict[str, Any]) -> DefinedValue | None:
    one = definition({"events": [ORDERED], **document})
    events = [
        happened(number, START + timedelta(hours=number), "Ordered", some)
        for number, some in enumerate(said)
    ]
    return told(traits([one]).of_events(events).get(0), one, START + timedelta(days=1))


def test_values_that_are_read_otherwise() -> None:
    number = {"property": "n"}
    last = {"aggregate": "last", "value": number, "kind": "number"}
    assert value_of(last, {"n": "1.0"}, {"n": True}) == DefinedValue(number="1.0")
    distinct = {"aggregate": "distinct", "value": number, "kind": "number"}
    assert value_of(distinct, {"n": 1}, {"n": "1.0"}, {"n": 0}) == DefinedValue(number="2")
    longest = {"aggregate": "list", "value": number, "kind": "text"}
    assert value_of(longest, {"n": "x" * 201}, {"n": "a\nb"}, {"n": {}}) is None
    assert value_of(longest, {"n": 5}, {"n": "\u212b"}) == DefinedValue(values=["\u00c5", "5"])
    given_text = {"aggregate": "most_frequent", "value": {"text": "mail"}, "kind": "text"}
    assert value_of(given_text, {}) == DefinedValue(text="mail")
    hour = {"aggregate": "most_frequent", "value": {"time": "hour"}, "kind": "text"}
    assert value_of(hour, {}) == DefinedValue(text="00")
    times = {"aggregate": "max", "value": number, "kind": "time"}
    at = DefinedValue(time=datetime(2026, 1, 2, tzinfo=UTC))
    assert value_of(times, {"n": "2026-01-02"}, {"n": "2026-01-01T23:00:00Z"}, {"n": 1}) == at
    assert value_of(times, {"n": "2026-02-30"}, {"n": "9999-12-31T23:59:59-12:00"}) is None
    money = {"aggregate": "sum", "value": number, "kind": "money"}
    assert value_of(money, {"n": 5}, {"n": 5, "currency": "XXX"}) is None
    assert value_of(money, {"n": 5, "currency": " eur "}) == DefinedValue(money={"EUR": "5"})
    assert value_of({"aggregate": "median_gap"}, {}) == DefinedValue()
    # Of events with values those that have none say nothing.
    own = [{"event": "Returned", "value": number}, ORDERED]
    assert value_of({"aggregate": "last", "events": own}, {"n": 1}) is None
    check_name("orders_in_90_days")
    both = [{"event": "Ordered", "value": number}, {"event": "Returned", "value": number}]
    assert value_of({"aggregate": "sum", "events": both}, {"n": 1}) == DefinedValue(number="1")


def test_an_event_of_another_type_adds_nothing() -> None:
    page = msgspec.structs.replace(happened(1, START, "Ordered", {}), type="page")
    assert BOOK.of_event(page) == {}


def test_a_definition_on_true_is_not_one_on_1() -> None:
    """Python takes the two for equal."""

    def counted(value: Any) -> Definition:
        chosen = Selector("Order Completed", (Condition("gift", "eq", value),))
        return Definition("count", (chosen,))

    assert counted(1) == counted(True)
    assert not is_same(counted(1), counted(True))
    assert is_same(counted(1), counted(1))
