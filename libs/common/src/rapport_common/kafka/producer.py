"""A producer that groups what its callers send, and is replaced after a failed send."""

import asyncio
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidMessageError,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    UnsupportedForMessageFormatError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from rapport_common import logging, metrics, tracing
from rapport_common.events import versions
from rapport_common.events.codec import encode
from rapport_common.events.keys import kafka_key
from rapport_common.events.topics import Topic, require_producer
from rapport_common.kafka.closing import close
from rapport_common.kafka.grouping import Entry, Flight, Grouping

log = logging.get(__name__)

MAX_BATCH_BYTES = 900_000
REQUEST_TIMEOUT_MS = 5_000
WATCH_SECONDS = 0.1
CLIENTS = 2
"""So many flushes overlap. A third would find few callers: a flush has half a round trip alone."""

MIN_APART, MAX_APART = 0.002, 0.005
"""Seconds from the start of a flush to that of the next, which waits for half a round trip within
these: each flush costs per partition, here and at the broker."""

ENVELOPE_BYTES = 256
"""What Kafka's batch and record headers, with version and trace, add to a key and value at most."""
CROWD = 4
"""When so many callers shared the last flush, the next one waits for them even if it is alone."""


REFUSALS = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidMessageError,
    InvalidTimestampError,
    PolicyViolationError,
    UnsupportedForMessageFormatError,
)
"""What a broker says of records that it will not take the next time either."""


class KafkaUnavailableError(Exception):
    """Kafka has not acknowledged in time; whether it holds the records is unknown."""


