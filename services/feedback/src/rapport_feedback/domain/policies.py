"""Policies: which clocks a case has, by what is known of it. Declared as data, in versions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from rapport_feedback.domain.case_fields import Fields, Severity
from rapport_feedback.domain.cases import Clock
from rapport_feedback.domain.clocks import Counted, Escalation, Rule, Span, Until
from rapport_feedback.domain.hours import Calendar, NeverOpenError

MAX_CLOCKS, MAX_ESCALATIONS, MAX_VALUES = len(Clock), 10, 100
MAX_MINUTES = 3650 * 24 * 60
MAX_OPEN_MINUTES = 2000 * 60
MAX_BUSINESS_DAYS = 1000
DEFAULT = "default"
"""The name of a workspace's own calendar that stands in for the one of the settings."""


@dataclass(frozen=True)
class ServiceLevels:
    """What the settings say: the usual calendar and limits, and how long a closed case can be
    reopened. Acknowledging is counted in open hours, the rest in wall time.
    """

    calendar: Calendar
    acknowledge: timedelta
    resolve: timedelta
    reopen: timedelta


class PolicyError(ValueError):
    """A policy that can't be: `where` in it, and what to do."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class Limit(msgspec.Struct, frozen=True, rename={"counted": "in"}):
    """So many minutes, hours or days of wall time or open time, or business days: one of these."""

    minutes: int | None = None
    hours: int | None = None
    days: int | None = None
    business_days: int | None = None
    counted: Counted = Counted.WALL


class Told(msgspec.Struct, frozen=True):
    """Whom it is told, so many minutes after the limit."""

    after_minutes: int
    to: str


class ClockDocument(msgspec.Struct, frozen=True):
    """What is asked of one clock. `calendar`: by name; None is the workspace's usual one."""

    clock: Clock
    limit: Limit
    calendar: str | None = None
    pauses: bool = False
    warn_minutes: int | None = None
    extended: Limit | None = None
    until: Until = Until.CLOSED
    restart: bool = True
    escalate: tuple[Told, ...] = ()


class When(msgspec.Struct, frozen=True):
    """Which cases: those that have one of the values of each list that has any."""

    severity: tuple[Severity, ...] = ()
    category: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    tier: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    language: tuple[str, ...] = ()

    def fits(self, fields: Fields) -> bool:
        """Whether a case is one of them."""
        return all(
            not wanted or has in wanted
            for wanted, has in (
                (self.severity, fields.severity),
                (self.category, fields.category),
                (self.product, fields.product),
                (self.tier, fields.tier),
                (self.channel, fields.channel),
                (self.language, fields.language),
            )
        )


class PolicyDocument(msgspec.Struct, frozen=True):
    """A policy as it is declared and kept. Of those that fit, the one of the lowest `order` holds,
    then the first by name.
    """

    clocks: tuple[ClockDocument, ...]
    when: When = When()
    order: int = 100


@dataclass(frozen=True)
class Chosen:
    """The policy of a case: which version of which, and its rules. Version 0: the settings'."""

    name: str
    version: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Policies:
    """All that holds in a workspace: what the settings say, and policies and calendars by name."""

    levels: ServiceLevels
    policies: Mapping[str, tuple[int, PolicyDocument]]
    calendars: Mapping[str, Calendar]

    def of(self, fields: Fields) -> Chosen:
        """The policy of a case about which this is known."""
        for name, (version, policy) in sorted(
            self.policies.items(), key=lambda one: (one[1][1].order, one[0])
        ):
            if policy.when.fits(fields):
                return Chosen(name, version, rules_of(policy, self))
        return Chosen("", 0, self.usual)

    @property
    def usual(self) -> tuple[Rule, ...]:
        """What holds without any policy: the settings' two limits."""
        return (
            Rule(
                Clock.ACKNOWLEDGE,
                Span(Counted.OPEN, self.levels.acknowledge),
                self.calendar_of(None),
            ),
            Rule(Clock.RESOLVE, Span(Counted.WALL, self.levels.resolve), self.calendar_of(None)),
        )

    def calendar_of(self, name: str | None) -> Calendar:
        """A calendar by its name; the workspace's usual one for None, and for one that is gone."""
        usual = self.calendars.get(DEFAULT, self.levels.calendar)
        return usual if name is None else self.calendars.get(name, usual)


def rules_of(policy: PolicyDocument, known: Policies) -> tuple[Rule, ...]:
    """What a policy asks of each clock, with its calendars put in."""
    return tuple(
        Rule(
            clock=one.clock,
            limit=span_of(one.limit),
            calendar=known.calendar_of(one.calendar),
            pauses=one.pauses,
            warn=None if one.warn_minutes is None else timedelta(minutes=one.warn_minutes),
            extended=None if one.extended is None else span_of(one.extended),
            until=one.until,
            restart=one.restart,
            escalate=tuple(
                Escalation(timedelta(minutes=told.after_minutes), told.to) for told in one.escalate
            ),
        )
        for one in policy.clocks
    )


def span_of(limit: Limit) -> Span:
    """The same to count with."""
    if limit.business_days is not None:
        return Span(Counted.BUSINESS_DAYS, days=limit.business_days)
    time = timedelta(
        minutes=limit.minutes or 0,
        hours=limit.hours or 0,
        days=limit.days or 0,
    )
    return Span(limit.counted, time)


