"""What Kafka alone can do here: a bare aiokafka producer with `acks=all`, the same records."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from rapport_common.kafka.admin import FLUSH
from rapport_common.kafka.overrides import override_with

TOPIC = "bench"
PARTITIONS = 12
SAMPLE = 5000
LINGER_MS = 2
# A topic made a moment ago has no leader yet; the client tells of every retry.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

Records = list[tuple[bytes, bytes]]
"""(key, value) pairs."""


def sample(bootstrap: str) -> Records:
    """Return up to 5,000 records of `events`, as ingest wrote them."""
    return uvloop.run(read(bootstrap, "events", SAMPLE))


def round_trips(bootstrap: str, records: Records, rate: int, seconds: float) -> list[float]:
    """Return the seconds from send to arrival at a consumer, at `rate` records per second."""
    return uvloop.run(_round_trips(bootstrap, records, rate, seconds))


async def read(bootstrap: str, topic: str, most: int = 2**31) -> Records:
    """Return the first records of a topic, up to `most`, those of a partition in their order."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    found: Records = []
    try:
        while len(found) < most:
            polled = await consumer.getmany(timeout_ms=2000)
            if not polled:
                break
            found += [(one.key, one.value) for batch in polled.values() for one in batch]
    finally:
        await consumer.stop()
    return found[:most]


def _producer(bootstrap: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        max_batch_size=900_000,
    )


async def flush_each(bootstrap: str, topics: Sequence[str], *, on: bool) -> None:
    """Let Kafka write each batch of these topics to its disk before it acknowledges; or not."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await override_with(admin, topics, FLUSH, "1" if on else None)
    finally:
        await admin.close()


async def ensure_topic(bootstrap: str) -> None:
    """Make the topic that is only measured with, unless it is there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        if TOPIC not in await admin.list_topics():
            await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    finally:
        await admin.close()


async def _round_trips(bootstrap: str, records: Records, rate: int, seconds: float) -> list[float]:
    await ensure_topic(bootstrap)
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=bootstrap, group_id=None)
    producer = _producer(bootstrap)
    await consumer.start()
    await producer.start()
    try:
        await consumer.seek_to_end()
        count = int(rate * seconds)
        sender = asyncio.get_running_loop().create_task(_pace(producer, records, rate, count))
        found = await _arrivals(consumer, count)
        await sender
        return found
    finally:
        await producer.stop()
        await consumer.stop()


async def _pace(producer: AIOKafkaProducer, records: Records, rate: int, count: int) -> None:
    began = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        key, value = records[number % len(records)]
        sent = [("sent", repr(time.perf_counter()).encode())]
        await producer.send(TOPIC, value, key=key, headers=sent)


async def _arrivals(consumer: Any, count: int) -> list[float]:
    found: list[float] = []
    while len(found) < count:
        polled = await consumer.getmany(timeout_ms=3000)
        now = time.perf_counter()
        if not polled:
            break
        found += [now - float(one.headers[0][1]) for batch in polled.values() for one in batch]
    return found
