"""The producer: whose records share a flush, and what a flush that hangs still holds."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.waiting import HANG_SECONDS, eventually

from rapport_common.events.keys import Key
from rapport_common.events.membership import Membership
from rapport_common.events.topics import Topic
from rapport_common.kafka import producer as module
from rapport_common.kafka.grouping import Flight
from rapport_common.kafka.producer import KafkaUnavailableError, Outgoing, Producer

SERVICE = "segment"
TOPIC = Topic(
    name="nobody-reads-it",
    key=Key.PROFILE,
    versions=(Membership,),
    producers=(SERVICE,),
    consumers=(SERVICE,),
    description="for these tests",
)
RECORD = Outgoing(TOPIC.name, b"key", b"12345")


class Flushes:
    """Stands before Kafka: notes who shares each flush, and lets it pass, hang or fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.values: list[list[bytes]] = []
        self.pass_on = asyncio.Event()
        self.pass_on.set()
        self.failure: Exception | None = None

        async def flush(
            _producer: Producer, flight: Flight[Outgoing], _client: object
        ) -> tuple[None, Exception | None]:
            self.values.append([one.value for each in flight.entries for one in each.records])
            await self.pass_on.wait()
            return None, self.failure

        monkeypatch.setattr(Producer, "_flush", flush)

    @property
    def sizes(self) -> list[int]:
        """Records of each flush."""
        return [len(one) for one in self.values]


@pytest.fixture
async def flushes(monkeypatch: pytest.MonkeyPatch) -> Flushes:
    return Flushes(monkeypatch)


@pytest.fixture
async def producer(flushes: Flushes) -> AsyncIterator[Producer]:
    assert flushes.values == []
    made = Producer(SERVICE, "127.0.0.1:1", [TOPIC], compression=None)
    await made.start()
    yield made
    flushes.pass_on.set()
    await made.stop()


async def crowd(producer: Producer, callers: int) -> None:
    await asyncio.gather(*(producer.publish([RECORD]) for _ in range(callers)))


def sending(producer: Producer, key: bytes, value: bytes) -> "asyncio.Task[None]":
    return asyncio.create_task(producer.publish([Outgoing(TOPIC.name, key, value)]))


async def begun(flushes: Flushes, count: int) -> None:
    await eventually(f"{count} flushes", lambda: len(flushes.values) == count)


async def test_who_is_alone_waits_for_nobody(
    producer: Producer, flushes: Flushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_APART", 60.0)
    monkeypatch.setattr(module, "MAX_APART", 60.0)
    async with asyncio.timeout(HANG_SECONDS):
        for _ in range(3):
            await crowd(producer, module.CROWD - 1)
    assert flushes.sizes == [module.CROWD - 1] * 3


async def test_after_a_crowd_a_flush_waits_for_more(
    producer: Producer, flushes: Flushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_APART", 1.0)
    monkeypatch.setattr(module, "MAX_APART", 1.0)
    await crowd(producer, 1)
    await crowd(producer, module.CROWD)
    late = []
    for _ in range(3):
        late.append(asyncio.create_task(crowd(producer, 1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*late)
    assert flushes.sizes == [1, module.CROWD, 3]


async def test_flushes_overlap_but_not_those_of_one_key(
    producer: Producer, flushes: Flushes
) -> None:
    flushes.pass_on.clear()
    tasks = [sending(producer, b"a", b"1")]
    await begun(flushes, 1)
    tasks += [sending(producer, b"a", b"2"), sending(producer, b"b", b"3")]
    await begun(flushes, 2)
    assert flushes.values == [[b"1"], [b"3"]]
    tasks += [sending(producer, b"c", b"4")]
    flushes.pass_on.set()
    await asyncio.gather(*tasks)
    await producer.quiet()
    assert sorted(one for flush in flushes.values[2:] for one in flush) == [b"2", b"4"]


async def test_what_waits_behind_a_failed_flush_goes_after_it(
    producer: Producer, flushes: Flushes
) -> None:
    flushes.pass_on.clear()
    flushes.failure = OSError("gone")
    first = sending(producer, b"a", b"1")
    await begun(flushes, 1)
    second = sending(producer, b"a", b"2")
    await asyncio.sleep(0)
    flushes.pass_on.set()
    with pytest.raises(KafkaUnavailableError, match="gone"):
        await first
    with pytest.raises(KafkaUnavailableError, match="gone"):
        await second
    assert flushes.values == [[b"1"], [b"2"]]


async def test_what_a_hanging_flush_holds_is_told(producer: Producer, flushes: Flushes) -> None:
    flushes.pass_on.clear()
    with pytest.raises(KafkaUnavailableError):
        await producer.publish([RECORD, RECORD], timeout=0.1)
    assert producer.abandoned == 2 * len(RECORD.value)
    flushes.pass_on.set()
    async with asyncio.timeout(HANG_SECONDS):
        await crowd(producer, 1)
    assert producer.abandoned == 0


async def test_a_topic_that_was_not_declared_is_refused(producer: Producer) -> None:
    with pytest.raises(KafkaUnavailableError, match="declare 'other'"):
        await producer.publish([RECORD, Outgoing("other", b"k", b"v")])
