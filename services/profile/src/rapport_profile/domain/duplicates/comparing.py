"""Two people compared field by field: which level of agreement each field shows.

A field of which one of them says nothing says nothing. Of several values the best pair counts.
All of it is symmetric.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import product
from math import log2
from typing import NamedTuple, TypeVar

from rapport_profile.domain.duplicates.addresses import Address
from rapport_profile.domain.duplicates.birthdays import digits, is_leap_twin, is_turned
from rapport_profile.domain.duplicates.contacts import local_part, mailbox
from rapport_profile.domain.duplicates.known import Known
from rapport_profile.domain.duplicates.names import Name
from rapport_profile.domain.duplicates.weights import (
    CLOSE,
    DIFFERENT,
    SAME,
    SWAPPED,
    WEAK,
    WEIGHTS,
    Level,
)
from rapport_profile.domain.duplicates.words import alike, is_slip, is_swap

T = TypeVar("T")

CLOSE_NAME = 0.88
"""Jaro–Winkler: above it names are mostly one name with a slip in it."""
CLOSE_PLACE = 0.88
_COUNTRY = 4
"""Digits by which a number with its country's code is longer than one without, at most."""


class Agreement(NamedTuple):
    """What a field shows; `measure` is put into the words that tell of it."""

    field: str
    level: str
    measure: str = ""

    @property
    def shares(self) -> Level:
        """How often pairs show it."""
        return WEIGHTS[self.field][self.level]

    @property
    def worth(self) -> float:
        """Bits in favour of one person, against strangers (Fellegi and Sunter's weight)."""
        return log2(self.shares.same / self.shares.strangers)

    @property
    def told(self) -> str:
        """The same for people."""
        return self.shares.told.format(self.measure)


def compared(one: Known, other: Known) -> list[Agreement]:
    """What all fields show that both have."""
    found = [
        *_best(one.names, other.names, _names),
        *_best(_some(one.birthday), _some(other.birthday), _birthdays),
        *_best(_some(one.gender), _some(other.gender), _genders),
        *_best(one.emails, other.emails, _emails),
        *_best(one.phones, other.phones, _phones),
        *_best(one.addresses, other.addresses, _addresses),
    ]
    kinds = {kind for kind, _ in one.numbers} & {kind for kind, _ in other.numbers}
    for kind in sorted(kinds):
        mine, theirs = ([one for one in who.numbers if one[0] == kind] for who in (one, other))
        found += _best(mine, theirs, _numbers)
    return found


def _some(value: T | None) -> tuple[T, ...]:
    return (value,) if value else ()


def _best(
    mine: Iterable[T], theirs: Iterable[T], compare: Callable[[T, T], list[Agreement]]
) -> list[Agreement]:
    """What the pair of values shows that is most alike; of equally alike ones always the same."""
    tried = [compare(one, other) for one, other in product(mine, theirs)]
    return max(tried, key=lambda found: (sum(one.worth for one in found), found), default=[])


# --- names -------------------------------------------------------------------------------------


def _names(one: Name, other: Name) -> list[Agreement]:
    """In the order they are in, or swapped, whichever is more alike."""
    straight = [*_given(one, other), *_family(one, other)]
    if not (one.is_whole and other.is_whole) or (one.characters and other.characters):
        return straight
    turned = Name(other.family, other.given)
    swapped = [*_given(one, turned), *_family(one, turned), Agreement("order of names", SWAPPED)]
    worths = [sum(finding.worth for finding in found) for found in (straight, swapped)]
    return straight if worths[0] >= worths[1] else swapped


def _given(one: Name, other: Name) -> Iterator[Agreement]:
    if not (one.given and other.given):
        return
    if one.characters and other.characters:
        yield _written(one, other)
        return
    yield _name("given name", one.given, other.given)


def _family(one: Name, other: Name) -> Iterator[Agreement]:
    if one.family and other.family:
        yield _name("family name", one.family, other.family)


def _written(one: Name, other: Name) -> Agreement:
    """Two Chinese names: many are read alike."""
    if one.characters == other.characters:
        return Agreement("given name", SAME)
    sounds = one.given == other.given
    return (
        Agreement("given name", WEAK, "it sounds the same")
        if sounds
        else Agreement("given name", DIFFERENT)
    )


