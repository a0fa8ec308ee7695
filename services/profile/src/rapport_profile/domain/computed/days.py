"""Days, weeks, months and years of a zone as numbers in a row, and the instants they begin at."""

from datetime import UTC, date, datetime, time
from functools import lru_cache

from rapport_common.zones import zone_of
from rapport_profile.domain.computed.definition import Unit

_DAYS_OF_WEEK = 7
_MONTHS = 12


def number_of(at: datetime, unit: Unit, zone: str) -> int:
    """Which day, week (from Monday), month or year of a zone an instant is in."""
    local = at.astimezone(zone_of(zone)).date()
    if unit == "day":
        return local.toordinal()
    if unit == "week":
        # The first day of all was a Monday.
        return (local.toordinal() - 1) // _DAYS_OF_WEEK
    if unit == "month":
        return local.year * _MONTHS + local.month - 1
    return local.year


@lru_cache(maxsize=4096)
def beginning(number: int, unit: Unit, zone: str) -> datetime:
    """The instant, in UTC, at which a day, week, month or year of a zone begins.

    Where a clock goes over midnight, that is the first instant of the new day: a midnight that
    is left out is read with the offset before the change, one that is there twice is the first.
    """
    return datetime.combine(_first_day(number, unit), time(), zone_of(zone)).astimezone(UTC)


def _first_day(number: int, unit: Unit) -> date:
    if unit == "day":
        return date.fromordinal(number)
    if unit == "week":
        return date.fromordinal(number * _DAYS_OF_WEEK + 1)
    if unit == "month":
        return date(number // _MONTHS, number % _MONTHS + 1, 1)
    return date(number, 1, 1)
