"""Which sections a step tells: those that are not as they were told, and no others."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.follower import Follower
from services.profile.tests.people import content, event, events, expected
from services.profile.tests.stored import People

from rapport_common.events.activity import SECTIONS, ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.testing.examples import examples
from rapport_profile.domain import bounds, people
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.published import Summary
from rapport_profile.domain.republished import republished
from rapport_profile.domain.sections import NEVER_TOLD


def sections(record: ProfileActivity) -> set[str]:
    return {name for name in SECTIONS if getattr(record, name) is not None}


def last_told(*batches: list[Event]) -> set[str]:
    """The sections of the last record."""
    made = People()
    for one in batches:
        made.feed(one)
    made.told()
    return sections(made.published[-1])


ADDRESS = "ada@example.com"
KNOWN = [
    event(
        "1",
        type="identify",
        user_id="U",
        traits={"name": "Ada", "email": ADDRESS, "phone": "+4917012345678"},
    ),
    event(
        "2",
        name="Consent Updated",
        user_id="U",
        at=1,
        said={
            "channel": "email",
            "purpose": "promotion",
            "contact_point": ADDRESS,
            "state": "granted",
        },
    ),
    event("3", user_id="U", email=ADDRESS, at=2),
]


def consent(message: str, state: str, at: int) -> Event:
    said = {"channel": "email", "purpose": "promotion", "contact_point": ADDRESS, "state": state}
    return event(message, name="Consent Updated", user_id="U", at=at, said=said)


def identify(message: str, at: int, /, **traits: Any) -> Event:
    return event(message, type="identify", user_id="U", traits=traits, at=at)


@pytest.mark.parametrize("apart", [True, False], ids=["in a batch of its own", "in the same batch"])
@pytest.mark.parametrize(
    ("one", "told"),
    [
        (event("m", user_id="U", at=9), set()),
        (event("m", user_id="U", email=ADDRESS, at=9), set()),
        (event("m", name="Order Completed", user_id="U", at=9, said={"total": 1}), set()),
        (identify("m", 9, name="Ada"), set()),
        (identify("m", -9, name="Mara"), set()),
        (identify("m", 9, name="Mara"), {"traits"}),
        (identify("m", 9, plan="gold"), {"traits"}),
        (identify("m", 9, name=None), {"traits"}),
        (identify("m", 9, email=ADDRESS, phone="+4917012345678"), set()),
        (identify("m", 9, phone="+4917012345678"), set()),
        (identify("m", 9, phone=None), {"traits", "contact_points"}),
        (identify("m", 9, email="new@example.com"), {"identifiers", "traits", "contact_points"}),
        (event("m", user_id="U", anonymous_id="x", at=9), {"identifiers"}),
        (consent("m", "granted", 9), {"consent"}),
        (consent("m", "withdrawn", 9), {"consent"}),
        (consent("m", "granted", -9), set()),
    ],
    ids=lambda one: str(sorted(one)) if isinstance(one, set) else "",
)
def test_an_event_tells_what_it_changes(one: Event, told: set[str], *, apart: bool) -> None:
    batches = [KNOWN, [one]] if apart else [[*KNOWN, one]]
    assert last_told(*batches) == {"computed", *told}


def test_a_public_yes_begins_to_count_with_the_address_it_is_for() -> None:
    said = {
        "channel": "email",
        "purpose": "promotion",
        "contact_point": "new@example.com",
        "state": "granted",
    }
    asked = event("4", name="Consent Updated", user_id="U", at=3, said=said, trust="public")
    # It says nothing yet, but it is a subject that there was not.
    assert last_told(KNOWN, [asked]) == {"computed", "consent"}
    moved = identify("5", 4, email="new@example.com")
    assert last_told(KNOWN, [asked], [moved]) == set(SECTIONS) - {"restraints"}


def test_who_becomes_one_or_comes_apart_is_told_as_a_whole() -> None:
    visitor = event("v", type="identify", anonymous_id="x", traits={"seen": 1})
    login = event("l", user_id="U", anonymous_id="x", at=5)
    assert last_told(KNOWN, [visitor], [login]) == set(SECTIONS)
    # The device is somebody else's too: it is nobody's.
    made = People()
    for batch in (KNOWN, [login], [event("o", user_id="V", anonymous_id="x", at=6)]):
        made.feed(batch)
    made.told()
    assert [sections(one) for one in made.published[-3:]] == [set(SECTIONS)] * 3


def test_what_is_taken_back_is_told_as_a_whole_once() -> None:
    copies = sorted((identify("m", 5, plan=n) for n in range(2)), key=content_hash, reverse=True)
    made = People()
    for batch in (KNOWN, copies[:1], copies[1:]):
        made.feed(batch)
    made.told()
    assert sections(made.published[-2]) == set(SECTIONS)


def test_a_profile_stored_before_there_were_sections_is_told_as_a_whole_once() -> None:
    made = People()
    made.feed(KNOWN)
    (profile_id,) = made.profiles
    version, heir, stored = made.profiles[profile_id]
    known = msgspec.json.decode(stored, type=dict[str, msgspec.Raw])
    assert bytes(known.pop("versions")) == b"[1,1,1,3,2,1]"
    made.profiles[profile_id] = (version, heir, msgspec.json.encode(known))
    assert msgspec.json.decode(made.profiles[profile_id][2], type=Summary).versions.computed == 0
    made.feed([event("4", user_id="U", at=3)])
    made.feed([event("5", user_id="U", at=4)])
    assert [sections(one) for one in made.published[-2:]] == [set(SECTIONS), {"computed"}]
    made.told()


def test_of_who_is_heavy_what_is_long_is_told_once_for_many_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(people, "HEAVY_BYTES", 0)
    made = People()
    made.feed([KNOWN[0], KNOWN[1]])
    # Nobody is known in part.
    assert [sections(one) for one in made.published] == [set(), set(SECTIONS)]
    made.feed([identify(f"m{n}", n, number=n) for n in range(2, 5)])
    made.feed([event(f"o{n}", user_id="U", at=9 + n) for n in range(2)])
    told = [sections(one) for one in made.published[2:]]
    assert told == [{"computed"}, {"computed"}, {"computed", "traits"}, {"computed"}, {"computed"}]
    made.told()


def test_of_who_is_heavy_a_merge_is_told_with_what_it_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(people, "HEAVY_BYTES", 0)
    made = People()
    made.feed(KNOWN)
    made.feed([event("v", type="identify", anonymous_id="x", traits={"seen": 1})])
    made.feed([event("l", user_id="U", anonymous_id="x", at=5), event("p", user_id="U", at=6)])
    gone, first, second = made.published[-3:]
    assert gone.merged_into == first.profile_id
    assert (sections(first), first.absorbed) == (set(), [])
    assert (sections(second), len(second.absorbed)) == (set(SECTIONS), 1)
    made.told()


def test_what_gave_way_and_is_told_again_is_not_counted_as_omitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a person of whom little is told, in the same record."""
    monkeypatch.setattr(bounds, "MAX_TRAIT_BYTES", 4_000)
    made = People()
    for batch in (
        KNOWN,
        [identify("long", 5, about="x" * 9_000)],
        [identify("short", 6, about="x")],
        [event("4", user_id="U", at=7)],
    ):
        made.feed(batch)
        assert content(made.told()) == content(made.states())
    # The oldest give way, until the newest has room or is gone too.
    assert [one.omitted.traits for one in made.published[-3:]] == [4, 3, 0]


