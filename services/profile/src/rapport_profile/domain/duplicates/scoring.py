"""How likely two are one person: one number, with reasons that a person can read."""

from collections.abc import Collection
from math import exp2, log2
from typing import NamedTuple

import msgspec

from rapport_profile.domain.duplicates.blocks import (
    Key,
    mailbox_key,
    names_key,
    number_key,
    phone_key,
)
from rapport_profile.domain.duplicates.comparing import Agreement, compared
from rapport_profile.domain.duplicates.known import Known
from rapport_profile.domain.duplicates.weights import (
    COMMON,
    LIKELY,
    PRIOR_HOUSEHOLD,
    PRIOR_SAME,
    PROPOSE,
)

DIGITS = 4


class Reason(msgspec.Struct, frozen=True):
    """What a field says; `bits` for one person where positive, against it where negative.

    Against the likelier of: two of one household, two strangers.
    """

    field: str
    told: str
    bits: float


class Likeness(NamedTuple):
    """`score` from 0 to 1: how likely it is, as far as the weights and their independence go."""

    score: float
    reasons: list[Reason]

    @property
    def is_proposed(self) -> bool:
        return self.score >= PROPOSE

    @property
    def band(self) -> str:
        """`likely`, or `possible`."""
        return band(self.score)


def band(score: float) -> str:
    """`likely`, or `possible`."""
    return "likely" if score >= LIKELY else "possible"


def likeness(one: Known, other: Known, crowded: Collection[Key] = ()) -> Likeness:
    """Compare two people. An address or number with a key in `crowded` says nothing.

    So many people have it; a name that many have says less.
    """
    if crowded:
        one, other = _without(one, crowded), _without(other, crowded)
    found = compared(one, other)
    if crowded and _names(one) & _names(other) & set(crowded):
        found.append(Agreement("name", COMMON))
    same = log2(PRIOR_SAME) + sum(log2(each.shares.same) for each in found)
    household = log2(PRIOR_HOUSEHOLD) + sum(log2(each.shares.household) for each in found)
    strangers = sum(log2(each.shares.strangers) for each in found)
    odds = exp2(household - same) + exp2(strangers - same)
    together = household > strangers
    reasons = sorted((_reason(each, together=together) for each in found), key=_weightiest)
    return Likeness(round(1 / (1 + odds), DIGITS), reasons)


def _names(known: Known) -> set[Key]:
    return {names_key(one) for one in known.names if one.is_whole}


def _reason(found: Agreement, *, together: bool) -> Reason:
    against = found.shares.household if together else found.shares.strangers
    return Reason(found.field, found.told, round(log2(found.shares.same / against), 1))


def _weightiest(reason: Reason) -> tuple[float, str]:
    return (-abs(reason.bits), reason.told)


def _without(known: Known, crowded: Collection[Key]) -> Known:
    return msgspec.structs.replace(
        known,
        emails=tuple(one for one in known.emails if mailbox_key(one) not in crowded),
        phones=tuple(one for one in known.phones if phone_key(one) not in crowded),
        numbers=tuple(one for one in known.numbers if number_key(one) not in crowded),
    )
