"""Exact counts of answered events, gathered in memory and added to Postgres once a second."""

import asyncio
import time
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_ingest import metrics
from rapport_ingest.domain.source import Caller
from rapport_ingest.store import tallies as store
from rapport_ingest.store import warnings
from rapport_ingest.store.tallies import Tallies, Tally
from rapport_ingest.store.warnings import Warned

log = logging.get(__name__)

FLUSH_SECONDS = 1.0
MAX_SHOWN = 1000
"""So many sources have metrics of their own; the rest are "other"."""

OTHER = Caller("other", "other")
Days = dict[date, Tallies]


class Counting:
    """Counts each request once, at its end; all four numbers of it move together."""

    name = "counting"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # Three stages of a count: not in the metrics yet, not stored yet, and being stored.
        self._fresh: Days = _days()
        self._pending: Days = _days()
        self._warned: Counter[Warned] = Counter()
        self._flushing: list[Days] = []
        self._shown: set[Caller] = set()
        # What is stored of the present day, by all processes, of the sources with a quota.
        self._day = clock.now().date()
        self._day_ends = _end_of(self._day)
        self._stored: dict[Caller, int] = {}

    def note(self, caller: Caller, *, accepted: int, rejected: int, spooled: bool) -> None:
        """A request of `caller` is about to be answered."""
        tally = self._fresh[self._present_day()][caller]
        tally.received += accepted + rejected
        tally.accepted += accepted
        tally.spooled += accepted if spooled else 0
        tally.rejected += rejected

    def warn(self, caller: Caller, code: str, events: int) -> None:
        """So many accepted events of `caller` have something odd about them."""
        self._warned[caller, code] += events
        metrics.WARNINGS.labels(code).inc(events)

    def today(self, caller: Caller) -> int:
        """How many events the source has sent this day (UTC), by all that is known here.

        From the first question on, the stored count is read again with every flush.
        """
        today = self._present_day()
        found = self._stored.setdefault(caller, 0)
        for days in (self._fresh, self._pending, *self._flushing):
            tallies = days.get(today)
            if tallies is not None and (tally := tallies.get(caller)) is not None:
                found += tally.received
        return found

    def _present_day(self) -> date:
        """This day (UTC); asked twice for each request, so it is not made anew each time."""
        if time.time() >= self._day_ends:
            self._day, self._stored = clock.now().date(), {}
            self._day_ends = _end_of(self._day)
        return self._day

    def expose(self) -> None:
        """Move what was gathered since the last time into the metrics; Postgres may be away."""
        fresh, self._fresh = self._fresh, _days()
        for tallies in fresh.values():
            for caller, tally in tallies.items():
                self._show(caller, tally)
        _merge(self._pending, fresh)

    async def flush(self) -> None:
        """Add what was gathered to the stored counts; on a failure it is kept for the next time."""
        self.expose()
        taken, self._pending = self._pending, _days()
        warned, self._warned = self._warned, Counter()
        wanted = list(self._stored)
        if not taken and not wanted and not warned:
            return
        self._flushing.append(taken)
        try:
            async with self._engine.begin() as tx:
                await self._store(tx, taken)
                if warned:
                    await warnings.add(tx, warned)
                today = self._day
                stored = await store.received_on(tx, today, wanted)
        except BaseException:
            _merge(self._pending, taken)
            self._warned.update(warned)
            raise
        finally:
            self._flushing.remove(taken)
        self._learn(today, stored)

    async def run(self, stop: asyncio.Event) -> None:
        """Flush once a second until `stop`, and a last time then."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await stop.wait()
            await self.try_flush()

    async def try_flush(self) -> None:
        """Flush, unless Postgres is away."""
        try:
            await self.flush()
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("counts not stored, trying again", error=error)

    async def _store(self, tx: AsyncConnection, taken: Days) -> None:
        """All rows in one order, so that processes can't block each other."""
        if not taken:
            return
        totals: Tallies = defaultdict(Tally)
        for tallies in taken.values():
            for caller, tally in tallies.items():
                totals[caller].add(tally)
        await store.add_tallies(tx, totals)
        for day in sorted(taken):
            await store.add_days(tx, day, taken[day])

    def _learn(self, day: date, stored: dict[Caller, int]) -> None:
        """Counts of a day only grow: of two that were read at once, the larger is the later."""
        if day == self._day:
            for caller, received in stored.items():
                self._stored[caller] = max(received, self._stored.get(caller, 0))

    def _show(self, caller: Caller, tally: Tally) -> None:
        if caller not in self._shown:
            if len(self._shown) < MAX_SHOWN:
                self._shown.add(caller)
            else:
                caller = OTHER
        labels = (caller.workspace, caller.source)
        metrics.SOURCE_RECEIVED.labels(*labels).inc(tally.received)
        at_once = tally.accepted - tally.spooled
        metrics.ACCEPTED.inc(at_once)
        metrics.SPOOLED.inc(tally.spooled)
        metrics.REFUSED.inc(tally.rejected)
        for verdict, events in (
            ("accepted", at_once),
            ("spooled", tally.spooled),
            ("rejected", tally.rejected),
        ):
            metrics.SOURCE_EVENTS.labels(*labels, verdict).inc(events)


def _end_of(day: date) -> float:
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC).timestamp()


def _days() -> Days:
    return defaultdict(lambda: defaultdict(Tally))


def _merge(into: Days, more: Days) -> None:
    for day, tallies in more.items():
        for caller, tally in tallies.items():
            into[day][caller].add(tally)
