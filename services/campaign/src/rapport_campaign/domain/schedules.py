"""When a broadcast begins: at an instant, at a time of the day wherever somebody is, or repeatedly.

A local time that a change of the clocks skips is that much later (02:30 is 03:30 then), and one
that comes twice is its first.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

import msgspec
from cronsim import CronSim, CronSimError

from rapport_common.zones import ADVICE, zones

EARLIEST_OFFSET = timedelta(hours=14)
"""No clock is further ahead of UTC (Kiritimati)."""

LATEST_OFFSET = timedelta(hours=12)
"""And none further behind it."""

YEARS = range(2000, 2200)
MAX_EXPRESSION = 100
_FIELDS = 5


class ScheduleError(ValueError):
    """A schedule that can't be; `where` is the path in it."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class Now(msgspec.Struct, frozen=True, tag_field="kind", tag="now"):
    """As soon as it is scheduled."""


class At(msgspec.Struct, frozen=True, tag_field="kind", tag="at"):
    """At an instant."""

    at: datetime


class Local(msgspec.Struct, frozen=True, tag_field="kind", tag="local"):
    """At what the clock on the wall shows where each recipient is.

    `past`: what becomes of those whose time is over when the run begins.
    """

    local_at: datetime
    past: Literal["at_once", "skip"] = "at_once"


class Recurring(msgspec.Struct, frozen=True, tag_field="kind", tag="recurring"):
    """At each instant that an expression of cron names in a zone, until (not at) an instant."""

    cron: str
    timezone: str
    ends_at: datetime | None = None


Schedule = Now | At | Local | Recurring


def checked(schedule: Schedule) -> Schedule:
    """The schedule, instants in UTC; ScheduleError says what can't be."""
    if isinstance(schedule, At):
        return At(_instant(schedule.at, "at"))
    if isinstance(schedule, Local):
        if schedule.local_at.tzinfo is not None:
            raise ScheduleError("local_at", "a time without an offset, such as 2026-12-24T09:00")
        _require_of_this_age(schedule.local_at, "local_at")
        return schedule
    if isinstance(schedule, Recurring):
        _require_cron(schedule)
        ends = schedule.ends_at
        ends_at = _instant(ends, "ends_at") if ends is not None else None
        return msgspec.structs.replace(schedule, ends_at=ends_at)
    return schedule


def begins_at(schedule: Schedule, now: datetime) -> datetime | None:
    """When the first run begins, `now` being when it is scheduled; None when it never does.

    Of a local time that is when it comes first on earth, or now when that is over.
    """
    if isinstance(schedule, At):
        return schedule.at
    if isinstance(schedule, Local):
        return max(schedule.local_at.replace(tzinfo=UTC) - EARLIEST_OFFSET, now)
    return following(schedule, now) if isinstance(schedule, Recurring) else now


def following(schedule: Schedule, after: datetime) -> datetime | None:
    """The first occurrence behind an instant, in UTC; None when there is no other one."""
    if not isinstance(schedule, Recurring):
        return None
    zone = zones().get(schedule.timezone)
    if zone is None:
        # IANA has given it up since it was scheduled: nobody knows when it is.
        return None
    wall = after.astimezone(zone)
    instants = (found.astimezone(UTC) for found in CronSim(schedule.cron, wall))
    at = next((one for one in instants if one > after), None)
    ends_at = schedule.ends_at
    return at if at is None or ends_at is None or at < ends_at else None


def last_local(schedule: Local) -> datetime:
    """When the local time has come everywhere on earth."""
    return schedule.local_at.replace(tzinfo=UTC) + LATEST_OFFSET


def due_in(zone: tzinfo, local: datetime) -> datetime:
    """The instant of a local time in a zone, in UTC."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def due_of(schedule: Schedule, zone: tzinfo, run_at: datetime) -> datetime | None:
    """When a run of `run_at` is for somebody in a zone; None: their time is over, and skipped."""
    if not isinstance(schedule, Local):
        return run_at
    due = due_in(zone, schedule.local_at)
    if due >= run_at:
        return due
    return run_at if schedule.past == "at_once" else None


def _instant(at: datetime, where: str) -> datetime:
    if at.tzinfo is None:
        raise ScheduleError(where, "an instant with its offset, such as 2026-12-24T09:00:00Z")
    _require_of_this_age(at, where)
    instant = at.astimezone(UTC)
    # It is kept as this, and may be in another year than it was said to be.
    _require_of_this_age(instant, where)
    return instant


def _require_of_this_age(at: datetime, where: str) -> None:
    if at.year not in YEARS:
        raise ScheduleError(where, f"a year from {YEARS[0]} to {YEARS[-1]}")


def _require_cron(schedule: Recurring) -> None:
    if schedule.timezone not in zones():
        raise ScheduleError("timezone", ADVICE)
    parts = schedule.cron.split()
    if len(schedule.cron) > MAX_EXPRESSION or len(parts) != _FIELDS:
        message = "minute, hour, day, month and weekday, such as `0 9 * * 1`"
        raise ScheduleError("cron", message)
    try:
        CronSim(schedule.cron, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ScheduleError("cron", f"{error}; such as `0 9 * * 1`") from error
