"""Batches of people that are stored in between: the same however the events come in.

The same is tried on a real Postgres (`test_handlers.py`), with fewer examples.
"""

import msgspec
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
    times,
    voided_aliases,
)
from services.profile.tests.stored import People, W

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.testing.examples import examples
from rapport_profile.domain import bounds, people, working_set
from rapport_profile.domain.bounds import MAX_SHOWN
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.merge_rules import NO_RULES, KindRule, MergeRules, Rules
from rapport_profile.domain.naming import SEEN
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.revising import Revising, Revision
from rapport_profile.domain.stamps import believed_time
from rapport_profile.domain.working_set import WorkingSet


def fed(*batches: list[Event], seed: int | None = None, rules: Rules = NO_RULES) -> People:
    """The people after the batches: after each, what is stored and was published is right."""
    made = People(seed, rules)
    history: list[Event] = []
    for one in batches:
        made.feed(one)
        made.check()
        history += one
        assert content(made.states()) == content(made.told()) == expected(history, rules)
    return made


@st.composite
def visits(draw: st.DrawFn) -> Event:
    """Events of which most are settled without a look at links: few users, many others."""
    user = draw(st.sampled_from([None, None, None, "A", "B"]))
    email = draw(st.sampled_from([None, *"efgh"]))
    device = draw(st.sampled_from([None, *"stuvwxyz"]))
    if not (email or user):
        device = device or "s"
    fields = {"user_id": user, "email": email, "anonymous_id": device}
    traits = {draw(st.sampled_from("pq")): draw(st.integers(0, 3))}
    message, at = draw(st.integers(0, 30)), draw(times)
    return event(f"m{message}", type="identify", traits=traits, at=at, **fields)


@settings(max_examples=examples(60))
@given(
    history=st.lists(events(), max_size=16) | st.lists(visits(), max_size=20),
    sizes=st.lists(st.integers(1, 6)),
    seed=st.none() | st.integers(0, 2**32),
    tight=st.booleans(),
    rules=st.just(NO_RULES) | rule_sets(),
)
def test_any_batching_of_any_copies_gives_the_same_profiles(
    monkeypatch: pytest.MonkeyPatch,
    history: list[Event],
    sizes: list[int],
    seed: int | None,
    *,
    tight: bool,
    rules: Rules,
) -> None:
    """Tight: everybody is large, and their states are told once per batch."""
    with monkeypatch.context() as limits:
        if tight:
            limits.setattr(people, "HEAVY_BYTES", 0)
            limits.setattr(working_set, "LARGE", 1)
        batches, rest = [], history
        for size in [*sizes, len(history)]:
            batches.append(rest[:size])
            rest = rest[size:]
        fed(*batches, seed=seed, rules=rules)


@settings(max_examples=examples(30))
@given(history=st.lists(visits(), max_size=16), sizes=st.lists(st.integers(1, 6)))
def test_what_gives_way_is_kept_beside_the_fold_by_its_latest_word(
    monkeypatch: pytest.MonkeyPatch, history: list[Event], sizes: list[int]
) -> None:
    """There is room for a single trait."""
    with monkeypatch.context() as limits:
        limits.setattr(people, "HEAVY_BYTES", 0)
        limits.setattr(bounds, "MAX_TRAITS", 1)
        made, rest = People(), history
        for size in [*sizes, len(history)]:
            made.feed(rest[:size])
            made.check()
            assert content(made.told()) == content(made.states())
            rest = rest[size:]


def merged(made: People) -> list[ProfileActivity]:
    return [one for one in made.published if one.merged_into is not None]


def test_a_person_becomes_another_with_the_identifiers_that_no_event_of_the_batch_names() -> None:
    made = fed(
        [event("1", type="identify", user_id="A", traits={"a": 1})],
        [event("2", user_id="A", anonymous_id="x", at=1)],
        [event("3", type="identify", email="e", traits={"b": 2}, at=2)],
        [event("4", email="e", anonymous_id="y", at=3)],
        [event("5", type="alias", anonymous_id="x", previous_id="y", at=4)],
        [event("6", anonymous_id="y", at=5)],
    )
    (gone,) = merged(made)
    (known,) = made.states()
    assert msgspec.json.decode(known.traits) == {"a": 1, "b": 2}
    (user,) = [row for row in made.rows.values() if row.kind == "user_id"]
    assert {row.profile for row in made.rows.values()} == {gone.merged_into} == {user.profile}


def test_who_has_no_events_takes_over_what_the_other_knows() -> None:
    """The device that an address shared by two users was seen on is somebody without events."""
    made = fed(
        [event("1", user_id="A", email="e"), event("2", user_id="B", email="e")],
        [event("3", email="e", anonymous_id="x")],
        [event("4", type="identify", email="f", traits={"p": 1}, at=1)],
        [event("5", email="f", anonymous_id="x", at=2)],
        [event("6", email="f", at=3)],
    )
    (gone,) = merged(made)
    # The older id stays.
    (heir,) = {row.profile for row in made.rows.values() if row.value in {"x", "f"}}
    assert gone.merged_into == heir
    assert heir is not None
    assert gone.profile_id > heir
    known = made.profile(heir)
    assert (known.fold.events, known.count, known.sole) == (3, 2, IDS.of(W, ("email", "f")))


