"""Weights by response rate: against a worked example, and what they must be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain.questions import Ces, Csat, Nps
from rapport_feedback.domain.scores import estimate, pooled
from rapport_feedback.domain.weighting import HIGHEST, LEAST_CELL, Stratum, rates, weigh

NPS, CSAT = Nps(id="q", text="?"), Csat(id="q", text="?")


def test_a_worked_example() -> None:
    """1,000 and 1,000 invited; 400 answered with NPS 50, and 100 with -50: as many of each, so 0.

    Weights are 0.625 and 2.5; worth 500² / (400 · 0.625² + 100 · 2.5²) = 320 equal answers.
    """
    strata = [Stratum("a", 1000, {10: 300, 0: 100}), Stratum("b", 1000, {10: 25, 0: 75})]
    found = weigh(NPS, strata)
    assert found.estimate is not None
    assert {one.values: one.weight for one in found.cells} == {("a",): 0.625, ("b",): 2.5}
    assert found.estimate.value == pytest.approx(0)
    assert found.effective == pytest.approx(320)
    assert (found.estimate.n, found.is_trimmed, found.why_not) == (500, False, None)
    plain = estimate(NPS, pooled(*(one.counts for one in strata)))
    assert plain.value == pytest.approx(30)
    assert found.estimate.error > plain.error
    same = estimate(NPS, {10: 160, 0: 160})
    assert found.estimate.error == pytest.approx(same.error)
    assert rates([*strata, Stratum("c", 0, {})]) == {"a": 0.4, "b": 0.1, "c": None}


strata = st.lists(
    st.builds(
        lambda invited, counts: (invited + sum(counts.values()), counts),
        st.integers(0, 3000),
        st.dictionaries(st.integers(1, 5), st.integers(1, 60), max_size=5),
    ),
    max_size=7,
).map(lambda told: [Stratum(f"g{at}", *one) for at, one in enumerate(told)])


@given(strata)
@settings(max_examples=examples(300))
def test_weights_are_one_on_average_and_none_is_too_high(told: list[Stratum]) -> None:
    found = weigh(CSAT, told)
    answered = sum(one.answered for one in told)
    assert sum(one.answered for one in found.cells) == answered
    assert sorted(name for one in found.cells for name in one.values) == sorted(
        one.value for one in told
    )
    if found.estimate is None:
        assert found.why_not
        return
    assert found.effective is not None
    assert found.effective <= answered + 1e-6
    assert sum(one.answered * one.weight for one in found.cells) == pytest.approx(answered)
    assert all(one.weight <= HIGHEST + 1e-9 for one in found.cells)
    assert all(one.answered >= LEAST_CELL for one in found.cells)
    parts = [estimate(CSAT, one.counts).value or 0.0 for one in found.cells]
    assert found.estimate.value is not None
    assert min(parts) - 1e-6 <= found.estimate.value <= max(parts) + 1e-6


@given(st.integers(20, 500), st.integers(20, 500), st.integers(1, 20))
@settings(max_examples=examples(50))
def test_where_all_answer_alike_nothing_changes(first: int, second: int, times: int) -> None:
    told = [Stratum("a", first * times, {5: first}), Stratum("b", second * times, {1: second})]
    found = weigh(CSAT, told)
    plain = estimate(CSAT, {5: first, 1: second})
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(plain.value)
    assert found.effective == pytest.approx(first + second)


def test_few_answers_count_with_others_and_nobody_stands_for_who_says_nothing() -> None:
    told = [
        Stratum("a", 100, {5: 40}),
        Stratum("b", 100, {1: 30}),
        Stratum("c", 50, {3: 5}),
        Stratum("d", 50, {3: 2}),
    ]
    found = weigh(Ces(id="q", text="?"), told)
    assert [one.values for one in found.cells] == [("a",), ("b", "c", "d")]
    silent = weigh(CSAT, [*told[:2], Stratum("e", 80, {})])
    assert (silent.estimate, silent.why_not) == (
        None,
        "nobody answered of e, whom others can't stand for",
    )
    for few in ([], [told[0]], [told[0], told[2]]):
        assert weigh(CSAT, few).why_not == "it needs two groups with 20 answers each"


def test_no_answer_counts_more_than_three() -> None:
    told = [Stratum("a", 400, {5: 400}), Stratum("b", 10_000, {1: 20}), Stratum("c", 60, {3: 20})]
    found = weigh(CSAT, told)
    assert found.is_trimmed
    weights = {one.values[0]: one.weight for one in found.cells}
    assert weights["b"] == HIGHEST
    assert weights["c"] == pytest.approx(3 * weights["a"])