def checked(policy: PolicyDocument, known: Policies, now: datetime) -> PolicyDocument:
    """The same; PolicyError says what is wrong with it."""
    clocks = [one.clock for one in policy.clocks]
    for index, one in enumerate(policy.clocks):
        where = f"clocks.{index}"
        if one.clock in clocks[:index]:
            raise PolicyError(where, f"{one.clock} is there twice: a case has one of each")
        _require_limits(one, where)
        if one.calendar is not None and one.calendar not in known.calendars:
            names = ", ".join(sorted(known.calendars)) or "none yet"
            message = f"there is no calendar {one.calendar!r}; there are: {names}"
            raise PolicyError(f"{where}.calendar", message)
    unreachable(policy, known, now)
    return policy


def unreachable(policy: PolicyDocument, known: Policies, now: datetime) -> None:
    """PolicyError for a limit that its calendar does not reach within twenty years."""
    for index, (one, rule) in enumerate(zip(policy.clocks, rules_of(policy, known), strict=True)):
        for limit in (rule.limit, rule.extended):
            try:
                if limit is not None and limit.counted is Counted.OPEN:
                    rule.calendar.add(now, limit.time)
                elif limit is not None and limit.counted is Counted.BUSINESS_DAYS:
                    rule.calendar.end_of_day(now, limit.days)
            except NeverOpenError as error:
                name = one.calendar or DEFAULT
                message = f"would not be due within 20 years by the calendar {name!r}: {error}"
                raise PolicyError(f"clocks.{index}.limit", message) from error


def _require_limits(one: ClockDocument, where: str) -> None:
    _require_limit(one.limit, f"{where}.limit")
    span = span_of(one.limit)
    if one.extended is not None:
        _require_limit(one.extended, f"{where}.extended")
        longer = span_of(one.extended)
        if longer.counted is not span.counted or (longer.days, longer.time) <= (
            span.days,
            span.time,
        ):
            message = "counts as the limit does, and is longer"
            raise PolicyError(f"{where}.extended", message)
    if one.pauses and span.counted is Counted.BUSINESS_DAYS:
        message = "business days are counted by the calendar and do not pause: use hours of open "
        raise PolicyError(f"{where}.pauses", message + "time")
    if one.warn_minutes is not None and span.time and _minutes(span) <= one.warn_minutes:
        message = f"{one.warn_minutes} minutes are no less than the limit of {_minutes(span)}"
        raise PolicyError(f"{where}.warn_minutes", message)
    _require_near(one, span, where)


def _require_near(one: ClockDocument, span: Span, where: str) -> None:
    """Each escalation of open time is looked for in the calendar, day by day."""
    for index, told in enumerate(one.escalate):
        if span.counted is Counted.OPEN and _minutes(span) + told.after_minutes > MAX_OPEN_MINUTES:
            message = f"is over {MAX_OPEN_MINUTES} minutes of open time after the case began"
            raise PolicyError(f"{where}.escalate.{index}.after_minutes", message)


def _minutes(span: Span) -> int:
    return int(span.time.total_seconds() // 60)


def _require_limit(limit: Limit, where: str) -> None:
    given = [limit.minutes, limit.hours, limit.days, limit.business_days]
    if sum(one is not None for one in given) != 1:
        raise PolicyError(where, "give one of minutes, hours, days, business_days")
    if limit.counted is Counted.BUSINESS_DAYS:
        raise PolicyError(where, "give business_days and a number, and leave `in` out")
    if limit.days is not None and limit.counted is Counted.OPEN:
        message = "days of open time have no fixed length: give hours, or business_days"
        raise PolicyError(where, message)
    if limit.business_days is not None:
        amount, most, unit = limit.business_days, MAX_BUSINESS_DAYS, "business days"
    else:
        is_open = limit.counted is Counted.OPEN
        amount = _minutes(span_of(limit))
        most, unit = MAX_OPEN_MINUTES if is_open else MAX_MINUTES, "minutes"
    if not 1 <= amount <= most:
        raise PolicyError(where, f"is {amount} {unit}; a limit has from 1 to {most}")


def calendars_in(policies: Iterable[PolicyDocument]) -> set[str]:
    """The names of calendars that policies use."""
    return {
        one.calendar for policy in policies for one in policy.clocks if one.calendar is not None
    }


def _business(days: int) -> Limit:
    return Limit(business_days=days)


_PROMPT = ClockDocument(Clock.ACKNOWLEDGE, _business(1))
_SUMMARY = ClockDocument(Clock.RESOLVE, _business(3), until=Until.ANSWERED)
LIBRARY: Mapping[str, tuple[str, PolicyDocument]] = {
    "uk-fca-disp-payments": (
        (
            "UK FCA DISP 1.6.2A: complaints about payment services. Final response within 15 "
            "business days, 35 when a holding reply was sent (an entry `extended`)."
        ),
        PolicyDocument(
            when=When(category=("payment",)),
            order=10,
            clocks=(
                _PROMPT,
                _SUMMARY,
                ClockDocument(
                    Clock.EXTERNAL,
                    _business(15),
                    extended=_business(35),
                    until=Until.ANSWERED,
                    restart=False,
                ),
            ),
        ),
    ),
    "uk-fca-disp": (
        (
            "UK FCA DISP 1.5 and 1.6: acknowledged promptly (here: by the end of the next business "
            "day); resolved by the close of the third business day after the day of receipt, then "
            "a summary note is enough; else a final response within eight weeks."
        ),
        PolicyDocument(
            order=20,
            clocks=(
                _PROMPT,
                _SUMMARY,
                ClockDocument(
                    Clock.EXTERNAL,
                    Limit(days=56),
                    until=Until.ANSWERED,
                    warn_minutes=7 * 24 * 60,
                    restart=False,
                ),
            ),
        ),
    ),
}
"""Policies that come with Rapport, by name, with what they are."""
