"""Patterns of texts, as RE2 has them: a text costs at most its length times the pattern's steps.

That is mostly far less, but `(a{100}){10}b` costs all of it, so both are bounded: what is asked of
one person must not hold up all others.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import re2

from rapport_segment.domain.operands import RuleError

MOST_MEMORY = 1 << 20
"""Bytes for one compiled pattern."""
MOST_STEPS = 2000
"""Of the program that RE2 makes of one pattern."""
MOST_STEPS_OF_RULE = 4000
"""Of all patterns of a rule."""
MOST_CHARACTERS = 4096
"""A longer text fits no pattern."""


def _options() -> Any:
    options = re2.Options()
    options.max_mem = MOST_MEMORY
    options.never_capture = True
    options.log_errors = False
    return options


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """The pattern, made once; `re2.error` for what is none, or too large."""
    return re2.compile(pattern, _options())


def matches(pattern: str, text: str) -> bool:
    """Whether something in the text is what the pattern says; a text that is too long is not."""
    return len(text) <= MOST_CHARACTERS and compiled(pattern).search(text) is not None


def require_bounded(patterns: Iterable[tuple[str, str]]) -> None:
    """RuleError if patterns of a rule, each with its path, cost too much, alone or together."""
    total = 0
    for path, pattern in patterns:
        steps = compiled(pattern).programsize
        if steps > MOST_STEPS:
            message = f"its pattern has {steps} steps, and {MOST_STEPS} are the most: repeat less"
            raise RuleError(path, f"{message}, as in a{{100}}, or name fewer letters")
        total += steps
        if total > MOST_STEPS_OF_RULE:
            message = f"with it the patterns of the rule have {total} steps together"
            raise RuleError(path, f"{message}, and {MOST_STEPS_OF_RULE} are the most")


def require_pattern(pattern: str, path: str) -> None:
    """RuleError for what RE2 does not take: backreferences and looking around among it."""
    try:
        compiled(pattern)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        shown = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise RuleError(path, f"is no pattern of RE2: {shown[:200]}") from None
