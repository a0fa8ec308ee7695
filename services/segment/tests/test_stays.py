"""Judged by section: who is asked by which rule, and who is known by telling again."""

import dataclasses
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from services.segment.tests.judging import NOON, People, key_of

from rapport_common.events.activity import Restraint
from rapport_common.events.profile import IdentifierState
from rapport_common.follower.domain import Key
from rapport_common.testing.profiles import Profiles, sections
from rapport_segment.domain.membership import Moment, Person, judge
from rapport_segment.domain.outlook import Outlook, View
from rapport_segment.domain.rulebook import RESTRAINED, Definition, Rulebook
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import (
    COMPUTED,
    IDENTIFIERS,
    RESTRAINTS,
    TRAITS,
    Section,
    UnreadSectionError,
    identifiers_told,
    stored,
)

ADA = UUID(int=1)
ORDERED = {"computed": "orders", "op": "exists"}


def definition(number: int, document: dict[str, Any]) -> Definition:
    return Definition.of(UUID(int=1000 + number), 1, f"segment {number}", parse(document))


BUYER = definition(2, {"computed": "orders", "op": "gte", "value": 1})


def everybody(*ids: UUID) -> dict[Key, Person]:
    return {key_of(one): Person("acme", one) for one in ids}


def test_only_the_rules_that_read_what_has_changed_are_asked() -> None:
    asked: list[str] = []

    def counting(number: int, document: dict[str, Any]) -> Definition:
        one = definition(number, document)

        def judged(view: View) -> Outlook:
            asked.append(one.name)
            return one.judge(view)

        return dataclasses.replace(one, judge=judged)

    rules = [
        counting(1, {"trait": "plan", "op": "eq", "value": "gold"}),
        counting(2, {"computed": "orders", "op": "gte", "value": 1}),
        counting(
            3,
            {
                "not": {
                    "and": [
                        {"identifier": "email", "op": "exists"},
                        {"computed": "orders", "op": "exists"},
                    ]
                }
            },
        ),
    ]
    profiles, made = Profiles(), People(rules, everybody(ADA))
    who = str(ADA)
    made.apply(profiles.event(who))
    # The others are false of who comes with nothing.
    assert asked == ["segment 3"]
    for name, expected in (
        ("computed", ["segment 2", "segment 3"]),
        ("traits", ["segment 1"]),
        ("identifiers", ["segment 3"]),
        ("consent", []),
    ):
        asked.clear()
        made.apply(profiles.event(who, **{name: sections()[name]}))
        assert asked == expected


def test_traits_that_no_rule_reads_are_not_read() -> None:
    """They are not loaded for an event that moves an aggregate: whoever asked would be wrong."""
    profiles, who = Profiles(), str(ADA)
    made = People((BUYER,), everybody(ADA))
    made.apply(profiles.event(who, **sections([("user_id", "u")], {"plan": "gold"})))
    facts = made.stays.people[key_of(ADA)].facts
    unread = facts.overlaid({TRAITS: Section(TRAITS, text="never read")})
    people = {key_of(ADA): replace(made.stays.people[key_of(ADA)], facts=unread)}
    later = People((BUYER,), people, made.following.held)
    [entered] = later.apply(profiles.event(who, computed=sections(orders=1)["computed"]))
    assert entered.record.reason == "orders 1 >= 1"


@pytest.mark.parametrize("missed", [True, False])
def test_who_is_known_by_telling_again_is_no_news(*, missed: bool) -> None:
    profiles, who = Profiles(), str(ADA)
    first = profiles.event(who, **sections(orders=1))
    if missed:
        made = People((BUYER,), everybody(ADA))
        # Of somebody who is known in part nobody can say where they belong.
        assert made.apply(profiles.event(who, computed=sections(orders=1)["computed"])) == []
        [entered] = made.apply(*profiles.republished())
    else:
        made = People((BUYER,), everybody(ADA))
        [entered] = made.apply(*profiles.republished())
    record = entered.record
    assert (record.cause, record.historic, record.restored) == ("merge", True, True)
    assert made.apply(first, *profiles.republished()) == []
    # From then on events are news again.
    [left] = made.apply(profiles.event(who, computed=sections()["computed"]))
    assert (left.record.cause, left.record.restored) == ("event", False)


def test_an_entry_has_an_id_of_its_own_whatever_was_missed_before() -> None:
    """What is told again is of old versions: the newest alone would not tell two states apart."""
    rule = definition(1, {"not": {"trait": "plan", "op": "eq", "value": "gold"}})
    person = Person("acme", ADA, 5, (5, 3, 5), known=True)
    _, [first] = judge(person, [rule], Moment(NOON, "event"))
    _, [second] = judge(replace(person, versions=(5, 4, 5)), [rule], Moment(NOON, "event"))
    assert first.record.entry_id != second.record.entry_id


def test_what_is_asked_of_whom_is_known_before_they_are_read() -> None:
    gold = {"trait": "plan", "op": "eq", "value": "gold"}
    both = definition(1, {"and": [gold, ORDERED]})
    rules = Rulebook([both, BUYER, definition(3, gold)])
    restraints = 1 << RESTRAINTS
    assert rules.asked(1 << COMPUTED) == 1 << TRAITS | restraints
    assert rules.asked(1 << TRAITS) == 1 << COMPUTED | restraints
    assert rules.asked(1 << TRAITS | 1 << COMPUTED) == restraints
    assert rules.asked(1 << IDENTIFIERS) == 0
    assert rules.asked(restraints) == 1 << TRAITS | 1 << COMPUTED
    # Whether somebody was out of place before: by what is kept, although it is told anew.
    while_built = Rulebook([dataclasses.replace(BUYER, building=True)])
    assert while_built.asked(1 << COMPUTED) == 1 << COMPUTED | restraints


