"""Waiting for what others do: by looking again and again, until a limit that only a hang reaches.

No test sleeps for itself: this is the one place, and `tests/arch/test_waiting.py` holds it to that.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar, overload

import httpx
import pytest

POLL_SECONDS = 0.02
LONGEST_POLL_SECONDS = 0.2
LONGER = 1.25
STEADY_SECONDS = 0.05
REST = 2.0
"""After a look, so many times as long as it took: who is looked at needs the processor more."""
HANG_SECONDS = 600.0
"""Nothing here takes a tenth of it on a machine ten times slower than a good one. The one limit of
all tests: who waits for less asserts a duration."""

Found = TypeVar("Found")


def until(what: str, look: Callable[[], Found | None], *, seconds: float = HANG_SECONDS) -> Found:
    """Return the first thing `look` finds that is not empty; the test fails after `seconds`."""
    found = look_until(look, seconds=seconds)
    if found:
        return found
    pytest.fail(f"after {seconds:g} s still no {what}; last seen: {found!r}")


def pauses() -> Iterator[float]:
    """The seconds from look to look: ever longer, at most a fifth of a second.

    A look takes the processor from those who are looked at. Nobody waits much longer than was
    needed: a pause is about a quarter of what was waited before it.
    """
    pause = POLL_SECONDS
    while True:
        yield pause
        pause = min(pause * LONGER, LONGEST_POLL_SECONDS)


def look_until(look: Callable[[], Found | None], *, seconds: float) -> Found | None:
    """Look until there is something, or `seconds` have passed; returns what was seen last.

    A service that does not answer just now has not shown it yet.
    """
    deadline = time.monotonic() + seconds
    found: Found | None = None
    for pause in pauses():
        began = time.monotonic()
        with suppress(httpx.HTTPError):
            found = look()
        if found or time.monotonic() > deadline:
            break
        time.sleep(rest(pause, time.monotonic() - began))
    return found


def rest(pause: float, look: float) -> float:
    """The seconds until the next look, after one of so many seconds."""
    return max(pause, REST * look)


@overload
async def eventually(
    what: str, look: Callable[[], Awaitable[Found]], *, seconds: float = HANG_SECONDS
) -> Found: ...
@overload
async def eventually(
    what: str, look: Callable[[], Found], *, seconds: float = HANG_SECONDS
) -> Found: ...
async def eventually(what: str, look: Callable[[], Any], *, seconds: float = HANG_SECONDS) -> Any:
    """`until` in a loop: `look` may be a plain function or a coroutine's."""
    deadline = time.monotonic() + seconds
    found: Any = None
    for pause in pauses():
        began = time.monotonic()
        with suppress(httpx.HTTPError):
            seen = look()
            found = await seen if isinstance(seen, Awaitable) else seen
        if found:
            return found
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(rest(pause, time.monotonic() - began))
    pytest.fail(f"after {seconds:g} s still no {what}; last seen: {found!r}")


async def between_looks() -> None:
    """What a loop of one's own does between two looks at what others do."""
    await asyncio.sleep(STEADY_SECONDS)


async def pretend_slow(seconds: float) -> None:
    """What a stand-in for somebody slow does; no proof rests on it."""
    if seconds:
        await asyncio.sleep(seconds)
