"""How long to wait before a dead component is started again."""

from __future__ import annotations

import random
from dataclasses import dataclass

FIRST_WAIT = 0.25
LONGEST_WAIT = 5.0
HEALTHY_SECONDS = 30.0


@dataclass
class Backoff:
    """At once after the first death, then longer and longer; a life of 30 s forgets the past."""

    deaths: int = 0

    def after_death(self, lived: float) -> float:
        """Return the seconds to wait after a life of `lived` seconds: 0 to 5."""
        if lived >= HEALTHY_SECONDS:
            self.deaths = 0
        self.deaths += 1
        if self.deaths == 1:
            return 0.0
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self.deaths - 2, 10))
        # Spread, so that several components that fail together do not return together.
        return random.uniform(longest / 2, longest)  # noqa: S311 - no secret
