"""Topics are made as they are set, and one setting of theirs is changed without the others."""

import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from tests.support.waiting import eventually

from rapport_common.events.topics import Topic
from rapport_common.kafka.admin import FLUSH, ensure_topics, lifetime
from rapport_common.kafka.closing import close
from rapport_common.kafka.overrides import override_with, overrides

pytestmark = pytest.mark.integration


@pytest.fixture
async def admin(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    made = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await made.start()
    yield made
    await close(made)


async def shows(admin: AIOKafkaAdminClient, topic: Topic, **expected: str | None) -> None:
    """Wait until the topic has this: a broker may answer before it knows what it was told."""
    names = {one: one.replace("_", ".") for one in expected}

    async def look() -> bool:
        with suppress(UnknownTopicOrPartitionError):
            return expected == {
                short: (await overrides(admin, [topic.name], name))[topic.name]
                for short, name in names.items()
            }
        return False

    assert await eventually(f"topic with {expected}", look)


async def test_flushing_is_set_changed_and_taken_back_and_nothing_else_is(
    admin: AIOKafkaAdminClient, kafka_bootstrap: str, topic: Topic
) -> None:
    # As an operator does.
    await override_with(admin, [topic.name], "segment.ms", "86400000")
    others = {
        "segment_ms": "86400000",
        "retention_ms": lifetime(topic)["retention.ms"],
        "max_message_bytes": str(topic.max_message_bytes),
        "cleanup_policy": "delete",
    }
    await shows(admin, topic, flush_messages=None, **others)
    # Not said: it stays, whoever has set it.
    for flush, expected in ((1, "1"), (1, "1"), (7, "7"), (None, "7"), (0, None), (0, None)):
        await ensure_topics(
            kafka_bootstrap, [topic], partitions=3, replication=1, flush_messages=flush
        )
        await shows(admin, topic, flush_messages=expected, **others)


async def test_no_record_is_kept_for_longer_than_the_topic_says(
    admin: AIOKafkaAdminClient, kafka_bootstrap: str, topic: Topic
) -> None:
    hours = {name: int(ms) / 3_600_000 for name, ms in lifetime(topic).items()}
    assert sum(hours.values()) == pytest.approx(72 - 1 / 6)
    wanted = {name.replace(".", "_"): ms for name, ms in lifetime(topic).items()}
    await shows(admin, topic, **wanted)
    # One that was made before that was said.
    await override_with(admin, [topic.name], "segment.ms", None)
    await override_with(admin, [topic.name], "retention.ms", str(topic.retention_ms))
    await ensure_topics(kafka_bootstrap, [topic], partitions=3, replication=1)
    await shows(admin, topic, **wanted)


async def test_a_new_topic_has_it_from_its_first_record(
    admin: AIOKafkaAdminClient, kafka_bootstrap: str, topic: Topic
) -> None:
    for flush, expected in ((1, "1"), (0, None), (None, None)):
        made = replace(topic, name=f"test-{uuid.uuid4().hex[:12]}")
        # Beside one that is there already.
        await ensure_topics(
            kafka_bootstrap, [topic, made], partitions=3, replication=1, flush_messages=flush
        )
        await shows(admin, made, flush_messages=expected)


async def test_what_kafka_refuses_is_an_error(admin: AIOKafkaAdminClient, topic: Topic) -> None:
    with pytest.raises(KafkaError, match="none-such"):
        await overrides(admin, ["none-such"], FLUSH)
    with pytest.raises(KafkaError, match="none-such"):
        await override_with(admin, ["none-such"], FLUSH, "1")
    with pytest.raises(KafkaError, match=topic.name):
        await override_with(admin, [topic.name], FLUSH, "often")
