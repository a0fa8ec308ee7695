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


def contact_keys(known: Known) -> dict[Key, str]:
    """The keys of addresses and numbers, and the value that each stands for."""
    found: dict[Key, str] = {("mailbox", mailbox(one)): one for one in known.emails}
    found |= {("phone", one[-_PHONE_END:]): one for one in known.phones}
    return found | {(f"number {kind}", one): one for kind, one in known.numbers}


def block_keys(known: Known) -> list[Key]:
    """The keys of a person, each once and in order."""
    keys = set(contact_keys(known)) | set(_of_local_parts(known))
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
    parts = [skeleton(one) for one in (name.given, name.family) if one]
    if name.given and name.family:
        yield "names", " ".join(sorted(parts))
    if known.birthday is None:
        return
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