def test_who_is_gone_is_told_again_as_gone() -> None:
    copies = sorted((event("m", user_id=one) for one in "AB"), key=content_hash, reverse=True)
    made = People()
    made.feed(copies[:1])
    made.feed(copies[1:])
    again = [republished(made.profile(one)) for one in made.profiles]
    assert [(one.gone, one.version, one.versions is None) for one in again] == [
        (True, 2, True),
        (False, 1, False),
    ]
    older = People()
    older.feed(KNOWN)
    (profile,) = map(older.profile, older.profiles)
    profile.told = NEVER_TOLD
    assert msgspec.json.encode(republished(profile).versions) == b"[3,3,3,3,3,3]"


@settings(max_examples=examples(100))
@given(
    history=st.lists(events(), max_size=16),
    sizes=st.lists(st.integers(1, 6)),
    chance=st.randoms(use_true_random=False),
    heavy=st.booleans(),
)
def test_records_in_any_order_and_with_any_republished_lead_to_the_same(
    monkeypatch: pytest.MonkeyPatch,
    history: list[Event],
    sizes: list[int],
    chance: random.Random,
    *,
    heavy: bool,
) -> None:
    """An old record takes nothing back, and a republished one adds nothing to what is newer."""
    with monkeypatch.context() as limits:
        if heavy:
            limits.setattr(people, "HEAVY_BYTES", 0)
        made, rest, again = People(), history, []
        for size in [*sizes, len(history)]:
            made.feed(rest[:size])
            rest = rest[size:]
            again += [republished(made.profile(one)) for one in made.profiles]
        records = made.published + [chance.choice(again) for one in again if chance.random() < 0.5]
        chance.shuffle(records)
        reader, emptied = Follower(), Follower()
        for one in records:
            reader.read(one)
        assert content(reader.states()) == expected(history)
        # Who has lost everything and is told again.
        for profile_id in made.profiles:
            emptied.read(republished(made.profile(profile_id)))
        assert content(emptied.states()) == expected(history)
