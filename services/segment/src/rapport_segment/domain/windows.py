"""What of a rule moves with time: instants beside now, and windows that end now or begin now.

Each is a function of the instant in a fact: for which times of looking it holds. So the verdict
and the moment at which it changes by itself come of one thing.
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from typing_extensions import override

from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.zones import first_instant, local_date, zone_name

LONGEST_DAYS, LONGEST_MONTHS = 3660, 120
"""Ten years: what reaches further is a mistake, or nobody's."""

EVER = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
INSTANT_STEP = timedelta(microseconds=1)
"""Facts, clocks and the database all count so fine."""

Span = tuple[datetime, datetime]
"""The times of looking at which something holds: from the first on, before the second."""

_MONTHS = {"mo": 1, "y": 12}
_SECONDS = {"min": 60, "h": 3600, "d": 86_400, "w": 604_800}
UNITS = (*_SECONDS, *_MONTHS)
_DURATION = re.compile(r"([0-9]{1,6})(min|h|d|w|mo|y)")
_DAYS_OF_MONTH = 31
PERIODS = ("day", "week", "month", "quarter", "year")
SIDES = ("last", "next")
_HINT = 'must be such as "30d": a number and one of min, h, d, w, mo, y'


@dataclass(frozen=True, slots=True)
class Duration:
    """So many of a unit. Days have 24 hours; a month goes to the same day of another month."""

    number: int
    unit: str

    @override
    def __str__(self) -> str:
        return f"{self.number}{self.unit}"

    @property
    def months(self) -> int:
        """Whole months, of units that are made of them."""
        return self.number * _MONTHS.get(self.unit, 0)

    @property
    def seconds(self) -> int:
        """Seconds, of the other units."""
        return self.number * _SECONDS.get(self.unit, 0)

    def after(self, moment: datetime) -> datetime:
        """So long after; the last day of a month that is too short; at most the end of time."""
        return self._moved(moment, 1)

    def before(self, moment: datetime) -> datetime:
        """So long before; the last day of a month that is too short; at least its beginning."""
        return self._moved(moment, -1)

    def _moved(self, moment: datetime, sign: int) -> datetime:
        try:
            if not self.months:
                return moment + timedelta(seconds=sign * self.seconds)
            year, month = divmod(moment.year * 12 + moment.month - 1 + sign * self.months, 12)
            last = calendar.monthrange(year, month + 1)[1]
            return moment.replace(year=year, month=month + 1, day=min(moment.day, last))
        except (OverflowError, ValueError):
            return NEVER if sign > 0 else EVER


@dataclass(frozen=True, slots=True)
class BesideNow:
    """An instant before (`sign` -1) or after now."""

    sign: int
    distance: Duration

    @override
    def __str__(self) -> str:
        if self.distance.number == 0:
            return "now"
        return f"now {'-' if self.sign < 0 else '+'} {self.distance}"

    def span(self, op: str, moment: datetime) -> Span:
        """When `moment` is in this relation to the instant.

        It is the fact that is moved, not now: so also what is months ago goes by once and for all.
        """
        moved = self.distance.after if self.sign < 0 else self.distance.before
        same = moved(moment)
        after = same + INSTANT_STEP if same < NEVER else NEVER
        spans = {
            "gt": (EVER, same),
            "gte": (EVER, after),
            "lt": (after, NEVER),
            "lte": (same, NEVER),
        }
        return spans[op]


@dataclass(frozen=True, slots=True)
class Rolling:
    """The time of a length up to now, now included; or from now on, now not."""

    side: Literal["last", "next"]
    length: Duration

    @override
    def __str__(self) -> str:
        return f"{self.side} {self.length}"

    def span(self, moment: datetime) -> Span:
        """When `moment` lies in it."""
        if self.side == "last":
            return moment, self.length.after(moment)
        return self.length.before(moment), moment


@dataclass(frozen=True, slots=True)
class Calendar:
    """The day, week (from Monday), month, quarter or year that is now in a zone."""

    period: str
    zone: str

    @override
    def __str__(self) -> str:
        return f"this {self.period}"

    def span(self, moment: datetime) -> Span:
        """When `moment` lies in it: all the period long."""
        first, behind = _period(self.period, moment, self.zone)
        return first, behind


