"""Days of zones, by the zones of `rapport_common.zones`: also for what SQL asks."""

from datetime import UTC, date, datetime, time

from rapport_common.zones import zones
from rapport_segment.domain.operands import RuleError, as_written

TIMEZONE = "timezone"
"""The trait that says in which zone somebody lives."""

_FIRST, _LAST = date.min.toordinal(), date.max.toordinal()


def zone_name(value: object, path: str) -> str:
    """A zone that there is; RuleError for another."""
    name = as_written(value, path)
    if name not in zones():
        raise RuleError(path, "must be a zone of IANA's list, such as Europe/Berlin")
    return name


def local_date(moment: datetime, zone: str) -> date:
    """The day that it is in a zone; at the ends of the calendar, that in UTC."""
    try:
        return moment.astimezone(zones()[zone]).date()
    except OverflowError:
        return moment.date()


def first_instant(ordinal: int, zone: str) -> datetime:
    """When a day begins in a zone: mostly at midnight, later where clocks skip that."""
    if ordinal <= _FIRST:
        return datetime.min.replace(tzinfo=UTC)
    if ordinal > _LAST:
        return datetime.max.replace(tzinfo=UTC)
    midnight = datetime.combine(date.fromordinal(ordinal), time(), zones()[zone])
    # Of a midnight that is skipped this is the moment of the skip, of one that comes twice the
    # first of them.
    return midnight.astimezone(UTC)


def by_local_date(moment: datetime) -> dict[date, list[str]]:
    """The zones by the day that it is in them: two or three days."""
    found: dict[date, list[str]] = {}
    for name in zones():
        found.setdefault(local_date(moment, name), []).append(name)
    return found
