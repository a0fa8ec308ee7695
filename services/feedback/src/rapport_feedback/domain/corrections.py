"""Whether what was done against a cause has helped: cases a week before and after, with what chance
alone may have done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp, log, sqrt
from typing import Final

Z: Final = 1.959964
"""Of an interval of 95 %."""
MOST_WEEKS: Final = 26
FEWEST_WEEKS: Final = 2
"""Of fewer nobody can say how much weeks differ by themselves."""
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class Effect:
    """Cases by a cause in whole weeks before and after a day.

    `ratio` is the rate after over the rate before, with its interval (95 %); None while there are
    too few weeks. `spread` is how many times more the weeks differ than chance would have them (1:
    no more); the interval is wider by it. `by_orders`: rates are by orders, not by weeks.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    spread: float = 1.0
    by_orders: bool = False

    @property
    def says(self) -> str:
        """What can be said of it, in a word."""
        if self.low is None or self.high is None:
            return "too_early"
        if self.high < 1:
            return "fewer"
        return "more" if self.low > 1 else "unclear"


def weeks_around(done_on: date, today: date, weeks: int) -> tuple[list[date], list[date]]:
    """The first days of whole weeks before `done_on`, and of those after that have ended."""
    count = min(weeks, MOST_WEEKS)
    before = [done_on - timedelta(weeks=one) for one in range(count, 0, -1)]
    after = [done_on + timedelta(weeks=one) for one in range(count)]
    return before, [one for one in after if one + timedelta(weeks=1) <= today]


def effect(
    before: Sequence[int],
    after: Sequence[int],
    orders: tuple[int, int] | None = None,
) -> Effect:
    """What has changed. Counts are taken as Poisson's, with half a case added at either side, so
    that none at all is no certainty; weeks that differ by more widen the interval (quasi-Poisson).

    `orders`: how many there were before and after, if known.
    """
    counted = Effect(tuple(before), tuple(after), by_orders=orders is not None)
    if len(before) < FEWEST_WEEKS or len(after) < FEWEST_WEEKS or (orders and min(orders) < 1):
        return counted
    first, second = sum(before) + _HALF, sum(after) + _HALF
    shares = orders or (len(before), len(after))
    middle = log((second / shares[1]) / (first / shares[0]))
    spread = _spread(before, after)
    margin = Z * sqrt(spread * (1 / first + 1 / second))
    return Effect(
        counted.before,
        counted.after,
        ratio=exp(middle),
        low=exp(middle - margin),
        high=exp(middle + margin),
        spread=spread,
        by_orders=counted.by_orders,
    )


def _spread(before: Sequence[int], after: Sequence[int]) -> float:
    """Pearson's chi-square over its degrees of freedom, never less than 1."""
    freedom = len(before) + len(after) - 2
    chi = 0.0
    for side in (before, after):
        mean = sum(side) / len(side)
        if mean > 0:
            chi += sum((one - mean) ** 2 / mean for one in side)
    return max(1.0, chi / freedom)
