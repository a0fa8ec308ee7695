"""How long answers took: counted by their length, so that a million cost no more than ten."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS = 100_000
"""So many in a second: each is 10 us wide."""


@dataclass
class Histogram:
    """Lengths of time, each as the number of whole steps that it took."""

    steps: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Histogram:
        """All of these."""
        return cls(Counter(int(one * STEPS) for one in seconds))

    def milliseconds(self, share: float) -> float:
        """The time below which `share` (0 to 1) of them lie; 0 for none."""
        left = int(self.steps.total() * share)
        for step in sorted(self.steps):
            left -= self.steps[step]
            if left < 0:
                return (step + 0.5) * 1000 / STEPS
        return (max(self.steps, default=-0.5) + 0.5) * 1000 / STEPS

    def shown(self) -> str:
        """The middle and the hundredth part that took longest, for people."""
        return f"p50 {self.milliseconds(0.5):.1f} ms, p99 {self.milliseconds(0.99):.1f} ms"
