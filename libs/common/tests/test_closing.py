"""A Kafka client that can't be stopped in time is cut off: no task and no connection stays."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from tests.support.waiting import HANG_SECONDS

from rapport_common.events.topics import Topic
from rapport_common.kafka.closing import close

pytestmark = pytest.mark.integration


async def never() -> None:
    await asyncio.Event().wait()


async def consumer(bootstrap: str, topic: Topic, group: str | None) -> AIOKafkaConsumer:
    client = AIOKafkaConsumer(
        topic.name, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest"
    )
    await client.start()
    await client.getmany(timeout_ms=10)
    # What a broker that has stopped answering makes of it.
    client._coordinator.close = never
    return client


async def producer(bootstrap: str, topic: Topic) -> AIOKafkaProducer:
    client = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await client.start()
    await client.send_and_wait(topic.name, b"x")
    client._sender._sender_task.cancel()
    batch = client.create_batch()
    batch.append(key=None, value=b"y", timestamp=None)
    # Nobody sends it any more: stop() would wait for it as long as its own time-outs allow.
    await client.send_batch(batch, topic.name, partition=0)
    client._sender.close = never
    return client


def open_connections(client: Any) -> list[Any]:
    network = vars(client).get("_client") or client.client
    return [one for one in network._conns.values() if one.connected()]


@pytest.mark.parametrize("kind", ["group", "no group", "producer"])
async def test_nothing_lives_on(kind: str, kafka_bootstrap: str, topic: Topic) -> None:
    before = asyncio.all_tasks()
    if kind == "producer":
        client: Any = await producer(kafka_bootstrap, topic)
    else:
        group = topic.name if kind == "group" else None
        client = await consumer(kafka_bootstrap, topic, group)
    assert open_connections(client)
    assert asyncio.all_tasks() > before
    await asyncio.wait_for(close(client, seconds=0.05), HANG_SECONDS)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before
    assert not open_connections(client)


async def test_when_cancelled_it_is_cut_off_too(kafka_bootstrap: str, topic: Topic) -> None:
    before = asyncio.all_tasks()
    client = await consumer(kafka_bootstrap, topic, topic.name)
    closing = asyncio.create_task(close(client, seconds=HANG_SECONDS))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    async with asyncio.timeout(HANG_SECONDS):
        while not asyncio.all_tasks() <= before:
            await asyncio.sleep(0)
    assert not open_connections(client)
