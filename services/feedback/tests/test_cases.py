"""The states of a complaint and its clocks, step by step and at random."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_feedback.domain import cases
from rapport_feedback.domain.cases import Case, IllegalMoveError, State

REOPEN = timedelta(days=90)
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
    case = cases.begin(FRIDAY)
    for hours, state in enumerate(states, start=1):
        case = cases.move(case, state, REOPEN, FRIDAY + hours * HOUR)
    return case


def test_the_usual_way_ends_closed() -> None:
    case = walk(*THE_USUAL_WAY)
    assert (case.state, case.step) == (State.CLOSED, 8)
    assert case.closed_at == FRIDAY + 7 * HOUR


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
        cases.move(case, to, REOPEN, FRIDAY + 20 * HOUR)
    assert refused.value.status == 409
    assert refused.value.details["allowed"] == sorted(cases.NEXT[case.state])


def test_a_reopened_case_is_open() -> None:
    late = FRIDAY + timedelta(days=80)
    case = cases.move(walk(*THE_USUAL_WAY), State.REOPENED, REOPEN, late)
    assert (case.state, case.closed_at, case.opened_at) == (State.REOPENED, None, FRIDAY)


def test_a_case_closed_long_ago_stays_closed() -> None:
    with pytest.raises(IllegalMoveError, match="open a new case"):
        cases.move(walk(*THE_USUAL_WAY), State.REOPENED, REOPEN, FRIDAY + timedelta(days=100))


def test_overdue_since_the_limit_that_passed_first() -> None:
    limit = FRIDAY + HOUR
    case = replace(walk(), deadline_at=limit)
    assert cases.overdue_at(case, limit) is None
    assert cases.overdue_at(case, limit + HOUR) == limit
    assert cases.is_overdue(case, limit + HOUR)
    assert not cases.is_overdue(walk(), limit + HOUR)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {State.RECEIVED}.union(*cases.NEXT.values())
    assert reached == set(State) == set(cases.NEXT)
    assert all(cases.NEXT.values())


@given(WALKS)
def test_a_random_walk_takes_allowed_steps_only(steps: list[tuple[State, timedelta]]) -> None:
    now, case = FRIDAY, cases.begin(FRIDAY)
    for to, wait in steps:
        now += wait
        allowed = cases.allowed_from(case, REOPEN, now)
        before = case
        try:
            case = cases.move(case, to, REOPEN, now)
        except IllegalMoveError:
            assert to not in allowed
            continue
        assert to in allowed
        assert case.step == before.step + 1
        assert (case.closed_at is not None) == (case.state is State.CLOSED)
        assert case.version == before.version + 1
