"""Entering and leaving: one record after the other, whatever batches they come in."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from services.segment.tests.judging import (
    NOON,
    People,
    gone,
    key_of,
    state,
    step,
)

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.profile import AbsorbedId
from rapport_common.follower.domain import Key
from rapport_common.testing.profiles import Profiles, sections
from rapport_segment.domain.membership import GONE, Change, Person, merge
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import NO_FACTS
from rapport_segment.domain.stays import with_entries

LATER = NOON + timedelta(hours=1)
IDS = [uuid.UUID(int=number) for number in range(1, 6)]
ADA, BOB, CY = IDS[:3]


def definition(number: int, document: dict[str, Any]) -> Definition:
    return Definition.of(uuid.UUID(int=1000 + number), 1, f"segment {number}", parse(document))


RICH = definition(1, {"computed": "revenue", "currency": "USD", "op": "gte", "value": "500"})
BUYER = definition(2, {"computed": "orders", "op": "gte", "value": 1})
EMPTY = definition(3, {"computed": "orders", "op": "eq", "value": 0})
ALL = (RICH, BUYER, EMPTY)


def everybody(*ids: UUID) -> dict[Key, Person]:
    return {key_of(one): Person("acme", one) for one in ids}


def followed(*records: ProfileActivity, now: datetime = NOON) -> tuple[People, list[Change]]:
    made = People(ALL, everybody(*IDS), now=now)
    return made, made.apply(*records)


def told(changes: Sequence[Change]) -> list[tuple[str, str, str]]:
    names = {str(one.segment_id): one.name[-1] for one in ALL}
    return [
        (one.record.change, names[one.record.segment_id], one.record.profile_id[-1])
        for one in changes
    ]


def test_a_newer_state_is_judged_and_the_reason_told() -> None:
    person, changes = step(Person("acme", ADA), state(ADA, 1, 2, "512.30"), ALL, LATER)
    assert told(changes) == [("entered", "1", "1"), ("entered", "2", "1")]
    record = changes[0].record
    assert record.reason == "revenue USD 512.30 >= 500"
    assert (record.cause, record.event_timestamp, record.at) == ("event", NOON, LATER)
    assert (record.profile_version, record.segment_version) == (1, 1)
    assert set(person.entries) == {RICH.segment_id, BUYER.segment_id}


def test_a_stay_ends_under_the_id_it_began_with() -> None:
    person, entered = step(Person("acme", ADA), state(ADA, 1, 1, "500"), (RICH,), NOON)
    person, left = step(person, state(ADA, 2, 1, "1"), (RICH,), LATER)
    assert [one.record.entry_id for one in left] == [entered[0].record.entry_id]
    assert left[0].entry.exited_at == LATER
    assert left[0].entry.exit_reason == "revenue USD 1 not >= 500"
    assert not person.entries
    _, again = step(person, state(ADA, 3, 1, "500"), (RICH,), LATER)
    assert again[0].record.entry_id != entered[0].record.entry_id


def test_an_older_or_equal_version_changes_nothing() -> None:
    person, _ = step(Person("acme", ADA), state(ADA, 5, 1), ALL, NOON)
    for version in (4, 5):
        assert step(person, state(ADA, version, 0), ALL, NOON) == (person, [])


def test_a_state_without_an_event_is_a_matter_of_identities() -> None:
    _, changes = step(Person("acme", ADA), state(ADA, 1, 1, event=False), (BUYER,), NOON)
    assert changes[0].record.cause == "merge"
    assert changes[0].record.event_timestamp is None


def building(number: int, document: dict[str, Any]) -> Definition:
    segment = uuid.UUID(int=1000 + number)
    return Definition.of(segment, 1, f"segment {number}", parse(document), building=True)


@pytest.mark.parametrize(
    ("before", "cause", "event_timestamp"),
    # Who fitted before this record was only not held against the new rule yet.
    [(2, "definition", None), (0, "event", NOON)],
)
def test_while_a_segment_is_built_the_record_is_the_cause_only_of_what_it_changes(
    before: int, cause: str, event_timestamp: datetime | None
) -> None:
    rule = building(2, {"computed": "orders", "op": "gte", "value": 1})
    person, _ = step(Person("acme", ADA), state(ADA, 1, before), (), NOON)
    _, [change] = step(person, state(ADA, 2, 3), (rule,), LATER)
    assert (change.record.change, change.record.cause) == ("entered", cause)
    assert (change.record.at, change.record.event_timestamp) == (LATER, event_timestamp)


def test_who_is_out_of_place_is_put_right_before_a_record_changes_that() -> None:
    """So the same entries and exits come of it, whether the build or the record is first."""
    rule = building(2, {"computed": "orders", "op": "gte", "value": 1})
    person, _ = step(Person("acme", ADA), state(ADA, 1, 2), (), NOON)
    person, changes = step(person, state(ADA, 2, 0), (rule,), LATER)
    said = [(one.record.change, one.record.cause, one.record.reason) for one in changes]
    assert said == [
        ("entered", "definition", "orders 2 >= 1"),
        ("exited", "event", "orders 0 not >= 1"),
    ]
    assert len({one.record.entry_id for one in changes}) == 1
    assert person.entries == {}


def test_of_a_rule_that_is_not_in_force_no_reason_is_told() -> None:
    rule = parse({"computed": "orders", "op": "gte", "value": 1})
    beside = Definition.of(UUID(int=9), 1, "", rule, beside=True)
    person, [entered] = step(Person("acme", ADA), state(ADA, 1, 1), (beside,), NOON)
    assert (entered.entry.beside, entered.entry.reason) == (True, "")
    _, [left] = step(person, state(ADA, 2, 0), (beside,), LATER)
    assert (left.entry.beside, left.entry.exit_reason) == (True, "")


def test_only_while_a_segment_is_built_is_asked_what_was_before() -> None:
    rule = {"computed": "orders", "op": "gte", "value": 1}
    built, building_it = Rulebook([definition(1, rule)]), Rulebook([building(1, rule)])
    read = built.definitions[0].reads
    for _ in range(2):
        assert (built.asked(read), building_it.asked(read)) == (0, read)


def test_all_stays_of_a_person_who_is_gone_end() -> None:
    made, changes = followed(state(ADA, 1, 1, "500"), gone(ADA, 2, None))
    assert told(changes[2:]) == [("exited", "1", "1"), ("exited", "2", "1")]
    assert {(one.record.reason, one.record.profile_version) for one in changes[2:]} == {(GONE, 2)}
    assert replace(made.stays.people[key_of(ADA)], facts=NO_FACTS) == Person("acme", ADA, 2)
    assert {one.exit_reason for one in made.stays.entries.values()} == {GONE}


def test_an_end_that_is_older_than_the_state_changes_nothing() -> None:
    made, changes = followed(state(ADA, 2, 1), gone(ADA, 1, None))
    assert told(changes) == [("entered", "2", "1")]
    assert len(made.stays.people[key_of(ADA)].entries) == 1


def test_entries_are_given_to_those_they_belong_to() -> None:
    made, _ = followed(state(ADA, 1, 1, "500"), state(BOB, 1, 0))
    bare = {key: replace(one, entries={}) for key, one in made.stays.people.items()}
    assert with_entries(bare, reversed(made.stays.entries.values())) == made.stays.people


def test_a_stay_goes_on_under_the_survivor() -> None:
    old, entered = step(Person("acme", ADA), state(ADA, 1, 1), (BUYER,), NOON)
    survivor, changes = merge(old, Person("acme", BOB), (BUYER,), LATER)
    assert changes == []
    entry = survivor.entries[BUYER.segment_id]
    assert entry == replace(entered[0].entry, profile_id=BOB, since=LATER)
    survivor, changes = step(survivor, state(BOB, 1, 1), (BUYER,), LATER)
    assert changes == []
    _, changes = step(survivor, state(BOB, 2, 0), (BUYER,), LATER)
    assert [one.record.entry_id for one in changes] == [str(entry.entry_id)]
    assert changes[0].record.profile_id == str(BOB)


def test_of_two_stays_the_old_ids_ends_and_the_other_counts_from_the_earlier() -> None:
    old, first = step(Person("acme", ADA), state(ADA, 1, 1), (BUYER,), NOON)
    new, second = step(Person("acme", BOB), state(BOB, 1, 1), (BUYER,), LATER)
    survivor, changes = merge(old, new, (BUYER,), LATER)
    assert told(changes) == [("exited", "2", "1")]
    assert changes[0].record.cause == "merge"
    assert changes[0].record.entry_id == first[0].record.entry_id
    entry = survivor.entries[BUYER.segment_id]
    assert (str(entry.entry_id), entry.entered_at) == (second[0].record.entry_id, NOON)


def test_the_order_of_changes_does_not_depend_on_where_entries_come_from() -> None:
    gold = definition(4, {"computed": "orders", "op": "exists"})
    old, _ = step(Person("acme", ADA), state(ADA, 1, 1, "500"), (gold, BUYER, RICH), NOON)
    new, _ = step(Person("acme", BOB), state(BOB, 1, 1, "500"), (RICH, BUYER, gold), NOON)
    turned = replace(old, entries=dict(reversed(list(old.entries.items()))))
    assert list(turned.entries) != list(old.entries)
    assert merge(old, new, ALL, NOON)[1] == merge(turned, new, ALL, NOON)[1]


def test_the_survivors_state_decides_about_what_it_inherits() -> None:
    made, changes = followed(state(ADA, 1, 1), state(BOB, 1, 0), gone(ADA, 2, BOB))
    assert told(changes)[-1] == ("exited", "2", "2")
    assert changes[-1].record.cause == "merge"
    assert set(made.stays.people[key_of(BOB)].entries) == {EMPTY.segment_id}


MERGED = gone(ADA, 2, BOB, into_version=2)


@pytest.mark.parametrize("end_first", [True, False])
def test_a_merge_is_one_step_in_whichever_order_its_two_records_come(*, end_first: bool) -> None:
    """The guest has ordered, the user has not: the one person they are has, all the time."""
    whole = replace(state(BOB, 2, 1), absorbed=[AbsorbedId(str(ADA), 2)])
    two = [MERGED, whole] if end_first else [whole, MERGED]
    made, changes = followed(state(ADA, 1, 1), state(BOB, 1, 0), *two)
    assert told(changes) == [("entered", "2", "1"), ("entered", "3", "2"), ("exited", "3", "2")]
    assert made.heirs == {key_of(ADA): str(BOB)}
    (entry,) = made.stays.people[key_of(BOB)].entries.values()
    assert str(entry.entry_id) == changes[0].record.entry_id


@pytest.mark.parametrize("end_first", [True, False])
def test_a_merge_into_somebody_merged_since_is_judged_by_the_last(*, end_first: bool) -> None:
    """BOB's record about ADA comes after CY's about BOB; CY's has decided for all three."""
    late = replace(state(BOB, 2, 1), absorbed=[AbsorbedId(str(ADA), 2)])
    last = replace(state(CY, 1, 0), absorbed=[AbsorbedId(str(BOB), 3)])
    made, changes = followed(
        state(ADA, 1, 1), last, *([MERGED, late] if end_first else [late, MERGED])
    )
    assert told(changes)[-1] == ("exited", "2", "3")
    assert set(made.stays.people[key_of(CY)].entries) == {EMPTY.segment_id}


