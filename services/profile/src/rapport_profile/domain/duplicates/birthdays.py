"""Birthdays: many ways to write a day, and those that stand for none."""

import re
import unicodedata
from datetime import date

FIRST_YEAR, LAST_YEAR = 1880, 2100
_YEAR_FIRST = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[T ].*)?")
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)")
_YEAR_LAST = re.compile(r"(\d{1,2})\s*([-/.])\s*(\d{1,2})\s*\2\s*(\d{4})")
_NOBODYS = frozenset({date(1900, 1, 1), date(1970, 1, 1), date(1899, 12, 30), date(1899, 12, 31)})
"""What systems store where there is no day: the starts of their calendars."""


def birthday_of(text: str) -> date | None:
    """The day that a text is; None for what is no day, or stands for none (`0000-00-00`).

    Of `05/04/1990` the day comes first unless only the month can; whoever meant it the other way
    is found by `is_turned`.
    """
    bare = unicodedata.normalize("NFKC", text.strip())[:40]
    found = _YEAR_FIRST.fullmatch(bare) or _DIGITS.fullmatch(bare)
    if found is not None:
        return _day(*map(int, found.groups()))
    if (found := _YEAR_LAST.fullmatch(bare)) is None:
        return None
    day, month, year = int(found[1]), int(found[3]), int(found[4])
    return _day(year, month, day) or _day(year, day, month)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        found = date(year, month, day)
    except ValueError:
        return None
    return found if FIRST_YEAR <= year <= LAST_YEAR and found not in _NOBODYS else None


def digits(day: date) -> str:
    """Eight digits, year first."""
    return day.strftime("%Y%m%d")


def is_turned(one: date, other: date) -> bool:
    """Whether day and month of one are month and day of the other."""
    return (one.year, one.month, one.day) == (other.year, other.day, other.month)


def is_leap_twin(one: date, other: date) -> bool:
    """Whether one is a 29 February, and the other what a system makes of it that has none."""
    leap, usual = (one, other) if (one.month, one.day) == (2, 29) else (other, one)
    around = {(2, 28), (3, 1)}
    return (
        (leap.month, leap.day) == (2, 29)
        and (usual.month, usual.day) in around
        and (one.year == other.year)
    )
