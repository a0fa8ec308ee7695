"""What answers come to: NPS, CSAT, CES, ratings, each with how far to trust it.

All is made of pooled counts {score: people}; scores are never averaged.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rapport_feedback.domain import nps
from rapport_feedback.domain.nps import Z_95
from rapport_feedback.domain.questions import Ces, Csat, Nps, Scale

Counts = Mapping[int, int]
"""{score: people}."""

Weights = Mapping[int, float]
"""{score: how much these answers count}, of weighted ones."""

SATISFIED_FROM, EASY_FROM = 4, 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score with its 95 % interval, all None when nobody has answered; `n` people.

    `centre` and `error` (standard) are those that the interval is made of, on the same scale.
    """

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    centre: float = 0.0
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """From one score to another: the difference, its 95 % interval, and its two-sided p value."""

    difference: float
    low: float
    high: float
    p: float

    @property
    def is_significant(self) -> bool:
        """Whether it is more than chance would do, one time in twenty."""
        return self.low > 0 or self.high < 0


Unit = Literal["nps", "share", "mean"]


def measured(question: Scale) -> Unit:
    """What the score of a question is: `nps`, `share` in per cent, or `mean`."""
    if isinstance(question, Nps):
        return "nps"
    if isinstance(question, Csat):
        return "share"
    return question.measured if isinstance(question, Ces) else "mean"


def estimate(question: Scale, counts: Weights) -> Estimate:
    """The score of a question, with an interval as of so many equal answers.

    NPS: promoters less detractors, -100 to 100. CSAT: the share of 4 and 5. CES: the mean of 1 to
    7, or the share of 5 to 7. Rating: the mean.
    """
    how = measured(question)
    if sum(counts.values()) == 0:
        return Estimate(0)
    if how == "nps":
        return _nps(counts)
    if how == "share":
        return _share(counts, SATISFIED_FROM if isinstance(question, Csat) else EASY_FROM)
    return _mean(counts, question.lowest, question.highest)


def change(before: Estimate, after: Estimate) -> Change | None:
    """How far two scores are apart, as of people who were asked independently; None without both.

    The adjusted intervals are put together: so few answers prove as little as they should.
    """
    if before.value is None or after.value is None:
        return None
    error = math.hypot(before.error, after.error)
    middle = after.centre - before.centre
    p = math.erfc(abs(middle) / error / math.sqrt(2)) if error else float(middle == 0)
    margin = Z_95 * error
    return Change(after.value - before.value, middle - margin, middle + margin, p)


def _nps(counts: Weights) -> Estimate:
    n = sum(counts.values())
    promoters = sum(many for score, many in counts.items() if score >= nps.PROMOTER_FROM)
    detractors = sum(many for score, many in counts.items() if score < nps.PASSIVE_FROM)
    centre, margin = nps.wald(promoters + 0.75, detractors + 0.75, n + 3)
    return _told(n, 100 * (promoters - detractors) / n, centre, margin / Z_95, (-100, 100))


def _share(counts: Weights, lowest: int) -> Estimate:
    """A share in per cent, with Agresti and Coull's interval (The American Statistician, 1998).

    It adds z²/2 to who is and to who is not, then takes Wald's.
    """
    n, good = sum(counts.values()), sum(many for score, many in counts.items() if score >= lowest)
    whole = n + Z_95**2
    centre = (good + Z_95**2 / 2) / whole
    error = math.sqrt(centre * (1 - centre) / whole)
    return _told(n, 100 * good / n, 100 * centre, 100 * error, (0, 100))


def _mean(counts: Weights, lowest: int, highest: int) -> Estimate:
    """A mean, with an interval made as that of a share: z²/2 answers are added at either end.

    On a scale of two numbers it is Agresti and Coull's; seven people who all say 7 are no proof.
    """
    n = sum(counts.values())
    added = Z_95**2 / 2
    weights = {score: float(many) for score, many in counts.items()}
    for end in (lowest, highest):
        weights[end] = weights.get(end, 0) + added
    whole = n + 2 * added
    centre = sum(score * many for score, many in weights.items()) / whole
    spread = sum(many * (score - centre) ** 2 for score, many in weights.items()) / whole
    value = sum(score * many for score, many in counts.items()) / n
    return _told(n, value, centre, math.sqrt(spread / whole), (lowest, highest))


def _told(
    n: float, value: float, centre: float, error: float, bounds: tuple[float, float]
) -> Estimate:
    margin = Z_95 * error
    low, high = max(bounds[0], centre - margin), min(bounds[1], centre + margin)
    return Estimate(round(n), value, low, high, centre, error)


def pooled(*parts: Counts) -> dict[int, int]:
    """Counts of several groups together."""
    found: dict[int, int] = {}
    for part in parts:
        for score, many in part.items():
            found[score] = found.get(score, 0) + many
    return found
