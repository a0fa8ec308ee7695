"""Exact counts of answered events, gathered in memory and added to Postgres once a second."""

import asyncio
from collections import defaultdict
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_ingest import metrics
from rapport_ingest.domain.source import Caller
from rapport_ingest.store import tallies as store
from rapport_ingest.store.tallies import Tallies, Tally

log = logging.get(__name__)

FLUSH_SECONDS = 1.0


class Counting:
    """Counts each request once, at its end; all four numbers of it move together."""

    name = "counting"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._pending: Tallies = defaultdict(Tally)

    def note(self, caller: Caller, *, accepted: int, rejected: int, spooled: bool) -> None:
        """A request of `caller` is about to be answered."""
        in_spool = accepted if spooled else 0
        self._pending[caller].add(Tally(accepted + rejected, accepted, in_spool, rejected))
        (metrics.SPOOLED if spooled else metrics.ACCEPTED).inc(accepted)
        if rejected:
            metrics.REFUSED.inc(rejected)

    async def flush(self) -> None:
        """Add what was gathered to the stored counts; on a failure it is kept for the next time."""
        taken, self._pending = self._pending, defaultdict(Tally)
        if not taken:
            return
        try:
            async with self._engine.begin() as tx:
                await store.add_tallies(tx, taken)
        except BaseException:
            for caller, tally in taken.items():
                self._pending[caller].add(tally)
            raise

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
            log.warning("counts not stored, trying again", error=repr(error))
