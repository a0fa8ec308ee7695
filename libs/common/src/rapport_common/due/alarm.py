"""When the worker looks next: by what it has seen, and sooner for what this process schedules."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import after_commit

POLL_SECONDS = 0.5
"""So often it looks at the least: what other processes have scheduled is known by then."""

PACE_SECONDS = 0.2
"""From batch to batch, unless more is due: fewer and larger ones."""

AT_ONCE = float("-inf")
NEVER = float("inf")


class Alarm:
    """The moment of the next look, on a clock of this process (seconds; `now` in tests).

    Never later than `poll` after the last turn, and never sooner than `pace` after it: whoever
    rings ever again costs no more than that.
    """

    def __init__(
        self,
        *,
        poll: float = POLL_SECONDS,
        pace: float = PACE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poll, self._pace, self._now = poll, pace, now
        self._seen: tuple[datetime, float] | None = None
        self._first: datetime | None = None
        self._wanted = NEVER
        self._earliest = self._next = AT_ONCE
        self._rung = asyncio.Event()

    def begin(self) -> None:
        """A look begins: it sees all that was committed, and rung for, before."""
        self._wanted = NEVER
        self._first = None

    def saw(self, now: datetime, first: datetime | None) -> None:
        """The look is done: it is `now` by the database's clock; the `first` row that waits."""
        self._seen = now, self._now()
        self._first = first

    def rest(self, *, more: bool = False) -> None:
        """A turn has ended; after one that leaves `more` the next may follow at once."""
        ended = self._now()
        first = NEVER if self._first is None else self._moment(self._first)
        self._earliest = AT_ONCE if more else ended + self._pace
        self._next = AT_ONCE if more else min(ended + self._poll, first)

    def ring(self, at: datetime | None) -> None:
        """Something was committed that is due `at`, by the database's clock, or (None) now."""
        wanted = AT_ONCE if at is None else self._moment(at)
        if wanted < min(self._wanted, self._next):
            self._rung.set()
        self._wanted = min(self._wanted, wanted)

    def seconds(self) -> float:
        """How long it is until the next look, now; 0 when it is time."""
        return max(0.0, max(self._earliest, min(self._next, self._wanted)) - self._now())

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait until it is time, or until `stop`."""
        ending = asyncio.get_running_loop().create_task(stop.wait())
        ending.add_done_callback(lambda _ending: self._rung.set())
        try:
            while not stop.is_set() and (left := self.seconds()) > 0:
                self._rung.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._rung.wait()
        finally:
            ending.cancel()

    def _moment(self, at: datetime) -> float:
        if self._seen is None:
            return AT_ONCE
        shown, seconds = self._seen
        return seconds + (at - shown).total_seconds()


_alarms_here: dict[str, list[Alarm]] = {}


@contextmanager
def attending(schema: str, alarm: Alarm) -> Iterator[None]:
    """While it lasts, `alarm` rings for what this process commits to the schema's `due`."""
    alarms = _alarms_here.setdefault(schema, [])
    alarms.append(alarm)
    try:
        yield
    finally:
        alarms.remove(alarm)


def ring(tx: AsyncConnection, schema: str, at: datetime | None = None) -> None:
    """Once `tx` has committed, tell the workers of this process that something is due `at`.

    None: at once. Those of other processes find it when they look.
    """
    for alarm in _alarms_here.get(schema, ()):
        after_commit(tx, partial(alarm.ring, at))
