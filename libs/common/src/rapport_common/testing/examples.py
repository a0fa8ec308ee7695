"""How many examples a property test looks at: all in a long run, a quarter of them in a short one.

The profile of Hypothesis that `HYPOTHESIS_PROFILE` names says which it is, so that each process of
a run knows:

- `short` (the default; `make test`): a quarter, the same ones each time;
- `full` (`make test-long`, `make coverage`): all, the same ones each time;
- `explore`: ten times as many, and others each time.
"""

import os
from typing import Final

VARIABLE: Final = "HYPOTHESIS_PROFILE"
SHORT, FULL, EXPLORE = "short", "full", "explore"
USUAL = 100
"""What a test looks at in a full run if it does not say."""
LEAST = 10
"""What a short run does not go below: the first few are the smallest there are."""


def chosen() -> str:
    """The profile of this run."""
    return os.environ.get(VARIABLE, SHORT)


def examples(full: int) -> int:
    """How many examples a test has in this run that has `full` of them in a full one.

    For `@settings(max_examples=examples(300))`.
    """
    return share(full, chosen())


def share(full: int, profile: str) -> int:
    """How many examples a profile has of those of a full run."""
    if profile == SHORT:
        return min(full, max(LEAST, full // 4))
    return full * 10 if profile == EXPLORE else full
