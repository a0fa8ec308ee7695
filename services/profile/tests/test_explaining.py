"""Why two identifiers are one person, or are not: from the links around them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.people import IDS, START, event, events, rule_sets
from services.profile.tests.stored import People, W

from rapport_common.events.envelope import Event, Identifier
from rapport_common.testing.examples import examples
from rapport_profile.domain.explaining import Explaining, Obstacle, Step, shared_by
from rapport_profile.domain.merge_rules import NO_RULES, KindRule, MaxNew, MergeRules, Rules
from rapport_profile.domain.naming import Id
from rapport_profile.domain.sharing import Near

ADA, BOB, TILL = ("user_id", "ada"), ("user_id", "bob"), ("anonymous_id", "till")
DAY = 24 * 60
"""In minutes."""


def mail(name: str) -> Identifier:
    return ("email", f"{name}@example.com")


def seen(name: str, *names: Identifier, **fields: Any) -> Event:
    return event(name, identifiers=names, **fields)


def rules(**kinds: KindRule) -> Rules:
    return Rules(MergeRules(kinds=kinds))


class Asked(Explaining):
    """All around two identifiers of stored people, and what is said of them."""

    def __init__(self, made: People, one: Identifier, other: Identifier) -> None:
        super().__init__(IDS, lambda: "new", made.names.book)
        self.made, self.ends = made, (IDS.of(W, one), IDS.of(W, other))
        made._load_around(self, set(self.ends), (), wide=True)

    def told(self) -> tuple[list[Step], list[Obstacle]]:
        way = self.way(*self.ends)
        near = {one: self.made._near(one) for one in self.shared_on(way, self.ends)}
        return way, self.obstacles(way, near)

    @property
    def are_one(self) -> bool:
        first, second = (self.nodes[one].profile_id for one in self.ends)
        return first is not None and first == second


def asked(some: Rules, told: list[Event], one: Identifier, other: Identifier) -> Asked:
    made = People(None, some)
    made.feed(told)
    return Asked(made, one, other)


def values(of: Asked, ids: tuple[Id, ...]) -> list[str]:
    return [of.nodes[one].value for one in ids]


def test_who_shares_what_lies_between_is_told() -> None:
    of = asked(NO_RULES, [seen("1", ADA, TILL), seen("2", BOB, TILL)], ADA, BOB)
    way, (one,) = of.told()
    assert [step.evidence[1] for step in way] == ["1", "2"]
    assert (one.rule, values(of, one.at)) == ("several_users", ["till"])
    assert sorted(values(of, one.users)) == ["ada", "bob"]


def test_who_would_meet_over_a_link_is_told() -> None:
    x, y = ("anonymous_id", "x"), ("anonymous_id", "y")
    alias = event("3", type="alias", anonymous_id="x", previous_id="y")
    of = asked(NO_RULES, [seen("1", ADA, x), seen("2", BOB, y), alias], ADA, BOB)
    _way, (one,) = of.told()
    assert (one.rule, sorted(values(of, one.at))) == ("several_users", ["x", "y"])
    assert sorted(values(of, one.users)) == ["ada", "bob"]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (KindRule(1), ("max_per_profile", "email", 1, None)),
        (KindRule(max_new=MaxNew(1, 7)), ("max_new", "email", 1, 7)),
        (KindRule(3, max_new=MaxNew(1, 7)), ("max_new", "email", 1, 7)),
    ],
)
def test_the_limit_is_told_that_a_link_would_break_or_that_made_somebody_shared(
    rule: KindRule, wanted: tuple[str, str, int, int | None]
) -> None:
    some = rules(email=rule)
    hers = [seen("1", ADA, mail("a")), seen("2", ADA, mail("b"), at=DAY)]
    of = asked(some, hers, ADA, mail("b"))
    _way, (one,) = of.told()
    assert (one.rule, one.kind, one.most, one.days) == wanted
    assert values(of, one.at) == ["ada", "b@example.com"]
    tills = [seen("1", mail("a"), TILL), seen("2", mail("b"), TILL, at=DAY)]
    of = asked(some, tills, mail("a"), mail("b"))
    _way, (one,) = of.told()
    assert (one.rule, one.kind, one.most, one.days) == wanted
    assert values(of, one.at) == ["till"]


def test_of_a_number_and_a_window_the_number_is_told_where_it_is_broken() -> None:
    some = rules(email=KindRule(3, max_new=MaxNew(2, 7)))
    near = {str(n): Near("email", contested=False, first=START) for n in range(4)}
    told = []
    while len(near) > 1:
        told.append(shared_by("k", "anonymous_id", near, some).rule)
        near.popitem()
    assert told == ["max_per_profile", "max_new", "several_users"]


def test_whom_an_operator_keeps_apart_is_told_whichever_way_leads_there() -> None:
    made = People()
    made.feed([seen("1", mail("a"), TILL), seen("2", mail("a"), ("anonymous_id", "x"))])
    made.decide("keep_apart", TILL, ("anonymous_id", "x"))
    of = Asked(made, TILL, ("anonymous_id", "x"))
    _way, (one,) = of.told()
    assert one.rule == "keep_apart"
    assert one.apart is not None
    assert set(one.apart) == set(of.ends)


def test_what_nothing_joins_is_unlinked() -> None:
    of = asked(NO_RULES, [seen("1", mail("a")), seen("2", mail("b"))], mail("a"), mail("b"))
    assert of.told() == ([], [Obstacle("unlinked")])


NAMES: list[Identifier] = [
    *(("user_id", one) for one in "ABC"),
    *(("anonymous_id", one) for one in "xyz"),
    ("email", "e1"),
    ("email", "e2"),
]
PAIR = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda one: one[0] < one[1])


@settings(max_examples=examples(200))
@given(
    told=st.lists(events(), min_size=1, max_size=16),
    some=st.just(NO_RULES) | rule_sets(),
    pair=PAIR,
    apart=st.none() | PAIR,
)
def test_two_are_apart_where_and_only_where_something_is_told_that_keeps_them_so(
    told: list[Event],
    some: Rules,
    pair: tuple[Identifier, Identifier],
    apart: tuple[Identifier, Identifier] | None,
) -> None:
    """And each link of a way is one that an event tells of."""
    made = People(None, some)
    made.feed(told)

    def are_known(ends: tuple[Identifier, Identifier]) -> bool:
        rows = [made.rows.get(IDS.of(W, one)) for one in ends]
        return all(row is not None and row.profile is not None for row in rows)

    if apart is not None and are_known(apart):
        made.decide("keep_apart", *apart)
    if not are_known(pair):
        return
    of = Asked(made, *pair)
    way, obstacles = of.told()
    assert of.are_one == (not obstacles)
    assert all((step.a, step.b, step.kind) in made.links for step in way)
    if way:
        passed = {end for step in way for end in (step.a, step.b)}
        assert set(of.ends) <= passed
        assert all(set(one.at) <= passed for one in obstacles)
