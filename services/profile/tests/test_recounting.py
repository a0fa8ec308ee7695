"""Other rules, in memory: as if these had held from the start; and what is broken is found."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.people import IDS, content, event, events, expected, rule_sets
from services.profile.tests.stored import People, W

from rapport_common.events.envelope import Event
from rapport_common.testing.examples import examples
from rapport_profile.domain.consent_rules import ConsentRules
from rapport_profile.domain.explaining import Step, chain
from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.links import Link
from rapport_profile.domain.merge_rules import KindRule, MergeRules, Rules
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.plain import plain
from rapport_profile.domain.recounting import Recount, put_right, revision
from rapport_profile.domain.revising import Revising
from rapport_profile.domain.trait_rules import TraitRules

history = st.lists(events(), max_size=10)


@settings(max_examples=examples(200))
@given(
    told=st.tuples(history, history, history),
    changed=st.tuples(rule_sets(), rule_sets()),
    page=st.integers(1, 6),
)
def test_a_change_of_rules_gives_what_the_new_ones_would_have_given(
    told: tuple[list[Event], list[Event], list[Event]], changed: tuple[Rules, Rules], page: int
) -> None:
    """Events that come between the change and the work are named under the new rules."""
    (before, meanwhile, after), (first, second) = told, changed
    made = People(None, first)
    made.feed(before)
    assert made.rebuild(page) == 0
    made.hold(second)
    made.feed(meanwhile)
    made.rebuild(page)
    so_far = [*before, *meanwhile]
    assert content(made.states()) == content(made.told()) == expected(so_far, second)
    made.check()
    assert made.rebuild(page) == 0
    made.feed(after)
    assert content(made.told()) == expected([*so_far, *after], second)
    assert made.rebuild(page) == 0


def test_an_alias_counts_from_who_is_no_user_id_by_the_new_rules() -> None:
    """`guest` was taken for a user id, so an alias from it was void; blocked, it names nobody."""
    told = [
        event("1", user_id="guest-7", email="e1"),
        event("2", type="alias", user_id="A", previous_id="guest-7", at=1),
    ]
    blocked = Rules(MergeRules(blocked={"user_id": ("guest-7",)}))
    for page in (1, 5):
        made = People()
        made.feed(told)
        made.hold(blocked)
        made.rebuild(page)
        assert content(made.states()) == content(made.told()) == expected(told, blocked)
        made.check()


HISTORY = [
    event("1", type="identify", user_id="A", email="e1", traits={"p": 1}),
    event("2", type="identify", email="e1", anonymous_id="x", traits={"q": 2}, at=1),
    event("3", type="identify", email="e2", anonymous_id="y", traits={"r": 3}, at=2),
]


def test_what_is_broken_is_found_and_put_right() -> None:
    made = People()
    made.feed(HISTORY)
    user, mail = IDS.of(W, ("user_id", "A")), IDS.of(W, ("email", "e1"))
    row = made.rows[mail]
    made.rows[mail] = row._replace(fold="{}")
    made.links.pop(next(key for key in made.links if key[:2] == (user, mail)))
    version, heir, summary = made.profiles[str(row.profile)]
    miscounted = summary.replace(b'"members":3', b'"members":9')
    made.profiles[str(row.profile)] = (version, heir, miscounted)
    assert made.rebuild(2) > 0
    assert content(made.states()) == content(made.told()) == expected(HISTORY)
    made.check()
    assert made.rebuild(2) == 0


def test_a_person_of_hundreds_that_comes_apart_shows_all_that_there_is_room_for() -> None:
    made = People()
    told = [event(f"m{n}", user_id="A", anonymous_id=f"x{n}", at=n) for n in range(260)]
    made.feed(told)
    fewer = Rules(MergeRules(kinds={"anonymous_id": KindRule(100)}))
    made.hold(fewer)
    made.rebuild(50)
    made.check()
    assert content(made.states()) == content(made.told()) == expected(told, fewer)
    assert made.rebuild(50) == 0


def test_what_retention_removed_is_not_missed() -> None:
    """The events are gone, and with them what they told of links: these stay as they are."""
    made = People()
    made.feed(HISTORY)
    hub = IDS.of(W, ("email", "e1"))
    working = Revising(IDS, lambda: "new")
    working.add_node(made.node(hub))
    working.add_profile(made.profile(str(made.rows[hub].profile)))
    working.settle()
    for key, (evidence, _void) in made.links.items():
        if key[0] == hub:
            working.add_link(Link(key, W, evidence))
    recount = Recount(hub)
    recount.expire(fold_all([HISTORY[1]]))
    assert revision(working, recount) is None
    earlier = msgspec.structs.replace(HISTORY[1], timestamp=HISTORY[0].timestamp)
    late = Recount(hub)
    late.expire(fold_all([]))
    late.add(made.names, [earlier])
    found = revision(working, late)
    assert found is not None
    assert (found.lost, len(found.told)) == ([], 1)


def test_who_names_nobody_any_more_stays_where_it_is() -> None:
    made = People()
    hub = IDS.of(W, ("email", "e1"))
    recount = Recount(hub)
    nobody = event("1", identifiers=[("user_id", "null")])
    recount.take(made.names, W, [nobody])
    assert (recount.fold.events, recount.leaving, recount.told) == (1, {}, {})


def test_a_profile_with_other_identifiers_than_its_own_is_put_right() -> None:
    nodes = [Node(one, W, "email", one, "p") for one in ("e1", "e2")]
    nodes[0].fold = fold_all(HISTORY[1:2])
    right = Profile.made_of("p", W, 1, nodes)
    assert not put_right(right, nodes)
    wrong = Profile.made_of("p", W, 1, nodes[:1])
    assert put_right(wrong, nodes)
    assert (wrong.count, wrong.stale, len(wrong.named)) == (2, True, 2)


def test_the_fewest_links_lead_from_one_to_the_other() -> None:
    def link(a: str, b: str, at: int) -> Step:
        return Step(a, b, "seen", (event("x", user_id="U", at=at).timestamp, f"m{at}", "shop"))

    told = [link("a", "b", 5), link("b", "c", 1), link("c", "d", 2), link("a", "d", 9)]
    assert chain(told, "a", "a") == []
    assert chain(told, "a", "d") == [told[3]]
    # Two ways of two: the one that was told first.
    assert chain(told, "b", "d") == [told[1], told[2]]
    assert chain(told, "a", "z") is None


def test_rules_show_what_they_are() -> None:
    some = Rules(MergeRules(kinds={"email": KindRule(2)}))
    assert repr(some) == f"Rules({some.declared!r}, {TraitRules()!r}, {ConsentRules()!r})"


def test_a_number_that_no_float_can_hold_is_compared_and_shown_as_it_was_sent() -> None:
    said = event("1", type="identify", user_id="A", traits={"n": 7})
    said = msgspec.structs.replace(said, traits=msgspec.Raw(b'{"n": 1e400, "m": -1e400, "k": 0.5}'))
    made = People()
    made.feed([said, event("2", user_id="A", email="e@example.com", at=1)])
    assert made.rebuild(3) == 0
    assert plain(bytes(said.traits)) == {"n": "1e400", "m": "-1e400", "k": 0.5}
