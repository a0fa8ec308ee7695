"""A worker that lets go what a workspace's rules say is over its time, a page at a time."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging, metrics
from rapport_common.db import is_retriable
from rapport_common.keeping.classes import PAGE, DataClass
from rapport_common.keeping.store import KeepingStore

log = logging.get(__name__)

EVERY_SECONDS = 3_600.0
IDLE_SECONDS = 1.0


@dataclass(slots=True)
class _Task:
    """A class of a workspace that is being looked through, and how far that is."""

    workspace: str
    one: DataClass
    after: str | None = None


class Keeper:
    """Enforces a service's retention rules; any number of processes do, and count nothing twice.

    Each page is a transaction with the note of how much it was; the rules are read in it, so what
    is declared meanwhile holds. A kill costs a page: what has gone is not found again.
    """

    name = "keeper"

    def __init__(
        self, service: str, engine: AsyncEngine, classes: Sequence[DataClass], *, page: int = PAGE
    ) -> None:
        self.last_sign = time.monotonic()
        self._service = service
        self._store = KeepingStore(service)
        self._engine = engine
        self._classes = classes
        self._page = page
        self._tasks: deque[_Task] = deque()
        self._next = 0.0
        for one in classes:
            metrics.RETENTION_DELETED.labels(service, one.table)
            metrics.RETENTION_FAILURES.labels(service, one.name)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; a page under way is finished."""
        while not stop.is_set():
            worked = False
            try:
                worked = await self.turn()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("retention rules can't be read, trying again", error=error)
            self.last_sign = time.monotonic()
            if not worked:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await stop.wait()

    async def turn(self) -> bool:
        """Look at one page; False when all has been looked through for now."""
        if not self._tasks and not await self._begin():
            return False
        task = self._tasks[0]
        try:
            async with self._engine.begin() as tx:
                done = await self._work(tx, task)
        except Exception as error:
            if is_retriable(error):
                raise
            # The others have their turn; this one is looked through again with the next round.
            log.exception("a class of data can't be let go", of=task.one.name)
            metrics.RETENTION_FAILURES.labels(self._service, task.one.name).inc()
            done = True
        if done:
            self._tasks.popleft()
        return True

    async def _begin(self) -> bool:
        if time.monotonic() < self._next:
            return False
        async with self._engine.begin() as tx:
            workspaces = await self._store.workspaces(tx)
        self._next = time.monotonic() + EVERY_SECONDS
        self._tasks.extend(_Task(name, one) for name in workspaces for one in self._classes)
        return bool(self._tasks)

    async def _work(self, tx: AsyncConnection, task: _Task) -> bool:
        """Let a page go; whether that was the last one."""
        one = task.one
        days = (await self._store.latest(tx, task.workspace)).days.get(one.name)
        if days is None:
            return True
        before = clock.now() - timedelta(days=days)
        piece = await one.page(tx, task.workspace, before, task.after, self._page)
        if piece.removed:
            await self._store.note_gone(tx, task.workspace, one.name, piece.removed)
            metrics.RETENTION_DELETED.labels(self._service, one.table).inc(piece.removed)
        task.after = piece.after
        return piece.after is None
