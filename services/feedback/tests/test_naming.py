"""Whom identifiers name, and what can never be stored of them."""

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError

from rapport_common.events.activity import ContactPoint, ProfileActivity
from rapport_common.testing.profiles import sections
from rapport_feedback.api.models import Address
from rapport_feedback.domain import naming
from rapport_feedback.domain.naming import Contact, named


def activity(*names: tuple[str, str]) -> ProfileActivity:
    return ProfileActivity(workspace="ws", profile_id="p1", version=1, **sections(names))


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


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        (activity(("email", "a@example.com")), False),
        (activity(("user_id", "a\0b")), True),
        (activity(("a\0b", "x")), True),
        (ProfileActivity(workspace="ws", profile_id="p1", version=1, gone=True), False),
    ],
)
def test_what_can_never_be_stored_is_named(record: ProfileActivity, *, wrong: bool) -> None:
    assert (naming.unstorable(record) is not None) == wrong


@pytest.mark.parametrize(
    "text", ["a@example.com,b@example.com", "mailto:a@example.com", "<a@example.com>", "a@b@c.de"]
)
def test_who_is_invited_has_one_address(text: str) -> None:
    address = TypeAdapter(Address)
    assert address.validate_python(" A@Example.com") == "a@example.com"
    with pytest.raises(ValidationError):
        address.validate_python(text)


@pytest.mark.parametrize(
    ("traits", "language"),
    [
        ({"language": "de-AT", "locale": "fr"}, "de-AT"),
        ({"locale": "fr_CA"}, "fr_CA"),
        ({"language": 7, "locale": ""}, ""),
        ({"language": "x" * 36}, ""),
        ({"language": "de\x00"}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_a_language_is_what_traits_call_so(traits: object, language: str) -> None:
    told = None if traits is None else msgspec.Raw(msgspec.json.encode(traits))
    assert naming.language_told(told) == language


def test_a_contact_point_that_can_never_be_stored_is_left_out() -> None:
    good = ContactPoint(channel="email", value="a@example.com")
    bad = [ContactPoint(channel="e\0", value="a"), ContactPoint(channel="sms", value="\0")]
    assert naming.storable_points([good, *bad]) == [good]
