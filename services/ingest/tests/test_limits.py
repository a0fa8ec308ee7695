"""Rates as arithmetic: what a bucket lets through, and how processes share a rate."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_ingest.domain.limits import Bucket, fair_share

RATES = st.floats(0.25, 10_000)
STEPS = st.floats(-50, 50, allow_nan=False)
REQUESTS = st.lists(st.tuples(STEPS, st.integers(1, 5000)), max_size=60)


def moments(steps: list[float]) -> list[float]:
    """A clock that goes on, stands still and is put back."""
    found = [1000.0]
    for one in steps:
        found.append(found[-1] + one)
    return found[1:]


@given(RATES, REQUESTS)
def test_over_any_window_no_more_passes_than_rate_burst_and_one_request(
    rate: float, requests: list[tuple[float, int]]
) -> None:
    bucket = Bucket.full(rate, 1000.0)
    times = moments([step for step, _ in requests])
    passed = [
        events if bucket.take(events, now) == 0 else 0
        for now, (_, events) in zip(times, requests, strict=True)
    ]
    for first in range(len(passed)):
        largest, forward = 0, 0.0
        for last in range(first, len(passed)):
            if last > first:
                forward += max(0.0, times[last] - times[last - 1])
            largest = max(largest, passed[last])
            allowed = rate * forward + max(rate, 1.0) + largest
            assert sum(passed[first : last + 1]) <= allowed * (1 + 1e-9) + 1e-6


@given(RATES, st.integers(1, 100_000))
def test_a_debt_is_paid_off_and_the_answer_says_when(rate: float, events: int) -> None:
    bucket = Bucket.full(rate, 0.0)
    assert bucket.take(events, 0.0) == 0.0
    wait = bucket.take(1, 0.0)
    if wait:
        assert bucket.take(1, wait * 0.99) > 0.0
        assert bucket.take(1, wait * 1.01 + 1e-6) == 0.0
    else:
        assert events <= max(rate, 1.0) - 1.0 + 1e-9


@given(RATES, st.lists(STEPS, max_size=40))
def test_a_clock_that_jumps_neither_fills_nor_breaks_it(rate: float, steps: list[float]) -> None:
    bucket = Bucket.full(rate, 1000.0)
    bucket.take(int(rate) + 10, 1000.0)
    for now in moments(steps):
        before = bucket.level
        bucket.take(1, now)
        assert bucket.level <= max(rate, 1.0)
        assert bucket.level >= before - 1.0
    last = moments(steps)[-1] if steps else 1000.0
    assert bucket.take(1, last + 20 / rate + 50) == 0.0


@given(RATES, REQUESTS)
def test_what_was_drawn_is_never_more_than_the_rate(
    rate: float, requests: list[tuple[float, int]]
) -> None:
    bucket = Bucket.full(rate, 1000.0)
    for before, now in pairwise([1000.0, *moments([abs(step) for step, _ in requests])]):
        bucket.take(requests[0][1], now)
        assert bucket.drawn(now) <= rate * (now - before) * (1 + 1e-9) + 1e-6


def test_a_batch_larger_than_the_rate_passes_and_is_paid_off() -> None:
    bucket = Bucket.full(10.0, 0.0)
    assert bucket.take(100, 0.0) == 0.0
    assert bucket.take(1, 0.0) == pytest.approx(9.1)
    assert bucket.drawn(5.0) == pytest.approx(50.0)
    assert bucket.take(1, 9.2) == 0.0


def test_what_came_to_nothing_and_another_rate_leave_no_more_than_a_burst() -> None:
    bucket = Bucket.full(10.0, 0.0)
    bucket.take(4, 0.0)
    bucket.give_back(40)
    assert bucket.level == 10.0
    bucket.change(2.0, 0.0)
    assert bucket.level == 2.0
    bucket.take(9, 0.0)
    bucket.change(100.0, 0.0)
    assert bucket.level == -7.0
    assert not bucket.is_full(0.0)
    assert bucket.is_full(2.0)


@given(st.floats(10, 10_000), st.lists(st.floats(0, 2), min_size=1, max_size=8))
def test_processes_come_to_share_a_rate(limit: float, demands: list[float]) -> None:
    """Whatever each wants, in a dozen rounds all of them together pass the limit no more,
    and who wants no more than an equal part gets what it wants.
    """
    wanted = [one * limit for one in demands]
    shares = [limit] * len(wanted)
    for _ in range(12):
        used = [min(one, share) for one, share in zip(wanted, shares, strict=True)]
        shares = [fair_share(limit, own, sum(used) - own, len(used)) for own in used]
    used = [min(one, share) for one, share in zip(wanted, shares, strict=True)]
    assert sum(used) <= limit * (1 + 1e-6)
    for one, got in zip(wanted, used, strict=True):
        assert got >= min(one, limit / len(wanted)) * (1 - 1e-9)


@given(st.floats(10, 10_000), st.floats(0, 1))
def test_one_process_alone_has_the_whole_rate(limit: float, part: float) -> None:
    assert fair_share(limit, part * limit, 0.0, 1) == pytest.approx(limit)