def test_an_id_that_is_merged_away_has_no_say_any_more() -> None:
    made, changes = followed(gone(ADA, 5, BOB), state(ADA, 4, 1), state(ADA, 5, 1))
    assert changes == []
    assert not made.stays.people[key_of(ADA)].known


def test_a_chain_of_merges_ends_at_the_last_survivor_in_any_order() -> None:
    one, changes = followed(state(ADA, 1, 1), gone(ADA, 2, BOB), gone(BOB, 1, CY), state(CY, 1, 1))
    two, same = followed(state(ADA, 1, 1), gone(BOB, 1, CY), gone(ADA, 2, BOB), state(CY, 1, 1))
    assert told(changes) == told(same) == [("entered", "2", "1")]
    assert one.heirs == two.heirs == {key_of(ADA): str(BOB), key_of(BOB): str(CY)}
    assert one.shown()[key_of(CY)] == two.shown()[key_of(CY)]
    for made in (one, two):
        (stay,) = [entry for entry in made.stays.entries.values() if entry.exited_at is None]
        former = [entry for entry in made.stays.entries.values() if entry.exited_at]
        assert (stay.profile_id, stay.entered_at, stay.since) == (CY, NOON, NOON)
        assert {entry.entry_id for entry in former} == {stay.entry_id}
        assert (former[0].profile_id, former[0].since) == (ADA, None)


