"""Recency, frequency, monetary: three scores from 1 to 5, and the tier that they come to.

A score says how large the share of customers is who do worse: those who are alike count for half.
So ties have one score, and somebody alone has a 3.
"""

import bisect
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rapport_common.events.scores import ProfileScores, Score

RECENCY, FREQUENCY, MONETARY = DIMENSIONS = ("recency", "frequency", "monetary")
RFM = "rfm_"
"""So names begin that nobody else gives."""

TIER = "rfm_tier"
SCORES = (*(f"{RFM}{one}" for one in DIMENSIONS), TIER)
"""The names that rules ask for."""

PARTS = 5

CHAMPIONS, LOYAL, POTENTIAL, NEW = "champions", "loyal", "potential", "new"
AT_RISK, HIBERNATING, LOST = "at_risk", "hibernating", "lost"
TIERS = (CHAMPIONS, LOYAL, POTENTIAL, NEW, AT_RISK, HIBERNATING, LOST)

TABLE = (
    (LOST, LOST, AT_RISK, AT_RISK, AT_RISK),
    (HIBERNATING, HIBERNATING, AT_RISK, AT_RISK, AT_RISK),
    (HIBERNATING, POTENTIAL, POTENTIAL, LOYAL, LOYAL),
    (NEW, POTENTIAL, POTENTIAL, LOYAL, CHAMPIONS),
    (NEW, POTENTIAL, POTENTIAL, CHAMPIONS, CHAMPIONS),
)
"""Tiers by recency (rows, the longest ago first), and by frequency and monetary together."""


def tier(recency: int, frequency: int, monetary: int) -> str:
    """The tier of three scores; the mean of the latter two is rounded up."""
    return TABLE[recency - 1][(frequency + monetary + 1) // 2 - 1]


def quintile(value: Any, everybody: Sequence[Any]) -> int:
    """The score of a value among those of all, which are in order."""
    below, upto = bisect.bisect_left(everybody, value), bisect.bisect_right(everybody, value)
    return PARTS * (below + upto) // (2 * len(everybody)) + 1


def within(value: Decimal, bounds: Sequence[Decimal]) -> int:
    """The score of a value by four bounds, which are in order: each that is reached is one more."""
    return bisect.bisect_right(bounds, value) + 1


MODEL, MODEL_VERSION = "rfm", "1"


def told(workspace: str, profile_id: str, scores: Mapping[str, Any], at: datetime) -> ProfileScores:
    """What others are told of somebody's scores; of who is no customer, that there are none."""
    tier_of = scores.get(TIER)
    numbers = {name: scores.get(name) for name in SCORES if name != TIER}
    return ProfileScores(
        workspace=workspace,
        profile_id=profile_id,
        model=MODEL,
        model_version=MODEL_VERSION,
        as_of=at,
        scores=[
            *(
                Score(name=name, number=None if one is None else str(one))
                for name, one in numbers.items()
            ),
            Score(name=TIER, text=tier_of),
        ],
    )


def scores_of(recency: int, frequency: int, monetary: int) -> Mapping[str, Any]:
    """All that rules ask for, by name."""
    return {
        "rfm_recency": recency,
        "rfm_frequency": frequency,
        "rfm_monetary": monetary,
        TIER: tier(recency, frequency, monetary),
    }
