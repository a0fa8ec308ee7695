"""Only what is touched is judged, and what is not would come to the same."""

import dataclasses
import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests.generating import Chance
from services.segment.tests.judging import NOON, People, key_of

from rapport_common.events.profile import ConsentState
from rapport_common.testing.profiles import Profiles, sections
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.membership import Person
from rapport_segment.domain.outlook import Outlook, View
from rapport_segment.domain.rulebook import MANY, Definition, Rulebook
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import COMPUTED, TRAITS

ADA = uuid.UUID(int=1)
PLAN = {"trait": "plan", "op": "eq", "value": "gold"}
OTHERS = MANY + 1
TOUCHED = 3


def definitions(*documents: dict[str, Any]) -> list[Definition]:
    judges = Judges()
    return [
        Definition.of(uuid.UUID(int=1000 + number), 1, f"{number}", parse(one), judges=judges)
        for number, one in enumerate(documents)
    ]


def many(*documents: dict[str, Any]) -> list[Definition]:
    """These, among so many others that it is worth looking who is concerned."""
    others = [{"trait": f"t{number}", "op": "exists"} for number in range(OTHERS)]
    more = [{"defined": f"d{number}", "op": "exists"} for number in range(OTHERS)]
    return definitions(*documents, *others, *more)


class Counted:
    """A person, held against rules that note when they are asked."""

    def __init__(self, rules: list[Definition]) -> None:
        self.asked: list[str] = []
        self.people = People(list(map(self._counting, rules)), {key_of(ADA): Person("acme", ADA)})
        self.profiles = Profiles()

    def _counting(self, one: Definition) -> Definition:
        def judged(view: View) -> Outlook:
            self.asked.append(one.name)
            return one.judge(view)

        return dataclasses.replace(one, judge=judged)

    def tell(self, **changed: Any) -> list[str]:
        """The rules that are asked when these sections are told."""
        self.asked.clear()
        self.people.apply(self.profiles.event(str(ADA), **changed))
        return sorted(set(self.asked), key=int)


def traits(**some: Any) -> dict[str, Any]:
    return {"traits": sections((), some)["traits"]}


def test_a_trait_that_changes_has_only_its_own_rules_judged() -> None:
    city = {"trait": "address.city", "op": "eq", "value": "Bonn"}
    born = {"trait": "born", "op": "anniversary", "value": {"next": "7d"}}
    shop = Counted(many(PLAN, {"and": [PLAN, city]}, city, born))
    assert shop.tell(**traits(plan="gold")) == ["0", "1"]
    assert shop.tell(**traits(plan="gold", other=1)) == []
    assert shop.tell(**traits(plan="free", other=1)) == ["0", "1"]
    assert shop.tell(**traits(plan="free", address={"city": "Bonn"})) == ["1", "2"]
    assert shop.tell(traits=sections((), {"plan": "free", "address.city": "x"})["traits"]) == [
        "1",
        "2",
    ]
    # The zone says when a birthday begins; true is not 1.
    assert shop.tell(**traits(timezone="Asia/Tokyo")) == ["0", "1", "2", "3"]
    assert shop.tell(**traits(timezone="Asia/Tokyo", plan=1)) == ["0", "1"]
    assert shop.tell(**traits(timezone="Asia/Tokyo", plan=True)) == ["0", "1"]
    assert shop.tell(**traits(timezone="Asia/Tokyo", plan=[{"a": 1}])) == ["0", "1"]
    assert shop.tell(**traits(timezone="Asia/Tokyo", plan=[{"a": True}])) == ["0", "1"]


def test_so_has_an_aggregate_a_word_and_a_restraint() -> None:
    orders = {"computed": "orders", "op": "gte", "value": 1}
    own = {"defined": "d0", "op": "exists"}
    reachable = {"reachable": "email"}
    shop = Counted(many(orders, own, reachable))
    assert shop.tell(**sections()) == []
    assert shop.tell(computed=sections(orders=0, events=5)["computed"]) == []
    assert shop.tell(computed=sections(orders=1)["computed"]) == ["0"]
    word = ConsentState(
        contact_point="a@x.org",
        channel="email",
        purpose="promotion",
        state="granted",
        at=NOON,
        source="shop",
    )
    assert shop.tell(consent=[word]) == ["2"]
    assert shop.tell(restraints=["marketing"]) == ["2"]
    assert len(shop.tell(restraints=["marketing", "profiling"])) == 2 * OTHERS + 3


@given(seeds=st.lists(st.integers(0, 2**40), min_size=MANY + 2, max_size=MANY + 6))
def test_who_is_in_is_the_same_as_if_all_were_judged(seeds: list[int]) -> None:
    """After any changes, each rule is as it would be for somebody who is looked at for the first
    time.
    """
    chance = Chance(seeds[0])
    rules = definitions(*(Chance(seed).rule() for seed in seeds))
    shop, who = People(rules, {key_of(ADA): Person("acme", ADA)}, now=chance.now), Profiles()
    for _ in range(TOUCHED):
        facts = chance.facts()
        changed = {
            "traits": sections((), chance.traits())["traits"],
            "computed": facts.sections[COMPUTED]._told,
            "consent": chance.words(),
        }
        for name, told in changed.items():
            shop.apply(who.event(str(ADA), **{name: told}))
    person = shop.stays.people[key_of(ADA)]
    view = View(person.facts, chance.now)
    fits = {one.segment_id for one in rules if one.judge(view)[0]}
    assert set(person.entries) == fits
    untils = [one.judge(view)[1] for one in rules]
    soonest = min((one for one in untils if one is not None), default=None)
    assert soonest is None or (person.check is not None and person.check <= soonest)
    assert {one.segment_id for one in Rulebook(rules).moving(person.facts)} >= {
        one.segment_id for one, until in zip(rules, untils, strict=True) if until is not None
    }


def test_equal_comparisons_of_many_segments_are_evaluated_once() -> None:
    rules = definitions(
        PLAN, {"not": PLAN}, {"or": [PLAN, {"trait": "plan", "op": "eq", "value": 1}]}
    )
    view = View(Counted(rules).people.stays.people[key_of(ADA)].facts, NOON)
    for one in rules:
        one.judge(view)
    assert len(view.memo) == 2


def test_what_rests_on_a_rule_is_asked_for_with_it() -> None:
    recent = {"computed": "last_order_at", "op": "within", "value": {"last": "30d"}}
    inside = {"segment": str(uuid.UUID(int=1000))}
    rules = Rulebook(definitions(recent, {"and": [inside, PLAN]}))
    assert rules.asked(1 << COMPUTED) & 1 << TRAITS
    assert rules.moved_by & 1 << TRAITS
    assert not Rulebook(definitions(PLAN)).moved_by


def test_what_was_is_read_only_where_it_saves_work() -> None:
    few, lots = Rulebook(definitions(PLAN)), Rulebook(many(PLAN))
    for told in (1 << TRAITS, 1 << COMPUTED):
        assert few.asked(told) & told == 0
        assert lots.asked(told) & told == told
