"""Which of the definitions in force a change concerns, and what is read for them."""

from typing import Any
from uuid import UUID

import pytest
from services.segment.tests.judging import NOON

from rapport_segment.domain.happenings import Happening, Happenings
from rapport_segment.domain.rulebook import MANY, Definition, Rulebook
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import (
    COMPUTED,
    IDENTIFIERS,
    TRAITS,
    Facts,
    Section,
)

LISTS = [str(UUID(int=number)) for number in range(MANY + 1)]
ORDERED = {"computed": "orders", "op": "exists"}
EVENT = Happening(NOON, "shop", "1", Section(TRAITS, text="{}"))


def rulebook(*documents: dict[str, Any]) -> Rulebook:
    return Rulebook(
        [
            Definition.of(UUID(int=1000 + number), 1, str(number), parse(document))
            for number, document in enumerate(documents)
        ]
    )


def numbers(some: Any) -> list[int]:
    """The places of definitions among the documents."""
    return [int(one.name) for one in some]


def somebody(ids: str = "{}", happened: dict[str, Any] | None = None) -> Facts:
    facts = Facts([Section(IDENTIFIERS, text=ids)])
    return facts if happened is None else facts.beside(Happenings([happened]))


def test_rules_are_found_by_the_events_lists_and_scores_that_they_name() -> None:
    tier = {"score": "rfm_tier", "op": "eq", "value": "lost"}
    risk = {"score": "churn_risk", "op": "gte", "value": 1}
    sequence = {"sequence": [{"performed": "A"}, {"performed": "B"}]}
    listed = {"list": LISTS[3]}
    rules = rulebook({"performed": "A"}, {"or": [listed, tier]}, sequence, {"not": risk}, ORDERED)
    assert rules.event_names == {"A", "B"}
    assert numbers(rules.reading_events(["A"])) == [0, 2]
    assert numbers(rules.reading_events(["C", "B"])) == [2]
    assert rules.lists == {LISTS[3]}
    assert numbers(rules.naming(UUID(LISTS[3]))) == [1]
    assert numbers(rules.naming(UUID(LISTS[4]))) == []
    assert (rules.asks_scores, set(rules.scores)) == (True, {"rfm_tier", "churn_risk"})
    assert numbers(rules.asking_scores(["rfm_tier"])) == [1]
    assert numbers(rules.asking_scores(["churn_risk", "rfm_tier", "other"])) == [1, 3]
    without = rulebook(ORDERED)
    assert (without.asks_scores, set(without.scores), without.lists) == (False, set(), frozenset())


def test_with_other_identifiers_the_rules_on_events_that_came_or_went_are_concerned() -> None:
    """Others than these would find the same as before, and with many rules that counts."""
    rules = rulebook(*({"performed": f"E{number}"} for number in range(MANY + 1)))
    before = somebody('{"user_id":["1"]}', {"E3": (EVENT,), "E4": ()})
    after = somebody('{"user_id":["1","2"]}', {"E5": (EVENT,)})
    assert numbers(rules.concerned([IDENTIFIERS], before, after)) == [3, 5]
    # What was not read before says nothing.
    assert numbers(rules.concerned([IDENTIFIERS], somebody(), after)) == [5]
    assert numbers(rules.concerned([], before, after, "E7")) == [7]


@pytest.mark.parametrize(
    ("ids", "concerned"),
    [
        ('{"user_id":["1"],"email":["a"]}', []),
        ('{"user_id":["1"],"email":["a","b"]}', [*range(MANY + 1), MANY + 1]),
        ('{"user_id":["1"],"email":["a"],"phone":["1"]}', [*range(MANY + 1)]),
        ('{"email":["a"]}', [*range(MANY + 1), MANY + 2]),
    ],
)
def test_an_identifier_of_whatever_kind_may_be_on_a_list(ids: str, concerned: list[int]) -> None:
    kinds = [{"identifier": kind, "op": "exists"} for kind in ("email", "user_id")]
    rules = rulebook(*({"list": one} for one in LISTS), *kinds)
    before = somebody('{"user_id":["1"],"email":["a"]}')
    assert numbers(rules.concerned([IDENTIFIERS], before, somebody(ids))) == concerned


def test_time_moves_a_rule_on_events_for_who_has_such_events() -> None:
    recent = [{"performed": name, "within": {"last": "1d"}} for name in "AB"]
    rules = rulebook(*recent, {"performed": "A"}, ORDERED)
    assert numbers(rules.moving(somebody(happened={"A": (EVENT,), "B": ()}))) == [0, 2]
    assert numbers(rules.moving(somebody(happened={"B": (EVENT,)}))) == [1]
    assert numbers(rules.moving(somebody())) == []


def test_events_are_read_for_the_rules_by_which_somebody_may_be_judged() -> None:
    inside = {"segment": str(UUID(int=1001))}
    both = {"and": [{"performed": "A"}, ORDERED]}
    rests = {"and": [{"performed": "C"}, inside]}
    rules = rulebook(both, {"performed": "B"}, rests, {"trait": "plan", "op": "exists"})
    assert rules.events_asked(1 << COMPUTED) == {"A"}
    assert rules.events_asked(1 << TRAITS) == frozenset()
    assert rules.events_asked(1 << IDENTIFIERS) == {"A", "B", "C"}
    # Who may enter the segment of the one may then enter the one that rests on it.
    assert rules.events_asked(0, "B") == {"B", "C"}
    assert rules.events_asked(0, "unknown") == frozenset()
    assert rules.events_asked(1 << COMPUTED) == {"A"}
