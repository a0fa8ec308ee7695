"""The elements of a long list, looked through once for all rules.

Hundreds of rules may ask about a list of thousands; each going through all of it would take
seconds for every event of one person, in which nobody else's events are judged.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from rapport_segment.domain.values import Scalar, number

SHORT = 16
"""So many elements are looked through as quickly one by one."""

Compare = Callable[[Any, Any], bool]


class Elements:
    """What rules ask of a list: each answer is that of asking every element."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values

    def any_equal(self, alike: Iterable[Scalar], numbers: Iterable[int | Decimal]) -> bool:
        """Whether one equals one of `alike`, or is or is written as one of `numbers`."""
        return any((_kind(one), one) in self._scalars for one in alike) or any(
            one in self._numbers for one in numbers
        )

    def any_number(self, compare: Compare, limit: int | Decimal, *, upwards: bool) -> bool:
        """Whether a number, also one in a text, compares with a limit; `upwards`: as greater."""
        return self._extreme(self._numbers_ends, compare, limit, upwards=upwards)

    def any_text(self, compare: Compare, limit: str, *, upwards: bool, numeric: bool) -> bool:
        """Whether a text compares with another; with `numeric` those that are numbers too."""
        texts = self._texts if numeric else self._words
        ends = (texts[0], texts[-1]) if texts else None
        return self._extreme(ends, compare, limit, upwards=upwards)

    def any_starting(self, beginning: str) -> bool:
        """Whether a text starts with another."""
        place = bisect_left(self._texts, beginning)
        return place < len(self._texts) and self._texts[place].startswith(beginning)

    @staticmethod
    def _extreme(
        ends: tuple[Any, Any] | None, compare: Compare, limit: Any, *, upwards: bool
    ) -> bool:
        return ends is not None and compare(ends[1] if upwards else ends[0], limit)

    @cached_property
    def _scalars(self) -> set[tuple[type, Any]]:
        return {(_kind(one), one) for one in self._values if _kind(one) is not object}

    @cached_property
    def _numbers(self) -> set[int | Decimal]:
        return {found for one in self._values if (found := number(one)) is not None}

    @cached_property
    def _numbers_ends(self) -> tuple[int | Decimal, int | Decimal] | None:
        return (min(self._numbers), max(self._numbers)) if self._numbers else None

    @cached_property
    def _texts(self) -> list[str]:
        return sorted({one for one in self._values if type(one) is str})

    @cached_property
    def _words(self) -> list[str]:
        return [one for one in self._texts if number(one) is None]


def _kind(value: Any) -> type:
    """An int and a Decimal of the same value are equal; true is no 1."""
    kind = type(value)
    if kind is Decimal or kind is int:
        return int
    return kind if kind is str or kind is bool else object
