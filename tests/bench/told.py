"""Records produced straight to the topics that segment reads, and when they had an effect."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from tests.bench import shoppers
from tests.bench.people import Keyed
from tests.bench.shoppers import CROWD

from rapport_common.events.activity import ProfileActivity, SectionVersions
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event
from rapport_common.events.scores import ProfileScores, Score
from rapport_common.events.topics import PROFILE_ACTIVITY, PROFILE_SCORES, SEGMENT_MEMBERSHIP, Topic
from rapport_common.events.versions import HEADER, header
from rapport_common.testing.profiles import sections
from rapport_segment.domain.happenings import Happening
from rapport_segment.domain.sections import TRAITS, Section

GRACE_SECONDS = 30.0
REGULARS = 200
"""People of the workspaces with few and with many segments."""


def base() -> int:
    """A version that is newer than any that was told before."""
    return time.time_ns() // 1000


def visits(run: str, people: int, count: int) -> list[Keyed]:
    """What people who are known do, as often each as in their past."""
    chance, version = random.Random(run), base()
    return [
        _event((run, at), chance.randrange(people), version + at, chance.choice(shoppers.NAMES))
        for at in range(count)
    ]


def openings(run: str, people: int, count: int) -> list[Keyed]:
    """Half of them open a case of somebody each, and then the other half closes these."""
    chance, version, half = random.Random(run), base(), count // 2
    whose = chance.sample(range(people), half)
    opened = [
        _event((run, at), one, version + at, "Case Opened", 1) for at, one in enumerate(whose)
    ]
    closed = [
        _event((run, half + at), one, version + half + at, "Case Closed")
        for at, one in enumerate(whose)
    ]
    return opened + closed


def _event(
    message: tuple[str, int], number: int, version: int, name: str, open_cases: int = 0
) -> Keyed:
    """An event after all that was before, which changes what is computed, and nothing else."""
    now, who = datetime.now(UTC), str(shoppers.profile_id(number))
    run, at = message
    told = b'{"total":25,"currency":"USD"}' if name == shoppers.ORDER else b'{"price":25}'
    event = Event(
        workspace=CROWD,
        source=shoppers.SOURCE,
        message_id=f"{run}/{at}",
        type="track",
        name=name,
        timestamp=now,
        received_at=now,
        identifiers=shoppers.identifiers(number),
        properties=msgspec.Raw(told),
    )
    one = Happening(now, shoppers.SOURCE, event.message_id, Section(TRAITS, text=told.decode()))
    before = shoppers.shopper(number, shoppers.today()).events
    record = ProfileActivity(
        workspace=CROWD,
        profile_id=who,
        version=version,
        event=event,
        versions=SectionVersions(1, 1, 1, version, 1, 1),
        computed=shoppers.computed((*before, (name, one)), open_cases),
    )
    return who.encode(), encode(record)


def with_segments(count: int) -> str:
    """The workspace that has so many segments."""
    return f"bench-segments-{count}"


def regulars(workspace: str, first: int, count: int = 0) -> list[Keyed]:
    """Changed plans of the few people of a workspace, of whom all was told with versions from
    `first` on; without a count that is what is told: whoever is told anew is judged by all rules.
    """
    found = []
    version = base()
    for at in range(count or REGULARS):
        number = at % REGULARS
        who = str(shoppers.segment_id(f"{workspace}/{number}"))
        traits: dict[str, Any] = {f"own{one}": f"value {one}" for one in range(10)}
        traits["plan"] = "gold" if at // REGULARS % 2 else "free"
        told = sections([("user_id", f"{workspace}-{number}")], traits)
        newest = first + number
        versions = SectionVersions(*[newest] * 6)
        if count:
            told, newest = {"traits": told["traits"]}, version + at
            versions = msgspec.structs.replace(versions, traits=newest)
        record = ProfileActivity(
            workspace=workspace, profile_id=who, version=newest, versions=versions, **told
        )
        found.append((who.encode(), encode(record)))
    return found


def newcomers(workspace: str, run: str, count: int) -> list[Keyed]:
    """Of people of whom nothing was told before."""
    version, found = base(), []
    for number in range(count):
        name = f"{run}-{number}"
        who = str(shoppers.segment_id(f"{workspace}/{name}"))
        traits = {**{f"own{one}": f"value {one}" for one in range(10)}, "plan": "free"}
        record = ProfileActivity(
            workspace=workspace,
            profile_id=who,
            version=version,
            versions=SectionVersions(*[version] * 6),
            **sections([("user_id", name)], traits),
        )
        found.append((who.encode(), encode(record)))
    return found


def scores(run: str, people: int, count: int) -> list[Keyed]:
    """What a model says of people."""
    chance, now = random.Random(run), datetime.now(UTC)
    found = []
    for _ in range(count):
        who = str(shoppers.profile_id(chance.randrange(people)))
        record = ProfileScores(
            workspace=CROWD,
            profile_id=who,
            model="bench",
            model_version=run,
            as_of=now,
            scores=[Score(name="churn_risk", number=f"{chance.random():.3f}")],
        )
        found.append((who.encode(), encode(record)))
    return found


async def publish(bootstrap: str, topic: Topic, records: Sequence[Keyed], rate: float = 0) -> None:
    """Send all at once; or so many a second, each at its time."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
    await producer.start()
    said = [(HEADER, header(topic.name, topic.version))]
    began, sent = time.perf_counter(), []
    try:
        for at, (key, value) in enumerate(records):
            if rate:
                await asyncio.sleep(max(0.0, began + at / rate - time.perf_counter()))
            sent.append(await producer.send(topic.name, value, key=key, headers=said))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def activity(bootstrap: str, records: Sequence[Keyed]) -> None:
    """As profile tells (called in a process of its own)."""
    uvloop.run(publish(bootstrap, PROFILE_ACTIVITY, records))


