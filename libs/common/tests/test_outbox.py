"""The relay on real Kafka and Postgres: in order, once the row is committed, by one at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common import outbox
from rapport_common.events.topics import Topic
from rapport_common.kafka.producer import KafkaUnavailableError, Outgoing, Producer

pytestmark = pytest.mark.integration
SERVICE = "segment"


@asynccontextmanager
async def relaying(
    engine: AsyncEngine, url: str, bootstrap: str, topic: Topic, members: int = 1
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    producers = [Producer(SERVICE, bootstrap, [topic], compression=None) for _ in range(members)]
    async with asyncio.TaskGroup() as group:
        for one in producers:
            await one.start()
            relay = outbox.Relay(engine, one, schema=SERVICE, batch=10, listen_url=url)
            group.create_task(relay.run(stop))
        try:
            yield
        finally:
            stop.set()
    for one in producers:
        await one.stop()


async def write(engine: AsyncEngine, topic: Topic, numbers: range, key: bytes = b"k") -> None:
    async with engine.begin() as tx:
        records = [Outgoing(topic.name, key, str(n).encode(), "trace") for n in numbers]
        await outbox.append(tx, SERVICE, records)


async def read(bootstrap: str, topic: Topic, count: int) -> list[int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic.name, one) for one in range(3)])
    found: list[int] = []
    try:
        async with asyncio.timeout(HANG_SECONDS):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    assert all(one.headers == (("traceparent", b"trace"),) for one in records)
                    found += [int(one.value) for one in records]
    finally:
        await consumer.stop()
    return found


async def test_rows_arrive_in_the_order_of_their_ids(
    engine: AsyncEngine, database_url: str, kafka_bootstrap: str, topic: Topic
) -> None:
    await write(engine, topic, range(25))
    async with relaying(engine, database_url, kafka_bootstrap, topic):
        await write(engine, topic, range(25, 60))
        assert await read(kafka_bootstrap, topic, 60) == list(range(60))
        async with asyncio.timeout(HANG_SECONDS):
            while await waiting(engine):
                await between_looks()


async def test_two_relays_send_each_row_once(
    engine: AsyncEngine, database_url: str, kafka_bootstrap: str, topic: Topic
) -> None:
    async with relaying(engine, database_url, kafka_bootstrap, topic, members=2):
        for start in range(0, 200, 20):
            await write(engine, topic, range(start, start + 20))
        assert await read(kafka_bootstrap, topic, 200) == list(range(200))


async def test_nothing_is_sent_before_the_commit(
    engine: AsyncEngine, database_url: str, kafka_bootstrap: str, topic: Topic
) -> None:
    async with relaying(engine, database_url, kafka_bootstrap, topic):
        async with engine.connect() as connection:
            transaction = await connection.begin()
            records = [Outgoing(topic.name, b"k", b"-1", "trace")]
            await outbox.append(connection, SERVICE, records)
            await asyncio.sleep(0.5)
            await transaction.rollback()
        await write(engine, topic, range(3))
        assert await read(kafka_bootstrap, topic, 3) == [0, 1, 2]


async def waiting(engine: AsyncEngine) -> int:
    async with engine.begin() as tx:
        rows = await tx.execute(text(f"SELECT id FROM {SERVICE}.outbox"))
        return len(rows.fetchall())


async def test_without_kafka_a_publish_fails_in_time_and_says_so(topic: Topic) -> None:
    producer = Producer(SERVICE, "127.0.0.1:1", [topic], compression=None)
    await producer.start()
    with pytest.raises(KafkaUnavailableError):
        await producer.publish([Outgoing(topic.name, b"k", b"v")], timeout=0.5)
    await producer.stop()
