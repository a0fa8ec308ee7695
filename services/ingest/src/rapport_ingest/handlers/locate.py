"""Where is my event: in the spool, among the rejected, or at which offset of the topic."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.errors import NotFoundError, UnavailableError
from rapport_common.events.envelope import Event
from rapport_common.events.topics import EVENTS, require_consumer
from rapport_common.events.versions import Reader, UnknownVersionError, UnreadableError
from rapport_common.kafka.closing import close
from rapport_common.kafka.headers import version_of
from rapport_common.limits import WorkspaceLimit
from rapport_ingest.store import quarantine, spool
from rapport_ingest.store.quarantine import Quarantined

RECENT = timedelta(minutes=1)
"""Searched first: who asks has mostly just sent it."""

SEARCH_SECONDS = 6.0
SEARCHES = 2
"""Of a workspace at a time in a process, and twice as many of all."""

AFTER_REJECTION_SECONDS = 2.0
CONNECT_SECONDS = 2.0
FETCH_RECORDS = 2000
POLL_MS = 500

Offsets = dict[TopicPartition, int]

_reader = Reader(EVENTS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The event that is looked for; `source` None: of any source of the workspace."""

    workspace: str
    message_id: str
    source: str | None

    def matches(self, event: Event) -> bool:
        """Whether this is the event."""
        return (
            event.message_id == self.message_id
            and event.workspace == self.workspace
            and self.source in {None, event.source}
        )


@dataclass(slots=True)
class _Search:
    """A search of the log that is under way."""

    wanted: Wanted
    needle: bytes
    deadline: float

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline

    def hit(self, records: Iterable[Any]) -> dict[str, Any] | None:
        """The answer for the first record that is the event."""
        for record in records:
            # Finding bytes is a hundred times cheaper than decoding, and nearly always enough.
            if record.value and self.needle in record.value:
                event = _read(record.value, version_of(record, _reader))
                if event is not None and self.wanted.matches(event):
                    return _answer(event, "accepted", record.partition, record.offset)
        return None


class Locator:
    """Finds events for those who sent them; of searches of the log there are a few at a time."""

    def __init__(self, engine: AsyncEngine, bootstrap: str) -> None:
        require_consumer(EVENTS, "ingest")
        self._engine = engine
        self._bootstrap = bootstrap
        self._searches = WorkspaceLimit(
            "searches", each=SEARCHES, total=2 * SEARCHES, retry_after=2
        )

    async def locate(self, wanted: Wanted, since: datetime) -> dict[str, Any]:
        """Where the event is; NotFoundError says since when was searched.

        An event that was rejected may have been mended and sent again under its id: then the
        accepted one is the answer.
        """
        async with self._engine.begin() as tx:
            spooled = await spool.spooled_event(
                tx, wanted.workspace, wanted.message_id, wanted.source
            )
            refused = await quarantine.latest(
                tx,
                wanted.workspace,
                source=wanted.source,
                message_id=wanted.message_id,
                limit=1,
            )
        waiting = None if spooled is None else _read(*spooled[1:])
        if waiting is not None:
            return _answer(waiting, "spooled")
        start = max(since, refused[0].received_at) if refused else since
        seconds = AFTER_REJECTION_SECONDS if refused else SEARCH_SECONDS
        found, complete = await self._scan(wanted, start, seconds)
        if found is not None:
            return found
        if refused:
            return _refused(refused[0])
        raise _not_found(wanted, since, complete=complete)

    async def end_offsets(self) -> int:
        """How many records were ever written to the topic, over all partitions."""
        async with self._log() as (consumer, partitions):
            return sum((await consumer.end_offsets(partitions)).values())

    async def _scan(
        self, wanted: Wanted, since: datetime, seconds: float
    ) -> tuple[dict[str, Any] | None, bool]:
        """(the answer, whether everything since then was looked at)."""
        needle = msgspec.json.encode(wanted.message_id)
        search = _Search(wanted, needle, time.monotonic() + seconds)
        # It keeps its place until it has ended, also when nobody waits for it any more.
        running = asyncio.get_running_loop().create_task(self._placed(search, since))
        return await asyncio.shield(running)

    async def _placed(self, search: _Search, since: datetime) -> tuple[dict[str, Any] | None, bool]:
        with self._searches.place(search.wanted.workspace):
            # In a thread with a loop of its own: the one here has events to take meanwhile.
            return await asyncio.to_thread(asyncio.run, self._searched(search, since))

    async def _searched(
        self, search: _Search, since: datetime
    ) -> tuple[dict[str, Any] | None, bool]:
        async with self._log() as (consumer, partitions):
            return await _scan(consumer, partitions, search, since)

    @asynccontextmanager
    async def _log(self) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
        """A consumer without a group, and the topic's partitions."""
        consumer = AIOKafkaConsumer(
            EVENTS.name,
            bootstrap_servers=self._bootstrap,
            client_id="ingest-locate",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 2**20,
        )
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await consumer.start()
            partitions = sorted(consumer.assignment())
            # From here on we say which partitions are read, and from where.
            consumer.unsubscribe()
            consumer.assign(partitions)
            # The client waits for leaders and offsets without end, whatever its time-outs say.
            async with asyncio.timeout(SEARCH_SECONDS + CONNECT_SECONDS):
                yield consumer, partitions
        except (KafkaError, OSError) as error:
            message = "Kafka does not answer, so its log can't be read now; try again."
            raise UnavailableError(message) from error
        finally:
            await close(consumer)


