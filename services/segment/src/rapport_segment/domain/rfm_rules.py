"""What RFM is worked out of: three values of a person, and how they become scores."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from rapport_segment.domain.leaves import COUNTS, INSTANTS, leaf
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.rfm import DIMENSIONS, FREQUENCY, MONETARY, RECENCY
from rapport_segment.domain.sections import REVENUE
from rapport_segment.domain.subjects import Computed, Defined

Source = Computed | Defined


class RfmRules(msgspec.Struct, frozen=True, kw_only=True):
    """Where the values stand, as rules name them; `bounds` in place of quintiles, four for each
    dimension: of recency in days, the shortest first. `every_hours`: how often it is worked out.
    """

    recency: Mapping[str, str]
    frequency: Mapping[str, str]
    monetary: Mapping[str, str]
    bounds: Mapping[str, tuple[Decimal, ...]] = {}
    every_hours: int | None = 24

    def source(self, dimension: str) -> Source:
        """Where a dimension's value stands; RuleError for what is no such value."""
        document: Mapping[str, Any] = getattr(self, dimension)
        subject = leaf({**document, "op": "exists"}, dimension).subject
        if not isinstance(subject, Source) or not _FITS[dimension](subject):
            raise RuleError(dimension, f"must be {_WORDS[dimension]}, or a computed trait of yours")
        return subject


def check(rules: RfmRules) -> None:
    """RuleError if something of it makes no sense."""
    for dimension in DIMENSIONS:
        rules.source(dimension)
    for dimension, bounds in rules.bounds.items():
        if list(bounds) != sorted(set(bounds)):
            raise RuleError(f"bounds.{dimension}", "must go up")


_FITS: Mapping[str, Callable[[Source], bool]] = {
    RECENCY: lambda one: isinstance(one, Defined) or one.name in INSTANTS,
    FREQUENCY: lambda one: isinstance(one, Defined) or one.name in COUNTS,
    MONETARY: lambda one: isinstance(one, Defined) or one.name == REVENUE,
}
_WORDS = {
    RECENCY: f"one of {', '.join(INSTANTS)}",
    FREQUENCY: f"one of {', '.join(COUNTS)}",
    MONETARY: f"{REVENUE} with its currency",
}