def _name(field: str, one: str, other: str) -> Agreement:
    if one == other:
        return Agreement(field, SAME)
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) == 1:
        same = longer.startswith(shorter)
        return Agreement(field, WEAK, "an initial") if same else Agreement(field, DIFFERENT)
    if set(one.split()) < set(other.split()) or set(other.split()) < set(one.split()):
        return Agreement(field, CLOSE, "is a part of the other")
    share = alike(one.replace(" ", ""), other.replace(" ", ""))
    if share >= CLOSE_NAME or is_slip(one, other):
        return Agreement(field, CLOSE, f"{share:.2f}")
    return Agreement(field, DIFFERENT)


# --- days, numbers and addresses at which people are reached -----------------------------------


def _birthdays(one: date, other: date) -> list[Agreement]:
    if one == other:
        return [Agreement("birthday", SAME)]
    if is_turned(one, other):
        return [Agreement("birthday", SWAPPED)]
    if is_leap_twin(one, other):
        return [Agreement("birthday", CLOSE, "is a 29 February moved by a day")]
    return [_digits("birthday", digits(one), digits(other))]


def _digits(field: str, one: str, other: str, what: str = "") -> Agreement:
    """Two rows of digits that are not the same."""
    if is_swap(one, other):
        return Agreement(field, CLOSE, f"{what}differs in two digits swapped")
    if is_slip(one, other):
        return Agreement(field, CLOSE, f"{what}differs in one digit")
    return Agreement(field, DIFFERENT, what.strip())


def _genders(one: str, other: str) -> list[Agreement]:
    return [Agreement("gender", SAME if one == other else DIFFERENT)]


def _emails(one: str, other: str) -> list[Agreement]:
    if one == other:
        return [Agreement("e-mail", SAME)]
    if mailbox(one) == mailbox(other):
        return [Agreement("e-mail", CLOSE, "differs in dots or a tag")]
    if is_slip(one, other):
        return [Agreement("e-mail", CLOSE, "differs in one letter")]
    same = local_part(one) == local_part(other)
    return [Agreement("e-mail", WEAK if same else DIFFERENT)]


def _phones(one: str, other: str) -> list[Agreement]:
    if one == other:
        return [Agreement("phone", SAME)]
    mine, theirs = one.lstrip("+"), other.lstrip("+")
    shorter, longer = sorted((mine, theirs), key=len)
    if one[0] != other[0] and longer.endswith(shorter) and len(longer) - len(shorter) < _COUNTRY:
        return [Agreement("phone", CLOSE, "is the same without the country's code")]
    return [_digits("phone", mine, theirs)]


def _numbers(one: tuple[str, str], other: tuple[str, str]) -> list[Agreement]:
    kind = one[0].replace("_", " ")
    if one == other:
        return [Agreement("number", SAME, kind)]
    return [_digits("number", one[1], other[1], f"{kind} ")]


# --- postal addresses --------------------------------------------------------------------------


def _addresses(one: Address, other: Address) -> list[Agreement]:
    found: list[Agreement] = []
    if one.code and other.code:
        same = one.code == other.code
        found.append(
            Agreement("postcode", SAME) if same else _digits("postcode", one.code, other.code)
        )
    if one.place and other.place:
        found.append(_place("place", one.place, other.place))
    if one.street and other.street:
        found.append(_place("street", one.street, other.street))
        if one.house and other.house:
            found.append(Agreement("house", SAME if one.house == other.house else DIFFERENT))
    if all(each.level == DIFFERENT for each in found):
        return [Agreement("address", DIFFERENT)] if found else []
    return found


def _place(field: str, one: str, other: str) -> Agreement:
    if one == other:
        return Agreement(field, SAME)
    if set(one.split()) <= set(other.split()) or set(other.split()) <= set(one.split()):
        return Agreement(field, CLOSE, "is a part of the other")
    share = alike(one.replace(" ", ""), other.replace(" ", ""))
    return (
        Agreement(field, CLOSE, f"{share:.2f}")
        if share >= CLOSE_PLACE
        else Agreement(field, DIFFERENT)
    )
