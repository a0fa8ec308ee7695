"""The relay: publishes what waits in the outbox, in order, one relay at a time."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import is_retriable
from rapport_common.kafka.producer import (
    KafkaUnavailableError,
    Outgoing,
    Producer,
    RecordsRefusedError,
)
from rapport_common.listening import listen
from rapport_common.outbox import HEAD_BYTES, OutboxStore
from rapport_common.pace import Pace

log = logging.get(__name__)

LEASE_SECONDS = 5.0
PUBLISH_SECONDS = 10.0
POLL_SECONDS = 0.2
REFUSED_IN_A_ROW = 100
"""When Kafka takes nothing any more it is not the rows: they wait instead of going aside."""

Row = tuple[int, Outgoing]


class LeaseLostError(Exception):
    """The lease has run out, or another relay holds it: whatever is not sent yet is theirs."""


class Relay:
    """Publishes the outbox in the order of its ids; one relay works at a time, by a lease row.

    A lease, not a session lock: a frozen holder of a session lock would block the others for
    ever. It is short, so that another takes over soon, and made longer for as long as Kafka may
    still be at what was handed to it, so that two never send at once. Rows are deleted once Kafka
    has acknowledged them. A crash between the two sends them again, which readers notice by the
    record's id or version.
    """

    name = "relay"

    def __init__(
        self,
        engine: AsyncEngine,
        producer: Producer,
        *,
        schema: str,
        batch: int,
        listen_url: str,
        lease: float = LEASE_SECONDS,
        pace_seconds: float = 0.0,
    ) -> None:
        self._engine = engine
        self._producer = producer
        self._schema = schema
        self._store = OutboxStore(schema)
        self._batch = batch
        self._listen_url = listen_url
        self._lease = lease
        self._pace = Pace(pace_seconds)
        self._holder = uuid.uuid4()
        self._wake = asyncio.Event()
        self._refused_in_a_row = 0
        for metric in (
            metrics.OUTBOX_RELAYED,
            metrics.OUTBOX_FAILURES,
            metrics.OUTBOX_REFUSED,
            metrics.OUTBOX_AGE,
        ):
            metric.labels(schema)

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`, then let go of the lease."""
        loop = asyncio.get_running_loop()
        hearing = listen(self._listen_url, f"{self._schema}_outbox", self._wake.set)
        listener = loop.create_task(hearing, name="outbox-listen")
        ending = loop.create_task(stop.wait())
        ending.add_done_callback(lambda _ending: self._wake.set())
        try:
            while not stop.is_set():
                await self._pace.wait()
                if not await self.turn():
                    await self._pause()
        finally:
            for task in (listener, ending):
                task.cancel()
            await asyncio.wait({listener, ending})
            with suppress(Exception):
                await self._release()

    async def turn(self) -> bool:
        """One batch; True when there may be more to do at once."""
        try:
            rows = await self._claim()
            if not rows:
                return False
            self._pace.start(full=_is_full(rows, self._batch))
            async with self._held():
                await self._publish(rows)
        except KafkaUnavailableError as error:
            metrics.OUTBOX_FAILURES.labels(self._schema).inc()
            log.warning("outbox not relayed, trying again", error=error)
            return False
        except LeaseLostError:
            log.warning("the lease of the outbox is lost, another relay goes on")
            return False
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("outbox not readable, trying again", error=error)
            return False
        return _is_full(rows, self._batch)

    async def _claim(self) -> Sequence[Row]:
        async with self._engine.begin() as tx:
            if await self._store.is_empty(tx):
                # An idle relay writes nothing, not even its lease.
                metrics.OUTBOX_ROWS.labels(self._schema).set(0)
                metrics.OUTBOX_AGE.labels(self._schema).set(0)
                return []
            if not await self._store.take_lease(tx, self._holder, self._lease):
                return []
            rows, age = await self._store.head(tx, self._batch)
        metrics.OUTBOX_ROWS.labels(self._schema).set(len(rows))
        metrics.OUTBOX_AGE.labels(self._schema).set(age)
        return rows

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[None]:
        """Keep the lease while the block runs, and until Kafka is done with what it was given.

        LeaseLostError ends the block when the lease could not be kept.
        """
        block = asyncio.current_task()
        renewing = asyncio.get_running_loop().create_task(self._renew())
        lost = False

        def end(task: "asyncio.Task[None]") -> None:
            nonlocal lost
            if block is not None and not task.cancelled():
                lost = True
                block.cancel()

        renewing.add_done_callback(end)
        try:
            try:
                yield
            except KafkaUnavailableError:
                # A flush may go on after the time-out: it is sent under this lease.
                await self._producer.quiet()
                raise
        except asyncio.CancelledError:
            if not lost or block is None or block.uncancel():
                raise
            raise LeaseLostError from None
        finally:
            renewing.remove_done_callback(end)
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self) -> None:
        """Make the lease longer in time, again and again; returns when it can't be kept."""
        ends = time.monotonic() + self._lease
        while True:
            await asyncio.sleep(self._lease / 4)
            try:
                async with self._engine.begin() as tx:
                    if not await self._store.take_lease(tx, self._holder, self._lease):
                        return
                ends = time.monotonic() + self._lease
            except Exception as error:  # noqa: BLE001 - whatever it is, the lease is not renewed
                log.warning("the lease of the outbox is not renewed", error=error)
                if time.monotonic() >= ends:
                    return

    async def _publish(self, rows: Sequence[Row]) -> None:
        """Publish in order; what Kafka refuses is looked for by halves and put aside."""
        waiting = [rows]
        while waiting:
            part = waiting.pop()
            try:
                await self._producer.publish([row for _, row in part], timeout=PUBLISH_SECONDS)
            except RecordsRefusedError as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                else:
                    await self._refuse(part[0], error)
                continue
            self._refused_in_a_row = 0
            async with self._engine.begin() as tx:
                await self._store.delete(tx, [row_id for row_id, _ in part])
            metrics.OUTBOX_RELAYED.labels(self._schema).inc(len(part))

    async def _refuse(self, row: Row, error: RecordsRefusedError) -> None:
        self._refused_in_a_row += 1
        if self._refused_in_a_row > REFUSED_IN_A_ROW:
            message = f"{REFUSED_IN_A_ROW} rows in a row were refused, the others wait: {error}"
            raise KafkaUnavailableError(message)
        row_id, record = row
        async with self._engine.begin() as tx:
            await self._store.refuse(tx, row_id, record, str(error))
        metrics.OUTBOX_REFUSED.labels(self._schema).inc()
        log.error("kafka refuses a row, it is put aside", id=row_id, reason=str(error))

    async def _release(self) -> None:
        async with self._engine.begin() as tx:
            await self._store.release_lease(tx, self._holder)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        self._wake.clear()


def _is_full(rows: Sequence[Row], batch: int) -> bool:
    """Whether there may be more where these came from."""
    return len(rows) == batch or sum(len(row.value) for _, row in rows) >= HEAD_BYTES
