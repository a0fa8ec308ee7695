"""The clocks of a case: each a fold of its own over what has happened to the case.

A clock has laps. One begins when the case is opened or reopened (the next update's also when the
customer was told something), and ends by what the clock waits for; what has ended stays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from rapport_feedback.domain.cases import UNACKNOWLEDGED, Clock, State
from rapport_feedback.domain.hours import FARTHEST, Calendar, NeverOpenError


class Counted(StrEnum):
    """What a limit is counted in."""

    OPEN = "open"
    WALL = "wall"
    BUSINESS_DAYS = "business_days"


class Until(StrEnum):
    """What ends the clocks `resolve` and `external`."""

    ANSWERED = "answered"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a lap has ended: in time, too late, or the policy asks for it no longer."""

    MET = "met"
    BREACHED = "breached"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Span:
    """So long: `time` of open or wall time, or `days` to the end of a business day."""

    counted: Counted
    time: timedelta = timedelta(0)
    days: int = 0


@dataclass(frozen=True, slots=True)
class Escalation:
    """Whom it is told, so long after the limit."""

    after: timedelta
    to: str


@dataclass(frozen=True)
class Rule:
    """What a policy asks of one clock, with its calendar put in.

    `warn`: so long before the limit. `extended`: the limit from the start once a holding reply was
    sent. Without `restart` a case that is reopened has no second lap.
    """

    clock: Clock
    limit: Span
    calendar: Calendar
    pauses: bool = False
    warn: timedelta | None = None
    extended: Span | None = None
    until: Until = Until.CLOSED
    restart: bool = True
    escalate: tuple[Escalation, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a case; `order` decides between those of one instant.

    `to`: the state it took; `told`: staff told the customer something; `extended`: a holding reply.
    """

    at: datetime
    order: int
    to: State | None = None
    told: bool = False
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Lap:
    """One run of a clock, counted from 1. While it is paused nothing is due.

    `spent` of the limit was used up by `resumed_at`. `escalations` are instants and whom it is told
    then.
    """

    clock: Clock
    number: int
    started_at: datetime
    resumed_at: datetime
    spent: timedelta = timedelta(0)
    paused: bool = False
    extended: bool = False
    due_at: datetime | None = None
    warn_at: datetime | None = None
    escalations: tuple[tuple[datetime, str], ...] = ()
    ended_at: datetime | None = None
    outcome: Outcome | None = None

    def is_late(self, at: datetime) -> bool:
        """Whether the limit had passed by then."""
        return self.due_at is not None and at > self.due_at


def laps(rule: Rule, moments: Iterable[Moment]) -> list[Lap]:
    """All laps of a clock, in whatever order one has come to know of the moments."""
    run = _Run(rule)
    for moment in sorted(moments, key=lambda one: (one.at, one.order)):
        run.take(moment)
    return run.laps


class _Run:
    """Where the fold stands: the laps so far, of which the last may go on."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._state: State | None = None
        self.laps: list[Lap] = []

    def take(self, moment: Moment) -> None:
        """What one moment does: it may end a lap, begin one, and stop or prolong the one that
        runs.
        """
        going = bool(self.laps) and self.laps[-1].outcome is None
        if going and ends(self._rule, moment):
            self._end(moment.at)
            going = False
        self._state = moment.to or self._state
        if self._begins(moment, going=going):
            self.laps.append(self._due(self._new(moment.at)))
            going = True
        if going:
            self.laps[-1] = self._moved(self.laps[-1], moment)

    def _begins(self, moment: Moment, *, going: bool) -> bool:
        if going or self._state in {None, State.CLOSED}:
            return False
        if moment.to in UNACKNOWLEDGED:
            return self._rule.restart or not self.laps
        if self._rule.clock is not Clock.NEXT_UPDATE or not self.laps:
            return False
        # Who was answered waits for nothing; who has refused the answer does again.
        told = moment.told and self._state is not State.RESPONSE_OFFERED
        return told or moment.to is State.ESCALATED_INTERNAL

    def _new(self, at: datetime) -> Lap:
        return Lap(self._rule.clock, len(self.laps) + 1, at, at)

    def _end(self, at: datetime) -> None:
        last = self.laps[-1]
        outcome = Outcome.BREACHED if last.is_late(at) else Outcome.MET
        self.laps[-1] = replace(last, ended_at=at, outcome=outcome, paused=False)

    def _moved(self, lap: Lap, moment: Moment) -> Lap:
        if lap.is_late(moment.at):
            return lap
        if moment.extended and self._rule.extended is not None and not lap.extended:
            lap = self._due(replace(lap, extended=True))
        waits = self._state is State.WAITING_CUSTOMER and self._rule.pauses
        if waits and not lap.paused:
            spent = lap.spent + self._elapsed(lap.resumed_at, moment.at)
            return replace(lap, paused=True, spent=spent, due_at=None, warn_at=None, escalations=())
        if lap.paused and not waits:
            return self._due(replace(lap, paused=False, resumed_at=moment.at))
        return lap

    def _elapsed(self, start: datetime, end: datetime) -> timedelta:
        if self._rule.limit.counted is Counted.OPEN:
            return self._rule.calendar.between(start, end)
        return end - start

    def _due(self, lap: Lap) -> Lap:
        """The lap with its limit, and what is said before and after that; nothing while paused."""
        if lap.paused:
            return lap
        rule = self._rule
        limit = rule.extended if lap.extended and rule.extended is not None else rule.limit
        due = _passed(rule.calendar, limit, lap, limit.time)
        later = tuple((_later(rule, limit, due, one.after), one.to) for one in rule.escalate)
        return replace(lap, due_at=due, warn_at=_before(rule, limit, lap, due), escalations=later)


def _passed(calendar: Calendar, limit: Span, lap: Lap, time: timedelta) -> datetime:
    left = max(timedelta(0), time - lap.spent)
    if limit.counted is Counted.WALL:
        return lap.resumed_at + left
    try:
        if limit.counted is Counted.OPEN:
            return calendar.add(lap.resumed_at, left)
        return calendar.end_of_day(lap.started_at, limit.days)
    except NeverOpenError:
        # Such a limit is refused when it is declared. Holidays told since then may still do this;
        # the case goes on all the same.
        return lap.resumed_at + FARTHEST


def _before(rule: Rule, limit: Span, lap: Lap, due: datetime) -> datetime | None:
    """When to warn; None when that would be before the clock (or, after a pause, is by now)."""
    if rule.warn is None:
        return None
    if limit.counted is Counted.BUSINESS_DAYS:
        at = due - rule.warn
    else:
        at = _passed(rule.calendar, limit, lap, limit.time - rule.warn)
    return at if lap.started_at < at < due else None


def _later(rule: Rule, limit: Span, due: datetime, after: timedelta) -> datetime:
    if limit.counted is not Counted.OPEN:
        return due + after
    try:
        return rule.calendar.add(due, after)
    except NeverOpenError:
        return due + after


def ends(rule: Rule, moment: Moment) -> bool:
    """Whether this is what the clock waits for."""
    if moment.to is State.CLOSED:
        return True
    match rule.clock:
        case Clock.ACKNOWLEDGE:
            return moment.to is not None and moment.to not in UNACKNOWLEDGED
        case Clock.FIRST_RESPONSE | Clock.NEXT_UPDATE:
            return moment.told or moment.to is State.RESPONSE_OFFERED
        case Clock.RESOLVE | Clock.EXTERNAL:
            return rule.until is Until.ANSWERED and moment.to is State.RESPONSE_OFFERED
        case _:
            assert_never(rule.clock)


def all_laps(rules: Sequence[Rule], moments: Sequence[Moment]) -> dict[tuple[Clock, int], Lap]:
    """The laps of all clocks, by clock and number: no clock knows of another."""
    return {(one.clock, one.number): one for rule in rules for one in laps(rule, moments)}
