"""Blocks: who is compared with whom, so that a million people cost no million times a million.

Two people are compared if they have a key in common. Each key is made to survive another mistake;
one that many have (`LARGEST`) tells nobody from anybody and compares nobody.
"""

from collections.abc import Iterator

from rapport_profile.domain.duplicates.addresses import Address
from rapport_profile.domain.duplicates.birthdays import digits
from rapport_profile.domain.duplicates.contacts import local_part, mailbox
from rapport_profile.domain.duplicates.known import Known
from rapport_profile.domain.duplicates.names import Name
from rapport_profile.domain.duplicates.words import skeleton

LARGEST = 50
"""People with a key in common, at most: each new one is compared with so many for a key."""

Key = tuple[str, str]
"""(what of it is alike, the value)"""

_LONG_LOCAL_PART = 8
_PHONE_END = 8


def mailbox_key(address: str) -> Key:
    """Of an e-mail address."""
    return "mailbox", mailbox(address)


def phone_key(number: str) -> Key:
    """Of a phone, with or without its country's code."""
    return "phone", number[-_PHONE_END:]


def number_key(number: tuple[str, str]) -> Key:
    """Of a number of papers."""
    return f"number {number[0]}", number[1]


def names_key(name: Name) -> Key:
    """Of a whole name, in whatever order."""
    return "names", " ".join(sorted((skeleton(name.given), skeleton(name.family))))


def telling_keys(known: Known) -> set[Key]:
    """The keys of what says the less the more people have it."""
    found = {*map(mailbox_key, known.emails), *map(phone_key, known.phones)}
    found.update(map(number_key, known.numbers))
    return found | {names_key(one) for one in known.names if one.is_whole}


def block_keys(known: Known) -> list[Key]:
    """The keys of a person, each once and in order."""
    keys = telling_keys(known) | set(_of_local_parts(known))
    for name in known.names:
        keys.update(_of_name(name, known))
    for address in known.addresses:
        keys.update(_of_address(address, known.names))
    return sorted(keys)


def _of_local_parts(known: Known) -> Iterator[Key]:
    """Who moved to another provider, or mistyped its name."""
    for one in map(local_part, known.emails):
        if len(one) >= _LONG_LOCAL_PART:
            yield "local part", one


def _of_name(name: Name, known: Known) -> Iterator[Key]:
    """Given and family name are the same to a key, and day and month: they are swapped at times."""
    if known.birthday is None:
        return
    parts = [skeleton(one) for one in (name.given, name.family) if one]
    day = digits(known.birthday)
    turned = day[:4] + "".join(sorted((day[4:6], day[6:])))
    for part in parts:
        yield "initial and day", part[:1] + turned
        yield "name and month", part + day[:6]


def _of_address(address: Address, names: tuple[Name, ...]) -> Iterator[Key]:
    parts = {skeleton(one) for name in names for one in (name.given, name.family) if one}
    if address.street and address.house:
        yield "house", f"{skeleton(address.street.replace(' ', ''))} {address.house} {address.code}"
    for place in filter(None, (address.code, address.street, address.place)):
        for part in parts:
            yield "name and place", f"{part} {place}"
