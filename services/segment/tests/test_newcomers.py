"""Whoever comes is held against the rules that may be true of them: all others are false."""

import dataclasses
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.segment.tests.generating_events import CASES, NAMES, EventChance, told_of
from services.segment.tests.judging import NOON, People, gone, key_of, state
from services.segment.tests.test_passing import Shop
from services.segment.tests.test_touching import definitions
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from rapport_common.testing.examples import examples
from rapport_common.testing.profiles import Profiles, sections
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.guards import guard_of
from rapport_segment.domain.happenings import Arrival, Happening, Happenings
from rapport_segment.domain.membership import Person
from rapport_segment.domain.outlook import NO, Outlook, View
from rapport_segment.domain.rolls import Roll
from rapport_segment.domain.rulebook import MANY, Definition, Rulebook
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import (
    COMPUTED,
    HAPPENED,
    IDENTIFIERS,
    LISTS,
    SCORES,
    SEGMENTS,
    TRAITS,
    Facts,
    Section,
    UnreadSectionError,
    anchor_of,
)
from rapport_segment.store import happenings

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records
    from services.segment.tests.test_passing import Published

ADA, BOB = uuid.UUID(int=1), uuid.UUID(int=2)
LISTED = [str(uuid.UUID(int=number)) for number in (7, 8)]
GOLD = {"trait": "plan", "op": "eq", "value": "gold"}
BOUGHT = {"computed": "orders", "op": "gte", "value": 1}
NEVER_BOUGHT = {"computed": "orders", "op": "eq", "value": 0}
BUCKET = {"bucket": "a", "from": 0, "to": 50}
INSIDE = {"segment": str(uuid.UUID(int=1000))}
VIEWED = {"performed": "Product Viewed"}


class AnyChance(EventChance):
    """Rules ask for lists, scores, counts, and the first three segments, too."""

    def book(self, count: int) -> list[Definition]:
        """So many rules. The first three name no segment, so there are no circles."""
        few = [EventChance(self._random.randrange(2**40)).rule() for _ in range(3)]
        return definitions(*few, *(self.rule() for _ in range(count - 3)))

    @override
    def leaf(self) -> dict[str, Any]:
        pick = self._random
        if pick.random() < 0.7:
            return super().leaf() if pick.random() < 0.4 else self.event_leaf()
        op = pick.choice(("eq", "ne", "gte", "exists", "not_exists"))
        value: dict[str, Any] = {} if op.endswith("exists") else {"value": pick.choice((0, 1))}
        name = pick.choice(("events", "orders", "open_cases", "first_seen_at", "revenue"))
        if name == "first_seen_at":
            value = {"value": "2026-01-01"} if value else {}
        currency = {"currency": "USD"} if name == "revenue" else {}
        return pick.choice(
            (
                {"computed": name, **currency, "op": op, **value},
                {"score": pick.choice(("risk", "rfm_recency")), "op": op, **value},
                {"list": pick.choice(LISTED)},
                {"segment": str(uuid.UUID(int=1000 + pick.randrange(3)))},
                {"trait": "in.side", "op": pick.choice(("exists", "not_exists"))},
            )
        )

    def somebody(self) -> Facts:
        """Mostly of whom little is known."""
        pick = self._random
        life = self.life(0)
        facts = told_of(life, self.facts())
        for place in range(len(facts.sections)):
            if place != IDENTIFIERS and pick.random() < 0.6:
                facts = facts.overlaid({place: Section(place)})
        if pick.random() < 0.6:
            nothing = dict.fromkeys((*NAMES, *CASES), ())
            facts = facts.beside(Happenings([nothing] * len(life.identifiers)))
        on = {("user_id", one[1]): frozenset({LISTED[0]}) for one in life.identifiers}
        facts = facts.listed(Roll({}, on if pick.random() < 0.3 else {}))
        return facts.scored({"risk": pick.choice((0, 1))} if pick.random() < 0.3 else {})


@settings(max_examples=examples(400))
@given(seed=st.integers(0, 2**63))
def test_whatever_is_or_will_be_true_of_somebody_is_among_what_may_be(seed: int) -> None:
    chance = AnyChance(seed)
    rules = chance.book(12)
    segments = [one.segment_id for one in rules[:2] if chance.somebody().scores]
    facts = chance.somebody()
    book = Rulebook(rules)
    possible = {one.segment_id for one in book.possible(facts, segments)}
    assert possible >= set(segments)
    for days in (0, -400, 400):
        view = View(facts, chance.now + timedelta(days=days), segments)
        missed = [one for one in rules if one.segment_id not in possible and one.judge(view) != NO]
        assert not missed, (seed, [one.rule for one in missed])


