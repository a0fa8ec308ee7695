"""A worker that works off requests page by page: each page is a transaction with how far it is.

So any number of processes share the work, a kill costs a page at most, and counts stay exact. What
fails waits, and is tried for ever.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Generic, Protocol, Self, TypeVar

from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.discretion import told
from rapport_common.privacy.subject import Subject

log = logging.get(__name__)

IDLE_SECONDS = 0.5
LONGEST_IDLE_SECONDS = 2.0
COUNT_SECONDS = 10.0


class Request(Protocol):
    """What is asked of somebody, and how far it is."""

    @property
    def who(self) -> Subject:
        """Of whom."""


W = TypeVar("W", bound=Request)


class Requests(Protocol[W]):
    """Where requests are kept."""

    async def take(self, tx: AsyncConnection) -> W | None:
        """The one that waits longest, locked; None when none is to be worked on."""

    async def postpone(self, tx: AsyncConnection, work: W, error: str) -> None:
        """Try it later."""

    async def oldest(self, tx: AsyncConnection) -> float:
        """Since how many seconds the oldest that is not done waits."""


class PageWorker(ABC, Generic[W]):
    """Works requests off; a service's own is made of what a page is."""

    name: str
    asked: str
    """A word for one request, for the log."""

    def __init__(
        self, service: str, requests: Requests[W], failures: Counter, oldest: Gauge
    ) -> None:
        self.last_sign = time.monotonic()
        self._service = service
        self._requests = requests
        self._failures = failures.labels(service)
        self._oldest = oldest.labels(service)
        self._engine: AsyncEngine | None = None
        self._count_at = 0.0

    def over(self, engine: AsyncEngine) -> Self:
        """Work over these connections."""
        self._engine = engine
        return self

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; a page under way is finished."""
        idle = IDLE_SECONDS
        while not stop.is_set():
            worked = False
            try:
                worked = await self.turn()
                await self.measure()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("requests can't be read, trying again", of=self.asked, error=error)
            self.last_sign = time.monotonic()
            if worked:
                idle = IDLE_SECONDS
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(idle):
                    await stop.wait()
            # Requests are rare: who finds none for a while looks less often.
            idle = min(2 * idle, LONGEST_IDLE_SECONDS)

    async def turn(self) -> bool:
        """Work off a page of the request that waits longest; False when none is to be worked on."""
        if self._engine is None:
            raise LookupError(self._service)
        work: W | None = None
        try:
            async with self._engine.begin() as tx:
                work = await self._requests.take(tx)
                if work is None:
                    return False
                await self._page(tx, work)
        except Exception as error:
            if work is None:
                raise
            log.warning(
                "page failed, it waits", of=self.asked, request=work.who.request_id, error=error
            )
            self._failures.inc()
            async with self._engine.begin() as tx:
                await self._requests.postpone(tx, work, told(error))
        return True

    async def measure(self) -> None:
        """Set the metrics, unless that was done a moment ago."""
        if self._engine is None or time.monotonic() < self._count_at:
            return
        self._count_at = time.monotonic() + COUNT_SECONDS
        async with self._engine.begin() as tx:
            self._oldest.set(await self._requests.oldest(tx))
            await self._measure_more(tx)

    @abstractmethod
    async def _page(self, tx: AsyncConnection, work: W) -> None:
        """Do the next page, or the end, and note it."""

    async def _measure_more(self, _tx: AsyncConnection) -> None:
        """Set metrics of its own."""
