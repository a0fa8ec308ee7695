"""Relative weights against a published example, a closed form, and what they must be."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain.drivers import (
    GROUPS,
    Sums,
    correlations,
    driving,
    pooled,
    relative_weights,
)
from rapport_feedback.domain.matrices import eigen, product, roots

# Of 32 cars (Henderson and Velleman, Biometrics 37, 1981): miles per gallon, then cylinders,
# displacement, horse power, weight.
CARS = """
21 6 160 110 2.62  21 6 160 110 2.875  22.8 4 108 93 2.32  21.4 6 258 110 3.215
18.7 8 360 175 3.44  18.1 6 225 105 3.46  14.3 8 360 245 3.57  24.4 4 146.7 62 3.19
22.8 4 140.8 95 3.15  19.2 6 167.6 123 3.44  17.8 6 167.6 123 3.44  16.4 8 275.8 180 4.07
17.3 8 275.8 180 3.73  15.2 8 275.8 180 3.78  10.4 8 472 205 5.25  10.4 8 460 215 5.424
14.7 8 440 230 5.345  32.4 4 78.7 66 2.2  30.4 4 75.7 52 1.615  33.9 4 71.1 65 1.835
21.5 4 120.1 97 2.465  15.5 8 318 150 3.52  15.2 8 304 150 3.435  13.3 8 350 245 3.84
19.2 8 400 175 3.845  27.3 4 79 66 1.935  26 4 120.3 91 2.14  30.4 4 95.1 113 1.513
15.8 8 351 264 3.17  19.7 6 145 175 2.77  15 8 301 335 3.57  21.4 4 121 109 2.78
"""


def summed(rows: list[list[float]]) -> Sums:
    columns = list(zip(*rows, strict=True))
    return Sums(
        len(rows),
        tuple(map(sum, columns)),
        tuple(
            tuple(sum(a * b for a, b in zip(one, other, strict=True)) for other in columns)
            for one in columns
        ),
    )


def test_weights_are_those_of_a_published_example() -> None:
    """The table of the package rwa of R for these cars (its article on regression methods)."""
    numbers = [float(one) for one in CARS.split()]
    rows = [numbers[at : at + 5] for at in range(0, len(numbers), 5)]
    assert len(rows) == 32
    found = relative_weights(correlations(summed(rows)))
    assert found == pytest.approx([0.2096904, 0.1883043, 0.1799590, 0.2706812], abs=5e-7)


correlation = st.floats(-0.95, 0.95)


@given(correlation, correlation, correlation)
@settings(max_examples=examples(200))
def test_of_two_questions_it_is_how_much_each_adds_on_average(
    r: float, first: float, second: float
) -> None:
    """Of two, relative weights are the mean of what a question adds alone and beside the other."""
    r2 = (first**2 + second**2 - 2 * r * first * second) / (1 - r**2)
    found = relative_weights([[1, first, second], [first, 1, r], [second, r, 1]])
    expected = [
        (first**2 + r2 - second**2) / 2,
        (second**2 + r2 - first**2) / 2,
    ]
    assert found == pytest.approx(expected, abs=1e-8)
    assert relative_weights([[1, first], [first, 1]]) == pytest.approx([first**2])


@given(st.lists(st.lists(st.integers(1, 7), min_size=4, max_size=4), min_size=5, max_size=40))
@settings(max_examples=examples(150))
def test_weights_sum_up_whatever_the_order_of_questions(given_rows: list[list[int]]) -> None:
    rows = [[float(one) for one in row] for row in given_rows]
    matrix = correlations(summed(rows))
    weights = relative_weights(matrix)
    turned = relative_weights(correlations(summed([[a, d, b, c] for a, b, c, d in rows])))
    assert [turned[1], turned[2], turned[0]] == pytest.approx(weights, abs=1e-6)
    assert all(one >= 0 for one in weights)
    assert sum(weights) <= 1 + 1e-6


@given(st.lists(st.lists(st.floats(-3, 3), min_size=3, max_size=3), min_size=4, max_size=4))
@settings(max_examples=examples(100))
def test_a_root_is_a_root(rows: list[list[float]]) -> None:
    columns = list(zip(*rows, strict=True))
    square = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in columns] for x in columns]
    root, inverse = roots(square)
    scale = 1 + max(max(map(abs, row)) for row in square)
    for row, line in zip(product(root, root), square, strict=True):
        assert row == pytest.approx(line, abs=1e-6 * scale)
    again = product(product(root, inverse), root)
    for row, line in zip(again, root, strict=True):
        assert row == pytest.approx(line, abs=1e-4 * scale)
    values, _ = eigen(square)
    assert sum(values) == pytest.approx(sum(square[at][at] for at in range(3)), abs=1e-6 * scale)


def test_turns_end_where_nothing_is_left_or_nothing_comes_out() -> None:
    values, vectors = eigen([[2.0, 0.0, 1.0], [0.0, 5.0, 0.0], [1.0, 0.0, 2.0]])
    assert sorted(values) == pytest.approx([1, 3, 5])
    assert vectors[1] == [0, 1, 0]
    unknown, _ = eigen([[1.0, math.nan], [math.nan, 1.0]])
    assert all(map(math.isnan, unknown))


def people(number: int, *, noise: float, seed: int = 1) -> list[Sums]:
    """Groups of answers in which the first other question moves the score, the second does not."""
    chance = random.Random(seed)
    rows = []
    for _ in range(number):
        moves, idle = chance.randint(1, 7), chance.randint(1, 5)
        rows.append([moves + chance.gauss(0, noise), float(moves), float(idle)])
    return [summed(rows[at::GROUPS]) for at in range(GROUPS) if rows[at::GROUPS]]


def test_what_moves_the_score_is_told_from_what_does_not() -> None:
    found = driving(["moves", "idle"], people(400, noise=1), ["seldom"])
    assert [one.question for one in found.drivers] == ["moves", "idle"]
    assert [one.is_certain for one in found.drivers] == [True, False]
    assert (found.left_out, found.n, found.why_not) == (("seldom",), 400, None)
    assert sum(one.share for one in found.drivers) == pytest.approx(100)
    assert found.r2 == pytest.approx(sum(one.weight for one in found.drivers))


def test_intervals_hold_what_is_true_about_as_often_as_they_say() -> None:
    """The weight of a question that explains four fifths, over many samples of 200 people."""
    variance = sum((one - 4) ** 2 for one in range(1, 8)) / 7
    true = variance / (variance + 1)
    held = 0
    for seed in range(60):
        found = driving(["moves", "idle"], people(200, noise=1, seed=seed), [])
        first = next(one for one in found.drivers if one.question == "moves")
        held += first.low <= true <= first.high
    assert held >= 51


@pytest.mark.parametrize(
    ("questions", "groups", "told"),
    [
        ([], [], "no other question"),
        (["a", "b"], people(49, noise=1), "49 people"),
        (["a"], [summed([[7.0, 3.0]] * 60)], "the same"),
        (["a"], [summed([[float(at % 7), 3.0] for at in range(60)])], "the same"),
    ],
)
def test_it_says_when_it_can_not(questions: list[str], groups: list[Sums], told: str) -> None:
    found = driving(questions, groups, [])
    assert found.drivers == ()
    assert found.why_not is not None
    assert told in found.why_not


def test_two_questions_that_say_the_same_share_it() -> None:
    chance = random.Random(2)
    rows = []
    for _ in range(200):
        moves = chance.randint(1, 7)
        rows.append([moves + chance.gauss(0, 1), float(moves), float(moves), 4.0])
    groups = [summed(rows[at::GROUPS]) for at in range(GROUPS)]
    found = driving(["a", "b", "flat"], groups, [])
    assert found.left_out == ("flat",)
    assert found.drivers[0].weight == pytest.approx(found.drivers[1].weight)
    alone = driving(
        ["a"], [summed([row[:2] for row in rows[at::GROUPS]]) for at in range(GROUPS)], []
    )
    assert found.r2 == pytest.approx(alone.r2)
    assert not math.isnan(found.drivers[0].high)
    assert pooled(groups).n == 200
