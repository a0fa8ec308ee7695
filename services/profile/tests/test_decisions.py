"""What operators say of two identifiers: never one person, or one person; and undone, as before."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.people import (
    IDS,
    content,
    event,
    events,
    expected,
    rule_sets,
)
from services.profile.tests.stored import People, W

from rapport_common.events.envelope import Event, Identifier
from rapport_common.testing.examples import examples
from rapport_profile.domain.merge_rules import NO_RULES, Rules
from rapport_profile.domain.naming import MERGE

NAMES = [
    *(("user_id", one) for one in "AB"),
    *(("email", one) for one in ("e1", "e2")),
    *(("anonymous_id", one) for one in "xyz"),
]
pairs = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(
    lambda pair: pair[0] != pair[1]
)


@settings(max_examples=examples(60))
@given(
    steps=st.lists(st.lists(events(), min_size=1, max_size=5) | pairs | rule_sets(), max_size=8),
    rules=st.just(NO_RULES) | rule_sets(),
    undone=st.booleans(),
)
def test_who_is_kept_apart_is_never_one_person_whatever_comes(
    steps: list[Any], rules: Rules, *, undone: bool
) -> None:
    """Other rules too; and without the decisions it is as if there had been none."""
    made, history, apart = People(None, rules), list[Event](), list[tuple[Identifier, Identifier]]()
    for step in steps:
        if isinstance(step, list):
            made.feed(step)
            history += step
        elif isinstance(step, Rules):
            rules = step
            made.hold(rules)
            made.rebuild(3)
        elif all(IDS.of(W, one) in made.rows for one in step):
            made.decide("keep_apart", *step)
            apart.append(step)
        assert content(made.states()) == content(made.told())
        assert content(made.states()) == expected(history, rules, apart)
        made.check()
    assert made.rebuild(2) == 0
    for one, other in apart:
        of = [made.rows[IDS.of(W, end)].profile for end in (one, other)]
        assert of[0] is None or of[0] != of[1]
    if undone:
        for pair in set(apart):
            made.decide("let_together", *pair)
        assert content(made.states()) == content(made.told()) == expected(history, rules)
        made.check()


users = st.sampled_from([(one, other) for one, other in ("AB", "BC", "AC", "Ax")])
words = st.sampled_from(["join", "join", "let_go", "keep_apart", "let_together"])


@settings(max_examples=examples(60))
@given(
    steps=st.lists(
        st.lists(events(), min_size=1, max_size=5)
        | st.tuples(words, users)
        | rule_sets()
        | st.integers(0, 11),
        max_size=8,
    ),
    rules=st.just(NO_RULES) | rule_sets(),
)
def test_user_ids_are_one_person_by_an_operators_word_as_by_an_alias(
    steps: list[Any], rules: Rules
) -> None:
    """And never against another word that keeps them apart, whatever comes in whatever order.

    Also where operators have said of events that they name others by mistake, or don't after all.
    """
    made, history, cuts = People(None, rules), list[Event](), set[str]()
    said: dict[str, set[tuple[Identifier, Identifier]]] = {"join": set(), "keep_apart": set()}
    for step in steps:
        if isinstance(step, list):
            made.feed(step)
            history += step
        elif isinstance(step, Rules):
            rules = step
            made.hold(rules)
            made.rebuild(3)
        elif isinstance(step, int):
            if (name := f"m{step}") in made.counting:
                made.cut(name, back=name in cuts)
                cuts ^= {name}
        else:
            word, pair = step[0], (("user_id", step[1][0]), ("user_id", step[1][1]))
            kept = said["join" if word in {"join", "let_go"} else "keep_apart"]
            known = [made.rows.get(IDS.of(W, one)) for one in pair]
            begins = word in {"join", "keep_apart"}
            if (pair in kept) == begins or any(one is None or one.profile is None for one in known):
                continue
            made.decide(word, *pair)
            (kept.add if begins else kept.discard)(pair)
        assert content(made.states()) == content(made.told())
        apart, joined = said["keep_apart"], said["join"]
        assert content(made.states()) == expected(history, rules, apart, joined, cuts)
        made.check()
    assert made.rebuild(2) == 0


HISTORY = [
    event("1", type="identify", user_id="A", email="e1", traits={"p": 1}),
    event("2", type="identify", anonymous_id="x", traits={"q": 2}, at=1),
    event("3", type="identify", email="e2", anonymous_id="y", traits={"r": 3}, at=2),
]
X_IS_A = (("user_id", "A"), ("anonymous_id", "x"))


def test_who_is_merged_stays_so_and_comes_apart_when_that_is_undone() -> None:
    made = People()
    made.feed(HISTORY)
    made.decide("join", *X_IS_A)
    assert content(made.states()) == content(made.told()) == expected(HISTORY, joined=[X_IS_A])
    later = [event("4", anonymous_id="x", email="e1", at=3)]
    made.feed(later)
    assert content(made.told()) == expected([*HISTORY, *later], joined=[X_IS_A])
    assert made.rebuild(2) == 0
    made.decide("join_by", *X_IS_A)
    evidence = {link[0][1] for key, link in made.links.items() if key[2] == MERGE}
    assert (evidence, len(made.states())) == ({"join_by"}, 2)
    assert made.rebuild(2) == 0
    made.decide("let_go", *X_IS_A)
    # An event has said it too, since.
    assert content(made.states()) == content(made.told()) == expected([*HISTORY, *later])
    made.check()


def test_who_may_be_together_again_is() -> None:
    """By the events; what came meanwhile too."""
    made = People()
    told = [*HISTORY, event("4", user_id="A", anonymous_id="x", at=3)]
    made.feed(told)
    made.decide("keep_apart", *X_IS_A)
    assert content(made.told()) == expected(told, apart=[X_IS_A])
    later = [event("5", anonymous_id="x", email="e1", at=4)]
    made.feed(later)
    assert content(made.told()) == expected([*told, *later], apart=[X_IS_A])
    made.decide("let_together", *X_IS_A)
    assert content(made.states()) == content(made.told()) == expected([*told, *later])
    made.check()


@pytest.mark.parametrize("first", ["join", "keep_apart"])
def test_of_two_decisions_that_contradict_each_other_apart_holds(first: str) -> None:
    made = People()
    made.feed(HISTORY)
    for name in (first, "keep_apart" if first == "join" else "join"):
        made.decide(name, *X_IS_A)
    assert content(made.told()) == expected(HISTORY, apart=[X_IS_A], joined=[X_IS_A])
    assert len(made.states()) == 3
