"""People in a segment, told of over Kafka as profile and segment tell."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer

from rapport_common import clock
from rapport_common.events.activity import (
    SECTIONS,
    ContactPoint,
    ProfileActivity,
    SectionVersions,
)
from rapport_common.events.codec import encode
from rapport_common.events.definition import SegmentDefinition
from rapport_common.events.envelope import Event
from rapport_common.events.membership import Membership
from rapport_common.events.topics import (
    PROFILE_ACTIVITY,
    SEGMENT_DEFINITION,
    SEGMENT_MEMBERSHIP,
    Topic,
)
from rapport_common.kafka.admin import ensure_topics
from rapport_common.kafka.producer import Outgoing, Producer
from rapport_common.testing.profiles import sections

SEGMENT = "22222222-2222-2222-2222-222222222222"


def person_id(workspace: str, number: int) -> str:
    """The profile of one of them."""
    return f"{workspace}-{number}"


async def define_segment(bootstrap: str, workspace: str) -> None:
    """The segment is told of; the campaign that is made next waits for it."""
    definition = SegmentDefinition(
        workspace=workspace, segment_id=SEGMENT, version=1, name="Everybody", at=clock.now()
    )
    record = _outgoing(SEGMENT_DEFINITION, SEGMENT, definition)
    async with _producer(bootstrap, "segment", SEGMENT_DEFINITION) as producer:
        await producer.publish([record])


async def bring_people(bootstrap: str, workspace: str, numbers: Iterable[int]) -> None:
    """They enter the segment, and the records come twice, as after a relay's crash."""
    activity, entries = [], []
    for number in numbers:
        who = person_id(workspace, number)
        address = ContactPoint(channel="email", value=f"{who}@example.com")
        person = ProfileActivity(
            workspace=workspace,
            profile_id=who,
            version=1,
            versions=SectionVersions(*[1] * len(SECTIONS)),
            **sections([("email", address.value)], {"first_name": "Ada"}, [address]),
        )
        entry = Membership(
            workspace=workspace,
            profile_id=who,
            profile_version=1,
            segment_id=SEGMENT,
            segment_version=1,
            entry_id=f"entry-{who}",
            change="entered",
            at=clock.now(),
            cause="event",
            reason="r",
        )
        activity.append(_outgoing(PROFILE_ACTIVITY, who, person))
        entries.append(_outgoing(SEGMENT_MEMBERSHIP, who, entry))
    # Entries first: each message has to wait for its person.
    async with _producer(bootstrap, "segment", SEGMENT_MEMBERSHIP) as producer:
        await producer.publish(entries + entries)
    async with _producer(bootstrap, "profile", PROFILE_ACTIVITY) as producer:
        await producer.publish(activity + activity)


async def sent_events(bootstrap: str, workspace: str) -> Counter[str]:
    """How often each "Email Sent" of the workspace is in the topic `events`."""
    consumer = AIOKafkaConsumer("events", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: Counter[str] = Counter()
    try:
        while batch := await consumer.getmany(timeout_ms=2000):
            for record in (record for records in batch.values() for record in records):
                event = msgspec.json.decode(record.value, type=Event)
                if event.workspace == workspace and event.name == "Email Sent":
                    found[event.message_id] += 1
    finally:
        await consumer.stop()
    return found


@asynccontextmanager
async def _producer(bootstrap: str, service: str, topic: Any) -> AsyncIterator[Producer]:
    await ensure_topics(bootstrap, [topic], partitions=12, replication=1)
    producer = Producer(service, bootstrap, [topic], compression=None)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


def _outgoing(topic: Topic, key: str, record: msgspec.Struct) -> Outgoing:
    """Under any key: the ids here are short ones."""
    return Outgoing(topic.name, key.encode(), encode(record), None, topic.version)
