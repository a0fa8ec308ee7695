"""Hours in which nobody is written to, by the clock on the wall where the person is.

Whether it is quiet is decided by what that clock shows and nothing else. So an hour that a change
of the clocks skips is never quiet, and one that comes twice is so twice.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal

import msgspec

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_WINDOWS = 28
_DAY, _WEEK = 24 * 60, 7 * 24 * 60
_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)


class Window(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """Quiet on these days from a time to a time (`HH:MM`), which may be one of the next day.

    An overnight window belongs to the day on which it begins. `24:00` is the end of a day.
    """

    days: tuple[Day, ...] = DAYS
    since: str
    until: str


Quiet = tuple[Window, ...]
"""All windows of a workspace, or of a campaign in place of those."""


class WindowsError(ValueError):
    """Windows that can't be; `where` is the path in them."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


def checked(windows: Sequence[Window]) -> Quiet:
    """The windows in one form; WindowsError says what can't be."""
    if len(windows) > MAX_WINDOWS:
        raise WindowsError("windows", f"at most {MAX_WINDOWS}")
    found = []
    for place, one in enumerate(windows):
        where = f"windows.{place}"
        if not one.days:
            raise WindowsError(f"{where}.days", "one day at least")
        since, until = _minute(one.since), _minute(one.until)
        if since is None or since == _DAY:
            raise WindowsError(f"{where}.from", "a time of the day such as 21:00")
        if until is None:
            raise WindowsError(f"{where}.to", "a time of the day such as 08:00, or 24:00")
        if since == until:
            message = "another time than the beginning: a whole day is from 00:00 to 24:00"
            raise WindowsError(f"{where}.to", message)
        days = tuple(day for day in DAYS if day in one.days)
        found.append(msgspec.structs.replace(one, days=days))
    if sum(end - start for start, end in _spans(tuple(found))) >= _WEEK:
        raise WindowsError("windows", "leave some time of the week in which messages may go")
    return tuple(found)


def next_open(instant: datetime, zone: tzinfo, windows: Quiet) -> datetime:
    """The first instant from `instant` on that is not quiet in a zone, in UTC.

    `windows` are those that `checked` gave. The times between two changes of the clocks are looked
    at as one, so that none is gone past.
    """
    spans = _spans(windows)
    at = instant.astimezone(UTC)
    while (left := _left(at, zone, spans)) is not None:
        end = at + left
        change = _change(at, end, zone)
        at = end if change is None else change
    return at


def is_quiet(instant: datetime, zone: tzinfo, windows: Quiet) -> bool:
    """Whether an instant is within a window in a zone."""
    return _left(instant.astimezone(UTC), zone, _spans(windows)) is not None


def _left(at: datetime, zone: tzinfo, spans: tuple[tuple[int, int], ...]) -> timedelta | None:
    """How long it is quiet yet, if no clock is changed meanwhile; None when it is not quiet."""
    wall = at.astimezone(zone)
    minute = wall.weekday() * _DAY + wall.hour * 60 + wall.minute
    for start, end in spans:
        for turn in (minute, minute + _WEEK):
            if start <= turn < end:
                gone = timedelta(seconds=wall.second, microseconds=wall.microsecond)
                return timedelta(minutes=end - turn) - gone
    return None


def _change(start: datetime, end: datetime, zone: tzinfo) -> datetime | None:
    """The first instant behind `start`, until `end`, at which clocks of a zone are changed.

    No zone changes its clocks twice within an hour.
    """
    offset = start.astimezone(zone).utcoffset()
    low = start
    while low < end:
        high = min(low + _HOUR, end)
        if high.astimezone(zone).utcoffset() != offset:
            return _first_other(low, high, offset, zone)
        low = high
    return None


def _first_other(low: datetime, high: datetime, offset: timedelta | None, zone: tzinfo) -> datetime:
    """The whole second of a change that lies behind `low`, not behind `high`."""
    low = low.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = max(middle.replace(microsecond=0), low + _SECOND)
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


@lru_cache(maxsize=1024)
def _spans(windows: Quiet) -> tuple[tuple[int, int], ...]:
    """Minutes of the week that are quiet, from Monday's first on, apart from one another.

    One that goes on over the end of the week ends behind it.
    """
    pieces = []
    for one in windows:
        since, until = _minute(one.since) or 0, _minute(one.until) or 0
        length = until - since if until > since else until - since + _DAY
        for day in one.days:
            start = DAYS.index(day) * _DAY + since
            pieces.append((start, start + length))
    # What goes on over the end of the week is at its beginning, too: laid over the rest once.
    pieces += [(start - _WEEK, end - _WEEK) for start, end in pieces if end > _WEEK]
    merged: list[tuple[int, int]] = []
    for start, end in sorted((max(start, 0), end) for start, end in pieces):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return _joined_round(merged)


def _joined_round(merged: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Where the week ends quiet and begins quiet, the one goes on into the other."""
    cut = [(start, min(end, _WEEK)) for start, end in merged]
    if len(cut) > 1 and cut[0][0] == 0 and cut[-1][1] == _WEEK:
        first = cut.pop(0)
        cut[-1] = (cut[-1][0], _WEEK + first[1])
    return tuple(cut)


def _minute(text: str) -> int | None:
    """The minute of the day that a time is; None for what is none."""
    hours, colon, minutes = text.partition(":")
    digits = len(hours) == len(minutes) == len("00") and (hours + minutes).isdecimal()
    if not (colon and digits and text.isascii()):
        return None
    found = int(hours) * 60 + int(minutes)
    return found if int(minutes) < len(range(60)) and found <= _DAY else None
