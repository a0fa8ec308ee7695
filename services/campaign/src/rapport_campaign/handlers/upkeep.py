"""Keeping the ledger: its months are made before they begin."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.store.ledger import MESSAGES
from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.months import lacking

log = logging.get(__name__)

INTERVAL_SECONDS = 600.0


class Upkeep:
    """The worker that makes months; any number of processes do. What has none waits in a part for
    what is later, so nothing stops when this is held up.
    """

    name = "ledger months"

    def __init__(self, engine: AsyncEngine, *, now: Callable[[], datetime] = clock.now) -> None:
        self._engine = engine
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Look, wait, again, until `stop`."""
        while not stop.is_set():
            await self.turn()
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await stop.wait()

    async def turn(self) -> None:
        """Make the months that have to be there by now."""
        try:
            async with self._engine.begin() as tx:
                if not lacking((await MESSAGES.months(tx))[-1], self._now()):
                    return
                await MESSAGES.hold(tx)
                # Another process may have made them while this one waited.
                new = lacking((await MESSAGES.months(tx))[-1], self._now())
                if new:
                    await MESSAGES.extend(tx, new)
                    log.info("months of the ledger made", last=MESSAGES.part(new[-1]))
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("months of the ledger not made, trying again", error=error)
