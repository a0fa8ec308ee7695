"""Scores against vectors, and what they must be whatever the answers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain.questions import Ces, Csat, Nps, Rating, Scale
from rapport_feedback.domain.scores import change, estimate, measured, pooled
from rapport_feedback.domain.survey_charts import chart

NPS = Nps(id="q", text="?")
CSAT = Csat(id="q", text="?")
CES = Ces(id="q", text="?")
EASE = Ces(id="q", text="?", measured="share")
TWO = Rating(id="q", text="?", to=3)
ALL = [NPS, CSAT, CES, EASE, Rating(id="q", text="?", to=10)]


def counts(question: Scale) -> st.SearchStrategy[dict[int, int]]:
    scores = st.integers(question.lowest, question.highest)
    return st.dictionaries(scores, st.integers(1, 500), min_size=1)


@pytest.mark.parametrize(
    ("question", "given_counts", "expected"),
    [
        (NPS, {10: 250, 8: 675, 0: 75}, (17.5, 14.09, 20.81)),
        (NPS, {10: 15, 7: 10, 6: 5}, (33.33, 4.76, 55.84)),
        (NPS, {9: 10}, (100, 47.5, 100)),
        # Agresti and Coull: 15 of 20 are 75 %, 52.78 to 89.19.
        (CSAT, {5: 10, 4: 5, 1: 5}, (75, 52.78, 89.19)),
        (CSAT, {5: 10}, (100, 67.92, 100)),
        (EASE, {7: 3, 5: 12, 4: 5}, (75, 52.78, 89.19)),
        (CES, {7: 10}, (7, 5.07, 7)),
    ],
)
def test_scores_are_those_of_the_vectors(
    question: Scale, given_counts: dict[int, int], expected: tuple[float, float, float]
) -> None:
    found = estimate(question, given_counts)
    assert (found.value, found.low, found.high) == pytest.approx(expected, abs=0.06)
    assert found.n == sum(given_counts.values())


@pytest.mark.parametrize("question", ALL, ids=lambda one: type(one).__name__)
@given(data=st.data())
@settings(max_examples=examples(40))
def test_an_interval_is_on_the_scale_and_narrows_with_more(
    question: Scale, data: st.DataObject
) -> None:
    given_counts = data.draw(counts(question))
    one, ten = estimate(question, given_counts), estimate(question, pooled(*[given_counts] * 10))
    assert one.value is not None
    assert ten.value == pytest.approx(one.value)
    assert one.low is not None
    assert one.high is not None
    assert one.low <= one.high
    assert ten.error < one.error
    same = change(one, one)
    assert same is not None
    assert (same.difference, same.is_significant) == (0, False)


def test_nobody_has_no_score_and_no_change() -> None:
    nobody = estimate(CSAT, {})
    assert (nobody.n, nobody.value, nobody.low) == (0, None, None)
    assert change(nobody, estimate(CSAT, {5: 1})) is None
    assert measured(EASE) == "share"


def test_a_mean_on_a_scale_of_ends_is_as_a_share() -> None:
    """The interval of a mean, with answers at its two ends alone, is Agresti and Coull's."""
    mean, share = estimate(TWO, {1: 5, 3: 15}), estimate(CSAT, {1: 5, 5: 15})
    assert mean.low is not None
    assert share.low is not None
    assert mean.low == pytest.approx(1 + 2 * share.low / 100)


@pytest.mark.parametrize(
    ("before", "after", "significant"),
    [
        ({10: 250, 8: 675, 0: 75}, {10: 350, 8: 575, 0: 75}, True),
        ({10: 250, 8: 675, 0: 75}, {10: 260, 8: 665, 0: 75}, False),
        ({10: 3}, {0: 1, 10: 2}, False),
    ],
)
def test_a_change_is_told_from_chance(
    before: dict[int, int],
    after: dict[int, int],
    significant: bool,  # noqa: FBT001 - a table
) -> None:
    found = change(estimate(NPS, before), estimate(NPS, after))
    assert found is not None
    assert found.is_significant is significant
    assert (found.p < 0.05) is significant


def test_a_wave_without_answers_is_a_gap() -> None:
    points = [(1, {10: 5}), (2, {}), (3, {0: 5}), (4, {8: 5})]
    drawn = chart(NPS, [(wave, estimate(NPS, given_counts)) for wave, given_counts in points])
    assert [dot.label for dot in drawn.dots] == ["1", "3", "4"]
    assert len(drawn.parts) == 1
    assert drawn.dots[0].y < drawn.dots[2].y < drawn.dots[1].y
    assert [number for _, number in drawn.grid] == ["-100", "-50", "0", "50", "100"]


@pytest.mark.parametrize(("question", "numbers"), [(CSAT, ["0", "100"]), (CES, ["1", "7"])])
def test_the_lines_of_a_picture_are_on_the_scale(question: Scale, numbers: list[str]) -> None:
    drawn = chart(question, [(1, estimate(question, {5: 1}))])
    assert [drawn.grid[0][1], drawn.grid[-1][1]] == numbers
    assert drawn.parts == []
