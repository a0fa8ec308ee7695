"""Days that come back each year: birthdays, and how long somebody has been a customer."""

from calendar import isleap
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from rapport_segment.domain.windows import Anniversary
from rapport_segment.domain.zones import first_instant, local_date

FEBRUARY, LEAP_DAY = 2, 29


def in_year(day: date, year: int) -> date:
    """The anniversary of a year; that of 29 February is the 28th where there is none."""
    if (day.month, day.day) == (FEBRUARY, LEAP_DAY) and not isleap(year):
        return date(year, FEBRUARY, LEAP_DAY - 1)
    return day.replace(year=year)


def window_of(kind: Anniversary, anniversary: date) -> tuple[int, int]:
    """The days, as ordinals, on which it counts: from the first on, before the second."""
    day = anniversary.toordinal()
    if kind.side == "next":
        return day - kind.days + 1, day + 1
    return day, day + kind.days


def outlook(
    kind: Anniversary, moment: datetime, zone: str, now: datetime
) -> tuple[bool, datetime | None]:
    """Whether an anniversary of `moment` counts now, and when that may change by itself.

    The day itself is no anniversary.
    """
    day, today = moment.date(), local_date(now, zone).toordinal()
    holds, bounds = False, []
    for anniversary in _near(day, date.fromordinal(today)):
        first, behind = window_of(kind, anniversary)
        holds = holds or first <= today < behind
        bounds += [one for one in (first, behind) if one > today]
    return holds, first_instant(min(bounds), zone) if bounds else None


def _near(day: date, today: date) -> Iterator[date]:
    """The anniversaries that may count now or are the next to."""
    first = max(day.year + 1, today.year - 2)
    for year in range(first, min(first + 5, date.max.year + 1)):
        yield in_year(day, year)


def days_by_year(kind: Anniversary, today: date) -> dict[int, set[str]]:
    """The days `MM-DD` that count today, by the year in which their anniversary is."""
    step = 1 if kind.side == "next" else -1
    found: dict[int, set[str]] = {}
    for number in range(kind.days):
        try:
            day = today + timedelta(days=step * number)
        except OverflowError:
            break
        days = found.setdefault(day.year, set())
        days.add(f"{day:%m-%d}")
        if (day.month, day.day) == (FEBRUARY, LEAP_DAY - 1) and not isleap(day.year):
            days.add("02-29")
    return found