@settings(max_examples=examples(100))
@given(seed=st.integers(0, 2**63))
def test_newcomers_and_heirs_are_in_what_they_would_be_in_by_all_rules(seed: int) -> None:
    """Also where rules rest on one another, and when two become one."""
    chance = AnyChance(seed)
    rules = [one for one in chance.book(12) if not one.windows]
    found = []
    for book in (Rulebook, All):
        people = People([], {key_of(one): Person("acme", one) for one in (ADA, BOB)})
        people.stays._rulebooks = {"acme": book(rules)}
        people.apply(state(ADA, 1, seed % 2), state(BOB, 2, seed % 3, usd="5"))
        before = [set(people.stays.people[key_of(one)].entries) for one in (ADA, BOB)]
        end, both = gone(ADA, 3, BOB, into_version=3), state(BOB, 3, seed % 5)
        people.apply(*((end, both) if seed % 7 < 3 else (both, end)))
        found.append((before, set(people.stays.people[key_of(BOB)].entries)))
    assert found[0] == found[1]


def test_what_both_are_ends_stays_that_came_with_the_one_who_is_gone() -> None:
    people = People(definitions(BOUGHT), {key_of(one): Person("acme", one) for one in (ADA, BOB)})
    [entered] = people.apply(state(ADA, 1, orders=1))
    assert people.apply(state(BOB, 2), state(BOB, 3, orders=0)) == []
    [left] = people.apply(gone(ADA, 3, BOB, into_version=3))
    assert (left.entry.entry_id, left.record.change) == (entered.entry.entry_id, "exited")


def test_what_rests_on_a_segment_that_an_heir_enters_is_judged_with_it() -> None:
    """Of a rule that is yet being built: whom it fits is not in yet."""
    rules = definitions(BOUGHT, {"and": [INSIDE, {"identifier": "user_id", "op": "exists"}]})
    people = People([], {key_of(one): Person("acme", one) for one in (ADA, BOB)})
    people.apply(state(ADA, 1), state(BOB, 2), state(BOB, 3, orders=1))
    people.stays._rulebooks = {"acme": Rulebook(rules)}
    found = people.apply(gone(ADA, 3, BOB, into_version=3))
    assert [one.entry.segment_id for one in found] == [one.segment_id for one in rules]


class All(Rulebook):
    """Whatever the guards say."""

    @override
    def possible(self, *_given: Any, **_more: Any) -> list[Definition]:
        return list(self.definitions)


@pytest.mark.parametrize(
    ("rule", "guard"),
    [
        (GOLD, {(TRAITS, "plan")}),
        ({"trait": "a.b", "op": "ne", "value": 1}, {(TRAITS, "a.b"), (TRAITS, "a")}),
        ({"trait": "plan", "op": "not_exists"}, None),
        ({"not": GOLD}, None),
        ({"not": {"not": GOLD}}, {(TRAITS, "plan")}),
        # What fewer have is asked first.
        ({"and": [BOUGHT, GOLD]}, {(TRAITS, "plan")}),
        ({"and": [BUCKET, GOLD]}, {(TRAITS, "plan")}),
        ({"and": [NEVER_BOUGHT, {"not": GOLD}, BOUGHT]}, {(COMPUTED, "orders")}),
        ({"or": [BOUGHT, GOLD]}, {(TRAITS, "plan"), (COMPUTED, "orders")}),
        ({"not": {"and": [NEVER_BOUGHT, {"not": BUCKET}]}}, None),
        ({"or": [GOLD, BUCKET]}, None),
        (BUCKET, None),
        (NEVER_BOUGHT, None),
        ({"not": NEVER_BOUGHT}, {(COMPUTED, "orders")}),
        (VIEWED, {(HAPPENED, "Product Viewed")}),
        ({"count": "Product Viewed", "op": "lt", "value": 1}, None),
        (INSIDE, {(SEGMENTS, INSIDE["segment"])}),
        ({"not": INSIDE}, None),
        ({"list": LISTED[0]}, {(LISTS, LISTED[0])}),
        ({"score": "risk", "op": "exists"}, {(SCORES, "risk")}),
        (
            {"trait": "born", "op": "anniversary", "value": {"next": "7d"}},
            {(TRAITS, "born")},
        ),
    ],
)
def test_a_rule_is_guarded_by_what_it_can_not_do_without(rule: Any, guard: Any) -> None:
    found = guard_of(parse(rule), Judges())
    assert found == (None if guard is None else frozenset(guard))