class RecordsRefusedError(KafkaUnavailableError):
    """Kafka will never take (at least) one of these records: too large, not valid.

    Which one is not known where the broker has refused a batch: publish halves to find it.
    """


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """One record to send; `value` is the encoded JSON.

    `version` None: it came without one, and is passed on so. New ones are made by `of`.
    """

    topic: str
    key: bytes
    value: bytes
    traceparent: str | None = None
    version: int | None = None

    @classmethod
    def of(
        cls,
        topic: Topic,
        record: msgspec.Struct,
        traceparent: str | None = None,
        *,
        secret: bytes | None = None,
    ) -> "Outgoing":
        """A new record, of the topic's newest version; `secret` is for keys of persons.

        The one way to make one: key, bytes and version are what the registry says of the topic.
        """
        if type(record) is not topic.record:
            message = f"{type(record).__name__} is not the newest record of {topic.name}"
            raise TypeError(message)
        key = kafka_key(topic.key, record, secret)
        return cls(topic.name, key, encode(record), traceparent, topic.version)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, the same in every service: CRC-32 modulo the partition count."""
    return zlib.crc32(key) % partitions


class Producer:
    """Sends with `acks=all` from idempotent aiokafka producers.

    A flush takes everything that waits, like a database's group commit: under load the batches
    grow by themselves, alone a record waits for nobody. Flushes overlap, each on a client of its
    own, for a client has one request in flight per broker; what has a key in common goes one
    after the other (see `Grouping`). After any failed send the client is thrown away, because an
    idempotent producer can be left with a gap in its sequence numbers (aiokafka #1017).
    """

    def __init__(
        self, service: str, bootstrap: str, topics: Iterable[Topic], *, compression: str | None
    ) -> None:
        for topic in topics:
            require_producer(topic, service)
        self._largest = {one.name: one.max_message_bytes - ENVELOPE_BYTES for one in topics}
        self._service = service
        self._bootstrap = bootstrap
        self._compression = compression
        self._group: Grouping[Outgoing] = Grouping()
        # Those that no flush uses, the last used at the end; None is one that has to be made.
        self._free: list[AIOKafkaProducer | None] = [None] * CLIENTS
        self._wake = asyncio.Event()
        self._landed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._next_start = 0.0
        self._apart = MIN_APART
        self._crowded = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        metrics.PRODUCER_RECREATED.labels(service)

    async def start(self) -> None:
        """Start sending; Kafka need not be there yet."""
        # Kept: asyncio.get_running_loop() asks the system for the process id each time.
        self._loop = asyncio.get_running_loop()
        self._tasks = {self._loop.create_task(one) for one in (self._run(), self._watch())}

    async def stop(self) -> None:
        """Send what waits (5 s at most) and close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._idle.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for entry in self._group.entries():
            if not entry.future.done():
                entry.future.set_exception(KafkaUnavailableError("the producer was stopped"))
        await asyncio.gather(*(close(one, seconds=1) for one in self._free if one is not None))

    @property
    def abandoned(self) -> int:
        """Bytes in flight whose callers have been told that it takes too long.

        Their memory is not free before the flush ends.
        """
        return self._group.abandoned

    @property
    def stalled_for(self) -> float:
        """Seconds that the oldest flush in flight has waited for Kafka; 0 when there is none."""
        since = self._group.oldest
        return 0.0 if since is None else time.monotonic() - since

    async def quiet(self) -> None:
        """Return when nothing is waiting and nothing is in flight."""
        await self._idle.wait()

    async def publish(self, records: Sequence[Outgoing], *, timeout: float = 10.0) -> None:
        """Return when Kafka has acknowledged all records; KafkaUnavailableError after `timeout` s.

        On the error the outcome is unknown: some or all records may be in the log. It is a
        RecordsRefusedError when the same records will be refused again.
        """
        if not records:
            return
        # Looked at here: a batch that the broker refuses would take the others' records with it.
        for record in records:
            largest = self._largest.get(record.topic)
            if largest is None:
                message = f"{self._service} did not declare {record.topic!r} when it started"
                raise RecordsRefusedError(message)
            if len(record.value) + len(record.key) > largest:
                raise RecordsRefusedError(_too_large(record, largest))
        future = self._loop.create_future()
        self._group.put(Entry(records, future, time.monotonic() + timeout))
        self._idle.clear()
        self._wake.set()
        await future

    async def _watch(self) -> None:
        """Tell callers whose time is up. One look for all: a timer for each costs more."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for one in self._group.late(time.monotonic()):
                error = KafkaUnavailableError("Kafka has not acknowledged in time")
                one.future.set_exception(error)
            self._group.tidy()
            self._look_round()

    async def _run(self) -> None:
        """Start a flush when there is something to send, a client for it, and it is time."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            # Callers that are ready in this turn of the loop join the flush.
            await asyncio.sleep(0)
            await self._time_to_start()
            if not self._free:
                continue  # woken when a flush has ended
            flight = self._group.take(time.monotonic())
            if flight is None:
                self._look_round()
                continue
            self._next_start = flight.since + self._apart
            self._crowded = len(flight.entries) >= CROWD
            task = self._loop.create_task(self._fly(flight, self._free.pop()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _time_to_start(self) -> None:
        left = self._next_start - time.monotonic()
        if left <= 0:
            return
        if self._crowded:
            # The end of a flush does not cut this short: who is answered then comes again.
            await asyncio.sleep(left)
        elif self._group.flying:
            self._landed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._landed.wait()

    def _look_round(self) -> None:
        """Tell who waits for it when there is nothing left to do."""
        if not (self._group.flying or self._group.waiting):
            self._idle.set()

    async def _fly(self, flight: Flight[Outgoing], client: AIOKafkaProducer | None) -> None:
        """Send a flight's records with a client, and tell its callers."""
        client, failure = await self._flush(flight, client)
        self._free.append(client)
        self._group.land(flight)
        self._landed.set()
        taken = time.monotonic() - flight.since
        self._apart = min(max(MIN_APART, taken / 2), MAX_APART)
        for entry in flight.entries:
            _end(entry.future, failure)
        if self._group.waiting:
            self._wake.set()
        self._look_round()

    async def _flush(
        self, flight: Flight[Outgoing], client: AIOKafkaProducer | None
    ) -> tuple[AIOKafkaProducer | None, Exception | None]:
        """The client that goes on, None after a failure, and that."""
        futures: list[asyncio.Future[object]] = []
        try:
            client = client or await self._connect()
            await _submit(client, flight.entries, futures)
            await _acknowledged(futures)
        except BaseException as error:
            await _discard(client, futures)
            if not isinstance(error, Exception):
                raise
            log.warning("kafka did not take a batch, the producer is replaced", error=error)
            metrics.PRODUCER_RECREATED.labels(self._service).inc()
            return None, error
        return client, None

    async def _connect(self) -> AIOKafkaProducer:
        client = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._service,
            acks="all",
            enable_idempotence=True,
            compression_type=self._compression,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES + 100_000,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=50,
        )
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
                await client.start()
        except BaseException:
            await close(client, seconds=1)
            raise
        return client


async def _acknowledged(futures: Sequence["asyncio.Future[object]"]) -> None:
    """Return when all are done; the first failure ends it, or TimeoutError."""
    limit = 2 * REQUEST_TIMEOUT_MS / 1000
    done, left = await asyncio.wait(futures, timeout=limit, return_when=asyncio.FIRST_EXCEPTION)
    for one in done:
        one.result()
    if left:
        raise TimeoutError


async def _discard(
    client: AIOKafkaProducer | None, futures: Iterable["asyncio.Future[object]"]
) -> None:
    for one in futures:
        # Nobody asks any more; a failure that nobody has heard of would be logged.
        one.add_done_callback(lambda future: future.cancelled() or future.exception())
    if client is not None:
        # It flushes first, and would wait for a broker that does not answer.
        await close(client, seconds=1)


def _end(future: "asyncio.Future[None]", failure: Exception | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(None)
    elif isinstance(failure, REFUSALS):
        future.set_exception(RecordsRefusedError(repr(failure)))
    else:
        future.set_exception(KafkaUnavailableError(repr(failure)))


async def _submit(
    client: AIOKafkaProducer,
    entries: Sequence[Entry[Outgoing]],
    futures: list["asyncio.Future[object]"],
) -> None:
    """Hand the records to a client; adds a future for each batch of a partition, as it goes."""
    grouped: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
    counts: dict[str, int] = {}
    for entry in entries:
        for record in entry.records:
            count = counts.get(record.topic)
            if count is None:
                count = len(await client.partitions_for(record.topic))
                counts[record.topic] = count
            grouped[record.topic, zlib.crc32(record.key) % count].append(record)
    for (topic, partition), records in grouped.items():
        for batch in _batches(client, records):
            # One by one: those before one that fails are wanted, too.
            future = await client.send_batch(batch, topic, partition=partition)
            futures.append(future)


def _too_large(record: Outgoing, largest: int) -> str:
    size = len(record.value) + len(record.key)
    return f"a record of {size:,} bytes for {record.topic!r}, which takes {largest:,} at most"


def _headers(record: Outgoing) -> list[tuple[str, bytes]]:
    headers = []
    if record.version is not None:
        headers.append((versions.HEADER, versions.header(record.topic, record.version)))
    if record.traceparent:
        headers.append((tracing.HEADER, record.traceparent.encode()))
    return headers


def _batches(client: AIOKafkaProducer, records: Sequence[Outgoing]) -> Iterator[BatchBuilder]:
    """The records in their order, in as many batches as the size limit needs.

    Each is built when the one before has been taken: uncompressed there is one at a time.
    """
    now_ms = time.time_ns() // 1_000_000
    batch = client.create_batch()
    for one in records:
        headers = _headers(one)
        if batch.append(key=one.key, value=one.value, timestamp=now_ms, headers=headers) is None:
            batch.close()
            yield batch
            batch = client.create_batch()
            batch.append(key=one.key, value=one.value, timestamp=now_ms, headers=headers)
    batch.close()
    yield batch