def many(first: int, last: int, **named: str) -> list[Event]:
    return [event(f"m{n}", anonymous_id=f"x{n}", at=n, **named) for n in range(first, last)]


def test_of_very_many_identifiers_those_named_last_are_shown() -> None:
    """Of one person as of two who become one; who they are does not depend on it."""
    made = People()
    made.feed(many(0, 150, user_id="A"))
    made.feed(many(150, 400, email="e"))
    made.check_counts()
    first, second = made.states()
    assert [one.omitted.identifiers for one in (first, second)] == [0, 251 - MAX_SHOWN]
    assert {one.value for one in second.identifiers} == {"e", *(f"x{n}" for n in range(201, 400))}
    made.feed([event("join", user_id="A", email="e", at=999)])
    made.check_counts()
    (known,) = made.states()
    assert {one.value for one in known.identifiers} == {
        *("A", "e"),
        *(f"x{n}" for n in range(202, 400)),
    }
    assert (known.omitted.identifiers, known.computed.events) == (402 - MAX_SHOWN, 401)
    # One that is not shown is named again.
    made.feed([event("again", anonymous_id="x7", at=1_000)])
    (known,) = made.states()
    assert {one.value for one in known.identifiers} == {
        *("A", "e", "x7"),
        *(f"x{n}" for n in range(203, 400)),
    }
    assert content(made.told()) == content([known])


def test_a_link_that_was_never_stored_is_not_missed_when_its_event_is_taken_back() -> None:
    """An older version may have named others than this one reads in the event."""
    history = [event(str(n), user_id="A", at=n) for n in range(2)]
    hub, other = (IDS.of(W, one) for one in (("user_id", "A"), ("email", "e")))
    loaded = Revising(IDS, lambda: "new")
    loaded.add_node(Node(hub, W, "user_id", "A", "p", hub))
    person = Profile.made_of("p", W, 2, [loaded.nodes[hub]])
    person.learn(
        Node(hub, W, "user_id", "A", stored=msgspec.json.encode(fold_all(history)).decode())
    )
    loaded.add_profile(person)
    loaded.settle()
    left = fold_all(history[:1])
    revision = Revision(hub, left, [(hub, other, SEEN)], {})
    (step,) = loaded.revise([revision], believed_time(history[1]))
    assert (step.profile_id, step.version, step.gone) == ("p", 3, False)
    assert step.computed == left.computed()
    assert (set(loaded.changed_nodes), loaded.changed_links) == ({hub}, {})


def test_an_identifier_that_is_nobodys_is_named() -> None:
    loaded = WorkingSet(IDS, lambda: "new")
    nobodys = Node("n", W, "user_id", "A")
    with pytest.raises(LookupError, match="identifier n has no profile"):
        loaded.profile_of(nobodys)


def test_the_only_event_of_somebody_becomes_one_of_somebody_else() -> None:
    copies = sorted((event("m", user_id=one) for one in "AB"), key=content_hash, reverse=True)
    made = fed(copies[:1], copies[1:])
    first, gone, second = made.published
    assert (gone.gone, gone.profile_id) == (True, first.profile_id)
    assert gone.profile_id != second.profile_id


def test_an_alias_counts_again_when_its_former_id_is_nobodys_user_id_any_more() -> None:
    alias = event("1", type="alias", user_id="A", previous_id="x")
    wrong = event("m", user_id="x", at=1)
    copies = (event("m", user_id=f"q{n}", at=1) for n in range(1_000))
    right = next(one for one in copies if content_hash(one) < content_hash(wrong))
    for batches in ([[alias], [wrong]], [[wrong], [alias]]):
        fed(*batches, [right])


def test_a_void_alias_takes_nobody_out_of_a_person() -> None:
    """The device that has the user id's value was seen with an address."""
    fed(
        [event("1", user_id="B")],
        [event("2", email="e", anonymous_id="B")],
        [event("3", type="alias", user_id="A", previous_id="B")],
        [event("4", anonymous_id="B", at=1)],
    )


def test_two_users_who_meet_in_one_batch_over_different_identifiers_contest_the_rest() -> None:
    """Who is seen with one of those later is nobody's: it is linked to no user itself."""
    fed(
        [event("1", email="e", anonymous_id="x")],
        [event("2", user_id="A", anonymous_id="x"), event("3", user_id="B", email="e")],
        [event("4", email="e", anonymous_id="y")],
    )


@pytest.mark.parametrize("batches", voided_aliases().values(), ids=list(voided_aliases()))
def test_who_is_shared_with_an_alias_may_be_so_without_it(batches: list[list[Event]]) -> None:
    """Links of who was shared before the alias came are not loaded: it stays so."""
    rules = Rules(MergeRules(("anonymous_id",), {"anonymous_id": KindRule(1)}))
    fed(*batches, rules=rules)
