"""What a person's names, addresses, birthday and the like were sent as, and what they are read as.

Nothing is written over: a trait stays as it was sent, with its source and time; the normal form is
made of it each time, as for the finder of duplicates and the quality of sources.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from rapport_common.events.contact import EMAIL_CHANNEL, without_separators
from rapport_profile.domain.duplicates.addresses import address_of
from rapport_profile.domain.duplicates.birthdays import birthday_of
from rapport_profile.domain.duplicates.contacts import email_of, gender_of, phone_of
from rapport_profile.domain.duplicates.known import FIELD_OF, bare_name, known_of
from rapport_profile.domain.duplicates.names import Name, name_of
from rapport_profile.domain.duplicates.words import plain
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.reach import Point
from rapport_profile.domain.stamps import Stamp
from rapport_profile.domain.trait_rules import value_of
from rapport_profile.domain.traits import Trait

Normal = str | dict[str, str] | None
"""A text, or a name or an address by parts; None: what was sent is read as nothing."""
_NULL = b"null"


class Reading(msgspec.Struct, frozen=True):
    """A trait as it was sent (`raw`, JSON), and as it is read.

    `put_right`: an operator has said it; `said` is then what sources say, if they say anything.
    """

    name: str
    field: str
    raw: msgspec.Raw
    normal: Normal
    stamp: Stamp
    put_right: bool = False
    said: Trait | None = None


def readings(fold: Fold) -> list[Reading]:
    """All traits of a person that are at hand and have a normal form, by name."""
    known, points = fold.known_traits(), fold.contact_points()
    found = []
    for name in sorted(known):
        field, one = FIELD_OF.get(bare_name(name)), known[name]
        if field is None:
            continue
        said = fold.traits.get(name)
        put_right = one is not said
        value = value_of(one.value)
        normal = _read(field, name, value, points)
        shown = said if put_right else None
        found.append(Reading(name, field, one.value, normal, one.stamp, put_right, shown))
    return [one for one in found if bytes(one.raw) != _NULL or one.put_right]


def _read(
    field: str, name: str, value: Any, points: Sequence[Point]
) -> str | dict[str, str] | None:
    if field == "address" and not isinstance(value, str | int):
        addresses = known_of({name: value}, ()).addresses
        return _parts(addresses[0]) if addresses else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _read_text(field, name, str(value), points)


def _read_text(field: str, name: str, text: str, points: Sequence[Point]) -> Normal:
    match field:
        case "e-mail":
            return email_of(text) or None
        case "phone":
            return _phone(text, points)
        case "birthday":
            day = birthday_of(text)
            return None if day is None else day.isoformat()
        case "gender":
            return gender_of(text) or None
        case "number":
            return plain(text).replace(" ", "") or None
        case "name":
            return _parts(_name(name, text))
        case _:
            whole = known_of({name: text}, ()).addresses
            return _parts(whole[0] if whole else address_of({bare_name(name): text}))


def _phone(text: str, points: Sequence[Point]) -> str | None:
    """With its country where that is known: told with it, or read by the source's at the door."""
    number = phone_of(text)
    if not number or number.startswith("+"):
        return number or None
    digits = without_separators(text).lstrip("0")
    read = [one.value for one in points if one.channel != EMAIL_CHANNEL]
    return next((one for one in read if one.endswith(digits)), number)


def _name(name: str, text: str) -> Name:
    """A part of a name, where the trait is called so; else one that is in it."""
    found = known_of({name: text}, ()).names
    return found[0] if found else name_of(text)


def _parts(one: msgspec.Struct) -> dict[str, str] | None:
    """What is known of a name or an address, by part."""
    return {part: text for part, text in msgspec.structs.asdict(one).items() if text} or None
