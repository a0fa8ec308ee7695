"""Letting work gather: a batch of two costs hardly more than a batch of one."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """Between the starts of two turns pass `seconds`, at least; the first after a rest is at once.

    Under a steady flow a loop that takes each record as it comes spends the processor on
    transactions, and everybody waits for it.
    """

    def __init__(
        self,
        seconds: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._seconds = seconds
        self._now = now
        self._sleep = sleep
        self._next = now()

    async def wait(self) -> None:
        """Wait until the next turn may start."""
        left = self._next - self._now()
        if left > 0:
            await self._sleep(left)

    def start(self, *, full: bool = False) -> None:
        """A turn starts; after a full one the next may follow at once."""
        self._next = self._now() + (0.0 if full else self._seconds)
