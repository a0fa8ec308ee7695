"""Business calendars as a workspace declares them: checked, and made into open hours."""

import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from rapport_common.zones import UnknownZoneError, known_zone
from rapport_feedback.domain.hours import LONGEST_CLOSURE, Calendar, Window

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
MAX_WINDOWS, MAX_DAYS, MAX_HOLIDAYS, MAX_YEARLY = 100, 1000, 4000, 60
FIRST, LAST = date(2000, 1, 1), date(2199, 12, 31)
"""Days that a calendar may name."""

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class CalendarError(ValueError):
    """A calendar that can't be: `where` in it, and what to do."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class Hours(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """From a time to a time, `HH:MM`; one that ends no later than it begins ends the next day."""

    since: str
    until: str


class Opening(Hours, frozen=True):
    """The same on some weekdays."""

    days: tuple[Day, ...] = DAYS


class SingleDay(msgspec.Struct, frozen=True):
    """A day with windows of its own; without any it is closed."""

    date: date
    open: tuple[Hours, ...] = ()


class CalendarDocument(msgspec.Struct, frozen=True):
    """A calendar as it is declared and kept. `yearly` are days such as `12-25`, each year."""

    timezone: str
    week: tuple[Opening, ...]
    days: tuple[SingleDay, ...] = ()
    holidays: tuple[date, ...] = ()
    yearly: tuple[str, ...] = ()


def checked(told: CalendarDocument, today: date) -> CalendarDocument:
    """The same in order and without repetitions; CalendarError says what is wrong with it."""
    if not any(one.days for one in told.week):
        message = "nothing would ever be due: give one window at least, with a day"
        raise CalendarError("week", message)
    for name, most in (
        ("week", MAX_WINDOWS),
        ("days", MAX_DAYS),
        ("holidays", MAX_HOLIDAYS),
        ("yearly", MAX_YEARLY),
    ):
        if len(getattr(told, name)) > most:
            raise CalendarError(name, f"has more than {most}: leave out what is past")
    _require_dates(told)
    neat = msgspec.structs.replace(
        told,
        days=tuple(sorted(told.days, key=lambda one: one.date)),
        holidays=tuple(sorted(set(told.holidays))),
        yearly=tuple(sorted(set(told.yearly))),
    )
    _require_openings(calendar_of(neat), neat, today)
    return neat


def _require_dates(told: CalendarDocument) -> None:
    named = [one.date for one in told.days]
    for where, days in (("days", named), ("holidays", list(told.holidays))):
        for index, day in enumerate(days):
            if not FIRST <= day <= LAST:
                message = f"{day} is not from {FIRST} to {LAST}"
                raise CalendarError(f"{where}.{index}", message)
    twice = next((day for index, day in enumerate(named) if day in named[:index]), None)
    if twice is not None:
        raise CalendarError("days", f"{twice} is there twice: put its windows together")


def _require_openings(calendar: Calendar, told: CalendarDocument, today: date) -> None:
    """No year without an open hour, from now on: else something would never be due."""
    last = max([today, *told.holidays, *(one.date for one in told.days)])
    day = opened = today
    while day <= last + LONGEST_CLOSURE:
        if calendar.windows_of(day):
            if day > last:
                return
            opened = day
        if day - opened > LONGEST_CLOSURE:
            break
        day += timedelta(days=1)
    message = f"is closed for more than a year from {opened}: nothing would be due then"
    raise CalendarError("holidays", message)


@lru_cache(maxsize=256)
def calendar_of(told: CalendarDocument) -> Calendar:
    """The open hours that a document declares; CalendarError for times, days or zones of none."""
    week: dict[int, list[Window]] = {}
    for index, one in enumerate(told.week):
        window = _window(one, f"week.{index}")
        for day in dict.fromkeys(one.days):
            week.setdefault(DAYS.index(day), []).append(window)
    try:
        zone = known_zone(told.timezone)
    except UnknownZoneError as error:
        raise CalendarError("timezone", str(error)) from error
    return Calendar(
        week={day: tuple(windows) for day, windows in week.items()},
        zone=zone,
        holidays=frozenset(told.holidays),
        days={
            one.date: tuple(
                _window(hours, f"days.{index}.open.{place}")
                for place, hours in enumerate(one.open[:MAX_WINDOWS])
            )
            for index, one in enumerate(told.days)
        },
        yearly=frozenset(_month_day(one, index) for index, one in enumerate(told.yearly)),
    )


def _window(told: Hours, where: str) -> Window:
    opens = _time(told.since, f"{where}.from")
    closes = time.max if told.until == "24:00" else _time(told.until, f"{where}.to")
    return opens, closes


def _time(told: str, where: str) -> time:
    found = _TIME.fullmatch(told)
    if found is None:
        message = f"{told!r} is no time of a day: write HH:MM, such as 09:00"
        raise CalendarError(where, message)
    return time(int(found[1]), int(found[2]))


def _month_day(told: str, index: int) -> tuple[int, int]:
    try:
        # A leap year: the 29th of February is a day.
        found = datetime.strptime(f"2024-{told}", "%Y-%m-%d")  # noqa: DTZ007 - a day has no zone
    except ValueError as error:
        message = f"{told!r} is no day of a year: write MM-DD, such as 12-25"
        raise CalendarError(f"yearly.{index}", message) from error
    return found.month, found.day
