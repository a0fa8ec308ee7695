"""Days, months and years of a zone, and times so many of them later."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

from rapport_common.zones import zone_of
from rapport_profile.domain.loyalty.programme import Expiry, Period

FAR = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than anything that is counted."""


_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def number_of(moment: datetime) -> int:
    """An instant as microseconds since 1970."""
    return (moment - _FIRST) // _TICK


def from_number(number: int) -> datetime:
    """The instant of such a number."""
    return _FIRST + number * _TICK


def months_later(moment: datetime, months: int, zone: str) -> datetime:
    """The same day and hour of the zone so many months later.

    Where that month is shorter its last day: a year after 29 February is 28 February.
    """
    here = _local(moment, zone)
    months += here.year * 12 + here.month - 1
    year, month = divmod(months, 12)
    if year >= FAR.year:
        return FAR
    day = min(here.day, monthrange(year, month + 1)[1])
    return here.replace(year=year, month=month + 1, day=day).astimezone(UTC)


def days_later(moment: datetime, days: int, zone: str) -> datetime:
    """The same hour of the zone so many days later."""
    return (_local(moment, zone) + timedelta(days=days)).astimezone(UTC)


def start_of(period: Period, moment: datetime, zone: str) -> datetime:
    """When the day, month or year of the zone began that the moment is in; `ever` has one start."""
    if period == "ever":
        return datetime.min.replace(tzinfo=UTC)
    day = _local(moment, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period != "day":
        day = day.replace(day=1)
    if period == "year":
        day = day.replace(month=1)
    return day.astimezone(UTC)


def end_of(period: Period, moment: datetime, zone: str, more: int = 0) -> datetime:
    """When the period that the moment is in ends, and so many `more` after it."""
    if period == "ever":
        return FAR
    start = start_of(period, moment, zone)
    if period == "day":
        return start_of("day", days_later(start, more + 1, zone), zone)
    months = (more + 1) * (12 if period == "year" else 1)
    return months_later(start, months, zone)


def expires(expiry: Expiry, since: datetime, zone: str) -> datetime:
    """When points expire that count from `since`."""
    moment = days_later(months_later(since, expiry.months, zone), expiry.days, zone)
    if expiry.end_of == "instant":
        return moment
    return end_of(expiry.end_of, moment, zone)


def _local(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(zone_of(zone))
