"""A person's values are those of their events, whatever the order, merges, splits and copies."""

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.computed_people import Computed
from services.profile.tests.people import START, event, events, rule_sets

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.events.profile import DefinedValue
from rapport_common.testing.examples import examples
from rapport_profile.domain.computed.book import Stage, Trait, TraitBook, Traits
from rapport_profile.domain.computed.definition import Definition
from rapport_profile.domain.computed.totals import Totals
from rapport_profile.domain.computed.values import Valued
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.merge_rules import NO_RULES, Rules
from rapport_profile.domain.people import Profile
from rapport_profile.domain.published import Summary

ORDERED = {"event": "Order Completed"}
DOCUMENTS: list[dict[str, Any]] = [
    {"aggregate": "count", "events": [ORDERED]},
    {"aggregate": "sum", "events": [ORDERED], "value": {"property": "total"}, "kind": "money"}
    | {"window": {"days": 1}},
    {"aggregate": "last", "events": [ORDERED], "value": {"property": "total"}},
    {"aggregate": "distinct", "events": [ORDERED, {"event": "Case Opened"}], "kind": "text"}
    | {"value": {"property": "total"}},
]


def in_stage(stage: Stage) -> Traits:
    return Traits(
        Trait(number, f"t{number}", 1, stage, msgspec.convert(one, Definition))
        for number, one in enumerate(DOCUMENTS)
    )


TRAITS = in_stage("live")
NOW = START + timedelta(minutes=10)


def counting(history: list[Event]) -> list[Event]:
    """Of copies of one message the one that counts."""
    best: dict[str, Event] = {}
    for one in history:
        known = best.get(one.message_id)
        if known is None or content_hash(one) < content_hash(known):
            best[one.message_id] = one
    return list(best.values())


@settings(max_examples=examples(60))
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


BOUGHT = st.builds(
    lambda number, who, at, total: event(
        number, name="Order Completed", said={"total": total}, at=at, **who
    ),
    st.integers(0, 40).map(lambda number: f"m{number}"),
    st.fixed_dictionaries(
        {"user_id": st.sampled_from(["A", "B"])},
        optional={"anonymous_id": st.sampled_from("xy"), "email": st.sampled_from(["e1", "e2"])},
    )
    | st.fixed_dictionaries(
        {"email": st.sampled_from(["e1", "e2"])}, optional={"anonymous_id": st.sampled_from("xyz")}
    )
    | st.fixed_dictionaries({"anonymous_id": st.sampled_from("xyz")}),
    st.integers(0, 5),
    st.integers(0, 9),
)


@settings(max_examples=examples(100))
@given(st.lists(BOUGHT, min_size=8, max_size=30), st.data())
def test_traits_are_filled_beside_what_goes_on(history: list[Event], data: Any) -> None:
    """Nobody is told before all is there, and then nobody of anything that is not so."""
    made, rest = Computed(Traits(), NOW), history

    def some_go_on(most: int) -> None:
        nonlocal rest
        size = data.draw(st.integers(0, most))
        made.feed(rest[:size])
        rest = rest[size:]

    some_go_on(8)
    made.traits = in_stage("filling")
    some_go_on(2)
    # Who comes behind the last page is filled by what comes.
    for hub in sorted(made.rows):
        made.fill([hub])
        some_go_on(1)
        assert not any(made.last.values())
    made.traits = in_stage("telling")
    some_go_on(4)
    for profile in sorted(made.profiles):
        made.check_values(some=True)
        made.tell_again([profile])
        some_go_on(3)
    made.check_values()
    made.traits = TRAITS
    made.feed(rest)
    made.check_values()


FORMER, NEW = (
    msgspec.convert({"aggregate": "count", "events": [ORDERED]}, Definition),
    msgspec.convert(
        {"aggregate": "sum", "events": [ORDERED], "value": {"property": "total"}}, Definition
    ),
)


def versions(former: Stage | None, new: Stage | None) -> Traits:
    """A trait's former version and its new one, as far as they are applied."""
    stages = ((1, former, FORMER), (2, new, NEW))
    return Traits(Trait(id_, "t", id_, stage, one) for id_, stage, one in stages if stage)


