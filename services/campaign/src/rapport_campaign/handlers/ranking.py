"""Works out again and again what is bought most, and together: each workspace by one process.

What it takes is a small part of a core: after each time a workspace rests for fifty times as long.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign import metrics
from rapport_campaign.domain.recommenders import RecommenderKeys
from rapport_campaign.handlers.recommenders import seal_anew
from rapport_campaign.store import ranking
from rapport_common import clock, logging
from rapport_common.db import is_retriable

log = logging.get(__name__)

INTERVAL_SECONDS = 1.0
SOONEST = timedelta(seconds=5)
AGAIN = timedelta(minutes=10)
"""Without anything new: a window of days moves on, too, and what was committed while it was worked
out is in the next one.
"""
LONG = timedelta(minutes=9)
REST = 50


class Ranker:
    """The worker; any number of processes do it, each for other workspaces."""

    name = "recommendations"

    def __init__(
        self,
        engine: AsyncEngine,
        keys: RecommenderKeys,
        *,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`keys`: under which secrets of recommenders are kept, the newest of them."""
        self._engine = engine
        self._keys = keys
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Look, wait, again, until `stop`."""
        while not stop.is_set():
            try:
                async with self._engine.begin() as tx:
                    await seal_anew(tx, self._keys)
                while await self.turn() and not stop.is_set():
                    pass
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("recommendations not worked out, trying again", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await stop.wait()

    async def turn(self) -> bool:
        """Work out what is due for one workspace; False if nothing is."""
        now = self._now()
        async with self._engine.begin() as tx:
            # Until it is known how long it takes: what never comes to an end is not tried at once.
            workspace = await ranking.due(tx, now, again=AGAIN, soonest=LONG)
        if workspace is None:
            return False
        begun = time.monotonic()
        async with self._engine.begin() as tx:
            found = await ranking.rank(tx, workspace, now)
        if found is None:
            return True
        took = time.monotonic() - begun
        metrics.RANKING_DURATION.observe(took)
        async with self._engine.begin() as tx:
            rest = min(max(SOONEST, timedelta(seconds=took * REST)), AGAIN)
            await ranking.rest(tx, workspace, now + rest, now)
        return True
