"""Keeping timelines: months are made before they begin, and what is over its time goes.

The installation's limit takes whole months off, adds their events to the sums page by page, and
drops them. A workspace's rules take events out of months that stay. Each page is one transaction,
so that a kill repeats nothing and leaves nothing out.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.events.envelope import Event
from rapport_common.metrics import RETENTION_DELETED
from rapport_common.months import lacking, over
from rapport_common.pace import Pace
from rapport_profile import metrics
from rapport_profile.domain.naming import Id
from rapport_profile.store import expiring, holding, rules, sweeping
from rapport_profile.store.timeline_parts import TIMELINE, close
from rapport_profile.tables import SCHEMA

log = logging.get(__name__)

INTERVAL_SECONDS = 10.0
PAGE = 1_000
"""Events that are looked at in one transaction."""
HELD = 100
"""Identifiers whose events are put back in one transaction."""
PATIENCE = timedelta(minutes=5)
"""Who waits for the whole timeline is in everybody's way for half a second, and a dump of the
database reads for hours: after one that was in vain the next follows so much later."""
RATE = 10_000
"""Events per second, at most: consumers have the processor first."""


class Upkeep:
    """The worker that keeps timelines; any number of processes do, each page is one's own."""

    name = "timeline"

    def __init__(
        self,
        engine: AsyncEngine,
        days: int,
        *,
        now: Callable[[], datetime] = clock.now,
        page: int = PAGE,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        """`days`: so long the installation keeps events; 0: for ever."""
        self._engine = engine
        self._days = days
        self._now = now
        self._page = page
        self._interval = interval
        self._pace = Pace(page / RATE)
        self._held_up_until = datetime.min.replace(tzinfo=UTC)
        self.last_sign = time.monotonic()
        self._removed = RETENTION_DELETED.labels(SCHEMA, "timeline")

    async def run(self, stop: asyncio.Event) -> None:
        """Do all that is due, wait, again, until `stop`."""
        while not stop.is_set():
            await self.turn(stop)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await stop.wait()

    async def turn(self, stop: asyncio.Event) -> None:
        """Do all that is due, until `stop`; what meets with others' locks is for the next turn."""
        works = [self.look_ahead, self._sweep]
        if self._days:
            works[1:1] = [
                self.close_months,
                self._keep_held,
                self._expire_early,
                self._expire_closing,
            ]
        for work in works:
            try:
                while not stop.is_set():
                    self._pace.start()
                    more = await work()
                    self.last_sign = time.monotonic()
                    if not more:
                        break
                    await self._pace.wait()
            except Exception as error:
                if is_retriable(error):
                    log.warning("upkeep of timelines postponed", what=work.__name__, error=error)
                elif isinstance(error, DBAPIError):
                    # Such as a right that is lacking: no reason to stop consuming.
                    log.exception("upkeep of timelines refused", what=work.__name__)
                else:
                    raise
            self.last_sign = time.monotonic()

    async def look_ahead(self) -> bool:
        """Make the months that have to be there by now; False: that is all."""
        async with self._engine.begin() as tx:
            known = await TIMELINE.months(tx)
            if lacking(known[-1], self._now()) and await self._holds(tx):
                # Another process may have made them while this one waited.
                known = await TIMELINE.months(tx)
                if new := lacking(known[-1], self._now()):
                    await TIMELINE.extend(tx, new)
                    known += new
                    log.info("months made", last=TIMELINE.part(new[-1]))
        metrics.LAST_MONTH.set(known[-1].following.start.timestamp())
        return False

    async def close_months(self) -> bool:
        """Take the months off that are over, with what is older; False: that is all."""
        async with self._engine.begin() as tx:
            ended = over(await TIMELINE.months(tx), self._cutoff())
            if ended and await self._holds(tx):
                # Another process may have taken them off while this one waited.
                ended = over(await TIMELINE.months(tx), self._cutoff())
                if ended:
                    await close(tx, ended)
                    log.info("months are over", first=str(ended[0]), last=str(ended[-1]))
        return False

    async def _keep_held(self) -> bool:
        """Put some of what is held and was taken off back first; whether there is more."""
        async with self._engine.begin() as tx:
            return await expiring.keep_held(tx, HELD) == HELD

    async def _expire_early(self) -> bool:
        """Remove a page of what came late for months that are over; whether there is more."""
        async with self._engine.begin() as tx:
            gone = await expiring.expire_early(tx, self._cutoff(), self._page)
        self._removed.inc(gone)
        return gone == self._page

    async def _expire_closing(self) -> bool:
        """Add a page of what was taken off to the sums; whether there is more."""
        async with self._engine.begin() as tx:
            gone = await expiring.expire_closing(tx, self._page)
        self._removed.inc(gone or 0)
        return gone is not None

    async def _sweep(self) -> bool:
        """Look through a page of a workspace that has rules; whether one waits for more."""
        now, removed = self._now(), 0
        async with self._engine.begin() as tx:
            sweep = await sweeping.claim(tx, now)
            if sweep is None:
                return False
            found = await rules.find(tx, rules.TIMELINE_RULES, sweep.workspace, sweep.version)
            days = found.declared.fewest_days if found else None
            page = []
            if found is not None and days is not None:
                page = await sweeping.page(tx, sweep, now - timedelta(days=days), self._page)
                ended = [one for one in page if found.declared.is_over(one[1], now)]
                removed = await self._let_go(tx, sweep.workspace, ended)
            await sweeping.move_on(tx, sweep, page, now)
        self._removed.inc(removed)
        return True

    async def _let_go(
        self, tx: AsyncConnection, workspace: str, ended: Sequence[tuple[Id, Event]]
    ) -> int:
        """Remove events that are over their time, but for those that the law wants held."""
        kept = await holding.held(tx, {(workspace, hub) for hub, _event in ended})
        free = [one for one in ended if (workspace, one[0]) not in kept]
        return await expiring.remove(tx, workspace, free) if free else 0

    async def _holds(self, tx: AsyncConnection) -> bool:
        """Hold the timeline, unless that was tried in vain a moment ago."""
        if self._now() < self._held_up_until:
            return False
        self._held_up_until = self._now() + PATIENCE
        await TIMELINE.hold(tx)
        self._held_up_until = self._now()
        return True

    def _cutoff(self) -> datetime:
        return self._now() - timedelta(days=self._days)
