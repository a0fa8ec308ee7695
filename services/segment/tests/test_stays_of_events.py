"""Events in the stays of people: copies of one message, and who has yet to be judged by them."""

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from services.segment.tests.judging import NOON, People, key_of

from rapport_common.testing.profiles import Profiles, sections
from rapport_segment.domain.happenings import Arrival, Copied, Happening, Kept
from rapport_segment.domain.membership import Person
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import IDENTIFIERS, TRAITS, Facts, Section, anchor_of, stored
from rapport_segment.domain.stays import Stays

ADA = UUID(int=1)
ADAS, OLD, NEW = (anchor_of("user_id", value) for value in ("u", "old", "new"))
NAME = "Order Completed"
NOTHING_TOLD = Section(TRAITS, text="{}")
TWICE = {"count": NAME, "op": "gte", "value": 2}


def definition(number: int, document: dict[str, Any]) -> Definition:
    return Definition.of(UUID(int=1000 + number), 1, str(number), parse(document))


def happening(message_id: str = "m", copy: int = 0) -> Happening:
    return Happening(NOON, "shop", message_id, NOTHING_TOLD, copy)


def arrival(anchor: bytes = NEW, name: str = NAME, copy: int = 0) -> Arrival:
    return Arrival("acme", anchor, name, happening(copy=copy), NOON)


def ada(**changed: Any) -> Person:
    facts = Facts([Section(IDENTIFIERS, text='{"user_id":["u"]}')], str(ADA))
    return replace(Person("acme", ADA, 1, (1,), facts, known=True), **changed)


def stays(
    person: Person | None = None, kept: Kept | None = None, *, copy: Copied | None = None
) -> Stays:
    """Ada's, by a rule that counts orders."""
    copies = {} if copy is None else {arrival().message: copy}
    rules = {"acme": Rulebook([definition(1, TWICE)])}
    return Stays(rules, {key_of(ADA): person or ada()}, NOON, kept, copies)


def test_an_event_counts_with_those_that_are_kept_of_all_identifiers() -> None:
    kept: Kept = {("acme", ADAS): {NAME: ()}, ("acme", OLD): {NAME: (happening(),)}}
    profiles, rules = Profiles(), (definition(1, TWICE),)
    made = People(rules, {key_of(ADA): Person("acme", ADA)}, kept=kept)
    ids = [("user_id", "u"), ("user_id", "old")]
    [entered] = made.apply(profiles.event(str(ADA), NOON, **sections(ids)))
    assert entered.record.reason == f"count {NAME} 2 >= 2"
    alone = People(rules, {key_of(ADA): Person("acme", ADA)}, kept={("acme", ADAS): {NAME: ()}})
    assert alone.apply(Profiles().event(str(ADA), NOON, **sections(ids[:1]))) == []


def test_without_identifiers_that_were_read_nobody_has_events() -> None:
    unread = stored([None], [1], str(ADA))
    kept: Kept = {("acme", ADAS): {NAME: (happening(),)}}
    assert stays(ada(facts=unread), kept).people[key_of(ADA)].facts.happened is None
    happened = stays(kept=kept).people[key_of(ADA)].facts.happened
    assert happened is not None
    assert happened.of(NAME) == (happening(),)


def test_an_older_copy_of_an_event_is_not_taken_in() -> None:
    later = stays(copy=Copied(1, OLD, NAME))
    assert not later.happens(arrival(copy=0))
    assert (later.arrivals, later.astray) == ({}, set())
    assert later.happens(arrival(copy=2))
    # Also beside one that has come before it in the same batch.
    assert not later.happens(arrival(ADAS, copy=1))
    assert [one.anchor for one in later.arrivals.values()] == [NEW]


@pytest.mark.parametrize(
    ("anchor", "name", "is_astray"),
    [(NEW, NAME, False), (OLD, NAME, True), (NEW, "Cart", True)],
)
def test_a_newer_copy_takes_the_event_from_where_it_was_kept(
    *, anchor: bytes, name: str, is_astray: bool
) -> None:
    other = happening("other")
    kept: Kept = {("acme", one): {NAME: (), "Cart": ()} for one in (OLD, NEW)}
    kept["acme", anchor] = {**kept["acme", anchor], name: (happening(), other)}
    found = stays(kept=kept, copy=Copied(0, anchor, name))
    newer = arrival(copy=1)
    assert found.happens(newer)
    assert found.astray == ({("acme", anchor)} if is_astray else set())
    left = [] if is_astray else [newer.one]
    assert {*kept["acme", anchor][name]} == {other, *left}
    assert newer.one in kept["acme", NEW][NAME]


def test_a_copy_that_was_kept_under_what_was_not_read_is_astray_all_the_same() -> None:
    kept: Kept = {("acme", NEW): {NAME: ()}}
    found = stays(kept=kept, copy=Copied(0, OLD, NAME))
    assert found.happens(arrival(copy=1))
    assert found.strays() == {("acme", OLD)}
    assert kept == {("acme", NEW): {NAME: (happening(copy=1),)}}


def test_whose_event_nobody_was_judged_by_is_yet_to_be_found() -> None:
    def strays(
        told: Arrival, person: Person | None = None, *, who: int = 1, judged: bool = True
    ) -> set[bytes]:
        found = stays(person)
        found.told(key_of(UUID(int=who)), told, judged=judged)
        return {anchor for _workspace, anchor in found.strays()}

    mine = arrival(ADAS)
    assert strays(mine) == set()
    assert strays(mine, judged=False) == {ADAS}
    assert strays(mine, ada(known=False)) == {ADAS}
    # Told of whom nothing is known here, or of somebody who has the identifier no more.
    assert strays(mine, who=2) == {ADAS}
    assert strays(arrival(OLD)) == {OLD}
    # No rule looks at such events: whose they are makes no difference.
    assert strays(arrival(OLD, "Cart")) == set()


def test_who_is_looked_for_is_judged_by_the_rules_on_events_alone() -> None:
    rules = (
        definition(1, TWICE),
        definition(2, {"computed": "orders", "op": "not_exists"}),
        definition(3, {"segment": str(UUID(int=1001))}),
    )
    kept: Kept = {("acme", ADAS): {NAME: (happening("1"), happening("2"))}}
    made = Stays({"acme": Rulebook(rules)}, {key_of(ADA): ada()}, NOON, kept)
    changes = made.looked_at(key_of(ADA))
    found = [(one.record.change, one.record.segment_id, one.record.cause) for one in changes]
    # And by what rests on them.
    assert found == [("entered", str(UUID(int=number)), "merge") for number in (1001, 1003)]
    assert (changes[0].record.at, made.judged) == (NOON, {key_of(ADA)})
    assert {one.segment_id for one in made.entries.values()} == {UUID(int=1001), UUID(int=1003)}
    assert made.looked_at(key_of(ADA)) == []
