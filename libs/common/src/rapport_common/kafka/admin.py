"""Creates the topics the registry declares, and sets when Kafka writes them to its disk."""

import asyncio
from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from rapport_common import logging
from rapport_common.events.topics import Topic
from rapport_common.kafka.closing import close
from rapport_common.kafka.overrides import override_with, overrides

log = logging.get(__name__)


FLUSH = "flush.messages"
ROLL = "segment.ms"
FILES = 12
"""In so many files is what a partition keeps, at least."""

SWEEP_MS = 600_000


async def ensure_topics(
    bootstrap: str,
    topics: Iterable[Topic],
    *,
    partitions: int,
    replication: int,
    flush_messages: int | None = None,
) -> None:
    """Create the missing ones; waits for Kafka as long as it takes, since it may start later.

    `flush_messages`: after so many messages Kafka writes a partition to its disk (fsync), on the
    topics that are there too; 0: when it likes; None: as each topic has it.
    """
    while True:
        try:
            await _ensure(bootstrap, list(topics), partitions, replication, flush_messages)
        except (KafkaError, OSError) as error:
            log.warning("the topics are not there yet, trying again", error=error)
            await asyncio.sleep(0.5)
        else:
            return


async def _ensure(
    bootstrap: str, topics: list[Topic], partitions: int, replication: int, flush: int | None
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        await admin.start()
        present = set(await admin.list_topics())
        missing = [one for one in topics if one.name not in present]
        if missing:
            specs = [_spec(one, partitions, replication, flush) for one in missing]
            await _create(admin, specs)
        await _limit(admin, [one for one in topics if one.name in present])
        if flush is not None:
            await _flush(admin, [one.name for one in topics if one.name in present], flush)
    finally:
        await close(admin)


async def _create(admin: AIOKafkaAdminClient, specs: list[NewTopic]) -> None:
    answer = await admin.create_topics(specs)
    for row in answer.topic_errors:
        error = for_code(row[1])
        if row[1] and error is not TopicAlreadyExistsError:
            raise error(f"topic {row[0]} could not be created")


async def _limit(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    """Let those that are there keep nothing for longer, unless an operator has said otherwise."""
    found = await overrides(admin, [one.name for one in topics], ROLL) if topics else {}
    for topic in topics:
        if found[topic.name] is None:
            for name, value in lifetime(topic).items():
                await override_with(admin, [topic.name], name, value)
            log.info("the lifetime of records is limited", topic=topic.name)


def lifetime(topic: Topic) -> dict[str, str]:
    """The settings by which no record is there for longer than the topic's retention.

    Kafka deletes a file of records when the last one in it is too old, so the first is older by as
    long as the file was open; and it looks every five minutes, and deletes a minute after that.
    """
    open_ms = topic.retention_ms // FILES
    return {ROLL: str(open_ms), "retention.ms": str(topic.retention_ms - open_ms - SWEEP_MS)}


async def _flush(admin: AIOKafkaAdminClient, topics: list[str], flush: int) -> None:
    """Change it where it is another."""
    wanted = str(flush) if flush else None
    found = await overrides(admin, topics, FLUSH) if topics else {}
    others = sorted(topic for topic, value in found.items() if value != wanted)
    if others:
        await override_with(admin, others, FLUSH, wanted)
        log.info("flush.messages is changed", topics=others, messages=flush)


def _spec(topic: Topic, partitions: int, replication: int, flush: int | None) -> NewTopic:
    return NewTopic(
        topic.name,
        num_partitions=partitions,
        replication_factor=replication,
        topic_configs={
            **lifetime(topic),
            "max.message.bytes": str(topic.max_message_bytes),
            "cleanup.policy": "delete",
            **({FLUSH: str(flush)} if flush else {}),
        },
    )