@pytest.mark.parametrize(
    ("said", "is_judged"), [("processing", False), ("profiling", False), ("marketing", True)]
)
def test_who_may_not_be_judged_leaves_all_segments_until_that_is_lifted(
    said: Restraint, *, is_judged: bool
) -> None:
    nobody = definition(3, {"not": ORDERED})
    profiles, who = Profiles(), str(ADA)
    made = People((BUYER, nobody), everybody(ADA))
    [entered] = made.apply(profiles.event(who, **sections(orders=1)))
    changes = made.apply(profiles.event(who, restraints=[said]))
    assert [one.record.change for one in changes] == ([] if is_judged else ["exited"])
    if is_judged:
        return
    assert changes[0].record.entry_id == entered.record.entry_id
    assert changes[0].record.reason == RESTRAINED
    # Nothing lets them in, neither what fits nor what does not.
    assert made.apply(profiles.event(who, computed=sections(orders=2)["computed"])) == []
    assert made.apply(profiles.event(who, **sections(orders=2, restraints=["profiling"]))) == []
    [again] = made.apply(profiles.event(who, restraints=[]))
    assert again.record.change == "entered"


def test_a_restraint_comes_with_a_merge_and_stays_with_a_part() -> None:
    profiles, other = Profiles(), UUID(int=2)
    made = People((BUYER,), everybody(ADA, other))
    [entered] = made.apply(profiles.event(str(ADA), **sections(orders=1)))
    restrained = sections(orders=1, restraints=["processing"])
    assert made.apply(profiles.event(str(other), **restrained)) == []
    end, survivor = profiles.merged(str(other), str(ADA), **restrained)
    [left] = made.apply(end, survivor)
    assert (left.record.change, left.record.entry_id) == ("exited", entered.record.entry_id)
    assert made.apply(profiles.event(str(other), **restrained)) == []


def test_a_section_that_was_not_read_is_no_empty_one() -> None:
    facts = stored([None, '{"plan":"gold"}', None], [0, 2, 3])
    assert [one.is_read for one in facts.sections[:3]] == [True, True, False]
    assert (facts.identifiers, facts.traits) == ({}, {"plan": "gold"})
    assert facts.sections[TRAITS].text == '{"plan":"gold"}'
    with pytest.raises(UnreadSectionError):
        _ = facts.computed


def test_identifiers_that_are_told_come_by_kind_as_they_can_be_kept() -> None:
    some = [("email", "a\0b"), ("user_id", "1"), ("email", "c")]
    found = identifiers_told([IdentifierState(*one) for one in some])
    assert found == {"email": ["a\ufffdb", "c"], "user_id": ["1"]}


def test_new_scores_are_judged_by_the_rules_that_ask_for_them() -> None:
    risky = definition(1, {"score": "churn_risk", "op": "gte", "value": 5})
    likely = definition(2, {"score": "churn_class", "op": "exists"})
    made = People((risky, likely, BUYER), everybody(ADA))
    made.apply(Profiles().event(str(ADA), **sections()))
    person = made.stays.people[key_of(ADA)]
    scores = {"churn_risk": 7, "churn_class": "high"}
    facts = person.facts.overlaid({}).scored(scores)
    stays = People((risky, likely, BUYER), {key_of(ADA): replace(person, facts=facts)}).stays
    hour = timedelta(hours=1)
    earlier = {"churn_risk": NOON - 2 * hour}
    [entered] = stays.scored(key_of(ADA), earlier, {"churn_class": "high"})
    record = entered.record
    assert (record.segment_id, record.reason) == (str(risky.segment_id), "score churn_risk 7 >= 5")
    assert (record.cause, record.at, record.event_timestamp) == ("event", NOON, NOON - 2 * hour)
    assert stays.judged == {key_of(ADA)}
    # The newest of them counts, and none is of a time that is yet to come.
    later = {"churn_risk": NOON - hour, "churn_class": NOON + hour}
    assert stays.scored(key_of(ADA), later, scores)[0].record.event_timestamp == NOON


def test_who_was_out_of_place_by_the_former_scores_already_is_put_right_by_the_definition() -> None:
    rule = dataclasses.replace(
        definition(1, {"score": "churn_risk", "op": "gte", "value": 5}), building=True
    )
    facts = stored([None] * 6, [0] * 6, str(ADA)).scored({"churn_risk": 9})
    causes = []
    for former in ({"churn_risk": 8}, {"churn_risk": 1}, {}):
        person = Person("acme", ADA, 1, (1,), facts, known=True)
        stays = People((rule,), {key_of(ADA): person}).stays
        [entered] = stays.scored(key_of(ADA), {"churn_risk": NOON}, former)
        causes.append(entered.record.cause)
    assert causes == ["definition", "event", "event"]


def test_a_stay_that_goes_on_under_another_id_and_comes_back_is_one_since_its_beginning() -> None:
    other, profiles = UUID(int=2), Profiles()
    people = People([BUYER], everybody(ADA, other))
    people.apply(
        profiles.event(str(ADA), **sections([("user_id", "a")], orders=1)),
        profiles.event(str(other), **sections([("user_id", "b")])),
    )
    [(_profile, entry_id)] = people.stays.entries
    for hours, (gone, heir) in enumerate(((ADA, other), (other, ADA)), 1):
        people.stays.now = NOON + timedelta(hours=hours)
        people.apply(
            *profiles.merged(str(gone), str(heir), **sections([("user_id", "a")], orders=1))
        )
    whole = people.stays.entries[ADA, entry_id]
    assert (whole.since or whole.entered_at, whole.exited_at) == (NOON, None)
