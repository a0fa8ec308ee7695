"""The consumer loop: effects and position move in one Postgres transaction, or neither does.

Kafka's own committed offset is written only for lag tools. What this loop trusts is the
position in its service's schema, moved by compare-and-set together with a batch's effects; so
a frozen member that thaws, or a second one that still believes it owns a partition, is refused
by the database whatever Kafka's group protocol thinks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import is_retriable
from rapport_common.events.topics import require_consumer
from rapport_common.kafka.assignment import Assignment
from rapport_common.kafka.batch import (
    MAX_BACKOFF_SECONDS,
    BatchWriter,
    ConsumerStoppedError,
    Subscription,
    UnsettledError,
)
from rapport_common.kafka.client import IDLE_WAIT_MS, Member, fetch_for, new_client
from rapport_common.kafka.closing import close
from rapport_common.kafka.log_ends import require_within
from rapport_common.kafka.part import Positions
from rapport_common.kafka.store import FencedError
from rapport_common.kafka.watching import ClientWatch
from rapport_common.pace import Pace

log = logging.get(__name__)

T = TypeVar("T")

UPKEEP_SECONDS = 5.0
LOOK_SECONDS = 1.0
POLL_MS = 500
ENDS_SECONDS = 10.0
"""So long a look at the log's ends may take: nothing is read meanwhile."""


