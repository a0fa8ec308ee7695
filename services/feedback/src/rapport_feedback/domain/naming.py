"""Who someone is: the identifiers a customer is named by."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from rapport_common.events.activity import ContactPoint, ProfileActivity
from rapport_common.events.contact import normal_email
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, USER_ID, Identifier
from rapport_common.events.identifiers import (
    is_placeholder,
    is_placeholder_email,
    normal_identifier,
)


@dataclass(frozen=True, slots=True)
class Contact:
    """The identifiers a person was named by; at least one."""

    user_id: str | None = None
    email: str | None = None
    anonymous_id: str | None = None

    @property
    def identifiers(self) -> list[Identifier]:
        """What names the person, the strongest first: user id, e-mail, anonymous id."""
        told = ((USER_ID, self.user_id), (EMAIL, self.email), (ANONYMOUS_ID, self.anonymous_id))
        return [(kind, value) for kind, value in told if value]

    @property
    def strongest(self) -> Identifier:
        """What stands for the person."""
        found = self.identifiers
        if not found:
            message = "a contact has at least one identifier"
            raise ValueError(message)
        return found[0]


def named(user_id: str | None, email: str | None, anonymous_id: str | None) -> Contact | None:
    """Whom these name, in normal form; None for nobody.

    Placeholders (`null`, `undefined`, `guest`) are no names: taken at their word they make one
    person of strangers, who would see each other's answers.
    """
    address = normal_email(email) if email else None
    if address and is_placeholder_email(address):
        address = None
    user, anonymous = _id(user_id), _id(anonymous_id)
    return Contact(user, address, anonymous) if user or address or anonymous else None


def _id(value: str | None) -> str | None:
    found = normal_identifier(value) if value else ""
    return None if not found or is_placeholder(found) else found


def unstorable(record: ProfileActivity) -> str | None:
    """Why Postgres could never hold the identifiers of a record, or None: it has no NUL."""
    named = record.identifiers or ()
    if any("\0" in one.kind or "\0" in one.value for one in named):
        return "an identifier has a NUL character"
    return None


_LANGUAGES = ("language", "locale")
"""Traits that say which one somebody speaks."""
MAX_LANGUAGE = 35


def language_told(traits: msgspec.Raw | None) -> str:
    """The language that somebody's traits name, as they do; empty for none."""
    found = msgspec.json.decode(traits) if traits is not None else {}
    for name in _LANGUAGES:
        told = found.get(name) if isinstance(found, dict) else None
        if isinstance(told, str) and 0 < len(told) <= MAX_LANGUAGE and told.isprintable():
            return told
    return ""


def storable_points(points: Iterable[ContactPoint]) -> list[ContactPoint]:
    """Those that Postgres can hold: it has no NUL."""
    return [one for one in points if "\0" not in one.value and "\0" not in one.channel]
