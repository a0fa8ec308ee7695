"""The loop that keeps what people are found by as they are, behind the events.

A batch of events notes whose names, contact points, identifiers or traits are not as they were. So
the work of a search's index is done beside it and not in it, at its own pace, and a person that
changes often is written once in a while.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_profile import metrics
from rapport_profile.domain.naming import Id
from rapport_profile.domain.searchable import Entry, entries_of, keys_of
from rapport_profile.store import search
from rapport_profile.store.standing import standing

log = logging.get(__name__)

BATCH = 250
"""Profiles in one transaction."""
IDLE_SECONDS = 0.5
GATHER_SECONDS = 0.25
"""Between two turns, if the first had time for all that was due."""
REST = 7
"""After a turn it rests so many times as long: where events need the processors, turns take longer,
and so do the rests."""
COUNT_SECONDS = 5.0
SIGN_SECONDS = 5.0
FAILED_SECONDS = 5.0


class Indexing:
    """Writes whose row in `search` is due, a workspace after the other."""

    name = "indexing"

    def __init__(
        self, engine: AsyncEngine, chosen: Collection[str], rate: int, *, batch: int = BATCH
    ) -> None:
        """`chosen`: the traits searched besides names; `rate`: profiles per second, at most."""
        self._engine = engine
        self._chosen = chosen
        self._batch = batch
        self._seconds = batch / rate
        self._last = ""
        self._next_count = 0.0
        self.last_sign = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`; a batch under way is finished. Its failures are no one else's."""
        while not stop.is_set():
            began = time.monotonic()
            try:
                written = await self.turn()
                await self._count()
                wait = self._rest(written, time.monotonic() - began)
            except Exception as error:
                wait = FAILED_SECONDS
                if is_retriable(error):
                    log.warning("search is not kept up, trying again", error=error)
                else:
                    metrics.SEARCH_FAILURES.inc()
                    log.exception("search is not kept up", workspace=self._last)
            await self._pause(wait, stop)

    async def turn(self) -> int:
        """Write a batch of the workspace whose turn it is; how many profiles, 0: none is due."""
        async with self._engine.begin() as tx:
            workspace = await search.next_workspace(tx, self._last)
            if workspace is None and self._last:
                workspace = await search.next_workspace(tx, "")
            self._last = workspace or ""
            if workspace is None or not await search.hold(tx, workspace):
                return 0
            ids = await search.take(tx, workspace, self._batch)
            await write(tx, workspace, ids, self._chosen)
        metrics.SEARCH_WRITTEN.inc(len(ids))
        return len(ids)

    def _rest(self, written: int, took: float) -> float:
        """The seconds until the next turn."""
        if not written:
            return IDLE_SECONDS
        gather = 0.0 if written >= self._batch else GATHER_SECONDS
        return max(gather, took * REST, self._seconds * written / self._batch)

    async def _pause(self, seconds: float, stop: asyncio.Event) -> None:
        """Rest, and give signs of life: a rest may be longer than a watchdog waits."""
        until = time.monotonic() + seconds
        while not stop.is_set():
            self.last_sign = now = time.monotonic()
            if now >= until:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(until - now, SIGN_SECONDS)):
                    await stop.wait()

    async def _count(self) -> None:
        if time.monotonic() < self._next_count:
            return
        self._next_count = time.monotonic() + COUNT_SECONDS
        async with self._engine.begin() as tx:
            metrics.SEARCH_AGE.set(await search.oldest_age(tx))


async def write(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], chosen: Collection[str]
) -> None:
    """Write by what these profiles are found now; those that nobody has are found no more."""
    found: dict[Id, tuple[list[Entry], list[int]]] = {one: ([], []) for one in ids}
    async for profile in standing(tx, workspace, ids):
        entries = entries_of(profile.summary, chosen)
        found[profile.id] = (entries, keys_of(workspace, entries))
        # The process has others who wait.
        await asyncio.sleep(0)
    await search.write(tx, workspace, found)
