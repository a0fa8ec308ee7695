"""What a record says about a person, and which of several says it last."""

import itertools
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rapport_common.events.envelope import Event
from rapport_common.events.profile import (
    ComputedState,
    IdentifierState,
    ProfileActivity,
    ProfileState,
)
from rapport_feedback.api.models import Address
from rapport_feedback.domain import people
from rapport_feedback.domain.people import Contact, Snapshot, named

SNAPSHOTS = st.builds(
    Snapshot,
    st.just("ws"),
    st.sampled_from(["p1", "p2"]),
    st.integers(1, 4),
    st.just(frozenset({("email", "a@example.com")})),
    st.none() | st.just("p2"),
)


def activity(version: int = 1, *names: tuple[str, str], **changes: object) -> ProfileActivity:
    state = ProfileState(
        identifiers=[IdentifierState(kind, value) for kind, value in names],
        traits=msgspec.Raw(b"{}"),
        computed=ComputedState(),
    )
    given = {"state": state, **changes}
    return ProfileActivity(workspace="ws", profile_id="p1", version=version, **given)  # type: ignore[arg-type] # tests give what fits


@pytest.mark.parametrize(
    ("contact", "strongest"),
    [
        (Contact("u1", "a@example.com", "anon"), ("user_id", "u1")),
        (Contact(None, "a@example.com", "anon"), ("email", "a@example.com")),
        (Contact(anonymous_id="anon"), ("anonymous_id", "anon")),
    ],
)
def test_the_strongest_identifier_stands_for_the_person(
    contact: Contact, strongest: tuple[str, str]
) -> None:
    assert contact.strongest == strongest


NOBODY = ["null", " NULL ", "undefined", "\u200b", "0", "anonymous", "test", "[object Object]"]


@pytest.mark.parametrize("nobody", NOBODY)
def test_a_placeholder_names_nobody_and_another_identifier_counts(nobody: str) -> None:
    assert named(nobody, None, nobody) is None
    assert named(nobody, "Ada@Example.com", None) == Contact(email="ada@example.com")
    assert named(" 42\u200b", "noreply@example.com", nobody) == Contact("42")


def test_an_empty_contact_has_no_name() -> None:
    with pytest.raises(ValueError, match="at least one"):
        _ = Contact().strongest


def test_a_state_names_all_identifiers() -> None:
    names = [("email", "a@example.com"), ("user_id", "u1")]
    assert people.snapshot(activity(3, *names)) == Snapshot("ws", "p1", 3, frozenset(names))


def test_a_merge_leaves_nothing_behind() -> None:
    merged = activity(4, state=None, merged_into="p2")
    assert people.snapshot(merged) == Snapshot("ws", "p1", 4, frozenset(), "p2")


def test_an_event_alone_says_nothing_about_identifiers() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    event = Event(
        workspace="ws", source="s", message_id="m", type="page", timestamp=at, received_at=at
    )
    assert people.snapshot(activity(5, state=None, event=event)) is None


@given(st.lists(SNAPSHOTS, max_size=5))
def test_the_newest_is_the_same_in_any_order(snapshots: list[Snapshot]) -> None:
    results = [people.newest(order) for order in itertools.permutations(snapshots)]
    assert all(one == results[0] for one in results)
    for one in snapshots:
        newest = results[0][one.key]
        assert newest.version >= one.version
        if newest.version == one.version and one.merged_into:
            assert newest.merged_into


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        (activity(1, ("email", "a@example.com")), False),
        (activity(1, ("user_id", "a\0b")), True),
        (activity(1, ("a\0b", "x")), True),
        (activity(1, state=None, merged_into="p\0"), True),
    ],
)
def test_what_can_never_be_stored_is_named(record: ProfileActivity, *, wrong: bool) -> None:
    assert (people.unstorable(record) is not None) == wrong


def test_who_is_gone_has_no_identifier_any_more() -> None:
    gone = people.snapshot(ProfileActivity(workspace="ws", profile_id="p1", version=3, gone=True))
    assert gone == Snapshot("ws", "p1", 3, frozenset())


@pytest.mark.parametrize(
    "text", ["a@example.com,b@example.com", "mailto:a@example.com", "<a@example.com>", "a@b@c.de"]
)
def test_who_is_invited_has_one_address(text: str) -> None:
    address = TypeAdapter(Address)
    assert address.validate_python(" A@Example.com") == "a@example.com"
    with pytest.raises(ValidationError):
        address.validate_python(text)
