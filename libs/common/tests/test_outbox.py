"""The relay on real Kafka and Postgres: in order, once the row is committed, by one at a time."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.waiting import HANG_SECONDS, between_looks
from typing_extensions import override

from rapport_common import outbox, relay
from rapport_common.events.topics import Topic
from rapport_common.kafka.admin import ensure_topics
from rapport_common.kafka.producer import (
    KafkaUnavailableError,
    Outgoing,
    Producer,
    RecordsRefusedError,
)
from rapport_common.kafka.store import ConsumerStore
from rapport_common.outbox import HEAD_BYTES, OutboxStore
from rapport_common.relay import Relay

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
            member = Relay(engine, one, schema=SERVICE, batch=10, listen_url=url)
            group.create_task(member.run(stop))
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
            await write(engine, topic, range(3))
            assert await read(kafka_bootstrap, topic, 3) == [0, 1, 2]
            await transaction.rollback()
        await write(engine, topic, range(3, 6))
        assert await read(kafka_bootstrap, topic, 6) == list(range(6))


async def counts(tx: AsyncConnection) -> dict[str, int]:
    ledger = await ConsumerStore(SERVICE, SERVICE).ledger(tx)
    return {name: ledger[name] for name in ("outbox", "outbox_refused")}


async def waiting(engine: AsyncEngine) -> list[int]:
    async with engine.begin() as tx:
        head = await OutboxStore(SERVICE).head(tx, 10_000)
        return [int(one.value) for batch in head.batches for one in batch.records]


async def test_without_kafka_a_publish_fails_in_time_and_says_so(topic: Topic) -> None:
    producer = Producer(SERVICE, "127.0.0.1:1", [topic], compression=None)
    await producer.start()
    with pytest.raises(KafkaUnavailableError):
        await producer.publish([Outgoing(topic.name, b"k", b"v")], timeout=0.5)
    await producer.stop()


async def test_a_record_that_is_too_large_is_refused_before_it_shares_a_flush(topic: Topic) -> None:
    producer = Producer(SERVICE, "127.0.0.1:1", [topic], compression=None)
    await producer.start()
    with pytest.raises(RecordsRefusedError, match="bytes"):
        await producer.publish([Outgoing(topic.name, b"k", b"x" * topic.max_message_bytes)])
    await producer.stop()


@pytest.fixture
async def narrow(kafka_bootstrap: str, topic: Topic) -> Topic:
    """A topic that takes less than the registry says: the broker is the one who refuses."""
    made = replace(topic, name=f"test-{uuid.uuid4().hex[:12]}", max_message_bytes=2000)
    await ensure_topics(kafka_bootstrap, [made], partitions=3, replication=1)
    return replace(made, max_message_bytes=topic.max_message_bytes)


async def test_a_refused_row_goes_aside_and_the_others_keep_their_order(
    engine: AsyncEngine, database_url: str, kafka_bootstrap: str, narrow: Topic
) -> None:
    record = b'{"workspace": "acme", "x": "%s"}'
    async with engine.begin() as tx:
        rows = [Outgoing(narrow.name, b"k", str(n).encode(), "trace") for n in range(12)]
        # One the broker refuses, and one the producer knows to be too large.
        rows.insert(5, Outgoing(narrow.name, b"k", record % (b"x" * 3000), "trace"))
        rows.insert(9, Outgoing(narrow.name, b"k", b"x" * 1_100_000, "trace"))
        await outbox.append(tx, SERVICE, rows)
    async with relaying(engine, database_url, kafka_bootstrap, narrow):
        assert await read(kafka_bootstrap, narrow, 12) == list(range(12))
    store = OutboxStore(SERVICE)
    async with engine.begin() as tx:
        large, small = await store.refused(tx, workspace=None, before=None, limit=10)
        assert [large.workspace, small.workspace] == [None, "acme"]
        assert "bytes" in large.reason
        assert "MessageSizeTooLarge" in small.reason
        seen = await store.refused(tx, workspace="acme", before=None, limit=10)
        assert [one.id for one in seen] == [small.id]
        assert await counts(tx) == {"outbox": 0, "outbox_refused": 2}
        # What an operator may do about them, each with his own only.
        assert not await store.discard(tx, large.id, "acme")
        assert not await store.retry(tx, large.id, "acme")
        assert await store.discard(tx, large.id, None)
        assert await store.retry(tx, small.id, "acme")
        assert await counts(tx) == {"outbox": 1, "outbox_refused": 0}


class Slow(Producer):
    """A producer at the mercy of a Kafka that answers when the test says so, or never."""

    def __init__(self, topic: Topic) -> None:
        super().__init__(SERVICE, "127.0.0.1:1", [topic], compression=None)
        self.began = asyncio.Event()
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.times_out = False
        self.sent: list[bytes] = []

    @override
    async def publish(self, records: Sequence[Outgoing], *, timeout: float = 10.0) -> None:
        self.began.set()
        self.sent += [one.value for one in records]
        if self.times_out:
            message = f"not acknowledged within {timeout} s"
            raise KafkaUnavailableError(message)
        await self.answered.wait()

    @override
    async def quiet(self) -> None:
        await self.ended.wait()


def member(engine: AsyncEngine, producer: Producer, url: str) -> Relay:
    return Relay(engine, producer, schema=SERVICE, batch=10, listen_url=url, lease=1.0)


async def expiry(engine: AsyncEngine) -> tuple[datetime, datetime]:
    """When the lease ends, and the time by the same clock."""
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT expires_at, clock_timestamp() FROM relay_lease"))
        ends, now = rows.one()
        return ends, now


@pytest.mark.parametrize("times_out", [False, True])
async def test_while_kafka_may_still_be_at_it_no_other_relay_sends(
    engine: AsyncEngine, database_url: str, topic: Topic, *, times_out: bool
) -> None:
    await write(engine, topic, range(3))
    slow, other = Slow(topic), Slow(topic)
    slow.times_out = times_out
    first = asyncio.create_task(member(engine, slow, database_url).turn())
    second = member(engine, other, database_url)
    async with asyncio.timeout(HANG_SECONDS):
        await slow.began.wait()
        ends, now = await expiry(engine)
        while now <= ends:
            assert not await second.turn()
            _, now = await expiry(engine)
        # The lease would have been over; the first one has made it longer.
        assert not await second.turn()
        assert not other.sent
        slow.answered.set()
        slow.ended.set()
        assert not await first
        other.answered.set()
        while await waiting(engine):
            await second.turn()
    assert other.sent == ([b"0", b"1", b"2"] if times_out else [])


async def test_who_has_lost_the_lease_stops_sending(
    engine: AsyncEngine, database_url: str, topic: Topic
) -> None:
    await write(engine, topic, range(3))
    slow = Slow(topic)
    turn = asyncio.create_task(member(engine, slow, database_url).turn())
    async with asyncio.timeout(HANG_SECONDS):
        await slow.began.wait()
        async with engine.begin() as tx:
            taken = text("UPDATE relay_lease SET holder = :other, expires_at = 'infinity'")
            await tx.execute(taken, {"other": uuid.uuid4()})
        assert not await turn
    assert len(await waiting(engine)) == 3


async def test_it_listens_whichever_name_the_driver_has_in_the_address(
    engine: AsyncEngine,
    database_url: str,
    kafka_bootstrap: str,
    topic: Topic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "POLL_SECONDS", 600.0)
    url = database_url.replace("postgresql://", "postgresql+asyncpg://")
    async with relaying(engine, url, kafka_bootstrap, topic):
        async with asyncio.timeout(HANG_SECONDS):
            while not await listening(engine):
                await between_looks()
        await write(engine, topic, range(3))
        assert await read(kafka_bootstrap, topic, 3) == [0, 1, 2]


async def listening(engine: AsyncEngine) -> bool:
    async with engine.begin() as tx:
        rows = await tx.execute(
            text(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                "AND query ILIKE 'LISTEN%'"
            )
        )
        return rows.first() is not None


async def test_the_relay_takes_long_records_a_few_at_a_time(engine: AsyncEngine) -> None:
    mebibyte = HEAD_BYTES // 8
    async with engine.begin() as tx:
        await outbox.append(tx, SERVICE, [Outgoing("t", b"", b"x" * mebibyte, None)] * 20)
        head = await OutboxStore(SERVICE).head(tx, 1000)
        # A row has at most two of these.
        assert sum(len(one.records) for one in head.batches) == 8
        assert head.full
        await tx.rollback()
