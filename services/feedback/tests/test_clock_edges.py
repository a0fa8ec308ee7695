"""The edges of a case's clocks: calendars that never open, policies at bounds, laps as kept."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from rapport_feedback.domain import policies
from rapport_feedback.domain.cases import Case, Clock, State
from rapport_feedback.domain.clocks import (
    Counted,
    Escalation,
    Lap,
    Moment,
    Outcome,
    Rule,
    Span,
    Until,
    ends,
    laps,
)
from rapport_feedback.domain.hours import FARTHEST, Calendar, NeverOpenError, on_days
from rapport_feedback.domain.policies import (
    Chosen,
    ClockDocument,
    Limit,
    Policies,
    PolicyDocument,
    PolicyError,
    ServiceLevels,
    Told,
)
from rapport_feedback.domain.winding import Kept, with_limits, wound

OFFICE = Calendar(on_days(range(5), time(9), time(17)))
CLOSED = Calendar({})
FRIDAY = datetime(2026, 1, 16, 16, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OPENED = (Moment(FRIDAY, 0, to=State.RECEIVED),)
CHOSEN = Chosen("usual", 1, ())


def test_a_case_goes_on_where_holidays_leave_no_open_hour() -> None:
    """Told of after the limit was: it is due as far away as can be, and so is who is told then."""
    later = (Escalation(HOUR, "lead"),)
    [lap] = laps(Rule(Clock.RESOLVE, Span(Counted.OPEN, HOUR), CLOSED, escalate=later), OPENED)
    assert lap.due_at == FRIDAY + FARTHEST
    assert lap.escalations == ((FRIDAY + FARTHEST + HOUR, "lead"),)
    with pytest.raises(NeverOpenError):
        CLOSED.end_of_day(FRIDAY, 1)


def test_escalations_go_by_what_the_limit_is_counted_in() -> None:
    later = (Escalation(8 * HOUR, "lead"),)
    [lap] = laps(Rule(Clock.RESOLVE, Span(Counted.OPEN, HOUR), OFFICE, escalate=later), OPENED)
    monday = datetime(2026, 1, 19, tzinfo=UTC)
    assert lap.due_at == monday + 9.5 * HOUR
    assert lap.escalations == ((monday + DAY + 9.5 * HOUR, "lead"),)
    wall = Rule(Clock.RESOLVE, Span(Counted.WALL, HOUR), OFFICE, escalate=later)
    [lap] = laps(wall, OPENED)
    assert lap.escalations == ((FRIDAY + 9 * HOUR, "lead"),)


def test_a_warning_before_the_end_of_a_business_day_is_by_the_wall() -> None:
    rule = Rule(Clock.RESOLVE, Span(Counted.BUSINESS_DAYS, days=1), OFFICE, warn=90 * MINUTE)
    [lap] = laps(rule, OPENED)
    assert lap.due_at == datetime(2026, 1, 19, 17, tzinfo=UTC)
    assert lap.warn_at == lap.due_at - 90 * MINUTE


@pytest.mark.parametrize("clock", [Clock.RESOLVE, Clock.EXTERNAL])
@pytest.mark.parametrize("until", Until)
def test_an_offered_answer_ends_what_waits_for_an_answer_only(clock: Clock, until: Until) -> None:
    rule = Rule(clock, Span(Counted.WALL, HOUR), OFFICE, until=until)
    answered = Moment(FRIDAY, 1, to=State.RESPONSE_OFFERED)
    assert ends(rule, answered) == (until is Until.ANSWERED)
    assert ends(rule, Moment(FRIDAY, 1, to=State.CLOSED))


def known() -> Policies:
    return Policies(ServiceLevels(OFFICE, 8 * HOUR, 56 * DAY, 90 * DAY), {}, {})


def resolve(limit: Limit, *more: ClockDocument, extended: Limit | None = None) -> PolicyDocument:
    escalate = (Told(after_minutes=60, to="lead"),)
    first = ClockDocument(Clock.RESOLVE, limit, extended=extended, escalate=escalate)
    return PolicyDocument((first, *more))


def test_a_policy_within_its_bounds_is_taken_as_it_is() -> None:
    told = resolve(
        Limit(hours=1, counted=Counted.OPEN), extended=Limit(hours=2, counted=Counted.OPEN)
    )
    assert policies.checked(told, known(), FRIDAY) is told


def test_the_calendars_of_policies_are_known_by_name() -> None:
    named = ClockDocument(Clock.ACKNOWLEDGE, Limit(hours=1), calendar="always")
    found = policies.calendars_in([resolve(Limit(hours=1), named), resolve(Limit(days=1))])
    assert found == {"always"}


@pytest.mark.parametrize(
    ("told", "where"),
    [
        (resolve(Limit(hours=1), ClockDocument(Clock.RESOLVE, Limit(days=1))), "clocks.1"),
        (resolve(Limit(hours=1, days=1)), "clocks.0.limit"),
        (resolve(Limit()), "clocks.0.limit"),
        (resolve(Limit(minutes=0)), "clocks.0.limit"),
        (resolve(Limit(hours=1, counted=Counted.BUSINESS_DAYS)), "clocks.0.limit"),
        (resolve(Limit(business_days=1001)), "clocks.0.limit"),
    ],
)
def test_a_policy_beyond_its_bounds_says_where(told: PolicyDocument, where: str) -> None:
    with pytest.raises(PolicyError) as refused:
        policies.checked(told, known(), FRIDAY)
    assert refused.value.where == where


def lap(clock: Clock = Clock.RESOLVE, number: int = 1, **told: object) -> Lap:
    found = Lap(clock, number, FRIDAY, FRIDAY, due_at=FRIDAY + DAY)
    return replace(found, **told)  # type: ignore[arg-type] # as told


def test_what_is_to_be_told_next_of_a_lap() -> None:
    warned = lap(warn_at=FRIDAY + HOUR, escalations=((FRIDAY + 2 * DAY, "lead"),))
    kept = Kept(warned, "usual", 1)
    assert kept.key == (Clock.RESOLVE, 1)
    assert kept.next_at == FRIDAY + HOUR
    assert replace(kept, warned=True).next_at == FRIDAY + DAY
    assert Kept(lap(), "usual", 1).next_at == FRIDAY + DAY
    late = replace(kept, warned=True, breached_at=FRIDAY + DAY)
    assert late.next_at == FRIDAY + 2 * DAY
    assert replace(late, escalated=1).next_at is None
    assert Kept(lap(due_at=None), "usual", 1).next_at is None
    assert Kept(lap(outcome=Outcome.MET), "usual", 1).next_at is None


def test_of_another_limit_nothing_was_told_but_a_warning_of_lately() -> None:
    key = (Clock.RESOLVE, 1)
    told = Kept(lap(warn_at=FRIDAY), "old", 1, warned=True, breached_at=FRIDAY + DAY, escalated=1)
    now = FRIDAY + HOUR

    def again(folded: Lap) -> Kept:
        return wound({key: told}, {key: folded}, CHOSEN, now=now, since=None)[key]

    same = again(lap(warn_at=FRIDAY))
    assert same == replace(told, policy="usual")
    lately = again(lap(due_at=FRIDAY + 2 * DAY, warn_at=FRIDAY))
    assert (lately.warned, lately.breached_at, lately.escalated) == (True, None, 0)
    assert again(lap(due_at=FRIDAY + 2 * DAY)).warned
    assert not again(lap(due_at=FRIDAY + 2 * DAY, warn_at=now + HOUR)).warned


def test_a_clock_that_was_dropped_and_has_ended_since_stays_dropped() -> None:
    key = (Clock.RESOLVE, 1)
    dropped = Kept(lap(ended_at=FRIDAY, outcome=Outcome.DROPPED), "usual", 1)
    ended = lap(ended_at=FRIDAY + HOUR, outcome=Outcome.MET)
    assert wound({key: dropped}, {key: ended}, CHOSEN, now=FRIDAY, since=None)[key] is dropped
    assert wound({key: dropped}, {}, CHOSEN, now=FRIDAY, since=None)[key] is dropped
    assert wound({key: dropped}, {key: lap()}, CHOSEN, now=FRIDAY, since=None)[key].lap == lap()


def test_a_case_shows_the_limits_of_its_newest_laps() -> None:
    case = Case(State.ASSESSED, 1, FRIDAY)
    ended = lap(ended_at=FRIDAY, outcome=Outcome.MET)
    newest = lap(number=2, due_at=FRIDAY + 3 * DAY)
    dropped = lap(number=3, due_at=FRIDAY, outcome=Outcome.DROPPED)
    acknowledged = lap(Clock.ACKNOWLEDGE, due_at=FRIDAY + 2 * DAY)
    kept = [Kept(one, "usual", 1) for one in (newest, ended, dropped, acknowledged)]
    shown = with_limits(case, kept)
    assert shown.due_at == FRIDAY + 3 * DAY
    assert (shown.acknowledge_due_at, shown.deadline_at) == (FRIDAY + 2 * DAY, FRIDAY + 2 * DAY)
    external = with_limits(case, [Kept(lap(Clock.EXTERNAL), "usual", 1)])
    assert external.due_at == FRIDAY + DAY
    assert with_limits(case, []).deadline_at is None
