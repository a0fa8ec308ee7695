"""Holidays of an iCalendar text (RFC 5545): whole days, once or by a rule of the year."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

from dateutil.rrule import rrulestr

MAX_TEXT = 1_000_000
MAX_RULE = 300
"""Characters of a rule: what takes long to work out is long."""
_LASTS = re.compile(r"\+?P([1-9][0-9]{0,3})([DW])")
_EVERY = re.compile(r"[1-9][0-9]{0,3}")
MAX_EVENTS, MAX_RULES, MAX_SPAN = 4000, 100, 60
YEARS_AHEAD = 10
"""So far rules of the year are written out."""

_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS"}
_PARTS |= {"WKST", "BYEASTER"}


class ICalError(ValueError):
    """A text of which no holidays can be had: which line, and why."""


@dataclass(frozen=True, slots=True)
class Holidays:
    """The days off; `ignored` events have a time of day, or are cancelled."""

    days: frozenset[date]
    ignored: int


@dataclass(slots=True)
class _Event:
    line: int
    starts: str = ""
    ends: str = ""
    lasts: str = ""
    rule: str = ""
    cancelled: bool = False
    more: list[str] = field(default_factory=list)
    less: list[str] = field(default_factory=list)
    instead_of: str = ""
    uid: str = ""


def holidays_of(text: str, today: date) -> Holidays:
    """The days off from this year on, rules written out for ten years; ICalError says what is
    wrong.
    """
    if len(text) > MAX_TEXT:
        message = f"has {len(text)} characters, {MAX_TEXT} at most: a calendar of holidays is small"
        raise ICalError(message)
    events = list(_events(text))
    if sum(1 for one in events if one.rule) > MAX_RULES:
        message = f"has more than {MAX_RULES} events with a rule (RRULE): leave some out"
        raise ICalError(message)
    since, until = date(today.year, 1, 1), date(today.year + YEARS_AHEAD, 12, 31)
    moved = {(one.uid, one.instead_of) for one in events if one.instead_of}
    days: set[date] = set()
    ignored = 0
    for one in events:
        if one.cancelled or not _is_day(one.starts):
            ignored += 1
            continue
        gone = {_day(told, one.line) for uid, told in moved if uid == one.uid and one.rule}
        days |= {day for day in _days(one, gone, until) if since <= day <= until}
    if not days:
        message = "has no whole day off from this year on: events need DTSTART;VALUE=DATE:20261225"
        raise ICalError(message)
    return Holidays(frozenset(days), ignored)


def _events(text: str) -> Iterator[_Event]:
    """The events of a text; what is nested in them, such as alarms, is not read."""
    inside: list[str] = []
    event: _Event | None = None
    count = 0
    for number, line in _lines(text):
        name, _, value = line.partition(":")
        name = name.upper()
        if name == "BEGIN":
            inside.append(value.upper())
            if inside[-1] == "VEVENT":
                event, count = _Event(number), count + 1
                if count > MAX_EVENTS:
                    message = f"has more than {MAX_EVENTS} events: leave out what is past"
                    raise ICalError(message)
        elif name == "END":
            if not inside or inside.pop() != value.upper():
                message = f"line {number}: END:{value[:40]} does not end what began last"
                raise ICalError(message)
            if value.upper() == "VEVENT" and event is not None:
                yield event
                event = None
        elif event is not None and inside[-1] == "VEVENT":
            _take(event, name.partition(";")[0], value.strip())
    if inside or not count:
        message = "is no whole calendar with events: BEGIN:VCALENDAR, BEGIN:VEVENT, …, END: of each"
        raise ICalError(message)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; one that begins with a blank goes on with the one before."""
    began, kept = 0, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if line[:1] in {" ", "\t"} and began:
            kept += line[1:]
            continue
        if kept:
            yield began, kept
        began, kept = number, line
    if kept:
        yield began, kept


