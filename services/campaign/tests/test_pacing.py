"""How fast an account may send, and when it is left alone: over clocks that a test sets."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.domain.breaker import (
    ACCOUNT_REST,
    MOST_REST,
    PATIENCE,
    PROBE_SECONDS,
    Breaker,
    admit,
    after,
)
from rapport_campaign.domain.delivery import Outcome, next_step
from rapport_campaign.domain.pacing import Pace, Warmup, grant, left
from rapport_common.testing.examples import examples

SENT, AWAY = Outcome("sent"), Outcome("retry", "503", fault="vendor")
REFUSED, OF_THE_ACCOUNT = Outcome("failed", "21211"), Outcome("released", "401", fault="account")
WAITS = st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=30)
PACES = st.builds(Pace, st.floats(0.1, 1000), st.integers(1, 100))


@settings(max_examples=examples(300))
@given(PACES, WAITS)
def test_no_span_has_more_than_its_pace_and_one_burst(
    pace: Pace, asked: list[tuple[float, int]]
) -> None:
    now, free_at = 1000.0, 0.0
    granted: list[tuple[float, int]] = []
    for wait, wanted in asked:
        now += wait
        found = grant(pace, free_at, now, wanted)
        assert 0 <= found.count <= wanted
        free_at = found.free_at
        granted.append((now, found.count))
    for start, (begin, _) in enumerate(granted):
        for end in range(start, len(granted)):
            number = sum(count for _at, count in granted[start : end + 1])
            span = granted[end][0] - begin
            assert number <= pace.burst + span * pace.per_second + 1e-3


@settings(max_examples=examples(200))
@given(PACES)
def test_who_waits_as_long_as_is_said_gets_one(pace: Pace) -> None:
    first = grant(pace, 0.0, 50.0, 10**6)
    assert first.count == pace.burst
    assert grant(pace, first.free_at, 50.0, 1).count == 0
    assert grant(pace, first.free_at, 50.0 + first.wait, 1).count == 1
    # A clock that was set back stops nobody for longer than a burst.
    set_back = grant(pace, first.free_at, 1.0, 1)
    assert set_back.wait <= pace.burst * pace.gap + 1e-6


def test_a_new_sender_is_warmed_up() -> None:
    start = date(2026, 3, 1)
    curve = Warmup(start, first=50, growth=2, enough=1000)
    allowed = [curve.allowed(start + timedelta(days=day)) for day in range(-1, 7)]
    assert allowed == [0, 50, 100, 200, 400, 800, None, None]
    assert left(curve, start, 30) == 20
    assert left(curve, start, 70) == 0
    assert left(None, start, 70) is None
    assert curve.allowed(date(9999, 1, 1)) is None


def test_some_faults_one_after_the_other_open_it_and_one_message_asks() -> None:
    state = Breaker()
    for _ in range(PATIENCE - 1):
        state = after(state, AWAY, 0, 0.5)
        assert admit(state, 0, 7) == (7, state)
    state = after(state, AWAY, 0, 0.5)
    assert admit(state, 4.9, 7)[0] == 0
    count, asking = admit(state, 5, 7)
    assert (count, admit(asking, 5, 7)[0]) == (1, 0), "one, and the others wait for what it finds"
    again = after(asking, AWAY, 6, 0.5)
    assert admit(again, 15.9, 1)[0] == 0
    assert admit(again, 16, 1)[0] == 1
    assert after(asking, SENT, 6, 0.5) == after(asking, REFUSED, 6, 0.5) == Breaker()


def test_a_probe_whose_process_died_is_followed_by_another() -> None:
    state = Breaker(faults=9, until=10)
    _, asking = admit(state, 10, 1)
    assert admit(asking, 10 + PROBE_SECONDS - 1, 1)[0] == 0
    assert admit(asking, 10 + PROBE_SECONDS, 1)[0] == 1


def test_an_accounts_fault_opens_it_at_once() -> None:
    state = after(Breaker(), OF_THE_ACCOUNT, 0, 0.5)
    assert admit(state, ACCOUNT_REST - 1, 5)[0] == 0
    assert admit(state, ACCOUNT_REST, 5)[0] == 1
    assert state.reason == "401"


def test_a_provider_that_asks_for_a_pause_gets_it() -> None:
    state = after(Breaker(), Outcome("retry", "429", wait=30, fault="pace"), 0, 0.5)
    assert [admit(state, now, 5)[0] for now in (29, 30)] == [0, 1]
    asked = after(Breaker(faults=PATIENCE), Outcome("retry", wait=900, fault="vendor"), 0, 0.5)
    assert asked.until == 900
    # What was never tried says nothing.
    assert after(state, Outcome("released"), 1, 0.5) == state


@settings(max_examples=examples(300))
@given(
    st.lists(
        st.tuples(st.sampled_from([SENT, AWAY, REFUSED, OF_THE_ACCOUNT]), st.floats(0, 400)),
        max_size=60,
    )
)
def test_it_always_comes_back(happened: list[tuple[Outcome, float]]) -> None:
    state, now = Breaker(), 0.0
    for outcome, wait in happened:
        now += wait
        count, state = admit(state, now, 3)
        if count:
            state = after(state, outcome, now, 0.5)
            assert (outcome.fault is not None) or state == Breaker()
    assert admit(state, now + MOST_REST * 2, 1)[0] == 1


def test_an_attempt_that_was_asked_to_wait_waits() -> None:
    def step(outcome: Outcome) -> float:
        return next_step(outcome, attempt=1, max_attempts=3, first_delay=2, jitter=0.5).delay

    assert step(Outcome("retry", wait=60)) == 60
    assert step(Outcome("retry", wait=1)) == 2
    assert step(Outcome("released", wait=90)) == 90
