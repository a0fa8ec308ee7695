"""A person's values are those of their events, whatever the order, merges, splits and copies."""

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.computed_people import Computed
from services.profile.tests.people import START, event, events, rule_sets

from rapport_common.events.envelope import Event
from rapport_profile.domain.computed.book import Trait, Traits
from rapport_profile.domain.computed.definition import Definition
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.merge_rules import NO_RULES, Rules

ORDERED = {"event": "Order Completed"}
DOCUMENTS: list[dict[str, Any]] = [
    {"aggregate": "count", "events": [ORDERED]},
    {"aggregate": "sum", "events": [ORDERED], "value": {"property": "total"}, "kind": "money"}
    | {"window": {"days": 1}},
    {"aggregate": "last", "events": [ORDERED], "value": {"property": "total"}},
    {"aggregate": "distinct", "events": [ORDERED, {"event": "Case Opened"}], "kind": "text"}
    | {"value": {"property": "total"}},
]
TRAITS = Traits(
    Trait(number, f"t{number}", 1, "live", msgspec.convert(one, Definition))
    for number, one in enumerate(DOCUMENTS)
)
NOW = START + timedelta(minutes=10)


def counting(history: list[Event]) -> list[Event]:
    """Of copies of one message the one that counts."""
    best: dict[str, Event] = {}
    for one in history:
        known = best.get(one.message_id)
        if known is None or content_hash(one) < content_hash(known):
            best[one.message_id] = one
    return list(best.values())


@settings(max_examples=60)
@given(st.lists(events(), max_size=14), st.data(), rule_sets() | st.just(NO_RULES))
def test_values_are_those_of_all_events(history: list[Event], data: Any, rules: Rules) -> None:
    """In batches of any size, in any order, with copies, cuts and a rebuild at the end."""
    made = Computed(TRAITS, NOW, rules)
    order = data.draw(st.permutations(history))
    while order:
        size = data.draw(st.integers(1, 5))
        batch, order = order[:size], order[size:]
        made.feed(batch)
        made.check_values()
    for one in counting(history):
        if data.draw(st.booleans()):
            made.cut(one.message_id)
            made.check_values()
    assert made.rebuild(data.draw(st.integers(1, 4))) == 0
    made.check_values()


@given(st.lists(events(), max_size=10), st.data())
def test_values_follow_what_operators_decide(history: list[Event], data: Any) -> None:
    made = Computed(TRAITS, NOW)
    made.feed(history)
    known = sorted((row.kind, row.value) for row in made.rows.values() if row.profile is not None)
    if len(known) < 2:
        return
    for name in data.draw(st.lists(st.sampled_from(["join", "keep_apart"]), max_size=2)):
        one, other = data.draw(st.permutations(known))[:2]
        users = one[0] == other[0] == "user_id"
        if name == "keep_apart" or users:
            made.decide(name, one, other)
            made.check_values()


def test_each_step_tells_what_was_so_after_its_event() -> None:
    made = Computed(TRAITS, NOW)
    bought = [
        event(f"m{n}", **who, name="Order Completed", said={"total": n})
        for n, who in enumerate([{"user_id": "A"}, {"user_id": "A"}, {"anonymous_id": "x"}])
    ]
    made.feed(bought)
    again = event("m10", anonymous_id="x", name="Order Completed", said={"total": 1})
    made.feed([event("m9", user_id="A", anonymous_id="x"), again])
    counts = [
        None if one.computed is None else (one.computed.defined or {}).get("t0")
        for one in made.published
    ]
    # Two people become one, whole: what both had is told with the event that says so.
    numbers = [None if one is None else one.number for one in counts]
    assert numbers == ["1", "2", "1", None, "3", "4"]


def test_who_has_no_matching_events_has_nothing() -> None:
    made = Computed(TRAITS, NOW)
    made.feed([event("m1", user_id="A", name="Order Looked At")])
    assert not made.states_of
    assert b"defined" not in msgspec.json.encode(made.published)


def test_what_one_has_stays_the_persons_when_another_has_events_that_do_not_count() -> None:
    made = Computed(TRAITS, NOW)
    made.feed([event("m1", user_id="A", name="Order Completed", said={"total": 1})])
    made.feed([event("m2", email="e1", user_id="A", name="Home Seen")])
    made.feed([event("m3", email="e1", name="Newsletter Opened")])
    made.check_values()
    made.feed([event("m4", user_id="A", name="Order Completed", said={"total": 2})])
    made.check_values()
    made.feed([event("m5", email="e1", name="Order Completed", said={"total": 3})])
    made.check_values()
    (person,) = [one for one in map(made.profile, made.profiles) if one.count]
    assert person.values["t0"].value.number == "3"
