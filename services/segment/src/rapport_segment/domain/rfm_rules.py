"""What RFM is worked out of: three values of a person, and how they become scores."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from rapport_common.events.trait import TraitType
from rapport_segment.domain.defined import missing, of_currency
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


def check(rules: RfmRules, types: Mapping[str, TraitType]) -> None:
    """RuleError if something of it makes no sense; `types` are the computed traits there are."""
    for dimension in DIMENSIONS:
        source = rules.source(dimension)
        if isinstance(source, Defined):
            _check_defined(dimension, source, types)
    for dimension, bounds in rules.bounds.items():
        if list(bounds) != sorted(set(bounds)):
            raise RuleError(f"bounds.{dimension}", "must go up")


def _check_defined(dimension: str, source: Defined, types: Mapping[str, TraitType]) -> None:
    kind = types.get(source.name)
    if kind is None:
        raise RuleError(f"{dimension}.defined", missing(source.name, types))
    if kind not in _TYPES[dimension]:
        wanted = " or ".join(_TYPES[dimension])
        message = f"{source.name} is a {kind}, and {dimension} is worked out of a {wanted}"
        raise RuleError(f"{dimension}.defined", message)
    if (kind == "money") != (source.currency is not None):
        raise RuleError(f"{dimension}.currency", of_currency(source.name, kind))


_TYPES: Mapping[str, tuple[TraitType, ...]] = {
    RECENCY: ("time",),
    FREQUENCY: ("number",),
    MONETARY: ("number", "money"),
}
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
