"""Patterns of texts, as RE2 has them: whatever the pattern, a text costs as much as it is long."""

from functools import lru_cache
from typing import Any

import re2

from rapport_segment.domain.operands import RuleError

MOST_MEMORY = 1 << 20
"""Bytes for one compiled pattern."""


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
    """Whether something in the text is what the pattern says."""
    return compiled(pattern).search(text) is not None


def require_pattern(pattern: str, path: str) -> None:
    """RuleError for what RE2 does not take: backreferences and looking around among it."""
    try:
        compiled(pattern)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        shown = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise RuleError(path, f"is no pattern of RE2: {shown[:200]}") from None
