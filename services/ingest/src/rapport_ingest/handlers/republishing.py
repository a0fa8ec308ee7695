"""The job that publishes records of `events` again: a replay from the log within its retention."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from rapport_common.errors import ConflictError, UnavailableError
from rapport_common.events.envelope import USER_ID, Identifier
from rapport_common.events.topics import EVENTS, require_consumer
from rapport_common.events.versions import GARBAGE, Reader
from rapport_common.jobs.store import Job, Step
from rapport_common.kafka.closing import close
from rapport_common.kafka.headers import trace_of, version_of
from rapport_common.kafka.producer import Outgoing, Producer
from rapport_ingest import metrics
from rapport_ingest.domain.selection import LogSelection, TopicReplay
from rapport_ingest.handlers.replaying import Pace

PIECE = 500
POLL_MS = 500
CONNECT_SECONDS = 4.0
PUBLISH_SECONDS = 5.0
SILENT_SECONDS = 30.0

Offsets = dict[TopicPartition, int]


class _Head(msgspec.Struct):
    """What a record is chosen by."""

    workspace: str
    source: str
    message_id: str
    name: str | None = None
    identifiers: list[Identifier] = []
    user_id: str | None = None
    """Of the first version: what the list has since."""

    def names(self, user_id: str) -> bool:
        """Whether it is about this user."""
        return self.user_id == user_id or (USER_ID, user_id) in self.identifiers


_head = msgspec.json.Decoder(_Head)
_reader = Reader(EVENTS)


@dataclass(frozen=True, slots=True)
class Chooser:
    """Tells which records of the log belong to a selection of one workspace."""

    workspace: str
    asked: LogSelection

    def takes(self, value: bytes | None, timestamp_ms: int) -> bool:
        """Whether a record is chosen; one that is no event is nobody's."""
        asked = self.asked
        if value is None or not _within(asked, timestamp_ms):
            return False
        try:
            head = _head.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        return (
            head.workspace == self.workspace
            and asked.source in {None, head.source}
            and (asked.message_ids is None or head.message_id in asked.message_ids)
            and (asked.user_id is None or head.names(asked.user_id))
            and asked.event in {None, head.name}
        )


def _within(asked: LogSelection, timestamp_ms: int) -> bool:
    after = asked.since is None or timestamp_ms >= _milliseconds(asked.since)
    return after and (asked.until is None or timestamp_ms < _milliseconds(asked.until))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@dataclass(slots=True)
class _Place:
    """The offsets that are left of each partition; `ends` stay what they were at the start.

    `lost` are records that the log's retention deleted before they were read.
    """

    next: dict[int, int]
    ends: dict[int, int]
    lost: int = 0
    selected: int = 0

    def position(self) -> dict[str, Any]:
        return {
            "next": {str(one): offset for one, offset in self.next.items()},
            "ends": {str(one): offset for one, offset in self.ends.items()},
        }

    def open(self) -> set[int]:
        """The partitions that are not read to their ends."""
        return {one for one, end in self.ends.items() if self.next[one] < end}

    def move(self, partition: int, offset: int) -> int:
        """Go on at `offset`; how many records that leaves behind, at most up to the end."""
        bounded = min(offset, self.ends[partition])
        moved = max(0, bounded - self.next[partition])
        self.next[partition] += moved
        return moved


@dataclass(slots=True)
class _Piece:
    """Records that are published together, and how far the log is read with them."""

    outgoing: list[Outgoing] = field(default_factory=list)
    read: int = 0


