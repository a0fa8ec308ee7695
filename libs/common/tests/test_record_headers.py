"""A record's version travels with it, wherever it waits, and each is read by its own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from libs.common.tests.test_operator import INSTALLATION, OPS
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.api import patient_app
from tests.support.waiting import HANG_SECONDS

from rapport_common import outbox
from rapport_common.errors import Retry
from rapport_common.events.codec import encode
from rapport_common.events.topics import Topic
from rapport_common.events.versions import HEADER
from rapport_common.kafka.batch import BatchWriter, ConsumerStoppedError, Record, Subscription
from rapport_common.kafka.consumer import Consumer
from rapport_common.kafka.part import Evidence, Positions
from rapport_common.kafka.producer import Outgoing, Producer
from rapport_common.kafka.unpark import Unparker
from rapport_common.operator import consumer_routes
from rapport_common.relay import Relay
from rapport_common.routes import add_routes

pytestmark = pytest.mark.integration
SERVICE = "segment"
PERSON = "01890a5d-ac96-774b-bcce-b302099a8057"


class First(msgspec.Struct, frozen=True):
    workspace: str
    profile_id: str
    name: str


class Second(msgspec.Struct, frozen=True):
    workspace: str
    profile_id: str
    names: list[str]


class Third(msgspec.Struct, frozen=True):
    workspace: str
    profile_id: str
    names: list[str]
    nick: str


def as_second(one: First) -> Second:
    return Second(one.workspace, one.profile_id, one.name.split())


def as_third(one: Second) -> Third:
    return Third(one.workspace, one.profile_id, one.names, "none")


OLD = encode(First("acme", PERSON, "Ada Lovelace"))
NEW = encode(Second("acme", PERSON, ["Ada"]))
NEWER = encode(Third("acme", PERSON, ["Ada"], "Countess"))


@pytest.fixture
def two(topic: Topic) -> Topic:
    return replace(topic, name="a.topic", versions=(First, Second), upcasts=(as_second,))


@pytest.fixture
def three(two: Topic) -> Topic:
    """The same, as the next release knows it."""
    return replace(two, versions=(First, Second, Third), upcasts=(as_second, as_third))


def raw(offset: int, value: bytes, told: bytes | None = None, key: bytes = b"k") -> Any:
    headers = () if told is None else ((HEADER, told),)
    made: ConsumerRecord[bytes, bytes] = ConsumerRecord(
        topic="a.topic",
        partition=0,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key),
        serialized_value_size=len(value),
        headers=headers,
    )
    return made


@dataclass
class Seen:
    """A handler that notes what it was given, or fails."""

    values: list[Any] = field(default_factory=list)
    fails: bool = False

    async def __call__(self, batch: Sequence[Record], tx: AsyncConnection) -> None:
        if self.fails:
            raise Retry
        self.values += [one.value for one in batch]


@pytest.fixture
def seen() -> Seen:
    return Seen()


async def writer(engine: AsyncEngine, topic: Topic, seen: Seen) -> tuple[BatchWriter, Positions]:
    batches = BatchWriter(SERVICE, engine, [Subscription(topic, seen)])
    async with engine.begin() as tx:
        await batches.store.create_position(tx, topic.name, 0, 0)
        stored = await batches.store.positions(tx)
    return batches, {TopicPartition(*where): at for where, at in stored.items()}


async def test_each_record_is_read_by_its_header(
    engine: AsyncEngine, two: Topic, seen: Seen
) -> None:
    batches, positions = await writer(engine, two, seen)
    told = [
        *(raw(0, OLD), raw(1, OLD, b"a.topic/1"), raw(2, NEW, b"a.topic/2")),
        *(raw(3, NEW, b"other/2"), raw(4, NEW, b"\xff\0"), raw(5, NEW, b"a.topic/1")),
    ]
    await batches.settle(two.name, told, positions)
    both = Second("acme", PERSON, ["Ada", "Lovelace"])
    assert seen.values == [both, both, Second("acme", PERSON, ["Ada"])]
    async with engine.begin() as tx:
        letters = await batches.store.dead_letters(tx, limit=10)
    assert [(one.offset, one.version) for one in reversed(letters)] == [(3, 0), (4, 0), (5, 1)]
    assert "header" in letters[-1].reason


async def test_a_newer_version_stops_the_consumer_and_the_next_release_goes_on(
    engine: AsyncEngine, two: Topic, three: Topic, seen: Seen
) -> None:
    told = [raw(0, OLD), raw(1, NEWER, b"a.topic/3"), raw(2, NEW, b"a.topic/2")]
    batches, positions = await writer(engine, two, seen)
    for _ in range(2):
        with pytest.raises(ConsumerStoppedError, match=r"a.topic/0 at 1: .*version 3.*up to 2"):
            await batches.settle(
                two.name, told[positions[TopicPartition(two.name, 0)] :], positions
            )
    assert (len(seen.values), positions) == (1, {TopicPartition(two.name, 0): 1})
    batches, positions = await writer(engine, three, seen)
    await batches.settle(three.name, told[1:], positions)
    assert [type(one) for one in seen.values] == [Second, Third, Third]
    async with engine.begin() as tx:
        assert await batches.store.dead_letters(tx, limit=10) == []


async def test_the_version_waits_with_a_parked_record(
    engine: AsyncEngine, two: Topic, three: Topic, seen: Seen
) -> None:
    """Also when a release is taken back: the older one waits, and buries nothing."""
    batches, positions = await writer(engine, three, seen)
    lane = (two.name, 0, b"k")
    batches._evidence = Evidence()
    batches._evidence.accuse(lane, "told so", 1.0)
    batches._evidence.note_success(2.0)
    batches._evidence.accuse(lane, "told so", 3.0)
    seen.fails = True
    told = [raw(0, OLD), raw(1, NEW, b"a.topic/2"), raw(2, NEWER, b"a.topic/3")]
    await batches.settle(two.name, told, positions)
    seen.fails = False
    async with engine.begin() as tx:
        (key,) = await batches.parking.keys(tx, limit=10)
        records = await batches.parking.head(tx, key, 10)
    assert [one.version for one in records] == [None, 2, 3]
    older, _ = await writer(engine, two, seen)
    outcome = await Unparker(SERVICE, engine, older).apply(key.id)
    assert (outcome.applied, outcome.buried, outcome.left) == (2, 0, 1)
    outcome = await Unparker(SERVICE, engine, batches).apply(key.id)
    assert (outcome.applied, outcome.buried, outcome.left) == (1, 0, 0)
    assert [type(one) for one in seen.values] == [Second, Second, Third]


async def test_a_dead_letter_is_replayed_by_its_version(
    engine: AsyncEngine, two: Topic, seen: Seen
) -> None:
    batches, positions = await writer(engine, two, seen)
    told = [raw(0, b"{}"), raw(1, b"{}", b"a.topic/2"), raw(2, NEW, b"what"), raw(3, NEW, b"x")]
    await batches.settle(two.name, told, positions)
    consumer = Consumer(SERVICE, engine, [Subscription(two, seen)], bootstrap="127.0.0.1:1")
    app = patient_app(SERVICE)
    add_routes(app, consumer_routes(engine, consumer, Unparker(SERVICE, engine, batches)))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        listed = await client.get("/v1/dead-letters", headers=INSTALLATION)
        letters = listed.json()["items"]
        assert [one["version"] for one in letters] == [0, 0, 2, None]

        async def replay(number: int, value: bytes | None) -> int:
            body = {} if value is None else {"value": msgspec.json.decode(value)}
            path = f"/v1/dead-letters/{letters[number]['id']}/replay"
            answer = await client.post(path, json=body, headers=INSTALLATION)
            return answer.status_code

        # As it was; of its own version; and of the newest where nobody knows.
        assert await replay(0, None) == 422
        assert [await replay(n, one) for n, one in ((0, NEW), (1, NEW), (2, NEW), (3, OLD))] == [
            *(200, 200, 200, 200)
        ]
        assert len(seen.values) == 4
        async with engine.begin() as tx:
            await tx.execute(text("UPDATE dead_letter SET version = 3, replayed_at = NULL"))
        assert await replay(1, NEW) == 409
        assert (await client.get("/v1/dead-letters", headers=OPS)).json()["items"]


async def test_from_the_outbox_into_the_log(
    engine: AsyncEngine, kafka_bootstrap: str, topic: Topic
) -> None:
    told = replace(topic, versions=(First, Second), upcasts=(as_second,))
    made = Outgoing.of(told, Second("acme", PERSON, ["Ada"]), f"00-{'a' * 32}-{'b' * 16}-01")
    async with engine.begin() as tx:
        await outbox.append(tx, SERVICE, [made, Outgoing(topic.name, b"k", OLD)])
    producer = Producer(SERVICE, kafka_bootstrap, [topic], compression=None)
    await producer.start()
    relay = Relay(engine, producer, schema=SERVICE, batch=10, listen_url="postgresql://nobody")
    await relay.turn()
    await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic.name, one) for one in range(3)])
    found: list[Any] = []
    async with asyncio.timeout(HANG_SECONDS):
        while len(found) < 2:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    await consumer.stop()
    headers = {one.value: one.headers for one in found}
    trace = ("traceparent", (made.traceparent or "").encode())
    assert headers == {NEW: ((HEADER, f"{topic.name}/2".encode()), trace), OLD: ()}
