"""Who is who and what is known of them, without a database."""

import itertools
import random
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.follower import followed, state
from services.profile.tests.people import IDS, Content, content, event, events, expected

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.testing.credentials import EVENT_KEY
from rapport_common.testing.examples import examples
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import fold_all, merge
from rapport_profile.domain.naming import Ids, naming
from rapport_profile.domain.people import Node
from rapport_profile.domain.working_set import WorkingSet


def play(history: list[Event], seed: int = 0) -> tuple[WorkingSet, list[ProfileActivity]]:
    """Apply distinct events in a working set that has everything loaded.

    The ids of its profiles come from `seed`, not from clock and chance: what fails can be repeated.
    """
    chance = random.Random(seed)
    working = WorkingSet(IDS, lambda: str(UUID(int=chance.getrandbits(128))))
    for one in history:
        named = naming(one)
        assert named is not None
        for kind, value in named.all:
            node_id = IDS.of("w", (kind, value))
            working.nodes.setdefault(node_id, Node(node_id, "w", kind, value))
    working.doubtful = set(working.nodes)
    published: list[ProfileActivity] = []
    for one in history:
        named = naming(one)
        assert named is not None
        published += working.apply(one, named)
    return working, published


def known(working: WorkingSet) -> Content:
    alive = [one for one in working.profiles.values() if one.count]
    return content(state(one.named, one.fold, one.count) for one in alive)


def distinct(history: list[Event]) -> list[Event]:
    return list({one.message_id: one for one in history}.values())


@settings(max_examples=examples(300))
@given(st.lists(events(), max_size=14), st.randoms(use_true_random=False), st.integers(0, 2**32))
def test_profiles_do_not_depend_on_the_order_of_events_nor_on_their_ids(
    history: list[Event], chance: random.Random, seed: int
) -> None:
    once = distinct(history)
    assert known(play(once)[0]) == expected(once)
    chance.shuffle(once)
    assert known(play(once, seed)[0]) == expected(once)


@settings(max_examples=examples(200))
@given(st.lists(events(), max_size=14))
def test_what_is_published_leads_readers_to_the_same_profiles(history: list[Event]) -> None:
    """A reader that overlays sections and drops merged ids sees what we know."""
    working, published = play(distinct(history))
    versions: dict[str, int] = {}
    for one in published:
        assert one.version == versions.get(one.profile_id, 0) + 1
        versions[one.profile_id] = one.version
    assert content(followed(published).states()) == known(working)
    applied = [one.event.message_id for one in published if one.event is not None]
    assert applied == [one.message_id for one in distinct(history)]


@settings(max_examples=examples(200))
@given(st.lists(events(), max_size=14))
def test_a_merge_is_told_by_both_its_ids(history: list[Event]) -> None:
    """Each end by its own record and by the survivor's, which name each other's versions."""
    _working, published = play(distinct(history))
    ends = {
        (one.profile_id, one.version, one.merged_into, one.into_version)
        for one in published
        if one.merged_into is not None
    }
    absorbed = {
        (gone.profile_id, gone.version, one.profile_id, one.version)
        for one in published
        for gone in one.absorbed
    }
    assert ends == absorbed


@given(st.lists(events(), max_size=12), st.integers(0, 12))
def test_folds_join_like_sums(history: list[Event], cut: int) -> None:
    once = distinct(history)
    left, right = fold_all(once[:cut]), fold_all(once[cut:])
    assert merge([left, right]) == merge([right, left]) == fold_all(once)
    assert msgspec.json.decode(msgspec.json.encode(left), type=Fold) == left


def groups(*history: Event) -> list[set[str]]:
    working, _ = play(list(history))
    people = [one for one in working.profiles.values() if one.members]
    return sorted(
        ({working.nodes[one].value for one in person.members} for person in people), key=sorted
    )


def test_anonymous_visits_join_the_user_who_signs_up() -> None:
    assert groups(
        event("1", anonymous_id="a"), event("2", user_id="U", anonymous_id="a", email="e")
    ) == [{"U", "a", "e"}]


def test_a_shared_device_belongs_to_neither_user() -> None:
    seen = [event("1", user_id="U", anonymous_id="a"), event("2", user_id="V", anonymous_id="a")]
    assert groups(*seen) == groups(*reversed(seen)) == [{"U"}, {"V"}, {"a"}]


def test_two_users_never_meet_over_a_chain_of_weaker_identifiers() -> None:
    assert groups(
        event("1", user_id="U", email="e"),
        event("2", email="e", anonymous_id="a"),
        event("3", user_id="V", anonymous_id="a"),
    ) == [{"U", "e"}, {"V", "a"}]


def test_an_alias_from_a_known_user_id_joins_nobody() -> None:
    """Where a public source says it."""
    alias = event("1", type="alias", user_id="U", previous_id="V", trust="public")
    visit = event("2", user_id="V")
    assert groups(alias, visit) == groups(visit, alias) == [{"U"}, {"V"}]
    assert groups(alias) == [{"U", "V"}]


def test_a_trusted_source_gives_a_user_another_id() -> None:
    """And another one again; what several of these ids were seen with is that user's, too."""
    history = [
        event("1", user_id="c1", anonymous_id="a"),
        event("2", type="alias", user_id="c2", previous_id="c1"),
        event("3", user_id="c2", anonymous_id="a"),
        event("4", type="alias", user_id="c3", previous_id="c2"),
        event("5", user_id="V", anonymous_id="b"),
        event("6", user_id="c3", anonymous_id="b"),
    ]
    expected = [{"V"}, {"a", "c1", "c2", "c3"}, {"b"}]
    for order in itertools.permutations(history):
        assert groups(*order) == expected


def test_the_user_keeps_the_profile_id_when_people_merge() -> None:
    working, published = play(
        [
            event("1", anonymous_id="a"),
            event("2", user_id="U"),
            event("3", user_id="U", anonymous_id="a"),
        ]
    )
    user = working.nodes[IDS.of("w", ("user_id", "U"))].profile_id
    merged = [one for one in published if one.merged_into]
    assert [one.merged_into for one in merged] == [user]
    assert merged[0].profile_id == published[0].profile_id
    assert published[-1].profile_id == user
    assert published[-1].event is not None


def test_when_a_copy_was_received_does_not_count() -> None:
    one = event("1", user_id="U", said={"total": 1}, received=5)
    later = msgspec.structs.replace(one, received_at=one.timestamp.replace(year=2030))
    other = event("1", user_id="U", said={"total": 2}, received=5)
    assert content_hash(one) == content_hash(later) != content_hash(other)


def test_a_key_is_known_by_its_fingerprint() -> None:
    """And no id of an identifier tells it."""
    assert IDS.fingerprint() == Ids(EVENT_KEY).fingerprint() != Ids(b"k" * 32).fingerprint()
    assert len(IDS.fingerprint()) == 16
    assert IDS.of("w", ("user_id", "U")) != Ids(b"k" * 32).of("w", ("user_id", "U"))


def test_a_phone_is_a_number_or_nobodys() -> None:
    """Whatever door it came through."""
    told = event("1", identifiers=[("phone", "0049 170 5861234"), ("phone", "12"), ("own", "1")])
    named = naming(told)
    assert named is not None
    assert named.all == [("phone", "+491705861234"), ("own", "1")]
    assert naming(event("2", identifiers=[("phone", "no number")])) is None


def test_identifiers_of_two_workspaces_never_meet() -> None:
    assert IDS.of("w", ("user_id", "1")) != IDS.of("v", ("user_id", "1"))