async def _scan(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], search: _Search, since: datetime
) -> tuple[dict[str, Any] | None, bool]:
    """Look through the last minute, then through what lies before it."""
    recent = max(since, clock.now() - RECENT)
    ends = await consumer.end_offsets(partitions)
    middle = await _offsets_at(consumer, recent, ends)
    found, complete = await _look_through(consumer, search, middle, ends)
    if found is not None or since >= recent:
        return found, complete
    starts = await _offsets_at(consumer, since, ends)
    return await _look_through(consumer, search, starts, middle)


async def _offsets_at(consumer: AIOKafkaConsumer, moment: datetime, ends: Offsets) -> Offsets:
    """The first offset of each partition that was written at `moment` or later."""
    milliseconds = int(moment.timestamp() * 1000)
    found = await consumer.offsets_for_times(dict.fromkeys(ends, milliseconds))
    return {one: found[one].offset if found.get(one) else end for one, end in ends.items()}


async def _look_through(
    consumer: AIOKafkaConsumer, search: _Search, starts: Offsets, ends: Offsets
) -> tuple[dict[str, Any] | None, bool]:
    left = {one: end for one, end in ends.items() if starts[one] < end}
    consumer.pause(*ends)
    consumer.resume(*left)
    for one in left:
        consumer.seek(one, starts[one])
    while left and not search.over:
        batches = await consumer.getmany(*left, timeout_ms=POLL_MS, max_records=FETCH_RECORDS)
        for one, records in batches.items():
            found = search.hit(records)
            if found is not None:
                return found, True
            if records[-1].offset + 1 >= left[one]:
                del left[one]
    return None, not left


def _read(value: bytes, version: int | None) -> Event | None:
    """The event; None for what can't be read, of which profile says loudly what becomes of it."""
    try:
        event: Event = _reader.read(value, version)
    except (UnreadableError, UnknownVersionError):
        return None
    return event


def _answer(
    event: Event, status: str, partition: int | None = None, offset: int | None = None
) -> dict[str, Any]:
    return {
        "message_id": event.message_id,
        "source": event.source,
        "status": status,
        "code": None,
        "message": None,
        "path": None,
        "partition": partition,
        "offset": offset,
        "received_at": clock.iso(event.received_at),
    }


def _refused(row: Quarantined) -> dict[str, Any]:
    return {
        "message_id": row.message_id,
        "source": row.source,
        "status": "rejected",
        "code": row.code,
        "message": row.reason,
        "path": row.path,
        "partition": None,
        "offset": None,
        "received_at": clock.iso(row.received_at),
    }


def _not_found(wanted: Wanted, since: datetime, *, complete: bool) -> NotFoundError:
    searched = clock.iso(since)
    message = (
        f"No event '{wanted.message_id}' has come since {searched}. "
        "Give `since` to search further back, 72 h at most."
        if complete
        else f"No event '{wanted.message_id}' was found in the time there is for a search. "
        "Give a later `since`."
    )
    return NotFoundError(message, details={"searched_since": searched, "complete": complete})
