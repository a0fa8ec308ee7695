"""Ends a process that lives and does nothing; the supervisor starts a fresh one."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from rapport_common import logging, metrics

log = logging.get(__name__)

STALL_EXIT = 70
STALL_TICKS = 30
ASK_TICKS = 5
"""After so many seconds without a sign it is asked whether something else is away."""


class LoopWatchdog:
    """A thread that ends the process when the event loop has not turned for `limit` seconds.

    It counts its own ticks, not the clock: a process that was frozen as a whole has not
    missed any.
    """

    from_the_start = True

    def __init__(self, service: str, limit: float = STALL_TICKS) -> None:
        self._service = service
        self.limit = limit
        self._missed = 0
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)

    async def run(self, stop: asyncio.Event) -> None:
        """Give the sign of life once a second, and measure how late it comes."""
        self._thread.start()
        while not stop.is_set():
            due = time.perf_counter() + 1
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await stop.wait()
            self._missed = 0
            metrics.LOOP_LAG.labels(self._service).set(max(0, time.perf_counter() - due))

    def _watch(self) -> None:
        while self._missed < self.limit:
            time.sleep(1)  # noqa: TID251 - a thread of its own, made to sleep
            self._missed += 1
        sys.stderr.write(f"{self._service}: the event loop is stuck, ending the process\n")
        os._exit(STALL_EXIT)


class ProgressWatchdog:
    """Ends the process when it ought to move and gave no sign for `limit` seconds.

    `reachable` asks whether what it depends on answers. Seconds in which that does not are not
    counted: whoever waits for it does not hang, and a fresh process could do no more.
    """

    name = "progress-watchdog"

    def __init__(
        self,
        *,
        has_work: Callable[[], bool],
        last_progress: Callable[[], float],
        reachable: Callable[[], Awaitable[bool]],
        limit: float = STALL_TICKS,
    ) -> None:
        self._has_work = has_work
        self._last_progress = last_progress
        self._reachable = reachable
        self.limit = limit
        self._idle, self._seen = 0, last_progress()

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second until `stop`. Ticks are counted, as in the loop's watchdog."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await stop.wait()
            if await self.hangs():
                log.critical("no progress, ending the process", seconds=self._idle)
                os._exit(STALL_EXIT)

    async def hangs(self) -> bool:
        """One look: whether there was no sign for too long."""
        progress = self._last_progress()
        idle = self._has_work() and progress == self._seen
        self._seen = progress
        if not idle:
            self._idle = 0
        elif self._idle < ASK_TICKS or await self._reachable():
            self._idle += 1
        else:
            # It begins anew when that is back: what waited for it needs a moment then.
            self._idle = 0
        return self._idle >= self.limit
