"""Waiting for what other processes do: by looking again and again, until a deadline."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import httpx
import pytest

POLL_SECONDS = 0.05

Found = TypeVar("Found")


def until(what: str, look: Callable[[], Found | None], *, seconds: float = 20.0) -> Found:
    """Return the first thing `look` finds that is not empty; the test fails after `seconds`."""
    found = look_until(look, seconds=seconds)
    if found:
        return found
    pytest.fail(f"after {seconds:g} s still no {what}; last seen: {found!r}")


def look_until(look: Callable[[], Found | None], *, seconds: float) -> Found | None:
    """Look until there is something, or `seconds` have passed; returns what was seen last.

    A service that does not answer just now has not shown it yet.
    """
    deadline = time.monotonic() + seconds
    found: Found | None = None
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            found = look()
        if found:
            break
        time.sleep(POLL_SECONDS)
    return found
