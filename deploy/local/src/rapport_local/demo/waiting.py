"""Waiting until the platform shows what the demo has caused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from rapport_local.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.1

Found = TypeVar("Found")


def until(
    what: str, look: Callable[[], Found | None], *, seconds: float = PATIENCE_SECONDS
) -> Found:
    """Return the first thing `look` finds that is not None or False; raises `demo_timeout`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise LocalError(
                code="demo_timeout",
                message=f"After {seconds:.0f} s still no {what}. `make logs` tells more.",
            )
        time.sleep(POLL_SECONDS)
