"""Ends a process that lives and does nothing; the supervisor starts a fresh one."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from rapport_common import logging, metrics

log = logging.get(__name__)

STALL_EXIT = 70
LOOP_STALL_TICKS = 30


class LoopWatchdog:
    """A thread that ends the process when the event loop has not turned for 30 s.

    It counts its own ticks, not the clock: a process that was frozen as a whole has not
    missed any.
    """

    def __init__(self, service: str) -> None:
        self._service = service
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
        while self._missed < LOOP_STALL_TICKS:
            time.sleep(1)  # noqa: TID251 - a thread of its own, made to sleep
            self._missed += 1
        sys.stderr.write(f"{self._service}: the event loop is stuck, ending the process\n")
        os._exit(STALL_EXIT)


class ProgressWatchdog:
    """Ends the process when it ought to move and gave no sign for `limit` seconds."""

    name = "progress-watchdog"

    def __init__(
        self, *, has_work: Callable[[], bool], last_progress: Callable[[], float], limit: float = 30
    ) -> None:
        self._has_work = has_work
        self._last_progress = last_progress
        self._limit = limit

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second until `stop`. Ticks are counted, as in the loop's watchdog."""
        idle, seen = 0, self._last_progress()
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await stop.wait()
            progress = self._last_progress()
            idle = idle + 1 if self._has_work() and progress == seen else 0
            seen = progress
            if idle >= self._limit:
                log.critical("no progress, ending the process", seconds=idle)
                os._exit(STALL_EXIT)