def _take(event: _Event, name: str, value: str) -> None:
    match name:
        case "DTSTART":
            event.starts = value
        case "DTEND":
            event.ends = value
        case "DURATION":
            event.lasts = value.upper()
        case "RRULE":
            event.rule = value.upper()
        case "RDATE":
            event.more += value.split(",")
        case "EXDATE":
            event.less += value.split(",")
        case "RECURRENCE-ID":
            event.instead_of = value
        case "UID":
            event.uid = value
        case "STATUS":
            event.cancelled = value.upper() == "CANCELLED"
        case _:
            pass


def _is_day(told: str) -> bool:
    return len(told) == len("20261225") and told.isdigit()


def _day(told: str, line: int) -> date:
    try:
        return datetime.strptime(told[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        message = f"the event at line {line}: {told[:40]!r} is no day, such as 20261225"
        raise ICalError(message) from error


def _days(event: _Event, moved: set[date], until: date) -> set[date]:
    first = _day(event.starts, event.line)
    length = _length(event, first)
    if not 1 <= length <= MAX_SPAN:
        message = f"the event at line {event.line} has {length} days, not 1 to {MAX_SPAN}"
        raise ICalError(message)
    begins = {first, *(_day(one, event.line) for one in event.more)}
    if event.rule:
        begins |= _repeated(event, first, until)
    begins -= moved | {_day(one, event.line) for one in event.less}
    begins = {day for day in begins if day <= until}
    return {day + timedelta(days=later) for day in begins for later in range(length)}


def _length(event: _Event, first: date) -> int:
    """Days from the first to the last; an event that ends when it begins is of one, as it is shown
    by those who write such.
    """
    if _is_day(event.ends):
        return (_day(event.ends, event.line) - first).days or 1
    lasts = _LASTS.fullmatch(event.lasts)
    if event.lasts and lasts is None:
        message = f"the event at line {event.line} lasts {event.lasts[:40]!r}, not P3D or P1W"
        raise ICalError(message)
    return int(lasts[1]) * (7 if lasts[2] == "W" else 1) if lasts else 1


def _repeated(event: _Event, first: date, until: date) -> set[date]:
    parts = dict(one.partition("=")[::2] for one in event.rule.split(";") if one)
    where = f"the rule of the event at line {event.line}"
    if parts.get("FREQ") != "YEARLY":
        message = (
            f"{where} is FREQ={parts.get('FREQ', '')[:20]}: holidays repeat YEARLY; put other "
        )
        raise ICalError(message + "days that are closed into the week")
    unknown = sorted(parts.keys() - _PARTS)
    if unknown:
        message = f"{where} has {unknown[0][:40]}: days off have none, leave it out"
        raise ICalError(message)
    if len(event.rule) > MAX_RULE or not _EVERY.fullmatch(parts.get("INTERVAL", "1")):
        message = f"{where} has over {MAX_RULE} characters, or an INTERVAL that is not 1 to 9999"
        raise ICalError(message)
    if first.year < 1900 or first > until:  # noqa: PLR2004 - before there were calendars to import
        message = f"{where} begins {first}, not from 1900 to {until}"
        raise ICalError(message)
    last = datetime(until.year, 12, 31)  # noqa: DTZ001 - days have no zone
    plain = re.sub(r"UNTIL=(\d{8})T?\d*Z?", r"UNTIL=\1", event.rule)
    try:
        rule = rrulestr(plain, dtstart=datetime(first.year, first.month, first.day))  # noqa: DTZ001 - as above
        found = {one.date() for one in takewhile(lambda one: one <= last, rule)}
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
    ) as error:
        message = f"{where}, {event.rule[:80]!r}, can't be read: {error}"
        raise ICalError(message) from error
    if not found:
        # Such as 30 February. To learn that takes long, so the first one is the last one.
        message = f"{where}, {event.rule[:80]!r}, is never: leave it out"
        raise ICalError(message)
    return found
