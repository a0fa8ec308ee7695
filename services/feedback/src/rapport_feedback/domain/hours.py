"""Business time: when offices are open, and when so many open seconds will have passed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

Window = tuple[time, time]
"""Opening and closing on one day, local time, half-open; 24:00 is written as `time.max`."""

Span = tuple[datetime, datetime]
"""The same as two instants in UTC."""

LONGEST_CLOSURE = timedelta(days=366)


class NeverOpenError(ValueError):
    """The calendar has no open hour within a year, so nothing would ever be due."""


@dataclass(frozen=True)
class Calendar:
    """Open windows per weekday (0 = Monday) in one time zone, less the holidays."""

    week: Mapping[int, tuple[Window, ...]]
    zone: tzinfo = UTC
    holidays: frozenset[date] = field(default_factory=frozenset)

    def due(self, start: datetime, open_time: timedelta) -> datetime:
        """When `open_time` (>= 0) of open hours will have passed since `start`, in UTC.

        At the very end of a window it is due then, not at the next opening. No time at all is
        due at `start`.
        """
        left = open_time
        moment = start.astimezone(UTC)
        if not left:
            return moment
        for opens, closes in self._windows(moment):
            begin = max(opens, moment)
            if begin + left <= closes:
                return begin + left
            left -= max(timedelta(0), closes - begin)
        message = "the calendar has too few open hours: look at the business hours and holidays"
        raise NeverOpenError(message)

    def elapsed(self, start: datetime, end: datetime) -> timedelta:
        """Open time between two instants; zero when `end` is not after `start`."""
        total = timedelta(0)
        for opens, closes in self._windows(start.astimezone(UTC)):
            if opens >= end:
                break
            total += max(timedelta(0), min(closes, end) - max(opens, start))
        return total

    def _windows(self, start: datetime) -> Iterator[Span]:
        """Open windows in UTC and in order, from the local day of `start` on.

        Ends after a year without a window. Each end is converted by itself, so a window over a
        change of the clocks is an hour longer or shorter, as it is for who works in it.
        """
        day = start.astimezone(self.zone).date()
        last_open = day
        while day - last_open <= LONGEST_CLOSURE:
            for opens, closes in self._of(day):
                yield opens, closes
                last_open = day
            day += timedelta(days=1)

    def _of(self, day: date) -> list[Span]:
        if day in self.holidays:
            return []
        windows = sorted(self.week.get(day.weekday(), ()))
        return [(self._utc(day, opens), self._utc(day, closes)) for opens, closes in windows]

    def _utc(self, day: date, at: time) -> datetime:
        if at == time.max:
            day, at = day + timedelta(days=1), time.min
        return datetime.combine(day, at, self.zone).astimezone(UTC)


def weekdays(opens: time, closes: time) -> dict[int, tuple[Window, ...]]:
    """Monday to Friday with one window a day."""
    return dict.fromkeys(range(5), ((opens, closes),))