def test_a_newer_state_brings_an_id_back_to_life() -> None:
    made, changes = followed(
        state(ADA, 1, 1), gone(ADA, 2, BOB), state(BOB, 1, 1), state(ADA, 3, 1)
    )
    assert told(changes) == [("entered", "2", "1"), ("entered", "2", "1")]
    assert made.heirs == {}
    assert {one.profile_id for one in made.stays.entries.values()} == {ADA, BOB}


def test_two_ids_that_change_places_do_not_go_in_circles() -> None:
    made, changes = followed(
        state(ADA, 1, 1), gone(ADA, 2, BOB), gone(BOB, 1, ADA), gone(ADA, 3, ADA), state(ADA, 4, 1)
    )
    assert made.heirs == {key_of(BOB): str(ADA)}
    assert told(changes) == [("entered", "2", "1")]
    opened = [one.profile_id for one in made.stays.entries.values() if one.exited_at is None]
    assert opened == [ADA]


def test_repeated_records_are_harmless() -> None:
    sequence = [state(ADA, 1, 1), gone(ADA, 2, BOB), state(BOB, 1, 1)]
    once, changes = followed(*sequence)
    twice, same = followed(*sequence, *sequence)
    assert told(changes) == told(same)
    assert once.shown() == twice.shown()


STATES = st.tuples(st.sampled_from(IDS), st.integers(0, 1), st.sampled_from(["0", "500"]))
MERGES = st.tuples(st.sampled_from(IDS), st.sampled_from(IDS))


