"""Telling of definitions again: those that nobody was told of, and all of them once a day.

A change is told as it is made. This is for what was there before definitions were told, for what
an older process writes while a newer one runs beside it, and for readers that begin anew: the
topic keeps less than it would take to know all.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_segment.handlers.publish import tell
from rapport_segment.store import definitions

log = logging.get(__name__)

AGAIN_AFTER = timedelta(days=1)
LOOK_SECONDS = 60.0
AT_ONCE = 500


class Telling:
    """The worker that does so; it looks when it starts, and then once a minute."""

    name = "telling"

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime] = clock.now) -> None:
        self._engine = engine
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            try:
                while await self.turn() == AT_ONCE and not stop.is_set():
                    pass
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("definitions not told again, trying later", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await stop.wait()

    async def turn(self) -> int:
        """Tell what is due, 500 at most; how many."""
        now = self._now()
        async with self._engine.begin() as tx:
            due = await definitions.untold(tx, before=now - AGAIN_AFTER, now=now, limit=AT_ONCE)
            await tell(tx, due)
        return len(due)
