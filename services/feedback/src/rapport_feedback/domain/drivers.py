"""Which answers go with the score: relative weights of the other scored questions.

Relative weights (Johnson, Multivariate Behavioral Research 35, 2000) share out the R² of a
regression among questions that go with each other, too, which its coefficients don't.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rapport_feedback.domain.matrices import Matrix, product, roots

LEAST, LEAST_EACH = 50, 10
"""Answers to all of the questions: at all, and for each of them."""

GROUPS = 40
T_95 = 2.023
"""Student's t of 39 degrees of freedom: those of 40 groups."""

MOST = 12
"""Questions; of more the ones that are answered most."""

SELDOM = 0.5
"""A question that a smaller share has answered is left out: it would leave out who did not."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over answers to all questions, the leading one first: how many, of each, of each two."""

    n: int
    first: tuple[float, ...]
    second: tuple[tuple[float, ...], ...]

    def __sub__(self, other: "Sums") -> "Sums":
        """Without some of the answers."""
        return Sums(
            self.n - other.n,
            tuple(a - b for a, b in zip(self.first, other.first, strict=True)),
            tuple(
                tuple(a - b for a, b in zip(row, rest, strict=True))
                for row, rest in zip(self.second, other.second, strict=True)
            ),
        )


@dataclass(frozen=True, slots=True)
class Driver:
    """How far a question goes with the leading one: `weight` is its part of R² with a 95 %
    interval, `share` of that in per cent, `r` the correlation by itself.
    """

    question: str
    weight: float
    low: float
    high: float
    share: float
    r: float

    @property
    def is_certain(self) -> bool:
        """Whether its part is more than chance would give."""
        return self.low > 0


@dataclass(frozen=True, slots=True)
class Drivers:
    """What the score goes with, the strongest first; or `why_not`."""

    n: int
    r2: float | None
    drivers: tuple[Driver, ...]
    left_out: tuple[str, ...] = ()
    why_not: str | None = None


def pooled(parts: Sequence[Sums]) -> Sums:
    """Sums over all of some groups of answers; there is one at least."""
    first, *rest = parts
    return Sums(
        sum(one.n for one in parts),
        tuple(map(sum, zip(first.first, *(one.first for one in rest), strict=True))),
        tuple(
            tuple(map(sum, zip(*rows, strict=True)))
            for rows in zip(first.second, *(one.second for one in rest), strict=True)
        ),
    )


def driving(questions: Sequence[str], groups: Sequence[Sums], left_out: Sequence[str]) -> Drivers:
    """The drivers of the first question of `groups`, each of which has some of the answers.

    The interval is that of a delete-a-group jackknife (Kott, Journal of Official Statistics 17,
    2001): how the weights change when one group is left out.
    """
    whole = pooled(groups) if groups else Sums(0, (), ())
    least = max(LEAST, LEAST_EACH * len(questions))
    if not questions:
        return Drivers(whole.n, None, (), tuple(left_out), "no other question has a score")
    if whole.n < least:
        told = f"{whole.n} people have answered all of them; {least} are needed"
        return Drivers(whole.n, None, (), tuple(left_out), told)
    matrix = correlations(whole)
    kept = [at for at in range(len(questions)) if matrix[at + 1][at + 1] > 0]
    same = [one for at, one in enumerate(questions) if at not in kept]
    if matrix[0][0] == 0 or not kept:
        told = "everybody has answered the same"
        return Drivers(whole.n, None, (), (*left_out, *same), told)
    weights = relative_weights(_of(matrix, kept))
    errors = _errors(whole, groups, kept)
    r2 = sum(weights)
    found = [
        Driver(
            question=questions[at],
            weight=weight,
            low=max(0.0, weight - T_95 * error),
            high=min(1.0, weight + T_95 * error),
            share=100 * weight / r2 if r2 else 0.0,
            r=matrix[0][at + 1],
        )
        for at, weight, error in zip(kept, weights, errors, strict=True)
    ]
    ordered = sorted(found, key=lambda one: (-one.weight, one.question))
    return Drivers(whole.n, r2, tuple(ordered), (*left_out, *same))


def correlations(sums: Sums) -> Matrix:
    """Pearson's correlations; 0, with itself too, where everybody has said the same."""
    means = [one / sums.n for one in sums.first]
    covered = [
        [one / sums.n - means[row] * means[column] for column, one in enumerate(line)]
        for row, line in enumerate(sums.second)
    ]
    spread = [math.sqrt(covered[at][at]) if covered[at][at] > _FLAT else 0.0 for at in _at(means)]
    return [
        [
            covered[row][column] / (spread[row] * spread[column])
            if spread[row] and spread[column]
            else 0.0
            for column in _at(means)
        ]
        for row in _at(means)
    ]


def relative_weights(matrix: Matrix) -> list[float]:
    """The weight of each question but the first in the R² of the first; they sum up to it.

    `matrix` has correlations. Questions that say the same share what they say.
    """
    root, inverse = roots([row[1:] for row in matrix[1:]])
    slopes = product(inverse, [[one] for one in matrix[0][1:]])
    return [
        sum(part**2 * slope**2 for part, [slope] in zip(row, slopes, strict=True)) for row in root
    ]


_FLAT = 1e-9


def _at(values: Sequence[object]) -> range:
    return range(len(values))


def _of(matrix: Matrix, kept: Sequence[int]) -> Matrix:
    chosen = [0, *(at + 1 for at in kept)]
    return [[matrix[row][column] for column in chosen] for row in chosen]


def _errors(whole: Sums, groups: Sequence[Sums], kept: Sequence[int]) -> list[float]:
    """Standard errors of the weights."""
    replicas = [
        relative_weights(_of(correlations(whole - one), kept)) for one in groups if one.n < whole.n
    ]
    count = len(replicas)
    found = []
    for values in zip(*replicas, strict=True):
        mean = sum(values) / count
        found.append(math.sqrt((count - 1) / count * sum((one - mean) ** 2 for one in values)))
    return found