def _period(period: str, moment: datetime, zone: str) -> Span:
    day = local_date(moment, zone)
    if period == "day":
        first, behind = day.toordinal(), day.toordinal() + 1
    elif period == "week":
        first = day.toordinal() - day.weekday()
        behind = first + 7
    else:
        length = {"month": 1, "quarter": 3, "year": 12}[period]
        month = (day.month - 1) // length * length
        first = day.replace(month=month + 1, day=1).toordinal()
        year, beyond = divmod(day.year * 12 + month + length, 12)
        behind = first + _DAYS_OF_MONTH * length
        if year <= NEVER.year:
            behind = day.replace(year=year, month=beyond + 1, day=1).toordinal()
    return first_instant(first, zone), first_instant(behind, zone)


@dataclass(frozen=True, slots=True)
class Anniversary:
    """Days of a year around the day of a date: today and the next ones, or the last ones and today.

    By the calendar of the person's zone, which is the trait `timezone`; else of `zone`.
    """

    side: Literal["last", "next"]
    days: int
    zone: str

    @override
    def __str__(self) -> str:
        return f"{self.side} {self.days}d"


Window = Rolling | Calendar
Timed = BesideNow | Window | Anniversary


def duration(text: object, path: str) -> Duration:
    """A length of time as it is written: `30d`; RuleError for none, or one that is too long."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise RuleError(path, _HINT)
    one = Duration(int(found[1]), found[2])
    if one.number == 0 or one.months > LONGEST_MONTHS or one.seconds > LONGEST_DAYS * _SECONDS["d"]:
        longest = f"{LONGEST_DAYS}d or {LONGEST_MONTHS}mo"
        raise RuleError(path, f"must be longer than nothing, and at most {longest}")
    return one


def beside_now(document: object, path: str) -> BesideNow:
    """`{"now": "-30d"}`; RuleError for anything else."""
    if not isinstance(document, Mapping) or set(document) != {"now"}:
        raise RuleError(path, 'must be an instant, or one beside now such as {"now": "-30d"}')
    written, place = document["now"], f"{path}.now"
    if written in {"", "0", "+0d", "-0d", 0}:
        return BesideNow(1, Duration(0, "d"))
    if not isinstance(written, str) or written[:1] not in {"+", "-"}:
        raise RuleError(place, 'must be such as "-30d" or "+2h": with its sign')
    return BesideNow(-1 if written[0] == "-" else 1, duration(written[1:], place))


def window(document: object, path: str) -> Window:
    """`{"last": "30d"}`, `{"next": "7d"}` or `{"this": "month", "zone": "Europe/Berlin"}`."""
    kind = _one_of(document, path, (*SIDES, "this"))
    place = f"{path}.{kind}"
    told: Mapping[str, Any] = document  # type: ignore[assignment] # `_one_of` has looked
    if kind != "this":
        if "zone" in told:
            raise RuleError(f"{path}.zone", "a rolling window has no zone: its days have 24 hours")
        side: Literal["last", "next"] = "last" if kind == "last" else "next"
        return Rolling(side, duration(told[kind], place))
    if told[kind] not in PERIODS:
        raise RuleError(place, f"must be one of {', '.join(PERIODS)}")
    return Calendar(told[kind], zone_name(told.get("zone", "UTC"), f"{path}.zone"))


MOST_DAYS = 365


def anniversary(document: object, path: str) -> Anniversary:
    """`{"next": "7d"}` or `{"last": "7d"}`, with the zone of who has none."""
    kind = _one_of(document, path, SIDES)
    told: Mapping[str, Any] = document  # type: ignore[assignment] # `_one_of` has looked
    length = duration(told[kind], f"{path}.{kind}")
    days = length.number * (7 if length.unit == "w" else 1)
    if length.unit not in {"d", "w"} or days > MOST_DAYS:
        raise RuleError(f"{path}.{kind}", f"must be whole days, 1d to {MOST_DAYS}d")
    side: Literal["last", "next"] = "last" if kind == "last" else "next"
    return Anniversary(side, days, zone_name(told.get("zone", "UTC"), f"{path}.zone"))


def _one_of(document: object, path: str, kinds: tuple[str, ...]) -> str:
    named = [one for one in kinds if isinstance(document, Mapping) and one in document]
    if len(named) != 1:
        raise RuleError(path, f"must be an object with one of {', '.join(kinds)}")
    unknown = set(document) - {named[0], "zone"}  # type: ignore[call-overload] # an object
    if unknown:
        shown = ascii(min(map(str, unknown))[:40])
        raise RuleError(path, f"has {shown}; here belong {named[0]}, zone")
    return named[0]
