"""The relay: publishes what waits in the outbox, in order, one relay at a time."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import is_retriable
from rapport_common.kafka.producer import KafkaUnavailableError, Producer, RecordsRefusedError
from rapport_common.listening import listen
from rapport_common.outbox import Batch, Head, OutboxStore, attending
from rapport_common.pace import Pace

log = logging.get(__name__)

LEASE_SECONDS = 5.0
PUBLISH_SECONDS = 10.0
POLL_SECONDS = 1.0
"""From look to look when nobody has said that something waits, which is said at once."""
REFUSED_IN_A_ROW = 100
"""When Kafka takes nothing any more it is not the rows: they wait instead of going aside."""


class LeaseLostError(Exception):
    """The lease has run out, or another relay holds it: whatever is not sent yet is theirs."""


class Relay:
    """Publishes the outbox in the order of its rows; one relay works at a time, by a lease row.

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
        self._lease_ends = float("-inf")
        for metric in (
            metrics.OUTBOX_RELAYED,
            metrics.OUTBOX_FAILURES,
            metrics.OUTBOX_REFUSED,
            metrics.OUTBOX_AGE,
        ):
            metric.labels(schema)

    @property
    def holds_lease(self) -> bool:
        """Whether this relay is the one that sends, as far as it knows."""
        return time.monotonic() < self._lease_ends

    def wake(self) -> None:
        """Look at once whether something waits."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`, then let go of the lease."""
        loop = asyncio.get_running_loop()
        hearing = listen(self._listen_url, f"{self._schema}_outbox", self._wake.set)
        listener = loop.create_task(hearing, name="outbox-listen")
        ending = loop.create_task(stop.wait())
        ending.add_done_callback(lambda _ending: self._wake.set())
        try:
            with attending(self._schema, self):
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
            head = await self._claim()
            if head is None:
                return False
            self._pace.start(full=head.full)
            async with self._held():
                await self._publish(head.batches)
        except KafkaUnavailableError as error:
            metrics.OUTBOX_FAILURES.labels(self._schema).inc()
            log.warning("outbox not relayed, trying again", error=error)
            return False
        except LeaseLostError:
            self._lease_ends = float("-inf")
            log.warning("the lease of the outbox is lost, another relay goes on")
            return False
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("outbox not readable, trying again", error=error)
            return False
        return head.full

    async def _claim(self) -> Head | None:
        """The rows that come next, if this relay is the one that sends; None: nothing to do."""
        async with self._engine.begin() as tx:
            # While enough is left of the lease it is not asked for again.
            if time.monotonic() >= self._lease_ends - self._lease / 2:
                if await self._store.is_empty(tx):
                    # An idle relay writes nothing, not even its lease.
                    self._show(0, 0.0)
                    return None
                if not await self._take_lease(tx):
                    return None
            head = await self._store.head(tx, self._batch)
        self._show(sum(len(one.records) for one in head.batches), head.age)
        return head if head.batches else None

    def _show(self, records: int, age: float) -> None:
        metrics.OUTBOX_ROWS.labels(self._schema).set(records)
        metrics.OUTBOX_AGE.labels(self._schema).set(age)

    async def _take_lease(self, tx: AsyncConnection) -> bool:
        # From before it is asked for: the database counts from a later moment.
        began = time.monotonic()
        held = await self._store.take_lease(tx, self._holder, self._lease)
        self._lease_ends = began + self._lease if held else float("-inf")
        return held

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
        while True:
            await asyncio.sleep(self._lease / 4)
            try:
                async with self._engine.begin() as tx:
                    if not await self._take_lease(tx):
                        return
            except Exception as error:  # noqa: BLE001 - whatever it is, the lease is not renewed
                log.warning("the lease of the outbox is not renewed", error=error)
                if not self.holds_lease:
                    return

    async def _publish(self, batches: Sequence[Batch]) -> None:
        """Publish in order; what Kafka refuses is looked for by halves and put aside.

        What is dealt with is so in its row too: no record is sent again because of a later one.
        """
        records = [record for batch in batches for record in batch.records]
        waiting = [(0, len(records))]
        while waiting:
            begin, end = waiting.pop()
            try:
                await self._producer.publish(records[begin:end], timeout=PUBLISH_SECONDS)
            except RecordsRefusedError as error:
                if end - begin > 1:
                    middle = (begin + end) // 2
                    waiting += [(middle, end), (begin, middle)]
                else:
                    await self._refuse(batches, begin, error)
                continue
            self._refused_in_a_row = 0
            async with self._engine.begin() as tx:
                await self._store.settle(tx, *_settled(batches, begin, end))
            metrics.OUTBOX_RELAYED.labels(self._schema).inc(end - begin)

    async def _refuse(
        self, batches: Sequence[Batch], number: int, error: RecordsRefusedError
    ) -> None:
        self._refused_in_a_row += 1
        if self._refused_in_a_row > REFUSED_IN_A_ROW:
            message = f"{REFUSED_IN_A_ROW} records in a row were refused, others wait: {error}"
            raise KafkaUnavailableError(message)
        batch, index = _found(batches, number)
        async with self._engine.begin() as tx:
            await self._store.refuse(tx, batch, index, str(error))
            await self._store.settle(tx, *_settled(batches, number, number + 1))
        metrics.OUTBOX_REFUSED.labels(self._schema).inc()
        log.error("kafka refuses a record, it is put aside", row=batch.id, reason=str(error))

    async def _release(self) -> None:
        self._lease_ends = float("-inf")
        async with self._engine.begin() as tx:
            await self._store.release_lease(tx, self._holder)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        self._wake.clear()


def _found(batches: Sequence[Batch], number: int) -> tuple[Batch, int]:
    """Where the record is that is `number`-th of all: its batch, and its index there."""
    for batch in batches:
        if number < len(batch.records):
            return batch, number
        number -= len(batch.records)
    raise IndexError(number)


def _settled(
    batches: Sequence[Batch], begin: int, end: int
) -> tuple[list[int], tuple[int, int] | None]:
    """After the records up to `end` were dealt with, the ones up to `begin` before: the rows that
    are done with it, and the one that is in part, with the index from which on it is not.
    """
    whole: list[int] = []
    offset = 0
    for batch in batches:
        after = offset + len(batch.records)
        if begin < after <= end:
            whole.append(batch.id)
        elif offset < end < after:
            return whole, (batch.id, batch.first + end - offset)
        offset = after
    return whole, None