@st.composite
def histories(draw: st.DrawFn) -> list[ProfileActivity]:
    """Records as they may come: versions mostly rise, some records are late or repeated."""
    versions = dict.fromkeys(IDS, 1)
    history: list[ProfileActivity] = []
    for _ in range(draw(st.integers(1, 15))):
        who, other = draw(MERGES)
        versions[who] = max(1, versions[who] + draw(st.sampled_from([0, 1, 1, 1, -1])))
        if draw(st.sampled_from([True, False, False])):
            history.append(gone(who, versions[who], other))
        else:
            history.append(
                state(who, versions[who], draw(st.integers(0, 1)), draw(STATES)[2], event=True)
            )
    return history


@given(histories(), st.data())
def test_the_batching_makes_no_difference(
    history: list[ProfileActivity], data: st.DataObject
) -> None:
    whole, changes = followed(*history)
    people, held = everybody(*IDS), None
    pieces: list[Change] = []
    rest = history
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        piece = People(ALL, people, held)
        pieces += piece.apply(*rest[:size])
        people, held, rest = piece.stays.people, piece.following.held, rest[size:]
    assert pieces == changes
    assert piece.shown() == whole.shown()
    assert held == whole.following.held


@st.composite
def lives(draw: st.DrawFn) -> list[ProfileActivity]:
    """Records that fit each other, in their order; some come again later."""
    profiles, history = Profiles(), list[ProfileActivity]()
    for _ in range(draw(st.integers(1, 20))):
        who, other = (str(one) for one in draw(st.permutations(IDS))[:2])
        made = sections(orders=draw(st.integers(0, 1)), revenue={"USD": draw(STATES)[2]})
        known = who in profiles.held and profiles.held[who].lives
        kind = draw(st.sampled_from(["event", "event", "event", "merge", "gone", "again", "twice"]))
        if kind == "merge" and known:
            history += profiles.merged(who, other, **made)
        elif kind == "gone" and known:
            history.append(profiles.gone(who))
        elif kind == "again":
            history += profiles.republished()
        elif kind == "twice" and history:
            history.append(draw(st.sampled_from(history)))
        else:
            history.append(profiles.event(who, computed=made["computed"]))
    return history


@given(lives())
def test_entries_and_exits_add_up(history: list[ProfileActivity]) -> None:
    made, changes = followed(*history)
    kinds = [one.record.change for one in changes]
    still_open = [entry for one in made.stays.people.values() for entry in one.entries.values()]
    assert kinds.count("entered") - kinds.count("exited") == len(still_open)
    entered = [one.record.entry_id for one in changes if one.record.change == "entered"]
    assert len(set(entered)) == len(entered)
    for key, person in made.stays.people.items():
        assert all(str(entry.profile_id) == key[1] for entry in person.entries.values())
        assert person.known or not person.entries
        if person.known:
            fits = {one.segment_id for one in ALL if one.judge(View(person.facts, NOON))[0]}
            assert set(person.entries) == fits
