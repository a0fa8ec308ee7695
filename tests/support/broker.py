"""Kafka as its administrator sees it: who is in a group, and how to cut a log."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

Found = TypeVar("Found")


def members(bootstrap: str, group: str) -> list[str]:
    """The client ids of a group's members."""

    async def ask(admin: AIOKafkaAdminClient) -> list[str]:
        (answer,) = await admin.describe_consumer_groups([group])
        return [str(member[1]) for one in answer.groups for member in one[5]]

    return _run(bootstrap, ask)


def cut(bootstrap: str, topic: str) -> dict[int, int]:
    """Delete every record a topic holds now; returns the new start of each partition's log."""

    async def delete(admin: AIOKafkaAdminClient) -> dict[int, int]:
        ends = await _ends(bootstrap, topic)
        wanted = {tp: RecordsToDelete(before_offset=end) for tp, end in ends.items()}
        starts = await admin.delete_records(wanted)
        return {tp.partition: start for tp, start in starts.items()}

    return _run(bootstrap, delete)


async def _ends(bootstrap: str, topic: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, one) for one in consumer.partitions_for_topic(topic)]
        found: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return found
    finally:
        await consumer.stop()


def _run(bootstrap: str, ask: Callable[[AIOKafkaAdminClient], Awaitable[Found]]) -> Found:
    async def connected() -> Found:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
        await admin.start()
        try:
            return await ask(admin)
        finally:
            await admin.close()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(connected())


def message_ids(bootstrap: str, topic: str, workspace: str) -> list[list[str]]:
    """The message ids of a workspace in each partition of a topic, in their order."""
    return [
        [one["message_id"] for one in map(json.loads, values) if one["workspace"] == workspace]
        for values in _values(bootstrap, topic)
    ]


def records(bootstrap: str, topic: str, workspace: str) -> list[tuple[bytes, dict[str, Any]]]:
    """What a topic has of a workspace now: each record's value, as it is and as it is read."""
    read = [(each, json.loads(each)) for values in _values(bootstrap, topic) for each in values]
    return [(value, one) for value, one in read if one["workspace"] == workspace]


def _values(bootstrap: str, topic: str) -> list[list[bytes]]:
    """The records of each partition of a topic, in their order."""

    async def read() -> list[list[bytes]]:
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        found: dict[int, list[bytes]] = {}
        try:
            left = {one: end for one, end in (await _ends(bootstrap, topic)).items() if end}
            while left:
                for one, some in (await consumer.getmany(timeout_ms=500)).items():
                    found.setdefault(one.partition, []).extend(record.value for record in some)
                    if some[-1].offset + 1 >= left.get(one, 0):
                        left.pop(one, None)
        finally:
            await consumer.stop()
        return list(found.values())

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(read())
