"""Which tier somebody has, by what counts for it and when that happened."""

from bisect import bisect_left
from datetime import datetime
from decimal import Decimal
from itertools import accumulate, islice
from operator import sub
from typing import NamedTuple

import msgspec

from rapport_profile.domain.loyalty.calendar import (
    FAR,
    days_later,
    end_of,
    from_number,
    months_later,
    number_of,
    start_of,
)
from rapport_profile.domain.loyalty.programme import Measure, Tiers

NONE = -1
"""Below the lowest tier."""


class Counted(NamedTuple):
    """What one order or event counts for tiers, when it happened."""

    at: datetime
    points: int = 0
    base: int = 0
    orders: int = 0
    currency: str = ""
    spent: Decimal = Decimal(0)

    def by(self, measure: Measure, currency: str | None) -> Decimal:
        """What it counts by a measure; money in other currencies counts nothing."""
        if measure == "spend":
            return self.spent if self.currency == currency else Decimal(0)
        values = {"points": self.points, "base_points": self.base, "orders": self.orders}
        return Decimal(values[measure])


class Tracked(msgspec.Struct, array_like=True):
    """A track at a moment.

    `window`: what counts, each as its time (see `number_of`) and its value, oldest first: plain
    values, as there may be many of them and few are looked at. `latest`: how long what was added
    last keeps a tier; `is_ordered`: nothing before it does so for longer. `has_left`: something
    is out of the window already; `has_stepped`: a tier was kept for one step.
    """

    total: Decimal
    times: list[int]
    values: list[str]
    reached: list[bool]
    valid: list[datetime | None]
    latest: datetime | None = None
    is_ordered: bool = True
    has_left: bool = False
    has_stepped: bool = False


