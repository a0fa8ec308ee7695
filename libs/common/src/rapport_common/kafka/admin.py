"""Creates the topics the registry declares."""

import asyncio
from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from rapport_common import logging
from rapport_common.events.topics import Topic
from rapport_common.kafka.closing import close

log = logging.get(__name__)


async def ensure_topics(
    bootstrap: str, topics: Iterable[Topic], *, partitions: int, replication: int
) -> None:
    """Create the missing ones; waits for Kafka as long as it takes, since it may start later."""
    while True:
        try:
            await _create(bootstrap, list(topics), partitions, replication)
        except (KafkaError, OSError) as error:
            log.warning("kafka is not there yet", error=error)
            await asyncio.sleep(0.5)
        else:
            return


async def _create(bootstrap: str, topics: list[Topic], partitions: int, replication: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        await admin.start()
        present = set(await admin.list_topics())
        missing = [one for one in topics if one.name not in present]
        if not missing:
            return
        answer = await admin.create_topics([_spec(one, partitions, replication) for one in missing])
        for row in answer.topic_errors:
            error = for_code(row[1])
            if row[1] and error is not TopicAlreadyExistsError:
                raise error(f"topic {row[0]} could not be created")
    finally:
        await close(admin)


def _spec(topic: Topic, partitions: int, replication: int) -> NewTopic:
    return NewTopic(
        topic.name,
        num_partitions=partitions,
        replication_factor=replication,
        topic_configs={
            "retention.ms": str(topic.retention_ms),
            "max.message.bytes": str(topic.max_message_bytes),
            "cleanup.policy": "delete",
        },
    )
