"""Whether there is more of a topic on a day than by chance, with a stated rate of false alarms.

What a weekday usually has is known from some weeks: with counts S over K of them, and nothing known
before (Jeffreys), the next count is negative binomial, of S + 1/2 and K / (K + 1). Where days vary
more than chance lets them, all is counted in units of that. Topics are looked at together by
Benjamini and Hochberg: of the days on which none has more, a share of `RATE` at most has an alarm;
of alarms, a share of `RATE` at most is false. A day's count only grows, so that looking often adds
none: its last look has the least p.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RATE = 0.05
WEEKS = 8
LEAST_WEEKS = 4
LEAST = 5
"""Fewer texts than that are no spike, whatever was usual."""


@dataclass(frozen=True, slots=True)
class Spike:
    """A count, what was usual, and how likely so many would be by chance."""

    topic: str
    count: int
    expected: float
    p: float


def spikes(
    today: Mapping[str, int], before: Mapping[str, Sequence[int]], rate: float = RATE
) -> list[Spike]:
    """Those of the topics that have more than is usual.

    `before`: by topic the counts of the days before, the newest last, yesterday's the last of all.
    """
    judged = [
        found for topic, count in today.items() if (found := judge(topic, count, before[topic]))
    ]
    judged.sort(key=lambda one: one.p)
    kept = 0
    for rank, one in enumerate(judged, 1):
        if one.p <= rate * rank / len(judged):
            kept = rank
    return [one for one in judged[:kept] if one.count >= LEAST]


def judge(topic: str, count: int, before: Sequence[int]) -> Spike | None:
    """A topic's day; None when too little is known of what is usual."""
    same = [before[-7 * week] for week in range(1, WEEKS + 1) if 7 * week <= len(before)]
    if len(same) < LEAST_WEEKS:
        return None
    unit = max(1.0, _dispersion(before[-7 * len(same) :]))
    p = tail(count / unit, sum(same) / unit, len(same))
    return Spike(topic, count, round(sum(same) / len(same), 2), p)


def _dispersion(before: Sequence[int]) -> float:
    """How much more than chance days of one name vary: variance to mean, over all seven."""
    over, freedom = 0.0, 0
    for weekday in range(7):
        counts = before[weekday::7]
        mean = sum(counts) / len(counts)
        if mean:
            over += sum((one - mean) ** 2 for one in counts) / mean
            freedom += len(counts) - 1
    return over / freedom if freedom else 1.0


def tail(count: float, total: float, days: int) -> float:
    """How likely `count` or more is on a day, after `total` on so many."""
    shape = total + 0.5
    stays = days / (days + 1)
    below, term = 0.0, shape * math.log(stays)
    for k in range(math.ceil(count)):
        below += math.exp(term)
        term += math.log((k + shape) / (k + 1)) + math.log(1 - stays)
    return max(0.0, 1 - below)
