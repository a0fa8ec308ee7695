"""Where accepted events go: to Kafka, else into Postgres until Kafka is back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.errors import UnavailableError
from rapport_common.events.topics import EVENTS
from rapport_common.kafka.producer import (
    KafkaUnavailableError,
    Outgoing,
    Producer,
    RecordsRefusedError,
)
from rapport_common.operator.readiness import unavailable_without
from rapport_ingest import metrics
from rapport_ingest.domain.source import Caller
from rapport_ingest.domain.verdict import Result
from rapport_ingest.store import spool as store
from rapport_ingest.store.spool import Spooled, SpoolSize

log = logging.get(__name__)

ACKNOWLEDGE_SECONDS = 2.0
"""What Kafka has not acknowledged by then is spooled."""

AVOID_SECONDS = 1.0
"""After a failure requests go straight to the spool for so long; then one tries Kafka again."""

DRAIN_SECONDS = 4.0
"""Time for Kafka to take a drained batch; under the 5 s after which its transaction is ended."""

MAX_IN_HAND = 11 * 2**20
"""Bytes of events that may wait for Kafka or Postgres in this process; more are not taken on.
They cost up to ten times as much memory."""

PUT_SECONDS = 5.0
IDLE_SECONDS = 1.0
MAX_DRAIN, MIN_DRAIN = 1000, 50
MEASURE_SHARE = 20

REFUSED_IN_A_ROW = 100
"""More than so many refusals without a success are no fault of the events: nothing is moved."""


class Spool:
    """Takes events in when Kafka does not, up to `limit` bytes, and gives them back in order."""

    name = "spool"

    def __init__(self, engine: AsyncEngine, producer: Producer, *, limit: int) -> None:
        self._engine = engine
        self._producer = producer
        self._limit = limit
        self._bytes = 0
        self._in_hand = 0
        self._measure_at = 0.0
        self._avoid_until = 0.0
        self._batch = MAX_DRAIN
        self._refused_in_a_row = 0
        self._filled = asyncio.Event()

    @property
    def avoids_kafka(self) -> bool:
        """Whether Kafka has just failed, or is not answering now."""
        return (
            bool(self._avoid_until) and time.monotonic() < self._avoid_until
        ) or self._producer.stalled_for > ACKNOWLEDGE_SECONDS

    async def deliver(
        self, caller: Caller, results: Sequence[Result], records: Sequence[Outgoing]
    ) -> bool:
        """Make the events accepted in `results` durable, encoded as `records` in the same order.

        True: in the spool, False: in Kafka. UnavailableError when neither takes them: they may be
        in Kafka in part, so the sender has to send all of them again; so too when too many wait
        already.
        """
        size = (
            len(records[0].value) if len(records) == 1 else sum(len(one.value) for one in records)
        )
        in_hand = self._in_hand + self._producer.abandoned
        if in_hand and in_hand + size > MAX_IN_HAND:
            message = "Too many events wait to be stored; send the same request again."
            raise UnavailableError(message)
        self._in_hand += size
        try:
            if not self.avoids_kafka:
                try:
                    await self._producer.publish(records, timeout=ACKNOWLEDGE_SECONDS)
                except RecordsRefusedError as error:
                    # The others are fine: nobody has to keep away from Kafka for these.
                    log.warning("kafka refuses an event, spooling its request", error=error)
                except KafkaUnavailableError as error:
                    self._avoid_until = time.monotonic() + AVOID_SECONDS
                    log.warning("kafka does not take events, spooling", error=error)
                else:
                    return False
            accepted = (one.message_id for one in results if one.code is None)
            await self._put(
                [
                    Spooled(caller, message_id, record)
                    for message_id, record in zip(accepted, records, strict=True)
                ]
            )
            return True
        finally:
            self._in_hand -= size

    async def _put(self, events: Sequence[Spooled]) -> None:
        size = sum(len(one.outgoing.key) + len(one.outgoing.value) for one in events)
        try:
            async with asyncio.timeout(PUT_SECONDS), self._engine.begin() as tx:
                await self._measure(tx)
                if self._bytes + size > self._limit:
                    raise UnavailableError("Kafka is away and the spool is full; try again later.")
                await store.spool(tx, events)
        except (SQLAlchemyError, OSError) as error:
            if not is_retriable(error):
                raise
            message = "Neither Kafka nor Postgres takes events now; send the same request again."
            raise UnavailableError(message) from error
        self._bytes += size
        self._filled.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Drain until `stop`; what is left stays for the next start."""
        while not stop.is_set():
            if not await self._turn():
                await self._pause(stop)

    async def _turn(self) -> bool:
        """One batch; True when there may be more to do at once."""
        try:
            async with self._engine.begin() as tx:
                await self._measure(tx)
            drained = await self.drain()
        except KafkaUnavailableError as error:
            self._batch = max(MIN_DRAIN, self._batch // 2)
            log.warning("spool not drained, trying again", error=error)
            return False
        except Exception as error:
            if not is_retriable(error):
                raise
            log.warning("spool not readable, trying again", error=error)
            return False
        if drained:
            self._avoid_until = 0.0
            self._batch = min(MAX_DRAIN, self._batch * 2)
        return drained > 0

    async def drain(self) -> int:
        """Move the oldest batch to Kafka; how many. KafkaUnavailableError leaves it here.

        What Kafka refuses is looked for by halves and put aside. A crash between Kafka's word and
        our commit sends the batch again: readers know the events by their message ids.
        """
        async with self._engine.begin() as tx:
            rows = await store.oldest_spooled(tx, EVENTS.name, self._batch)
            waiting = [rows] if rows else []
            while waiting:
                part = waiting.pop()
                try:
                    await self._producer.publish([one for _, one in part], timeout=DRAIN_SECONDS)
                except RecordsRefusedError as error:
                    if len(part) > 1:
                        middle = len(part) // 2
                        waiting += [part[middle:], part[:middle]]
                    else:
                        await self._refuse(tx, part[0][0], error)
                    continue
                self._refused_in_a_row = 0
                await store.delete_spooled(tx, [row_id for row_id, _ in part])
        self._bytes = max(0, self._bytes - sum(len(one.key) + len(one.value) for _, one in rows))
        metrics.SPOOL_DRAINED.inc(len(rows))
        return len(rows)

    async def _refuse(self, tx: AsyncConnection, row_id: int, error: RecordsRefusedError) -> None:
        self._refused_in_a_row += 1
        if self._refused_in_a_row > REFUSED_IN_A_ROW:
            message = f"{REFUSED_IN_A_ROW} events in a row were refused, the others wait: {error}"
            raise KafkaUnavailableError(message)
        await store.refuse(tx, row_id, str(error))
        metrics.SPOOL_REFUSED.inc()
        log.error("kafka refuses an accepted event, it is put aside", id=row_id, reason=str(error))

    async def size(self, tx: AsyncConnection) -> SpoolSize:
        """Measure the spool now, and show it in the metrics."""
        size = await store.spool_size(tx)
        self._bytes = size.bytes
        metrics.SPOOL_ROWS.set(size.rows)
        metrics.SPOOL_BYTES.set(size.bytes)
        metrics.SPOOL_AGE.set(size.oldest)
        return size

    async def _measure(self, tx: AsyncConnection) -> None:
        """Measure once a second at most, and for at most a twentieth of the time."""
        began = time.monotonic()
        if began >= self._measure_at:
            # Set first: requests that come meanwhile go on with the last size.
            self._measure_at = began + IDLE_SECONDS
            await self.size(tx)
            cost = time.monotonic() - began
            self._measure_at = began + max(IDLE_SECONDS, cost * MEASURE_SHARE)

    async def _pause(self, stop: asyncio.Event) -> None:
        self._filled.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await stop.wait()


def storage_check(engine: AsyncEngine, spool: Spool) -> Callable[[], Awaitable[str | None]]:
    """Ready while one of Kafka and Postgres can keep events: either is enough to answer 200."""
    database = unavailable_without(engine)

    async def check() -> str | None:
        problem: str | None = await database()
        return f"kafka is away too; {problem}" if problem and spool.avoids_kafka else None

    return check
