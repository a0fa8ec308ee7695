"""How likely two are one person: one number, with reasons that a person can read."""

from collections.abc import Collection
from math import exp2, log2
from typing import NamedTuple

import msgspec

from rapport_profile.domain.duplicates.comparing import Finding, compared
from rapport_profile.domain.duplicates.known import Known
from rapport_profile.domain.duplicates.weights import (
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


def likeness(one: Known, other: Known, common: Collection[str] = ()) -> Likeness:
    """Compare two people. Addresses and numbers in `common` are many people's and say nothing."""
    if common:
        one, other = _without(one, common), _without(other, common)
    found = compared(one, other)
    same = log2(PRIOR_SAME) + sum(log2(each.shares.same) for each in found)
    household = log2(PRIOR_HOUSEHOLD) + sum(log2(each.shares.household) for each in found)
    strangers = sum(log2(each.shares.strangers) for each in found)
    odds = exp2(household - same) + exp2(strangers - same)
    together = household > strangers
    reasons = sorted((_reason(each, together=together) for each in found), key=_weightiest)
    return Likeness(round(1 / (1 + odds), DIGITS), reasons)


def _reason(found: Finding, *, together: bool) -> Reason:
    against = found.shares.household if together else found.shares.strangers
    return Reason(found.field, found.told, round(log2(found.shares.same / against), 1))


def _weightiest(reason: Reason) -> tuple[float, str]:
    return (-abs(reason.bits), reason.told)


def _without(known: Known, common: Collection[str]) -> Known:
    return msgspec.structs.replace(
        known,
        emails=tuple(one for one in known.emails if one not in common),
        phones=tuple(one for one in known.phones if one not in common),
        numbers=tuple(one for one in known.numbers if one[1] not in common),
    )
