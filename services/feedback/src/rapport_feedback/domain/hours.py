"""Business time: when offices are open, and when so many open seconds will have passed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

Window = tuple[time, time]
"""Opening and closing, local time, half-open; 24:00 is written as `time.max`.

One that closes no later than it opens goes on over midnight, and belongs to the day it opens on:
from 22:00 to 06:00 is a night, from 09:00 to 09:00 a day and a night.
"""

Span = tuple[datetime, datetime]
"""The same as two instants in UTC."""

LONGEST_CLOSURE = timedelta(days=366)
FARTHEST = timedelta(days=20 * 366)
"""No limit is farther away: who asks for more has mistaken a calendar for another."""

_TOO_FEW = "the calendar has too few open hours: look at the business hours and holidays"


class NeverOpenError(ValueError):
    """The calendar has no open hour within a year, so nothing would ever be due."""


@dataclass(frozen=True)
class Calendar:
    """Open windows per weekday (0 = Monday) in one time zone, less the holidays.

    `yearly`: holidays by (month, day). A day of `days` has its own windows, holiday or not.
    """

    week: Mapping[int, tuple[Window, ...]]
    zone: tzinfo = UTC
    holidays: frozenset[date] = field(default_factory=frozenset)
    days: Mapping[date, tuple[Window, ...]] = field(default_factory=dict)
    yearly: frozenset[tuple[int, int]] = field(default_factory=frozenset)

    def add(self, start: datetime, open_time: timedelta) -> datetime:
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
            if begin - moment > FARTHEST:
                break
            if begin + left <= closes:
                return begin + left
            left -= max(timedelta(0), closes - begin)
        raise NeverOpenError(_TOO_FEW)

    def end_of_day(self, start: datetime, days: int) -> datetime:
        """When the last of so many (>= 1) open days closes, the day of `start` not counted."""
        day = first = start.astimezone(self.zone).date()
        left = days
        while left:
            day += timedelta(days=1)
            left -= bool(self.windows_of(day))
            if day - first > FARTHEST:
                raise NeverOpenError(_TOO_FEW)
        return max(closes for _opens, closes in self._of(day))

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Open time between two instants; zero when `end` is not after `start`."""
        total = timedelta(0)
        for opens, closes in self._windows(start.astimezone(UTC)):
            if opens >= end:
                break
            total += max(timedelta(0), min(closes, end) - max(opens, start))
        return total

    def _windows(self, start: datetime) -> Iterator[Span]:
        """Open windows in UTC, in order and apart, from the local day before `start` on.

        That day's last window may reach into the day of `start`. Ends after a year without a
        window. Each end is converted by itself, so a window over a change of the clocks is an
        hour longer or shorter, as it is for who works in it.
        """
        day = start.astimezone(self.zone).date() - timedelta(days=1)
        last_open, covered = day, datetime.min.replace(tzinfo=UTC)
        while day - last_open <= LONGEST_CLOSURE:
            for opens, closes in self._of(day):
                last_open = day
                # A window that reaches into the next one is not open twice.
                if closes > covered:
                    yield max(opens, covered), closes
                    covered = closes
            day += timedelta(days=1)

    def windows_of(self, day: date) -> tuple[Window, ...]:
        """The windows that open on a day, by its own clock."""
        if day in self.days:
            return self.days[day]
        if day in self.holidays or (day.month, day.day) in self.yearly:
            return ()
        return self.week.get(day.weekday(), ())

    def _of(self, day: date) -> list[Span]:
        spans = []
        for opens, closes in sorted(self.windows_of(day)):
            last = day if closes > opens else day + timedelta(days=1)
            spans.append((self._utc(day, opens), self._utc(last, closes)))
        return spans

    def _utc(self, day: date, at: time) -> datetime:
        if at == time.max:
            day, at = day + timedelta(days=1), time.min
        local = datetime.combine(day, at, self.zone)
        moment = local.astimezone(UTC)
        if moment.astimezone(self.zone).time() == at:
            return moment
        return self._change(local.replace(fold=1).astimezone(UTC), moment)

    def _change(self, before: datetime, after: datetime) -> datetime:
        """When the clocks went forward between two instants, to the second: what would have
        begun in the hour that was left out begins at its end.
        """
        offset = after.astimezone(self.zone).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) // 2
            if middle.astimezone(self.zone).utcoffset() == offset:
                after = middle
            else:
                before = middle
        return after.replace(microsecond=0)


def on_days(days: Iterable[int], opens: time, closes: time) -> dict[int, tuple[Window, ...]]:
    """One window a day on some weekdays (0 = Monday)."""
    return dict.fromkeys(days, ((opens, closes),))