def test_of_thousands_of_rules_a_newcomer_is_held_against_those_of_their_own_facts() -> None:
    asked: list[str] = []

    def counting(one: Definition) -> Definition:
        def judged(view: View) -> Outlook:
            asked.append(one.name)
            return one.judge(view)

        return dataclasses.replace(one, judge=judged)

    others = [{"and": [BUCKET, {"trait": f"t{number}", "op": "exists"}]} for number in range(2000)]
    rules = definitions(GOLD, NEVER_BOUGHT, {"not": INSIDE}, {"and": [INSIDE, BUCKET]}, *others)
    people = People([counting(one) for one in rules], {key_of(ADA): Person("acme", ADA)})
    told = sections([("user_id", "u")], {"plan": "gold", "t7": 1})
    changes = people.apply(Profiles().event(str(ADA), **told))
    assert sorted(set(asked)) == ["0", "1", "11", "2", "3"]
    assert [change.entry.segment_id.int - 1000 for change in changes][:2] == [0, 1]


def test_who_may_not_be_judged_is_held_against_nothing() -> None:
    told = sections([("user_id", "u")], {"plan": "gold"})
    people = People(definitions(GOLD, NEVER_BOUGHT), {key_of(ADA): Person("acme", ADA)})
    assert people.apply(Profiles().event(str(ADA), **{**told, "restraints": ["profiling"]})) == []


def test_counts_that_are_not_told_at_all_are_no_zeros() -> None:
    rules = Rulebook(definitions({"not": NEVER_BOUGHT}))
    assert len(rules.possible(Facts(()))) == 1
    zeros = '{"events":0,"orders":0,"open_cases":0,"revenue":{}}'
    assert rules.possible(Facts((*[Section(0)] * 2, Section(COMPUTED, text=zeros)))) == []


def test_events_that_were_not_read_may_be_there() -> None:
    rules = Rulebook(definitions(VIEWED))
    for happened in (None, Happenings([None]), Happenings([{"Order Completed": ()}])):
        with pytest.raises(UnreadSectionError):
            rules.possible(Facts(()).beside(happened))
    assert rules.possible(Facts(()).beside(Happenings([{"Product Viewed": ()}]))) == []


def test_who_comes_while_a_rule_is_built_is_in_it_at_once() -> None:
    building = Definition.of(uuid.UUID(int=5), 2, "gold", parse(GOLD), building=True)
    people = People([building], {key_of(ADA): Person("acme", ADA)}, now=NOON)
    [entered] = people.apply(Profiles().event(str(ADA), **sections((), {"plan": "gold"})))
    assert (entered.record.change, entered.record.cause) == ("entered", "event")


@pytest.mark.integration
async def test_events_of_before_count_for_who_comes_where_many_names_are_asked_for(
    engine: AsyncEngine, records: "Records", published: "Published"
) -> None:
    """Of who has none at all only that is read; of others all names."""
    shop, profiles = Shop(engine, records), Profiles()
    shop.clock.now = NOON
    names = [f"E{number}" for number in range(MANY + 4)]
    await shop.define(**{name: {"performed": name} for name in names})
    async with engine.begin() as tx:
        here = Happening(NOON, "shop", "1", Section(TRAITS, text="{}"))
        kept = Arrival("acme", anchor_of("user_id", "b"), "E5", here, NOON)
        other = Arrival(
            "acme", anchor_of("user_id", "c"), "Other", replace(here, message_id="2"), NOON
        )
        await happenings.save(tx, {one.message: one for one in (kept, other)})
    for number, name in enumerate("abc", 1):
        told = sections([("user_id", name), ("anonymous_id", name)])
        await shop.tell(profiles.event(str(uuid.UUID(int=number)), **told))
    [entered] = await published()
    assert (entered.profile_id, entered.reason) == (str(BOB), "performed E5")