class Consumer:
    """Reads the subscriptions of one service, in batches, as one member of its group."""

    name = "consumer"

    def __init__(
        self,
        service: str,
        engine: AsyncEngine,
        subscriptions: Sequence[Subscription],
        *,
        bootstrap: str,
        replica: str = "0",
        batch: int = 1000,
        session_timeout_ms: int = 10_000,
        fetch_wait_ms: int = 100,
        pace_seconds: float = 0.0,
    ) -> None:
        for one in subscriptions:
            require_consumer(one.topic, service)
        self._service = service
        self._engine = engine
        self.batches = BatchWriter(service, engine, subscriptions)
        self._bootstrap = bootstrap
        self._replica = replica
        self._batch = batch
        self._pace = Pace(pace_seconds)
        self._session_timeout_ms = session_timeout_ms
        self._fetch_wait_ms = fetch_wait_ms
        self._expected: Positions = {}
        self._client: AIOKafkaConsumer | None = None
        self._command = self._loaded_command = 0
        self._look = asyncio.Event()
        self._next_look = 0.0
        self._unsettled = 0
        self._stopping = asyncio.Event()
        self._next_upkeep = 0.0
        self._watch = ClientWatch()
        self.last_sign = time.monotonic()
        self.lag = 0
        self.stopped_because: str | None = None
        self.store = self.batches.store
        self.batches.give_sign = self.give_sign
        metrics.CONSUMER_STOPPED.labels(service).set(0)
        for metric in (metrics.CONSUMER_FENCED, metrics.CONSUMER_RETRIES, metrics.DEAD_LETTERS):
            metric.labels(service)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; when stopped loudly, wait for an operator's `resume`."""
        self._stopping = self.batches.stop = stop
        while not stop.is_set():
            try:
                await self._session(stop)
            except ConsumerStoppedError as reason:
                await self._stand_still(str(reason), stop)
            except (KafkaError, OSError) as error:
                # A client that met an unexpected error is not to be trusted: a new one starts.
                log.warning("kafka client failed, a new one starts", error=error)
                self.give_sign()
                await asyncio.sleep(0.5)
            except Exception as error:
                if not (stop.is_set() and is_retriable(error)):
                    raise
                log.warning("stopped while the database was away", error=error)

    def look(self) -> None:
        """See at once whether an operator has left a command; else it takes a second."""
        self._next_look = 0.0
        self._look.set()

    async def _stand_still(self, reason: str, stop: asyncio.Event) -> None:
        """Wait for a command that is newer than the positions that were found wrong."""
        self.stopped_because = reason
        metrics.CONSUMER_STOPPED.labels(self._service).set(1)
        log.critical("consumer stopped", reason=reason, way_out="rapport position resume|reset")
        await self._transact(lambda tx: self.store.note_stop(tx, self._replica, reason))
        while not stop.is_set() and await self._transact(self.store.command) <= self._command:
            self._look.clear()
            waits = [asyncio.ensure_future(one.wait()) for one in (stop, self._look)]
            await asyncio.wait(waits, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()
        self.stopped_because = None
        metrics.CONSUMER_STOPPED.labels(self._service).set(0)
        if not stop.is_set():
            await self._transact(lambda tx: self.store.note_stop(tx, self._replica, None))

    async def _session(self, stop: asyncio.Event) -> None:
        self._expected.clear()
        self._watch.begin()
        self.batches.forgive()
        # What stopped an earlier life of this replica is not what stops this one.
        await self._transact(lambda tx: self.store.note_stop(tx, self._replica, None))
        client = await self._started(stop)
        if client is None:
            return
        try:
            while not stop.is_set():
                await self._turn(client)
        finally:
            with suppress(KafkaError, OSError):
                await self._commit_for_lag_tools(client)
            await close(client)

    async def _started(self, stop: asyncio.Event) -> AIOKafkaConsumer | None:
        """A client that has begun; None when told to stop before one has."""
        while not stop.is_set():
            # One whose start has failed can't be started again.
            client = self._new_client()
            try:
                await client.start()
            except (KafkaError, OSError) as error:
                log.warning("kafka is not there yet", error=error)
                self.give_sign()
                await close(client)
                await asyncio.sleep(0.5)
            else:
                return client
        return None

    def _new_client(self) -> AIOKafkaConsumer:
        self._client = new_client(
            Member(self._service, self._replica, self._bootstrap),
            list(self.batches.handlers),
            Assignment(self._expected),
            session_timeout_ms=self._session_timeout_ms,
            fetch_wait_ms=self._fetch_wait_ms,
        )
        return self._client

    async def _turn(self, client: AIOKafkaConsumer) -> None:
        self._watch.require_assignment(has_some=bool(client.assignment()))
        await self._find_positions(client)
        await self._pace.wait()
        fetched = await client.getmany(timeout_ms=POLL_MS, max_records=self._batch)
        busy = self._fetch_wait_ms
        fetch_for(client, busy if fetched else max(busy, IDLE_WAIT_MS))
        if fetched:
            self._pace.start(full=sum(map(len, fetched.values())) >= self._batch)
        by_topic: dict[str, list[ConsumerRecord]] = {}
        for tp in sorted(fetched):
            by_topic.setdefault(tp.topic, []).extend(
                await self._contiguous(client, tp, fetched[tp])
            )
        for topic, records in by_topic.items():
            if records:
                await self._apply(client, topic, records)
        if fetched:
            self._watch.brought()
        elif client.assignment():
            self._note_progress()
        if time.monotonic() >= self._next_upkeep:
            self._next_upkeep = time.monotonic() + UPKEEP_SECONDS
            await self._upkeep(client)

    def give_sign(self) -> None:
        """Something was done, or is being waited for on purpose; silence means a hang."""
        self.last_sign = time.monotonic()

    # --- positions ---------------------------------------------------------------------------

    async def _find_positions(self, client: AIOKafkaConsumer) -> None:
        """Read, check and seek to the stored position of each newly assigned partition."""
        await self._obey()
        missing = [tp for tp in client.assignment() if tp not in self._expected]
        if not missing:
            return
        starts = await client.beginning_offsets(missing)
        ends = await client.end_offsets(missing)
        stored = await self._load(missing, starts)
        if not self._expected:
            self._command = self._loaded_command
        for tp in missing:
            position = stored[tp.topic, tp.partition]
            require_within(tp, position, starts[tp], ends[tp])
            if tp in client.assignment():
                client.seek(tp, position)
                self._expected[tp] = position

    async def _obey(self) -> None:
        """Read all positions again when an operator has said so, to whichever replica."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        if await self._transact(self.store.command) > self._command:
            self._expected.clear()

    async def _load(
        self, partitions: list[TopicPartition], starts: dict[TopicPartition, int]
    ) -> dict[tuple[str, int], int]:
        async def read(tx: AsyncConnection) -> dict[tuple[str, int], int]:
            # In this order: a command given, or a key parked, in between is met again later.
            self._loaded_command = await self.store.command(tx)
            stored = await self.store.positions(tx)
            self.batches.parked = await self.batches.parking.lanes(tx)
            for tp in sorted(partitions):
                if (tp.topic, tp.partition) not in stored:
                    await self.store.create_position(tx, tp.topic, tp.partition, starts[tp])
                    stored[tp.topic, tp.partition] = starts[tp]
            return stored

        return await self._transact(read)

    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in a transaction, again and again while the database is away."""
        wait = 0.1
        while True:
            try:
                async with self._engine.begin() as tx:
                    return await work(tx)
            except Exception as error:
                if not is_retriable(error) or self._stopping.is_set():
                    raise
                log.warning("database is away, trying again", error=error)
                self.give_sign()
            await asyncio.sleep(wait)
            wait = min(wait * 2, MAX_BACKOFF_SECONDS)

    async def _contiguous(
        self, client: AIOKafkaConsumer, tp: TopicPartition, records: list[ConsumerRecord]
    ) -> list[ConsumerRecord]:
        """The records from the position on; ConsumerStoppedError when the log has a hole there.

        aiokafka may deliver records from before a seek, and after a rebalance from Kafka's own
        committed offset. What it must never do is jump ahead: after a retention has passed
        the position it silently goes on at the log's new start.
        """
        expected = self._expected.get(tp)
        if expected is None:
            return []
        kept = [one for one in records if one.offset >= expected]
        if not kept:
            return []
        if kept[0].offset == expected and kept[-1].offset - expected + 1 == len(kept):
            return kept
        self._expected.pop(tp)
        starts = await client.beginning_offsets([tp])
        ends = await client.end_offsets([tp])
        require_within(tp, expected, starts[tp], ends[tp])
        stored = (await self._load([tp], starts))[tp.topic, tp.partition]
        if stored == expected and kept[0].offset == expected:
            message = f"{tp.topic}/{tp.partition} has a hole after offset {expected}"
            raise ConsumerStoppedError(message)
        # The log is whole: the fetch ran ahead of the seek. Read from the position again.
        return []

    async def _upkeep(self, client: AIOKafkaConsumer) -> None:
        """Lag, the check for a re-created log, and Kafka's offset for lag tools."""
        held = dict(self._expected)
        if not held:
            return
        try:
            async with asyncio.timeout(ENDS_SECONDS):
                starts = await client.beginning_offsets(list(held))
                ends = await client.end_offsets(list(held))
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("kafka did not tell the log's ends", error=error)
            self._watch.require_answers()
            return
        self._watch.answered()
        self.lag = 0
        for tp, position in held.items():
            require_within(tp, position, starts[tp], ends[tp])
            self._watch.require_movement(tp, position, ends[tp])
            behind = ends[tp] - position
            self.lag += behind
            metrics.CONSUMER_LAG.labels(self._service, tp.topic, str(tp.partition)).set(behind)
        await self._commit_for_lag_tools(client)

    async def _commit_for_lag_tools(self, client: AIOKafkaConsumer) -> None:
        held = {tp: at for tp, at in self._expected.items() if tp in client.assignment()}
        if not held:
            return
        try:
            async with asyncio.timeout(2):
                await client.commit(held)
        except (KafkaError, TimeoutError, ValueError) as error:
            # Nothing depends on it; a rebalance is the usual reason.
            log.debug("kafka offset not written", error=error)

    # --- batches -----------------------------------------------------------------------------

    async def _apply(
        self, client: AIOKafkaConsumer, topic: str, records: list[ConsumerRecord]
    ) -> None:
        started = time.monotonic()
        try:
            await self.batches.settle(topic, records, self._expected)
        except FencedError:
            metrics.CONSUMER_FENCED.labels(self._service).inc()
            log.warning("batch refused, the position has moved; reading it again", topic=topic)
            for tp in client.assignment():
                self._expected.pop(tp, None)
            return
        except UnsettledError as error:
            await self._read_again(topic, records, error)
            return
        self._unsettled = 0
        metrics.CONSUMER_BATCH_DURATION.labels(self._service, topic).observe(
            time.monotonic() - started
        )
        metrics.CONSUMER_RECORDS.labels(self._service, topic).inc(len(records))
        self._note_progress()

    async def _read_again(
        self, topic: str, records: list[ConsumerRecord], error: UnsettledError
    ) -> None:
        """Wait, then read the batch again, with whatever has come in on other partitions."""
        wait = min(0.1 * 2**self._unsettled, MAX_BACKOFF_SECONDS)
        self._unsettled = min(self._unsettled + 1, 10)
        log.warning("batch not applied, read again", topic=topic, wait=wait, error=error)
        for partition in {one.partition for one in records}:
            self._expected.pop(TopicPartition(topic, partition), None)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._stopping.wait()

    def _note_progress(self) -> None:
        self.last_sign = time.monotonic()
        metrics.CONSUMER_PROGRESS.labels(self._service).set_to_current_time()
