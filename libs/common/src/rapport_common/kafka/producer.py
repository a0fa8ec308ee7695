"""A producer that groups what its callers send, and is replaced after a failed send."""

import asyncio
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
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

log = logging.get(__name__)

MAX_BATCH_BYTES = 900_000
REQUEST_TIMEOUT_MS = 5_000
WATCH_SECONDS = 0.1
LINGER_SECONDS = 0.005
ENVELOPE_BYTES = 256
"""What Kafka's batch and record headers, with version and trace, add to a key and value at most."""
CROWD = 4
"""When so many callers shared the last flush, the next one waits a moment for more."""


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


class _Waiting:
    """A caller's records, waiting for their turn, and the future it awaits."""

    __slots__ = ("deadline", "future", "records")

    def __init__(
        self, records: Sequence[Outgoing], future: "asyncio.Future[None]", deadline: float
    ) -> None:
        self.records = records
        self.future = future
        self.deadline = deadline

    def size(self) -> int:
        """Bytes of its records' values."""
        return sum(len(one.value) for one in self.records)


class Producer:
    """Sends with `acks=all` from one idempotent aiokafka producer.

    One flush is in flight at a time and takes everything that waited meanwhile, like a
    database's group commit: under load the batches grow by themselves, alone a record waits
    for nobody. After any failed send the client is thrown away, because an idempotent producer
    can be left with a gap in its sequence numbers (aiokafka #1017).

    `abandoned` are the bytes in the flush in flight whose callers have been told that it takes
    too long: their memory is not free before it ends.
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
        self._client: AIOKafkaProducer | None = None
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._flushing_since: float | None = None
        self._taken: list[_Waiting] = []
        self.abandoned = 0
        self._tasks: list[asyncio.Task[None]] = []
        metrics.PRODUCER_RECREATED.labels(service)

    async def start(self) -> None:
        """Start the flush loop; Kafka need not be there yet."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._loop()), loop.create_task(self._watch())]

    async def stop(self) -> None:
        """Send what waits (5 s at most) and close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._idle.wait()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for entry in (*self._waiting, *self._taken):
            if not entry.future.done():
                entry.future.set_exception(KafkaUnavailableError("the producer was stopped"))
        await self._discard()

    @property
    def stalled_for(self) -> float:
        """Seconds that the flush in flight has been waiting for Kafka; 0 when there is none."""
        since = self._flushing_since
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
        # Not asyncio.get_running_loop(), which asks the system for the process id each time.
        future = self._tasks[0].get_loop().create_future()
        entry = _Waiting(records, future, time.monotonic() + timeout)
        self._waiting.append(entry)
        self._idle.clear()
        self._wake.set()
        await entry.future

    async def _watch(self) -> None:
        """Tell callers whose time is up. One look for all: a timer for each costs more."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = time.monotonic()
            late = [one for one in (*self._waiting, *self._taken) if one.deadline <= now]
            for one in late:
                if not one.future.done():
                    error = KafkaUnavailableError("Kafka has not acknowledged in time")
                    one.future.set_exception(error)
            self.abandoned = sum(one.size() for one in self._taken if one.future.done())
            # What has not been handed over yet is not sent any more.
            self._waiting = [one for one in self._waiting if not one.future.done()]

    async def _loop(self) -> None:
        crowded = False
        while True:
            await self._wake.wait()
            self._wake.clear()
            # Callers that are ready in this turn of the loop join the flush; where there were
            # many the last time, those of the next moment too: each flush costs per partition.
            await asyncio.sleep(LINGER_SECONDS if crowded else 0)
            taken = [one for one in self._waiting if not one.future.done()]
            self._waiting = []
            self._taken = taken
            crowded = len(taken) >= CROWD
            if not taken:
                self._idle.set()
                continue
            self._flushing_since = time.monotonic()
            failure = await self._flush(taken)
            self._flushing_since = None
            self._taken = []
            self.abandoned = 0
            for entry in taken:
                if entry.future.done():
                    continue
                if failure is None:
                    entry.future.set_result(None)
                elif isinstance(failure, REFUSALS):
                    entry.future.set_exception(RecordsRefusedError(repr(failure)))
                else:
                    entry.future.set_exception(KafkaUnavailableError(repr(failure)))
            if self._waiting:
                self._wake.set()
            else:
                self._idle.set()

    async def _flush(self, entries: list[_Waiting]) -> Exception | None:
        try:
            client = self._client or await self._connect()
            futures = await self._submit(client, entries)
            async with asyncio.timeout(2 * REQUEST_TIMEOUT_MS / 1000):
                await asyncio.gather(*futures)
        except Exception as error:  # noqa: BLE001 - the callers hear of it, whatever it is
            log.warning("kafka did not take a batch, the producer is replaced", error=error)
            metrics.PRODUCER_RECREATED.labels(self._service).inc()
            await self._discard()
            return error
        return None

    async def _submit(
        self, client: AIOKafkaProducer, entries: list[_Waiting]
    ) -> list["asyncio.Future[object]"]:
        grouped: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        counts: dict[str, int] = {}
        for entry in entries:
            for record in entry.records:
                count = counts.get(record.topic)
                if count is None:
                    count = len(await client.partitions_for(record.topic))
                    counts[record.topic] = count
                grouped[record.topic, zlib.crc32(record.key) % count].append(record)
        futures: list[asyncio.Future[object]] = []
        for (topic, partition), records in grouped.items():
            futures += [
                await client.send_batch(batch, topic, partition=partition)
                for batch in _batches(client, records)
            ]
        return futures

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
        self._client = client
        return client

    async def _discard(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        # It flushes first, and would wait for a broker that does not answer.
        await close(client, seconds=1)


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


def _batches(client: AIOKafkaProducer, records: Sequence[Outgoing]) -> list[BatchBuilder]:
    """The records in their order, in as many batches as the size limit needs."""
    now_ms = time.time_ns() // 1_000_000
    batches = [client.create_batch()]
    append = batches[-1].append
    for one in records:
        headers = _headers(one)
        if append(key=one.key, value=one.value, timestamp=now_ms, headers=headers) is None:
            batches.append(client.create_batch())
            append = batches[-1].append
            append(key=one.key, value=one.value, timestamp=now_ms, headers=headers)
    for batch in batches:
        batch.close()
    return batches
