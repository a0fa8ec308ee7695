"""Scores as if all who were invited had answered: weights by the response rate of each group.

Adjustment cells (Kalton and Flores-Cervantes, Journal of Official Statistics 19, 2003): who answers
stands for those of the group who have not. It takes away what differs between groups and nothing
of what differs within them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rapport_feedback.domain import scores
from rapport_feedback.domain.questions import Scale
from rapport_feedback.domain.scores import Counts, Estimate, pooled

LEAST_CELL = 20
"""Answers of a cell; groups with fewer are one cell together."""

HIGHEST = 3.0
"""No answer counts more than so many: what is above is spread over the others (trimming)."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """A group of those who were invited, and {score: people} of those of them who answered."""

    value: str
    invited: int
    counts: Counts

    @property
    def answered(self) -> int:
        """How many people have a score."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Cell:
    """Groups that are weighted alike; `weight` of each answer, 1 on average."""

    values: tuple[str, ...]
    invited: int
    counts: Counts
    weight: float = 1.0

    @property
    def answered(self) -> int:
        """How many people have a score."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Weighing:
    """A score with weights, or `why_not`. `effective` is how many equal answers it is worth (Kish,
    Survey Sampling, 1965): (Σw)² / Σw².
    """

    cells: tuple[Cell, ...]
    estimate: Estimate | None
    effective: float | None
    is_trimmed: bool = False
    why_not: str | None = None


def weigh(question: Scale, strata: Sequence[Stratum]) -> Weighing:
    """The weighted score of a question. Its interval is that of as many equal answers as it is
    worth, around what the weights make of them.
    """
    cells = _cells(strata)
    if len(cells) < 2:  # noqa: PLR2004 - with one there is nothing to weigh
        told = f"it needs two groups with {LEAST_CELL} answers each"
        return Weighing(tuple(cells), None, None, why_not=told)
    silent = [one for one in cells if not one.answered]
    if silent:
        told = f"nobody answered of {', '.join(silent[0].values)}, whom others can't stand for"
        return Weighing(tuple(cells), None, None, why_not=told)
    full = _weighted(cells)
    cells = _trimmed(full)
    squares = sum(one.answered * one.weight**2 for one in cells)
    people = sum(one.answered for one in cells)
    effective = people**2 / squares
    mixed: dict[int, float] = {}
    for one in cells:
        for score, many in one.counts.items():
            mixed[score] = mixed.get(score, 0) + many * one.weight * effective / people
    found = replace(scores.estimate(question, mixed), n=people)
    return Weighing(tuple(cells), found, effective, is_trimmed=cells != full)


def _cells(strata: Sequence[Stratum]) -> list[Cell]:
    """Each group with enough answers, and the others together."""
    large = [one for one in strata if one.answered >= LEAST_CELL]
    small = [one for one in strata if one.answered < LEAST_CELL]
    cells = [_cell([one]) for one in large]
    if small:
        cells.append(_cell(small))
        # They are weighted with the group that has fewest: too few alone say nothing of others.
        rest = cells[-1]
        if rest.answered and rest.answered < LEAST_CELL and large:
            fewest = min(cells[:-1], key=lambda one: (one.answered, one.values))
            cells = [one for one in cells[:-1] if one is not fewest]
            cells.append(_joined(fewest, rest))
    return cells


def _cell(strata: Sequence[Stratum]) -> Cell:
    return Cell(
        tuple(one.value for one in strata),
        # A link may tell something else by now than when it was answered.
        sum(max(one.invited, one.answered) for one in strata),
        pooled(*(one.counts for one in strata)),
    )


def _joined(one: Cell, other: Cell) -> Cell:
    both = pooled(one.counts, other.counts)
    return Cell((*one.values, *other.values), one.invited + other.invited, both)


def _weighted(cells: Sequence[Cell]) -> list[Cell]:
    """With the inverse of their response rates, 1 on average over answers."""
    invited, answered = sum(one.invited for one in cells), sum(one.answered for one in cells)
    return [replace(one, weight=one.invited / one.answered * answered / invited) for one in cells]


def _trimmed(cells: Sequence[Cell]) -> list[Cell]:
    """None above `HIGHEST`; what is taken away goes to the others in proportion."""
    people, high = sum(one.answered for one in cells), set[tuple[str, ...]]()
    found = list(cells)
    while over := {one.values for one in found if one.weight > HIGHEST} - high:
        high |= over
        held = sum(HIGHEST * one.answered for one in found if one.values in high)
        rest = sum(one.weight * one.answered for one in found if one.values not in high)
        found = [
            replace(
                one,
                weight=HIGHEST if one.values in high else one.weight * (people - held) / rest,
            )
            for one in found
        ]
    return found


def rates(strata: Sequence[Stratum]) -> Mapping[str, float | None]:
    """{group: which share of it has answered}; None where nobody was invited."""
    return {
        one.value: min(1.0, one.answered / one.invited) if one.invited else None for one in strata
    }
