"""The score and its interval: published vectors, and what must hold for any answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_feedback.domain import nps
from rapport_feedback.domain.nps import Counts

COUNTS = st.builds(Counts, *(st.integers(0, 10_000) for _ in range(3)))


@pytest.mark.parametrize(
    ("counts", "value", "low", "high"),
    [
        (Counts(250, 675, 75), 17.5, 14.09, 20.81),
        (Counts(15, 10, 5), 33.3, 4.8, 55.8),
        (Counts(10, 0, 0), 100, 47.5, 100),
        (Counts(0, 0, 10), -100, -100, -47.5),
    ],
)
def test_adjusted_wald(counts: Counts, value: float, low: float, high: float) -> None:
    score = nps.score(counts)
    assert score.nps == pytest.approx(value, abs=0.05)
    assert score.low == pytest.approx(low, abs=0.05)
    assert score.high == pytest.approx(high, abs=0.05)


@pytest.mark.parametrize(
    ("promoters", "detractors", "n", "low", "high"),
    [(250, 75, 1000, 14.14, 20.86), (15, 5, 30, 6.7, 60.0), (10, 0, 10, 100, 100)],
)
def test_plain_wald(promoters: int, detractors: int, n: int, low: float, high: float) -> None:
    centre, margin = nps.wald(promoters, detractors, n)
    assert (centre - margin, centre + margin) == pytest.approx((low, high), abs=0.05)


def test_nobody_has_no_score() -> None:
    assert nps.score(nps.count({})) == nps.Score(None, None, None)


def test_the_groups_are_0_to_6_and_7_to_8_and_9_to_10() -> None:
    assert nps.count(dict.fromkeys(range(11), 1)) == Counts(2, 2, 7)


@given(COUNTS.filter(lambda counts: counts.n > 0))
def test_the_interval_lies_on_the_scale_and_has_width(counts: Counts) -> None:
    score = nps.score(counts)
    assert score.nps is not None
    assert score.low is not None
    assert score.high is not None
    assert -100 <= score.low < score.high <= 100
    assert -100 <= score.nps <= 100


@given(COUNTS.filter(lambda counts: counts.n > 0))
def test_turning_all_answers_round_turns_the_score_round(counts: Counts) -> None:
    score = nps.score(counts)
    mirror = nps.score(Counts(counts.detractors, counts.passives, counts.promoters))
    assert (mirror.nps, mirror.low, mirror.high) == pytest.approx(
        (-(score.nps or 0), -(score.high or 0), -(score.low or 0))
    )


@given(st.dictionaries(st.integers(0, 10), st.integers(1, 50), min_size=1))
def test_the_score_is_that_of_the_single_answers(scores: dict[int, int]) -> None:
    answers = [score for score, many in scores.items() for _ in range(many)]
    by_hand = sum((score >= 9) - (score <= 6) for score in answers) * 100 / len(answers)
    assert nps.score(nps.count(scores)).nps == pytest.approx(by_hand)
