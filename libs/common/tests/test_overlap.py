"""Flushes that overlap, on the real Kafka: each key keeps the order of the calls."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.senders import logged, senders

from rapport_common.events.topics import Topic
from rapport_common.kafka import producer as module
from rapport_common.kafka.producer import Outgoing, Producer

pytestmark = pytest.mark.integration

CALLERS, RECORDS = 40, 25
KEYS, CALLS = 5, 400


@pytest.fixture
async def producer(
    kafka_bootstrap: str, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Producer]:
    # No pause: as many flushes side by side as there can be.
    monkeypatch.setattr(module, "MIN_APART", 0.0)
    monkeypatch.setattr(module, "MAX_APART", 0.0)
    made = Producer(topic.producers[0], kafka_bootstrap, [topic], compression=None)
    await made.start()
    yield made
    await made.stop()


async def test_what_a_caller_sends_one_by_one_arrives_in_order_and_once(
    producer: Producer, kafka_bootstrap: str, topic: Topic
) -> None:
    callers = senders(topic, CALLERS)
    await asyncio.gather(*(one.send(producer, RECORDS) for one in callers))
    found = await logged(kafka_bootstrap, replace(topic, partitions=3))
    for one in callers:
        assert found[one.key] == list(range(RECORDS))


async def test_calls_that_do_not_wait_for_each_other_keep_their_order_too(
    producer: Producer, kafka_bootstrap: str, topic: Topic
) -> None:
    calls = []
    for number in range(CALLS):
        keys = sorted({number % KEYS, number * 7 % KEYS})
        records = [Outgoing(topic.name, b"key-%d" % key, str(number).encode()) for key in keys]
        calls.append(asyncio.create_task(producer.publish(records)))
        if number % 3 == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*calls)
    found = await logged(kafka_bootstrap, replace(topic, partitions=3))
    assert sorted(found) == [b"key-%d" % key for key in range(KEYS)]
    for numbers in found.values():
        assert list(numbers) == sorted(set(numbers))
