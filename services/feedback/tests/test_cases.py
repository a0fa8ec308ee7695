"""The states of a complaint and its clocks, step by step and at random."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_feedback.domain import cases
from rapport_feedback.domain.cases import Case, Clock, IllegalMoveError, ServiceLevels, State
from rapport_feedback.domain.hours import Calendar, on_days

LEVELS = ServiceLevels(
    calendar=Calendar(on_days(range(5), time(9), time(17))),
    acknowledge=timedelta(hours=1),
    resolve=timedelta(days=56),
    reopen=timedelta(days=90),
)
FRIDAY = datetime(2026, 1, 16, 16, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
THE_USUAL_WAY = (
    State.ACKNOWLEDGED,
    State.ASSESSED,
    State.INVESTIGATING,
    State.WAITING_CUSTOMER,
    State.INVESTIGATING,
    State.RESPONSE_OFFERED,
    State.CLOSED,
)
WALKS = st.lists(
    st.tuples(st.sampled_from(State), st.timedeltas(timedelta(0), timedelta(days=40))),
    max_size=40,
)


def walk(*states: State) -> Case:
    case = cases.begin(LEVELS, FRIDAY)
    for hours, state in enumerate(states, start=1):
        case = cases.move(case, state, LEVELS, FRIDAY + hours * HOUR)
    return case


def test_a_complaint_of_friday_afternoon_is_acknowledged_by_monday() -> None:
    case = cases.begin(LEVELS, FRIDAY)
    assert case.acknowledge_due_at == datetime(2026, 1, 19, 9, 30, tzinfo=UTC)
    assert case.due_at == FRIDAY + timedelta(weeks=8)


def test_the_usual_way_ends_closed() -> None:
    case = walk(*THE_USUAL_WAY)
    assert (case.state, case.step) == (State.CLOSED, 8)
    assert case.closed_at == FRIDAY + 7 * HOUR
    assert case.deadline_at is None


@pytest.mark.parametrize(
    "ending",
    [
        (State.CLOSED,),
        (State.ESCALATED_INTERNAL, State.RESPONSE_OFFERED, State.CLOSED),
        (State.ESCALATED_INTERNAL, State.ESCALATED_EXTERNAL, State.CLOSED),
    ],
)
def test_every_way_out(ending: tuple[State, ...]) -> None:
    offered = (State.ACKNOWLEDGED, State.ASSESSED, State.RESPONSE_OFFERED)
    assert walk(*offered, *ending).state is State.CLOSED


@pytest.mark.parametrize(
    ("way", "to"),
    [
        ((), State.CLOSED),
        ((), State.RECEIVED),
        ((State.ACKNOWLEDGED,), State.RECEIVED),
        ((State.ACKNOWLEDGED, State.ASSESSED), State.CLOSED),
        (THE_USUAL_WAY[:4], State.CLOSED),
        (THE_USUAL_WAY[:4], State.RESPONSE_OFFERED),
        (THE_USUAL_WAY[:6], State.ESCALATED_EXTERNAL),
        ((*THE_USUAL_WAY, State.REOPENED), State.INVESTIGATING),
        ((State.ACKNOWLEDGED, State.ASSESSED, State.INVESTIGATING), State.REOPENED),
        (THE_USUAL_WAY, State.INVESTIGATING),
    ],
)
def test_a_step_that_is_not_allowed_names_those_that_are(way: tuple[State, ...], to: State) -> None:
    case = walk(*way)
    with pytest.raises(IllegalMoveError) as refused:
        cases.move(case, to, LEVELS, FRIDAY + 20 * HOUR)
    assert refused.value.status == 409
    assert refused.value.details["allowed"] == sorted(cases.NEXT[case.state])


def test_reopening_starts_new_clocks() -> None:
    late = FRIDAY + timedelta(days=80)
    case = cases.move(walk(*THE_USUAL_WAY), State.REOPENED, LEVELS, late)
    assert (case.state, case.closed_at) == (State.REOPENED, None)
    assert case.opened_at == FRIDAY
    assert case.due_at == late + LEVELS.resolve
    assert not cases.is_overdue(case, late)


def test_a_case_closed_long_ago_stays_closed() -> None:
    with pytest.raises(IllegalMoveError, match="open a new case"):
        cases.move(walk(*THE_USUAL_WAY), State.REOPENED, LEVELS, FRIDAY + timedelta(days=100))


def test_overdue_goes_by_the_clock_that_runs() -> None:
    monday = datetime(2026, 1, 19, 9, 30, tzinfo=UTC)
    a_moment = timedelta(microseconds=1)
    received, acknowledged = walk(), walk(State.ACKNOWLEDGED)
    assert not cases.is_overdue(received, monday)
    assert cases.is_overdue(received, monday + a_moment)
    assert not cases.is_overdue(acknowledged, monday + a_moment)
    assert cases.is_overdue(acknowledged, acknowledged.due_at + a_moment)
    assert not cases.is_overdue(walk(*THE_USUAL_WAY), FRIDAY + timedelta(days=500))


def test_overdue_since_the_limit_that_passed_first() -> None:
    case = walk()
    late = case.due_at + HOUR
    assert cases.overdue_at(case, case.acknowledge_due_at) is None
    assert cases.overdue_at(case, late) == case.acknowledge_due_at
    assert cases.overdue_at(walk(State.ACKNOWLEDGED), late) == case.due_at
    assert cases.overdue_at(walk(*THE_USUAL_WAY), late) is None


def test_the_clocks_that_run_go_by_the_state() -> None:
    case = walk()
    both = {Clock.ACKNOWLEDGE: case.acknowledge_due_at, Clock.RESOLVE: case.due_at}
    assert case.clocks == both
    assert walk(State.ACKNOWLEDGED).clocks == {Clock.RESOLVE: case.due_at}
    assert walk(*THE_USUAL_WAY).clocks == {}
    assert set(walk(*THE_USUAL_WAY, State.REOPENED).clocks) == set(both)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {State.RECEIVED}.union(*cases.NEXT.values())
    assert reached == set(State) == set(cases.NEXT)
    assert all(cases.NEXT.values())


@given(WALKS)
def test_a_random_walk_takes_allowed_steps_only(steps: list[tuple[State, timedelta]]) -> None:
    now, case = FRIDAY, cases.begin(LEVELS, FRIDAY)
    for to, wait in steps:
        now += wait
        allowed = cases.allowed_from(case, LEVELS, now)
        before = case
        try:
            case = cases.move(case, to, LEVELS, now)
        except IllegalMoveError:
            assert to not in allowed
            continue
        assert to in allowed
        assert case.step == before.step + 1
        assert (case.closed_at is not None) == (case.state is State.CLOSED)
        assert (case.deadline_at is None) == (case.state is State.CLOSED)


@given(WALKS)
def test_limits_move_only_when_a_case_is_reopened(steps: list[tuple[State, timedelta]]) -> None:
    now, case = FRIDAY, cases.begin(LEVELS, FRIDAY)
    for to, wait in steps:
        now += wait
        if to not in cases.allowed_from(case, LEVELS, now):
            continue
        before, case = case, cases.move(case, to, LEVELS, now)
        same = (before.due_at, before.acknowledge_due_at) == (case.due_at, case.acknowledge_due_at)
        assert same != (to is State.REOPENED and wait > timedelta(0)) or to is State.REOPENED