class Republishing:
    """Sends a selection of the log's records into the log again: same key, same bytes, same ids.

    The log's ends at the start are the bound, so a replay never reads what it wrote itself. The
    records are not counted as received again, and readers know them by their ids.
    """

    def __init__(self, producer: Producer, bootstrap: str) -> None:
        require_consumer(EVENTS, "ingest")
        self._producer = producer
        self._bootstrap = bootstrap

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a job of kind `replay_topic` off; see `jobs.Work`."""
        asked = msgspec.convert(job.spec, TopicReplay)
        chooser, pace = Chooser(job.workspace, asked.selection), Pace(asked.rate)
        async with self._log() as consumer:
            place, first = await _started(consumer, job, asked)
            yield first
            _seek(consumer, place)
            heard = time.monotonic()
            while left := place.open():
                batches = await _fetch(consumer, left)
                if batches:
                    heard = time.monotonic()
                elif time.monotonic() - heard > SILENT_SECONDS:
                    raise UnavailableError("Kafka gives no records; the replay goes on later.")
                else:
                    # Tells the job's holder that we are alive.
                    yield _step(place, _Piece(), asked)
                for piece in _pieces(batches, place, chooser, pace.piece(PIECE)):
                    if not asked.dry_run:
                        await self._producer.publish(piece.outgoing, timeout=PUBLISH_SECONDS)
                    yield _step(place, piece, asked)
                    await pace.spent(0 if asked.dry_run else len(piece.outgoing))

    @asynccontextmanager
    async def _log(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer without a group; its partitions are ours to choose."""
        consumer = AIOKafkaConsumer(
            EVENTS.name,
            bootstrap_servers=self._bootstrap,
            client_id="ingest-replay",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await consumer.start()
            yield consumer
        except (KafkaError, OSError) as error:
            message = "Kafka does not answer, so its log can't be read now; the replay waits."
            raise UnavailableError(message) from error
        finally:
            await close(consumer)


async def _started(consumer: AIOKafkaConsumer, job: Job, asked: TopicReplay) -> tuple[_Place, Step]:
    """The place to read from, and the step that makes its bounds durable."""
    async with asyncio.timeout(CONNECT_SECONDS):
        partitions = sorted(consumer.assignment())
        # From here on we say which partitions are read, and from where.
        consumer.unsubscribe()
        consumer.assign(partitions)
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        if not job.position:
            starts = await _starts(consumer, asked.selection.since, begins, ends)
            place = _Place(_numbered(starts), _numbered(ends))
            total = sum(end - starts[one] for one, end in ends.items())
            return place, Step(place.position(), 0, 0, 0, _report(place, asked), total)
    return _resumed(job, asked, begins, ends)


async def _starts(
    consumer: AIOKafkaConsumer, since: datetime | None, begins: Offsets, ends: Offsets
) -> Offsets:
    """The first offset of each partition that was written at `since` or later."""
    if since is None:
        return begins
    asked = dict.fromkeys(ends, max(0, _milliseconds(since)))
    found = await consumer.offsets_for_times(asked)
    return {one: found[one].offset if found.get(one) else end for one, end in ends.items()}


def _resumed(job: Job, asked: TopicReplay, begins: Offsets, ends: Offsets) -> tuple[_Place, Step]:
    """Where a former try was, without what the log's retention has deleted since."""
    place = _Place(
        {int(one): offset for one, offset in job.position["next"].items()},
        {int(one): offset for one, offset in job.position["ends"].items()},
        job.report.get("lost", 0),
        job.report.get("selected", 0),
    )
    for one, end in _numbered(ends).items():
        if end < place.ends.get(one, 0):
            message = (
                f"{EVENTS.name}/{one} ends before the replay's bound: the topic was made anew. "
                "Start another replay."
            )
            raise ConflictError(message)
    gone = sum(
        place.move(one, begin) for one, begin in _numbered(begins).items() if one in place.ends
    )
    place.lost += gone
    return place, Step(place.position(), gone, 0, 0, _report(place, asked))


def _numbered(offsets: Offsets) -> dict[int, int]:
    return {one.partition: offset for one, offset in offsets.items()}


def _seek(consumer: AIOKafkaConsumer, place: _Place) -> None:
    for one, offset in place.next.items():
        consumer.seek(TopicPartition(EVENTS.name, one), offset)


async def _fetch(
    consumer: AIOKafkaConsumer, left: Iterable[int]
) -> Mapping[TopicPartition, list[ConsumerRecord]]:
    partitions = [TopicPartition(EVENTS.name, one) for one in left]
    found: Mapping[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
        *partitions, timeout_ms=POLL_MS, max_records=PIECE
    )
    return found


def _pieces(
    batches: Mapping[TopicPartition, list[ConsumerRecord]],
    place: _Place,
    chooser: Chooser,
    most: int,
) -> Iterable[_Piece]:
    """The records up to the bound, in pieces with `most` chosen ones; `place` moves with them."""
    piece = _Piece()
    for partition, records in batches.items():
        for record in records:
            number, offset = partition.partition, record.offset
            gap = place.move(number, offset)
            place.lost += gap
            piece.read += gap
            if place.move(number, offset + 1) == 0:
                break
            piece.read += 1
            if _is_named(record) and chooser.takes(record.value, record.timestamp):
                piece.outgoing.append(_again(record))
            if len(piece.outgoing) == most:
                yield piece
                piece = _Piece()
    if piece.read:
        yield piece


def _is_named(record: ConsumerRecord) -> bool:
    """Whether it says what it is, or is of before; profile has put all others aside."""
    return version_of(record, _reader) != GARBAGE


def _again(record: ConsumerRecord) -> Outgoing:
    """The record as it was, with the version it was written in, whatever that is."""
    version = version_of(record, _reader)
    return Outgoing(EVENTS.name, record.key or b"", record.value, trace_of(record), version)


def _step(place: _Place, piece: _Piece, asked: TopicReplay) -> Step:
    place.selected += len(piece.outgoing)
    sent = 0 if asked.dry_run else len(piece.outgoing)
    metrics.TOPIC_REPLAYED.inc(sent)
    return Step(place.position(), piece.read, sent, 0, _report(place, asked))


def _report(place: _Place, asked: TopicReplay) -> dict[str, Any]:
    return {
        "selected": place.selected,
        "replayed": 0 if asked.dry_run else place.selected,
        "lost": place.lost,
    }
