"""The Net Promoter Score and how far to trust it."""

import math
from dataclasses import dataclass

LOWEST, HIGHEST = 0, 10
PROMOTER_FROM, PASSIVE_FROM = 9, 7
Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Counts:
    """How many people are promoters (9-10), passives (7-8) and detractors (0-6)."""

    promoters: int
    passives: int
    detractors: int

    @property
    def n(self) -> int:
        """All answers."""
        return self.promoters + self.passives + self.detractors


@dataclass(frozen=True, slots=True)
class Score:
    """A score between -100 and 100 with its 95 % interval; all None when nobody has answered."""

    nps: float | None
    low: float | None
    high: float | None


def count(scores: dict[int, int]) -> Counts:
    """Pool answers given as {score: how many}. Scores are pooled, never averaged."""
    promoters = sum(many for score, many in scores.items() if score >= PROMOTER_FROM)
    detractors = sum(many for score, many in scores.items() if score < PASSIVE_FROM)
    return Counts(promoters, sum(scores.values()) - promoters - detractors, detractors)


def score(counts: Counts, z: float = Z_95) -> Score:
    """100 * (promoters - detractors) / n, with the adjusted Wald interval, clipped to the scale.

    The interval adds 3/4 to promoters and detractors and 3 to n before Wald's formula: plain
    Wald says "100 to 100" of ten promoters (Rocks, The American Statistician, 2016).
    """
    if counts.n == 0:
        return Score(None, None, None)
    centre, margin = wald(counts.promoters + 0.75, counts.detractors + 0.75, counts.n + 3, z)
    return Score(
        nps=100 * (counts.promoters - counts.detractors) / counts.n,
        low=max(-100.0, centre - margin),
        high=min(100.0, centre + margin),
    )


def wald(promoters: float, detractors: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """(centre, margin) on the scale of the score; n > 0.

    One answer is -1, 0 or 1: promoters and detractors exclude each other, so their variances
    must not be added as if they were independent.
    """
    p, d = promoters / n, detractors / n
    variance = p + d - (p - d) ** 2
    return 100 * (p - d), 100 * z * math.sqrt(max(0.0, variance) / n)
