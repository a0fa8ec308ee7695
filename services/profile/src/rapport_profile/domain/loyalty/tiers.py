"""Which tier somebody has, by what counts for it and when that happened."""

from collections import deque
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from rapport_profile.domain.loyalty.calendar import FAR, days_later, end_of, months_later, start_of
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


class Track:
    """What is reached and held, moved on in the order of time."""

    def __init__(self, tiers: Tiers, zone: str) -> None:
        self._tiers, self._zone = tiers, zone
        self._thresholds = [one.threshold for one in tiers.levels]
        self._window: deque[tuple[datetime, Decimal]] = deque()
        self._reached = [one <= 0 for one in self._thresholds]
        self._valid: list[datetime | None] = [None for _ in self._thresholds]
        self.total = Decimal(0)
        """What counts now."""

    def advance(self, now: datetime) -> None:
        """What is out of the window by now counts no more, each part from its own time on."""
        while self._window and (left := self._leaves(self._window[0][0])) <= now:
            while self._window and self._leaves(self._window[0][0]) <= left:
                self.total -= self._window.popleft()[1]
            for place, threshold in enumerate(self._thresholds):
                if self._reached[place] and self.total < threshold:
                    self._reached[place] = False
                    self._keep(place, left)

    def add(self, one: Counted) -> None:
        """Something new counts, from its time on, to which it has been moved on."""
        value = one.by(self._tiers.measure, self._tiers.currency)
        if value <= 0:
            return
        self._window.append((one.at, value))
        self.total += value
        for place, threshold in enumerate(self._thresholds):
            if self.total >= threshold:
                self._reached[place] = True
                self._keep(place, self._validity(one.at))

    def held(self, now: datetime) -> int:
        """The highest tier that is reached or kept; NONE: none is."""
        for place in reversed(range(len(self._thresholds))):
            if self._reached[place] or now < self._lapses(place):
                return place
        return NONE

    def step_down(self, place: int, now: datetime) -> None:
        """A tier is kept for one more time, by whom a higher one is lost."""
        self._keep(place, self._validity(now))

    def next(self, now: datetime) -> datetime:
        """When it may be another tier without anything new; FAR: never."""
        times = [self._lapses(place) for place in range(len(self._thresholds))]
        if self._window:
            times.append(self._leaves(self._window[0][0]))
        return min((one for one in times if one > now), default=FAR)

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
        known = self._valid[place]
        self._valid[place] = until if known is None else max(known, until)

    def _lapses(self, place: int) -> datetime:
        """When a tier is lost that is not reached any more, after the days of grace."""
        until = self._valid[place]
        if until is None:
            return start_of("ever", FAR, self._zone)
        return FAR if until >= FAR else days_later(until, self._tiers.grace_days, self._zone)
