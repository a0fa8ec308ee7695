"""What a definition's value is at an instant, and until when it stays so without another event."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec

from rapport_common.events.profile import ComputedState, DefinedValue
from rapport_profile.domain.computed import days
from rapport_profile.domain.computed.definition import Definition, Unit, type_of
from rapport_profile.domain.computed.states import (
    MAX_GAPS,
    STREAK_SPAN,
    Mark,
    State,
    Tally,
    rank_of,
    with_orders,
)
from rapport_profile.domain.stamps import earlier

LISTED: Final = 50
_DIGITS = Decimal("0.0001")
_DAY = Decimal(86_400_000_000)
_MARKS = frozenset({"min", "max", "first", "last"})


class Valued(msgspec.Struct, array_like=True, frozen=True):
    """A person's value of a trait (an id) as it is told, and when time changes it next."""

    trait: int
    value: DefinedValue
    until: datetime | None = None


def valued(trait: int, one: Definition, state: State, now: datetime) -> Valued:
    """The value of what was folded so far, at `now`."""
    if one.aggregate == "streak":
        return Valued(trait, *_streak(one, state, now))
    value = _Looking(one, state, now)
    return Valued(trait, value.value(), value.until())


def _streak(one: Definition, state: State, now: datetime) -> tuple[DefinedValue, datetime | None]:
    """Days, weeks or months one after the other, up to this one or the one before."""
    current = days.number_of(now, one.unit, one.zone)
    last = max(state.tallies)
    if last < current - 1:
        return DefinedValue(number="0"), None
    length = 0
    while last - length in state.tallies:
        length += 1
    until = days.beginning(last + 2, one.unit, one.zone)
    return DefinedValue(number=str(length), bounded=length >= STREAK_SPAN), until


class _Looking:
    """A state, looked at through a definition's window at an instant."""

    def __init__(self, one: Definition, state: State, now: datetime) -> None:
        self._one = one
        self._state = state
        self._lowest: int | None = None
        self._unit: Unit = "day"
        if one.window is not None:
            self._unit = one.window.this or "day"
            self._lowest = days.number_of(now, self._unit, one.zone) - (one.window.days or 1) + 1
        self._seen = {
            value: at for value, at in state.seen.items() if self._is_inside(self._number(at))
        }
        tallies = with_orders(state) if state.back else state.tallies
        self._tallies = [
            (bucket, cells) for bucket, cells in tallies.items() if self._is_inside(bucket)
        ]
        self._marks = [
            (bucket, cells) for bucket, cells in state.marks.items() if self._is_inside(bucket)
        ]

    def _number(self, at: datetime) -> int:
        return days.number_of(at, self._unit, self._one.zone)

    def _is_inside(self, bucket: int) -> bool:
        return self._lowest is None or bucket >= self._lowest

    def until(self) -> datetime | None:
        """When the oldest of what is inside goes; None: nothing goes by itself."""
        window = self._one.window
        if window is None:
            return None
        numbers = [bucket for bucket, _cells in (*self._tallies, *self._marks)]
        numbers += [self._number(at) for at in self._seen.values()]
        if not numbers:
            return None
        return days.beginning(min(numbers) + (window.days or 1), self._unit, self._one.zone)

    def _is_bounded(self) -> bool:
        lost, seen = self._state.lost, self._state.lost_seen
        if seen is not None and self._is_inside(self._number(seen)):
            return True
        return lost is not None and self._is_inside(lost)

    def value(self) -> DefinedValue:
        """What is told."""
        found = self._value()
        return msgspec.structs.replace(found, bounded=True) if self._is_bounded() else found

    def _value(self) -> DefinedValue:
        way = self._one.aggregate
        if way == "distinct":
            return DefinedValue(number=str(len(self._seen)))
        if way == "list":
            return self._listed()
        if way in _MARKS:
            return self._marked()
        if way == "most_frequent":
            return self._favourite()
        if way == "median_gap":
            return self._gap()
        return self._total()

    def _listed(self) -> DefinedValue:
        ordered = sorted(self._seen, key=lambda one: (self._seen[one], one), reverse=True)
        return DefinedValue(values=ordered[:LISTED], bounded=len(ordered) > LISTED)

    def _marked(self) -> DefinedValue:
        best: dict[str, Mark] = {}
        for _bucket, cells in self._marks:
            for key, mark in cells.items():
                known = best.get(key)
                best[key] = mark if known is None else self._better(known, mark)
        kind = type_of(self._one)
        if kind == "money":
            return DefinedValue(money={key: best[key].value for key in sorted(best)})
        text = best[""].value if best else None
        if kind == "time":
            return DefinedValue(time=None if text is None else datetime.fromisoformat(text))
        return DefinedValue(text=text) if kind == "text" else DefinedValue(number=text)

    def _better(self, one: Mark, other: Mark) -> Mark:
        way = self._one.aggregate
        if way in {"first", "last"}:
            return other if other.stamp.after(one.stamp) == (way == "last") else one
        better = rank_of(other.value) > rank_of(one.value)
        return other if better == (way == "max") else one

    def _favourite(self) -> DefinedValue:
        counts: Counter[str] = Counter()
        newest: dict[str, int] = {}
        for bucket, cells in self._tallies:
            for key, one in cells.items():
                counts[key] += one.number
                newest[key] = max(bucket, newest.get(key, bucket))
        best = max(counts, key=lambda key: (counts[key], newest[key], key), default=None)
        return DefinedValue(text=best)

    def _gap(self) -> DefinedValue:
        moments: list[int] = []
        for bucket, cells in sorted(self._tallies, reverse=True):
            moments += [bucket] * min(cells[""].number, MAX_GAPS - len(moments))
        gaps = [Decimal(after - before) for after, before in pairwise(moments)]
        return DefinedValue(number=_written(median(gaps) / _DAY) if gaps else None)

    def _total(self) -> DefinedValue:
        totals: dict[str, Tally] = {}
        for _bucket, cells in self._tallies:
            for key, one in cells.items():
                known = totals.get(key, Tally(0, Decimal(0)))
                totals[key] = Tally(known.number + one.number, known.amount + one.amount)
        if self._one.kind == "money":
            return DefinedValue(money={key: self._of(totals[key]) for key in sorted(totals)})
        if totals:
            return DefinedValue(number=self._of(totals[""]))
        return DefinedValue(number="0" if self._one.aggregate in {"count", "sum"} else None)

    def _of(self, total: Tally) -> str:
        if self._one.aggregate in {"count", "sum"}:
            return format(total.amount, "f")
        return _written(total.amount / total.number)


def _written(quotient: Decimal) -> str:
    """A quotient with four digits behind the point at most."""
    return format(quotient.quantize(_DIGITS).normalize(), "f")


def with_values(computed: ComputedState, values: Mapping[str, Valued]) -> ComputedState:
    """A person's aggregates with these values of the traits that the workspace has defined."""
    told = {name: values[name].value for name in sorted(values)}
    return msgspec.structs.replace(computed, defined=told or msgspec.UNSET)


def next_change(values: Iterable[Valued]) -> datetime | None:
    """When time changes the first of a person's values."""
    at: datetime | None = None
    for one in values:
        at = earlier(at, one.until)
    return at
