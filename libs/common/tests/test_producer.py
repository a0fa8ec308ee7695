"""The producer: whose records share a flush, and what a flush that hangs still holds."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from rapport_common.events.keys import Key
from rapport_common.events.membership import Membership
from rapport_common.events.topics import Topic
from rapport_common.kafka import producer as module
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
    """Stands before Kafka: notes how many callers share each flush, and lets it pass or hang."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.pass_on = asyncio.Event()
        self.pass_on.set()

        async def flush(_producer: Producer, entries: list[object]) -> None:
            self.sizes.append(len(entries))
            await self.pass_on.wait()

        monkeypatch.setattr(Producer, "_flush", flush)


@pytest.fixture
async def flushes(monkeypatch: pytest.MonkeyPatch) -> Flushes:
    return Flushes(monkeypatch)


@pytest.fixture
async def producer(flushes: Flushes) -> AsyncIterator[Producer]:
    assert flushes.sizes == []
    made = Producer(SERVICE, "127.0.0.1:1", [TOPIC], compression=None)
    await made.start()
    yield made
    flushes.pass_on.set()
    await made.stop()


async def crowd(producer: Producer, callers: int) -> None:
    await asyncio.gather(*(producer.publish([RECORD]) for _ in range(callers)))


async def test_who_is_alone_waits_for_nobody(
    producer: Producer, flushes: Flushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 60.0)
    async with asyncio.timeout(20):
        for _ in range(3):
            await crowd(producer, module.CROWD - 1)
    assert flushes.sizes == [module.CROWD - 1] * 3


async def test_after_a_crowd_a_flush_waits_for_more(
    producer: Producer, flushes: Flushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 1.0)
    await crowd(producer, module.CROWD)
    late = []
    for _ in range(3):
        late.append(asyncio.create_task(crowd(producer, 1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*late)
    assert flushes.sizes == [module.CROWD, 3]


async def test_what_a_hanging_flush_holds_is_told(producer: Producer, flushes: Flushes) -> None:
    flushes.pass_on.clear()
    with pytest.raises(KafkaUnavailableError):
        await producer.publish([RECORD, RECORD], timeout=0.1)
    assert producer.abandoned == 2 * len(RECORD.value)
    flushes.pass_on.set()
    async with asyncio.timeout(20):
        await crowd(producer, 1)
    assert producer.abandoned == 0


async def test_a_topic_that_was_not_declared_is_refused(producer: Producer) -> None:
    with pytest.raises(KafkaUnavailableError, match="declare 'other'"):
        await producer.publish([RECORD, Outgoing("other", b"k", b"v")])
