"""The consumer loop on real Kafka and Postgres: once each, whatever is killed or poisoned."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.waiting import HANG_SECONDS, between_looks, eventually

from rapport_common import clock
from rapport_common.errors import InvalidEvent, Retry
from rapport_common.events.codec import encode
from rapport_common.events.membership import Membership
from rapport_common.events.topics import Topic
from rapport_common.kafka.batch import Record, Subscription
from rapport_common.kafka.client import IDLE_WAIT_MS
from rapport_common.kafka.consumer import Consumer
from rapport_common.kafka.producer import Outgoing, Producer

pytestmark = pytest.mark.integration


@pytest.fixture
def service() -> str:
    """A group of each test's own: it would wait until the members of the last one have expired."""
    return f"segment_{uuid.uuid4().hex[:8]}"


def record(number: int) -> Membership:
    return Membership(
        workspace="w",
        profile_id=str(number),
        profile_version=1,
        segment_id="s",
        segment_version=1,
        entry_id=str(number),
        change="entered",
        at=clock.now(),
        cause="event",
        reason="test",
    )


@asynccontextmanager
async def producing(bootstrap: str, topic: Topic) -> AsyncIterator[Producer]:
    producer = Producer(topic.producers[0], bootstrap, [topic], compression=None)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send(producer: Producer, topic: Topic, numbers: Sequence[int]) -> None:
    await producer.publish(
        [Outgoing(topic.name, str(n).encode(), encode(record(n))) for n in numbers]
    )


class Effects:
    """A handler that writes each number once, and what it was told to do at some of them."""

    def __init__(self, member: str = "a") -> None:
        self.member = member
        self.invalid: set[int] = set()
        self.explosive: set[int] = set()
        self.retries = 0
        self.freeze: asyncio.Event | None = None
        self.frozen = asyncio.Event()

    async def __call__(self, batch: Sequence[Record], tx: AsyncConnection) -> None:
        numbers = [int(one.value.profile_id) for one in batch]
        await tx.execute(
            text("INSERT INTO effect SELECT unnest(CAST(:n AS bigint[])), :member"),
            {"n": numbers, "member": self.member},
        )
        if self.freeze is not None:
            self.frozen.set()
            await self.freeze.wait()
        for index, number in enumerate(numbers):
            if number in self.invalid:
                raise InvalidEvent(index, "told so")
            if number in self.explosive:
                message = "boom"
                raise KeyError(message)
        if self.retries:
            self.retries -= 1
            raise Retry


async def effects(engine: AsyncEngine) -> list[int]:
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT n FROM effect ORDER BY n"))
        return [row.n for row in rows]


@asynccontextmanager
async def consuming(
    engine: AsyncEngine, bootstrap: str, topic: Topic, handler: Effects, replica: str = "0"
) -> AsyncIterator[Consumer]:
    consumer = Consumer(
        topic.consumers[0],
        engine,
        [Subscription(topic, handler)],
        bootstrap=bootstrap,
        replica=f"{topic.name}-{replica}",
        batch=50,
        session_timeout_ms=6000,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(stop))
    try:
        yield consumer
    finally:
        stop.set()
        await asyncio.wait_for(task, HANG_SECONDS)