def scored(bootstrap: str, records: Sequence[Keyed]) -> None:
    """As a model tells (called in a process of its own)."""
    uvloop.run(publish(bootstrap, PROFILE_SCORES, records))


def is_read(bootstrap: str, positions: Sequence[dict[str, Any]]) -> bool:
    """Whether segment stands at the end of the records: a run that was cut off leaves some."""
    return uvloop.run(_is_read(bootstrap, positions))


async def _is_read(bootstrap: str, positions: Sequence[dict[str, Any]]) -> bool:
    held = {
        TopicPartition(one["topic"], one["partition"]): one["next_offset"]
        for one in positions
        if one["topic"] in {PROFILE_ACTIVITY.name, PROFILE_SCORES.name}
    }
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(held)) if held else {}
    finally:
        await consumer.stop()
    return all(held[one] >= end for one, end in ends.items())


@dataclass(frozen=True)
class Watched:
    """Seconds from when a change was due to be told until its entry or exit came; how many never
    did.
    """

    latencies: list[float]
    missing: int


class _Membership(msgspec.Struct):
    profile_id: str
    segment_id: str
    change: str


def watched(bootstrap: str, segment: str, records: Sequence[Keyed], rate: float) -> Watched:
    """Tell these `openings` at a rate, and see who enters the segment, and leaves it again (called
    in a process of its own).
    """
    return uvloop.run(_watched(bootstrap, segment, records, rate))


async def _watched(bootstrap: str, segment: str, records: Sequence[Keyed], rate: float) -> Watched:
    consumer = AIOKafkaConsumer(SEGMENT_MEMBERSHIP.name, bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        await consumer.seek_to_end()
        half = len(records) // 2
        began = time.perf_counter()
        due = {
            (key.decode(), "entered" if at < half else "exited"): began + at / rate
            for at, (key, _value) in enumerate(records)
        }
        sending = asyncio.create_task(publish(bootstrap, PROFILE_ACTIVITY, records, rate))
        arrived = await _arrived(consumer, segment, set(due), len(records) / rate)
        await sending
        found = [arrived[one] - at for one, at in due.items() if one in arrived]
        return Watched(found, len(due) - len(found))
    finally:
        await consumer.stop()


async def _arrived(
    consumer: Any, segment: str, wanted: set[tuple[str, str]], seconds: float
) -> dict[tuple[str, str], float]:
    decoder, arrived = msgspec.json.Decoder(_Membership), dict[tuple[str, str], float]()
    deadline = time.perf_counter() + seconds + GRACE_SECONDS
    while len(arrived) < len(wanted) and time.perf_counter() < deadline:
        polled = await consumer.getmany(timeout_ms=200)
        now = time.perf_counter()
        for record in (one for batch in polled.values() for one in batch):
            entry = decoder.decode(record.value)
            key = (entry.profile_id, entry.change)
            if entry.segment_id == segment and key in wanted:
                arrived.setdefault(key, now)
    return arrived