class Track:
    """What is reached and held, moved on in the order of time."""

    def __init__(self, tiers: Tiers, zone: str, known: Tracked | None = None) -> None:
        self._tiers, self._zone = tiers, zone
        self._thresholds = [one.threshold for one in tiers.levels]
        self.state = _copy(known) if known is not None else self._beginning()
        self._first = 0
        self._leaves_next: datetime | None = None

    @property
    def total(self) -> Decimal:
        """What counts now."""
        return self.state.total

    def kept(self) -> Tracked:
        """What it is at this moment, to go on from."""
        return _copy(self.state, self._first)

    def advance(self, now: datetime) -> None:
        """What is out of the window by now counts no more, each part from its own time on."""
        state = self.state
        while (left := self._leaving()) is not None and left <= now:
            while (leaves := self._leaving()) is not None and leaves <= left:
                state.total -= Decimal(state.values[self._first])
                self._first += 1
                self._leaves_next = None
            state.has_left = True
            for place, threshold in enumerate(self._thresholds):
                if state.reached[place] and state.total < threshold:
                    state.reached[place] = False
                    self._keep(place, left)

    def add(self, one: Counted) -> None:
        """Something new counts, from its time on, to which it has been moved on."""
        value = self.value_of(one)
        if value <= 0:
            return
        state = self.state
        state.times.append(number_of(one.at))
        state.values.append(str(value))
        state.total += value
        until = self._validity(one.at)
        state.is_ordered &= state.latest is None or state.latest <= until
        state.latest = until
        for place, threshold in enumerate(self._thresholds):
            if state.total >= threshold:
                state.reached[place] = True
                self._keep(place, until)

    def value_of(self, one: Counted) -> Decimal:
        """What something counts here; nothing below nothing."""
        return max(Decimal(0), one.by(self._tiers.measure, self._tiers.currency))

    def correct(self, before: Counted, after: Counted, now: datetime) -> bool:
        """Let something count other than it did, as if it had always counted so.

        False, with nothing changed: that can't be told from what is known here, count all anew.
        """
        state, value = self.state, self.value_of(after)
        more = value - self.value_of(before)
        place = self._place(before)
        if state.has_stepped or (more and place is None):
            return False
        if not more or place is None:
            return True
        instead = {place: str(value)}
        valid = self._valid_with(more, self._last(instead), now)
        if valid is None:
            return False
        state.values[place] = instead[place]
        state.total += more
        state.reached = [state.total >= one for one in self._thresholds]
        state.valid = valid
        return True

    def held(self, now: datetime) -> int:
        """The highest tier that is reached or kept; NONE: none is."""
        for place in reversed(range(len(self._thresholds))):
            if self.state.reached[place] or now < self._lapses(place):
                return place
        return NONE

    def kept_until(self, place: int) -> datetime:
        """When a tier that is held ends if nothing more counts; FAR: never."""
        if not self.state.reached[place]:
            return self._lapses(place)
        threshold, valid = self._thresholds[place], self.state.valid[place]
        if threshold <= 0:
            return FAR
        times = self.state.times
        last = self._leaves(from_number(times[-1])) if self._first < len(times) else FAR
        # The usual way, however much is in the window: what keeps the tier outlasts all of that.
        outlasts = valid is not None and last <= valid
        left = last if outlasts else self._falls_below(threshold)
        return self._with_grace(left if valid is None else max(valid, left))

    def step_down(self, place: int, now: datetime) -> None:
        """A tier is kept for one more time, by whom a higher one is lost."""
        self.state.has_stepped = True
        self._keep(place, self._validity(now))

    def next(self, now: datetime) -> datetime:
        """When it may be another tier without anything new; FAR: never."""
        times = [self._lapses(place) for place in range(len(self._thresholds))]
        if (leaving := self._leaving()) is not None:
            times.append(leaving)
        return min((one for one in times if one > now), default=FAR)

    def _falls_below(self, threshold: Decimal) -> datetime:
        """When less than that is left of what is in the window; FAR: never."""
        values = map(Decimal, self.state.values[self._first :])
        left = islice(accumulate(values, sub, initial=self.state.total), 1, None)
        times = zip(self.state.times[self._first :], left, strict=True)
        below = (self._leaves(from_number(at)) for at, amount in times if amount < threshold)
        return next(below, FAR)

    def _beginning(self) -> Tracked:
        reached = [one <= 0 for one in self._thresholds]
        return Tracked(Decimal(0), [], [], reached, [None for _ in reached])

    def _valid_with(
        self, more: Decimal, last: datetime | None, now: datetime
    ) -> list[datetime | None] | None:
        """How long tiers are kept if so much more counts, what counts `last` from then on.

        None: that is not known.
        """
        state, until = self.state, None if last is None else self._validity(last)
        total = state.total + more
        valid: list[datetime | None] = []
        for place, threshold in enumerate(self._thresholds):
            known = state.valid[place]
            if total >= threshold and until is not None and state.is_ordered:
                # Of all that was added the last one keeps it for longest, and it is reached.
                valid.append(until)
            elif total < threshold and not state.has_left:
                # It has never been more than it is now.
                valid.append(None)
            elif threshold <= 0 or (
                more < 0 and not state.reached[place] and self._is_over(place, now)
            ):
                # It is always reached; or it was over already, when more counted.
                valid.append(known)
            else:
                return None
        return valid

    def _is_over(self, place: int, now: datetime) -> bool:
        return self.state.valid[place] is None or self._lapses(place) <= now

    def _place(self, one: Counted) -> int | None:
        """Where it stands in the window."""
        state, number, value = self.state, number_of(one.at), self.value_of(one)
        place = bisect_left(state.times, number, lo=self._first)
        while place < len(state.times) and state.times[place] == number:
            if Decimal(state.values[place]) == value:
                return place
            place += 1
        return None

    def _last(self, instead: dict[int, str]) -> datetime | None:
        """When something was added last, by what is known of the window."""
        state = self.state
        for place in range(len(state.times) - 1, self._first - 1, -1):
            if Decimal(instead.get(place, state.values[place])) > 0:
                return from_number(state.times[place])
        return None

    def _leaving(self) -> datetime | None:
        """When the next part is out of the window; None: nothing is in it."""
        if self._first == len(self.state.times):
            return None
        if self._leaves_next is None:
            self._leaves_next = self._leaves(from_number(self.state.times[self._first]))
        return self._leaves_next

    def _leaves(self, at: datetime) -> datetime:
        window = self._tiers.window
        if window.calendar is not None:
            return end_of(window.calendar, at, self._zone)
        if window.months or window.days:
            return days_later(months_later(at, window.months, self._zone), window.days, self._zone)
        return FAR

    def _validity(self, at: datetime) -> datetime:
        tiers = self._tiers
        if tiers.window.calendar is not None:
            return end_of(tiers.window.calendar, at, self._zone, tiers.keep_periods)
        return months_later(at, tiers.keep_months, self._zone)

    def _keep(self, place: int, until: datetime) -> None:
        known = self.state.valid[place]
        self.state.valid[place] = until if known is None else max(known, until)

    def _lapses(self, place: int) -> datetime:
        """When a tier is lost that is not reached any more, after the days of grace."""
        until = self.state.valid[place]
        if until is None:
            return start_of("ever", FAR, self._zone)
        return self._with_grace(until)

    def _with_grace(self, until: datetime) -> datetime:
        return FAR if until >= FAR else days_later(until, self._tiers.grace_days, self._zone)


def _copy(one: Tracked, first: int = 0) -> Tracked:
    """The same, its window from a place on."""
    return msgspec.structs.replace(
        one,
        times=one.times[first:],
        values=one.values[first:],
        reached=[*one.reached],
        valid=[*one.valid],
    )