async def until(engine: AsyncEngine, wanted: Sequence[int], seconds: float = HANG_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while await effects(engine) != sorted(wanted):
            await between_looks()


async def test_every_record_has_its_effect_once(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic
) -> None:
    async with producing(kafka_bootstrap, topic) as producer:
        await send(producer, topic, range(300))
        async with consuming(engine, kafka_bootstrap, topic, Effects()):
            await until(engine, range(300))
        await send(producer, topic, range(300, 400))
        async with consuming(engine, kafka_bootstrap, topic, Effects()):
            await until(engine, range(400))


async def test_kafka_holds_the_fetches_of_who_is_idle_longer(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []

    class Seen(fetcher.FetchRequest):  # type: ignore[misc] # aiokafka has no types
        def __init__(self, wait_ms: int, *others: object, **more: object) -> None:
            waits.append(wait_ms)
            super().__init__(wait_ms, *others, **more)

    monkeypatch.setattr(fetcher, "FetchRequest", Seen)
    async with (
        producing(kafka_bootstrap, topic) as producer,
        consuming(engine, kafka_bootstrap, topic, Effects()),
    ):
        await eventually("idle", lambda: IDLE_WAIT_MS in waits)
        waits.clear()
        await send(producer, topic, range(10))
        await until(engine, range(10))
        await eventually("busy", lambda: min(waits, default=IDLE_WAIT_MS) < IDLE_WAIT_MS)
        waits.clear()
        await eventually("idle", lambda: IDLE_WAIT_MS in waits)


async def test_a_start_that_fails_half_way_is_followed_by_another(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the group's coordinator goes away while it begins."""
    start, failures = AIOKafkaConsumer.start, [KafkaConnectionError()]

    async def fails_once(client: AIOKafkaConsumer) -> None:
        await start(client)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(AIOKafkaConsumer, "start", fails_once)
    async with producing(kafka_bootstrap, topic) as producer:
        await send(producer, topic, range(10))
        async with consuming(engine, kafka_bootstrap, topic, Effects()):
            await until(engine, range(10))
    assert not failures


async def test_poison_goes_aside_and_the_others_go_on(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic
) -> None:
    handler = Effects()
    handler.invalid = {7}
    handler.explosive = {11, 180}
    handler.retries = 2
    async with producing(kafka_bootstrap, topic) as producer:
        await send(producer, topic, range(200))
        await producer.publish([Outgoing(topic.name, b"x", b"{not json")])
        async with consuming(engine, kafka_bootstrap, topic, handler) as consumer:
            await until(engine, sorted(set(range(200)) - {7, 11, 180}))
            async with asyncio.timeout(HANG_SECONDS):
                while True:
                    async with engine.begin() as tx:
                        letters = await consumer.store.dead_letters(tx, limit=10)
                    if len(letters) == 4:
                        break
                    await between_looks()
    reasons = sorted(one.reason for one in letters)
    assert reasons[0] == "KeyError: '…'"
    assert reasons[-1] == "told so"
    assert any(one.value == b"{not json" for one in letters)


async def test_only_poison_stops_the_consumer_loudly_until_resumed(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic
) -> None:
    handler = Effects()
    handler.invalid = set(range(150))
    async with (
        producing(kafka_bootstrap, topic) as producer,
        consuming(engine, kafka_bootstrap, topic, handler) as consumer,
    ):
        await send(producer, topic, range(150))
        async with asyncio.timeout(HANG_SECONDS):
            while consumer.stopped_because is None:
                await between_looks()
        assert "in a row" in consumer.stopped_because
        handler.invalid = set()
        await send(producer, topic, range(200, 220))
        # Left in the database, as another replica's API does it.
        async with engine.begin() as tx:
            await consumer.store.tell(tx, "resume", "ada")
        async with asyncio.timeout(HANG_SECONDS):
            while not set(range(200, 220)) <= set(await effects(engine)):
                await between_looks()


async def test_a_zombie_in_the_middle_of_a_batch_changes_nothing(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic
) -> None:
    """Two members hold the same partitions in their minds; only one batch may commit."""
    zombie = Effects("zombie")
    zombie.freeze = asyncio.Event()
    async with producing(kafka_bootstrap, topic) as producer:
        await send(producer, topic, range(30))
        async with consuming(engine, kafka_bootstrap, topic, zombie) as frozen:
            await asyncio.wait_for(zombie.frozen.wait(), HANG_SECONDS)
            # Another life moves the positions behind its back, as after a SIGSTOP; the frozen
            # transaction is ended by the server, as idle_in_transaction_session_timeout does.
            await _end_idle_transactions(engine)
            async with engine.begin() as tx:
                await tx.execute(text("UPDATE position SET next_offset = 1"))
            fenced = frozen.store
            zombie.freeze.set()
            zombie.freeze = None
            async with engine.begin() as tx:
                positions = await fenced.positions(tx)
            assert set(positions.values()) == {1}
            async with asyncio.timeout(HANG_SECONDS):
                while len(await effects(engine)) < 27:
                    await between_looks()
    found = await effects(engine)
    assert len(found) == len(set(found)) == 27


async def _end_idle_transactions(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE state = 'idle in transaction' AND datname = current_database() "
                "AND pid <> pg_backend_pid()"
            )
        )


async def test_a_log_cut_under_a_running_consumer_stops_it(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic
) -> None:
    handler = Effects()
    async with (
        producing(kafka_bootstrap, topic) as producer,
        consuming(engine, kafka_bootstrap, topic, handler) as consumer,
    ):
        await send(producer, topic, range(30))
        await until(engine, range(30))
        handler.freeze = asyncio.Event()
        await send(producer, topic, range(30, 60))
        await asyncio.wait_for(handler.frozen.wait(), HANG_SECONDS)
        # The client reads ahead by one fetch per partition; what comes after that is only in
        # the log, and lost with it.
        await send(producer, topic, range(60, 120))
        await eventually("records that were read ahead", lambda: _read_ahead(consumer))
        await send(producer, topic, range(120, 180))
        await _cut(kafka_bootstrap, topic)
        # The batch in hand fails and is read again, from a position that is gone.
        handler.retries = 1
        await _end_idle_transactions(engine)
        freeze, handler.freeze = handler.freeze, None
        freeze.set()
        async with asyncio.timeout(HANG_SECONDS):
            while consumer.stopped_because is None:
                await between_looks()
        assert "records are gone" in consumer.stopped_because
    found = await effects(engine)
    assert len(found) == len(set(found))


def _read_ahead(consumer: Consumer) -> bool:
    """Whether the client has fetched from every partition what it may before it is asked again."""
    client = consumer._client
    return client is not None and len(client._fetcher._records) == 3


async def _cut(bootstrap: str, topic: Topic) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.delete_records(
        {TopicPartition(topic.name, one): RecordsToDelete(before_offset=-1) for one in range(3)}
    )
    await admin.close()


async def all_read(
    engine: AsyncEngine, bootstrap: str, topic: Topic, handler: Effects, beyond: int
) -> None:
    """Thirty records have had their effects; the positions of the first partitions are wrong."""
    async with producing(bootstrap, topic) as producer:
        await send(producer, topic, range(30))
    async with consuming(engine, bootstrap, topic, handler):
        await until(engine, range(30))
    async with engine.begin() as tx:
        wrong = text("UPDATE position SET next_offset = 999 WHERE partition < :beyond")
        await tx.execute(wrong, {"beyond": beyond})


async def reset(engine: AsyncEngine, consumer: Consumer, topic: Topic, partition: int) -> None:
    """What an operator's request does, on whichever replica."""
    async with engine.begin() as tx:
        store = consumer.store
        assert await store.reset_position(tx, topic.name, partition, 0, issued_by="ada")


async def read_again(engine: AsyncEngine, than: int = 30) -> None:
    """More effects than there are records."""
    async with asyncio.timeout(HANG_SECONDS):
        while len(await effects(engine)) <= than:
            await between_looks()


async def test_a_position_beyond_the_log_stops_it_and_a_reset_lets_it_go_on(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic
) -> None:
    handler = Effects()
    await all_read(engine, kafka_bootstrap, topic, handler, beyond=1)
    async with consuming(engine, kafka_bootstrap, topic, handler) as consumer:
        async with asyncio.timeout(HANG_SECONDS):
            while consumer.stopped_because is None:
                await between_looks()
        assert "re-created" in consumer.stopped_because
        await reset(engine, consumer, topic, 0)
        await read_again(engine)


async def test_a_reset_moves_a_running_consumer(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic
) -> None:
    handler = Effects()
    await all_read(engine, kafka_bootstrap, topic, handler, beyond=0)
    async with consuming(engine, kafka_bootstrap, topic, handler) as consumer:
        async with producing(kafka_bootstrap, topic) as producer:
            await send(producer, topic, [30])
        await until(engine, range(31))
        await reset(engine, consumer, topic, 0)
        await read_again(engine, than=31)


async def test_a_reset_while_it_is_about_to_stop_is_not_forgotten(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two positions are wrong, and the second is set right after it was read and found wrong."""
    handler = Effects()
    await all_read(engine, kafka_bootstrap, topic, handler, beyond=2)
    wrong = [0, 1]
    close = AIOKafkaConsumer.stop

    async def reset_and_close(client: AIOKafkaConsumer) -> None:
        await reset(engine, consumer, topic, wrong.pop())
        await close(client)

    async with consuming(engine, kafka_bootstrap, topic, handler) as consumer:
        with monkeypatch.context() as patched:
            patched.setattr(AIOKafkaConsumer, "stop", reset_and_close)
            async with asyncio.timeout(HANG_SECONDS):
                while wrong:
                    await between_looks()
        await read_again(engine)
        assert consumer.stopped_because is None
