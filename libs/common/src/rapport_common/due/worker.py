"""The worker of what has a time: takes what is due in batches, and runs and removes it at once."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import IDLE_SECONDS, is_contention, is_retriable
from rapport_common.discretion import told
from rapport_common.due.alarm import Alarm, attending
from rapport_common.due.look import Look
from rapport_common.due.store import Due, DueStore
from rapport_common.due.turns import Batch, Turns

log = logging.get(__name__)

BATCH = 500
ISOLATE_SECONDS = 0.5
"""For so long a batch that failed is taken apart; then others have their turn."""

MAX_ATTEMPTS = 10
MAX_WAIT_SECONDS = 300.0
MARGIN = timedelta(seconds=100)
"""No transaction lasts longer: who has scheduled before has been seen by now."""

FULL_SECONDS = 60.0
COUNT_SECONDS = 15.0

SESSION = {
    # Handlers hold their rows first and wait for others' then, requests do it the other way: the
    # worker gives way before the database takes it for a deadlock (1 s) and ends either of them.
    "lock_timeout": "500",
    "statement_timeout": "10000",
    # What was planned for an empty table would read a full one from its beginning.
    "plan_cache_mode": "force_custom_plan",
}
"""Settings of the worker's sessions."""

Handler = Callable[[AsyncConnection, Sequence[Due], datetime], Awaitable[None]]
"""Does what is due, some rows of one kind at a time, at `now`, in the transaction that has removed
them: both happen once, or neither. It may schedule them anew, judges by what is stored and not by
the row, and takes others' locks only if they are free (SKIP LOCKED). What it raises undoes the
batch; the row that fails alone is tried again later."""


class DueWorker:
    """Runs what is due in all workspaces; any number of processes do, each with other rows."""

    name = "due"

    def __init__(
        self,
        engine: AsyncEngine,
        store: DueStore,
        handlers: Mapping[str, Handler],
        *,
        batch: int = BATCH,
        alarm: Alarm | None = None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._handlers = handlers
        self._batch = batch
        self._turns = Turns()
        self._floor: datetime | None = None
        self._next_full = self._next_count = 0.0
        self._alarm = alarm or Alarm()
        self.last_sign = time.monotonic()
        for kind in handlers:
            metrics.DUE_LATE.labels(store.schema, kind)
            metrics.DUE_FAILURES.labels(store.schema, kind)

    async def run(self, stop: asyncio.Event) -> None:
        """Run what is due until `stop`; a batch under way is finished."""
        with attending(self._store.schema, self._alarm):
            while not stop.is_set():
                more = False
                try:
                    more = await self.turn()
                    await self._count()
                except Exception as error:
                    if not is_retriable(error):
                        raise
                    log.warning("what is due can't be run, trying again", error=error)
                self.last_sign = time.monotonic()
                self._alarm.rest(more=more)
                await self._alarm.wait(stop)

    async def turn(self) -> bool:
        """Run one batch; whether more is due by now.

        Connection errors of the database are raised, and change nothing.
        """
        began = time.monotonic()
        look = await self._look(began)
        chosen = self._turns.next(look.due, look.now, self._batch)
        if chosen is None or look.first is None:
            return False
        batch, self._turns = chosen
        rows = await self._work(batch, look.now, look.first, began)
        taken = Counter(one.workspace for one in rows)
        # Nothing taken: another process has them in hand.
        others = len(look.due) > len(batch.workspaces)
        return bool(taken) and (others or max(taken.values()) >= batch.share)

    async def _look(self, began: float) -> Look:
        floor = self._floor if began < self._next_full else None
        if floor is None:
            self._next_full = began + FULL_SECONDS
        self._alarm.begin()
        async with self._engine.begin() as tx:
            look = await self._store.look(tx, list(self._handlers), floor)
        self._alarm.saw(look.now, look.first)
        first = look.first or look.now
        self._floor = min(first, look.now - MARGIN)
        late = max(0.0, (look.now - first).total_seconds())
        metrics.DUE_OLDEST_LATE.labels(self._store.schema).set(late)
        return look

    async def _work(
        self, batch: Batch, now: datetime, first: datetime, began: float
    ) -> Sequence[Due]:
        """Run a batch, or what is good of it; the rows it had."""
        rows: list[Due] = []
        started = time.monotonic()
        try:
            async with self._engine.begin() as tx:
                rows = await self._store.take(tx, batch, now, first)
                if rows:
                    await self._handlers[batch.kind](tx, rows, now)
        except Exception as error:
            if not rows or _is_away(error, time.monotonic() - started):
                raise
            await self._isolate(rows, error, now, began)
        else:
            self._ran(rows, now, began)
        return rows

    async def _isolate(
        self, rows: Sequence[Due], error: Exception, now: datetime, began: float
    ) -> None:
        """Look for the bad row by halves; what time does not suffice for is due as before."""
        waiting = _halves(rows)
        if not waiting:
            await self._postpone(rows[0], error)
        until, settled = time.monotonic() + ISOLATE_SECONDS, False
        while waiting and not (settled and time.monotonic() > until):
            part, started = waiting.pop(), time.monotonic()
            try:
                async with self._engine.begin() as tx:
                    there = await self._store.take_again(tx, part)
                    if there:
                        await self._handlers[there[0].kind](tx, there, now)
            except Exception as failure:
                if _is_away(failure, time.monotonic() - started):
                    raise
                waiting += _halves(part)
                if len(part) == 1:
                    await self._postpone(part[0], failure)
                    settled = True
            else:
                self._ran(there, now, began)
                settled = True

    async def _postpone(self, row: Due, error: Exception) -> None:
        wait = timedelta(seconds=min(2.0 ** (row.attempts + 1), MAX_WAIT_SECONDS))
        async with self._engine.begin() as tx:
            failed = await self._store.postpone(tx, row, wait, told(error), most=MAX_ATTEMPTS)
        metrics.DUE_FAILURES.labels(self._store.schema, row.kind).inc()
        say = log.error if failed else log.warning
        what = "due row put aside" if failed else "due row fails, it is tried again later"
        say(what, workspace=row.workspace, kind=row.kind, key=row.key, error=error)

    def _ran(self, rows: Sequence[Due], now: datetime, began: float) -> None:
        """Note how late they are done: by the clock they were taken by, and what it took since."""
        done = now + timedelta(seconds=time.monotonic() - began)
        for one in rows:
            late = (done - one.try_at).total_seconds()
            metrics.DUE_LATE.labels(self._store.schema, one.kind).observe(late)

    async def _count(self) -> None:
        if time.monotonic() < self._next_count:
            return
        self._next_count = time.monotonic() + COUNT_SECONDS
        async with self._engine.begin() as tx:
            waiting, failed = await self._store.counts(tx)
            unknown = await self._store.unknown(tx, list(self._handlers))
        metrics.DUE_ROWS.labels(self._store.schema).set(waiting)
        metrics.DUE_FAILED.labels(self._store.schema).set(failed)
        if unknown:
            log.warning("something is due that this version can't run", kinds=unknown)


def _is_away(error: Exception, took: float) -> bool:
    """Whether it is about a database that is not there, and not about the work.

    Who says nothing for too long loses his connection, too: that is the work's fault.
    """
    return is_retriable(error) and not is_contention(error) and took < IDLE_SECONDS


def _halves(rows: Sequence[Due]) -> list[Sequence[Due]]:
    """Both halves, the first one last: it is taken first. None of a single row."""
    middle = len(rows) // 2
    return [rows[middle:], rows[:middle]] if middle else []