@settings(max_examples=examples(100))
@given(st.lists(BOUGHT, min_size=8, max_size=30), st.data())
def test_a_new_version_takes_the_place_of_the_former_one_at_once(
    history: list[Event], data: Any
) -> None:
    """What is read, and what is told, is of one version for everybody, and exact at any moment."""
    made, rest, shown = Computed(versions("live", None), NOW), history, 1

    def some_go_on(most: int) -> None:
        nonlocal rest
        size = data.draw(st.integers(0, most))
        before = len(made.published)
        made.feed(rest[:size])
        rest = rest[size:]
        wanted = made.wanted(shown)
        assert made.shown() == wanted
        for one in made.published[before:]:
            told = made.last.get(one.profile_id, {})
            assert one.profile_id not in wanted or told == {
                name: each.value for name, each in wanted[one.profile_id].items()
            }

    some_go_on(8)
    made.traits = versions("live", "filling")
    some_go_on(2)
    for hub in sorted(made.rows):
        made.fill([hub])
        some_go_on(1)
    made.traits = versions("live", "telling")
    some_go_on(4)
    for profile in sorted(made.profiles):
        silent = len(made.published)
        made.prepare([profile])
        assert len(made.published) == silent
        some_go_on(3)
    made.traits, shown = versions(None, "live"), 2
    some_go_on(0)
    for profile in sorted(made.profiles):
        made.tell_again([profile])
        some_go_on(2)
    some_go_on(len(rest))
    assert {one: made.last.get(one, {}) for one in made.shown()} == {
        one: {name: each.value for name, each in values.items()}
        for one, values in made.wanted(2).items()
    }


def test_who_becomes_one_with_somebody_before_their_turn_is_worked_out() -> None:
    made = Computed(Traits(), NOW)
    people: list[dict[str, Any]] = [{"user_id": "A"}, {"email": "e1"}, {"anonymous_id": "x"}]
    made.feed([event(f"m{n}", name="Order Completed", **who) for n, who in enumerate(people)])
    made.feed([event("m3", email="e1", anonymous_id="x")])
    made.traits = in_stage("filling")
    made.fill(sorted(made.rows))
    made.traits = in_stage("telling")
    first = next(one for one in made.profiles if made.profile(one).user is not None)
    made.tell_again([first])
    made.feed([event("m4", user_id="A", email="e1")])
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


@given(st.lists(events(), max_size=12), st.integers(0, 3))
def test_values_lapse_one_by_one(history: list[Event], days: int) -> None:
    """Only those that time changes are worked out anew, and others than these stay as they are."""
    made = Computed(TRAITS, NOW)
    made.feed(history)
    made.lapse(NOW + timedelta(days=days))
    made.check_values()


def test_a_workspace_without_traits_is_left_alone() -> None:
    working, person = Loaded(), Profile("p", "other", count=1)
    working.changed_profiles["p"] = person
    totals = Totals(working, TraitBook({"w": TRAITS}), NOW, added={})
    step = ProfileActivity(workspace="other", profile_id="p", version=1)
    assert not totals.needed([step])
    assert totals.told(step) is step
    totals.finish()
    assert [len(totals.rows()), len(totals.cleared), len(totals.due)] == [0, 0, 0]


def test_people_have_the_version_that_is_live_or_the_first_that_they_are_told_of() -> None:
    """A version is named by its id, its name and its stage."""
    versions: list[tuple[int, str, Stage]] = [
        (1, "a", "telling"),
        (2, "a", "live"),
        (3, "b", "telling"),
        (4, "b", "telling"),
        (5, "c", "filling"),
        (6, "d", "dropping"),
    ]
    one = msgspec.convert(DOCUMENTS[0], Definition)
    traits = Traits(Trait(id_, name, 1, stage, one) for id_, name, stage in versions)
    assert [id_ for id_, _name, _stage in versions if traits.is_shown(id_)] == [2, 3]


def test_a_persons_values_are_those_that_are_shown_and_those_that_are_to_come() -> None:
    live, coming = Valued(1, DefinedValue(number="1")), Valued(2, DefinedValue(number="2"))
    person = Summary(values={"t": live}, coming={"t": coming})
    assert person.all_values == [live, coming]


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
