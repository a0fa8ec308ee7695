"""The golden records, as a service's consumer of today takes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.topics import Topic
from rapport_common.events.versions import FIRST, HEADER, header
from rapport_common.kafka.batch import BatchWriter, Subscription

EXAMPLES = Path(__file__).parents[2] / "libs/common/examples"


async def refused(
    engine: AsyncEngine, service: str, subscriptions: Sequence[Subscription]
) -> list[str]:
    """What the service has put aside of every golden record of every version it may meet."""
    batches = BatchWriter(service, engine, subscriptions)
    for one in subscriptions:
        records = _records(one.topic)
        positions = {TopicPartition(one.topic.name, 0): 0}
        async with engine.begin() as tx:
            await batches.store.create_position(tx, one.topic.name, 0, 0)
        await batches.settle(one.topic.name, records, positions)
        assert positions == {TopicPartition(one.topic.name, 0): len(records)}
        assert records
    async with engine.begin() as tx:
        letters = await batches.store.dead_letters(tx, limit=1000)
    return [f"{one.topic} at {one.offset}: {one.reason}" for one in letters]


def _records(topic: Topic) -> list[Any]:
    found: list[tuple[bytes, bytes | None]] = []
    for path in sorted((EXAMPLES / topic.name).glob("v*/*.json")):
        version = int(path.parent.name[1:])
        found.append((path.read_bytes(), header(topic.name, version)))
        if version == FIRST:
            found.append((path.read_bytes(), None))
    return [_raw(topic, offset, *one) for offset, one in enumerate(found)]


def _raw(topic: Topic, offset: int, value: bytes, told: bytes | None) -> Any:
    made: ConsumerRecord[bytes, bytes] = ConsumerRecord(
        topic=topic.name,
        partition=0,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=b"%d" % offset,
        value=value,
        checksum=None,
        serialized_key_size=1,
        serialized_value_size=len(value),
        headers=() if told is None else ((HEADER, told),),
    )
    return made
