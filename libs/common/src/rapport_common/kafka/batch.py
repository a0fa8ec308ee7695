"""Applying a batch: whole, without the records named as invalid, or by smaller and smaller parts.

A part that can't be applied for a passing reason (locks, time-outs, a `Retry`) is tried a few
times and then halved; a record that fails alone makes its key a suspect, and once other keys'
records succeed the key is parked: it waits in Postgres, later records of it behind it, and is
tried again from there. When the database itself is away, nothing is halved and nothing parked.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import ConsumerRecord, TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import IDLE_SECONDS, is_away, is_contention, is_retriable, plan_anew
from rapport_common.discretion import told
from rapport_common.errors import InvalidEvent, Retry
from rapport_common.events.codec import workspace_of
from rapport_common.events.topics import Topic
from rapport_common.events.versions import Reader, UnknownVersionError, UnreadableError
from rapport_common.kafka.headers import trace_of, version_of
from rapport_common.kafka.limit import DeadLetterLimit
from rapport_common.kafka.parking import MAX_KEY_BYTES, NewlyParked, ParkedRecord, ParkingStore
from rapport_common.kafka.part import Blame, Course, Entry, Evidence, Lane, Positions, take
from rapport_common.kafka.store import ConsumerStore, DeadLetter, FencedError, Move

log = logging.get(__name__)

MAX_BACKOFF_SECONDS = 5.0
TRIES = 3
"""So often a part is tried before it is halved, or its only record's key is suspected."""

SIGN_SECONDS = 120.0
"""So long the retries of one failure are signs of life; then the watchdog may end the process."""

MAX_PARKED_KEYS = 1000


class Record(msgspec.Struct, frozen=True, gc=False):
    """A decoded record with where it came from."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: Any
    traceparent: str | None = None


Handler = Callable[[Sequence[Record], AsyncConnection], Awaitable[None]]
"""Applies a batch inside the transaction it is given; raises Retry or InvalidEvent(index)."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic and what to do with its records."""

    topic: Topic
    handle: Handler


class ConsumerStoppedError(Exception):
    """Data is lost, re-created or mostly poison: an operator has to look before it goes on."""


class UnsettledError(Exception):
    """The rest of a batch could not be applied now; what is committed stands in the positions.

    It is read again, with what has come in since: only others tell whether it is the keys' fault.
    """


class _JudgedError(Exception):
    """A record has been named as invalid; the others can be tried at once."""


class _RehearsedError(Exception):
    """Others could be applied: time to see whether the suspects fail again."""


class BatchWriter:
    """Commits the effects of records together with the positions behind them."""

    def __init__(
        self, service: str, engine: AsyncEngine, subscriptions: Sequence[Subscription]
    ) -> None:
        self.store = ConsumerStore(service, service)
        self.parking = ParkingStore(service, service)
        self.handlers: Mapping[str, Handler] = {one.topic.name: one.handle for one in subscriptions}
        self.readers: Mapping[str, Reader] = {
            one.topic.name: Reader(one.topic) for one in subscriptions
        }
        self.parked: set[Lane] = set()
        self._service = service
        self._engine = engine
        self._limits: dict[str, DeadLetterLimit] = {}
        self._widths: dict[str, int] = {}
        self._most: dict[str, int] = {}
        self._evidence = Evidence()
        self._trouble_since: float | None = None
        self.stop = asyncio.Event()
        self.give_sign: Callable[[], None] = lambda: None
        self.now: Callable[[], float] = time.monotonic
        self.pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    def forgive(self) -> None:
        """Start counting dead letters from nothing."""
        self._limits.clear()

    async def settle(self, topic: str, records: list[ConsumerRecord], positions: Positions) -> None:
        """Commit a batch, part by part if need be, and move `positions`.

        Raises FencedError when the stored position is not the expected one, UnsettledError when
        the rest has to wait, and ConsumerStoppedError when too many records are poison, or at a
        record of a newer version than this program knows.
        """
        entries, newer = self._decode_all(topic, records)
        most = self._most.get(topic)
        course = Course(topic, entries, positions, self._widths.get(topic, most), most=most)
        self._evidence.try_again()
        while course.begin < len(entries):
            part = take(entries, course.begin, course.width, self._aside())
            started = self.now()
            try:
                await self._commit(course, part)
            except (FencedError, ConsumerStoppedError, UnsettledError):
                raise
            except _JudgedError:
                continue
            except _RehearsedError:
                self._evidence.try_again()
                course.narrow(1)
            except Exception as error:  # noqa: BLE001 - told apart in there; raised if it is ours
                await self._failed(course, part, error, self.now() - started)
            else:
                self._check_limit(topic, part)
                course.begin += len(part)
                course.widen()
        if course.width is not None and course.width < len(entries):
            self._widths[topic] = course.width
        else:
            self._widths.pop(topic, None)
        if course.most is None:
            self._most.pop(topic, None)
        else:
            self._most[topic] = course.more
        if newer is not None:
            raise ConsumerStoppedError(newer)

    def _aside(self) -> set[Lane]:
        return self.parked | self._evidence.aside() if self._evidence.suspects else self.parked

    # --- what has failed ---------------------------------------------------------------------

    async def _failed(
        self, course: Course, part: Sequence[Entry], error: Exception, took: float
    ) -> None:
        aside = self._aside()
        live = [one for one in part if one.is_live(aside)]
        if not (isinstance(error, Retry) or is_retriable(error)):
            self._find_poison(course, live, error)
            return
        if self.stop.is_set():
            raise UnsettledError from error
        if self._trouble_since is None:
            self._trouble_since = self.now()
        blame = await self.blame(error, took)
        course.tries += blame is not Blame.WORLD
        # Between the whole and a single record one try tells enough.
        tries = TRIES if len(live) == 1 or part[-1] is course.entries[-1] else 1
        if blame is Blame.WORLD or not live or (course.tries < tries and blame is Blame.WORK):
            await self._back_off(course, error)
        elif len(live) > 1:
            log.warning("part failed, halved", topic=course.topic, size=len(live))
            course.narrow(len(live) // 2)
            course.most = course.width if blame is Blame.KILLED else course.most
        else:
            self._evidence.accuse(live[0].lane, told(error), self.now())
            if self._evidence.nobody_succeeds():
                raise UnsettledError from error
            course.most = None
            course.narrow(1)

    def _find_poison(self, course: Course, live: Sequence[Entry], error: Exception) -> None:
        """Some record breaks the handler, which can't say which: look for it by halves."""
        if not live:
            raise error
        if len(live) == 1:
            live[0].dead = told(error)
            # Its neighbours may be poison too: carefully on, twice as many with each success.
            course.narrow(1)
        else:
            log.warning(
                "batch failed, trying its halves",
                topic=course.topic,
                size=len(live),
                error=error,
            )
            course.narrow(len(live) // 2)

    async def blame(self, error: Exception, took: float) -> Blame:
        """Whose fault it is. A connection that is lost is the world's, unless the transaction was
        silent for so long that the server has ended it, as it does when a record costs too much.
        """
        if isinstance(error, Retry) or is_contention(error):
            return Blame.WORK
        if is_away(error) or took < IDLE_SECONDS * 0.8:
            return Blame.WORLD
        return Blame.KILLED if await self._answers() else Blame.WORLD

    async def _answers(self) -> bool:
        """Whether the database is there for others."""
        try:
            async with self._engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except Exception as error:  # noqa: BLE001 - whatever is wrong, it does not answer
            log.debug("the database does not answer", error=error)
            return False
        return True

    async def _back_off(self, course: Course, error: Exception) -> None:
        metrics.CONSUMER_RETRIES.labels(self._service).inc()
        log.warning("batch not applied, trying again", topic=course.topic, error=error)
        since = self._trouble_since or self.now()
        # Waiting for a database that is away is no hang; failing beside one that is there is.
        if self.now() - since < SIGN_SECONDS or not await self._answers():
            self.give_sign()
        await self.pause(course.wait)
        course.wait = min(course.wait * 2, MAX_BACKOFF_SECONDS)

    # --- one transaction ---------------------------------------------------------------------

    def _decode_all(
        self, topic: str, records: Sequence[ConsumerRecord]
    ) -> tuple[list[Entry], str | None]:
        """The records up to the first that is of a newer version, and what to say of that one.

        It is no poison, and those behind it are to be applied after it: all wait for a program
        that reads it.
        """
        reader = self.readers[topic]
        entries: list[Entry] = []
        for one in records:
            try:
                entries.append(_entry(reader, topic, one))
            except UnknownVersionError as error:
                return entries, f"{topic}/{one.partition} at {one.offset}: {error}"
        return entries, None

    async def _commit(self, course: Course, part: Sequence[Entry]) -> None:
        positions = course.positions
        last = {one.raw.partition: one.raw.offset for one in part}
        ends = {TopicPartition(course.topic, number): at + 1 for number, at in last.items()}
        if any(tp not in positions for tp in ends):
            # A rebalance took a partition while an earlier part was being applied.
            raise FencedError
        moves = [Move(tp.topic, tp.partition, positions[tp], end) for tp, end in ends.items()]
        async with self._engine.begin() as tx:
            await plan_anew(tx, self.now())
            await self.store.advance(tx, moves)
            live, waiting = await self._sorted(tx, part)
            if live:
                await self._handle(course.topic, live, tx)
            fresh = self._convicted(waiting, proof=bool(live)) if waiting else set()
            await self.parking.park(tx, [self._to_park(one) for one in waiting])
            letters = [_letter(one, one.dead) for one in part if one.dead is not None]
            await self.store.bury(tx, letters)
        positions.update(ends)
        self._note(live, fresh)

    async def _sorted(
        self, tx: AsyncConnection, part: Sequence[Entry]
    ) -> tuple[list[Entry], list[Entry]]:
        """(what is to be applied, what is to wait), each in its order."""
        if self.parked:
            behind = {one.lane for one in part if one.dead is None and one.lane in self.parked}
            # Some may have been let go in the meantime; the others stay parked until this commits.
            self.parked -= behind - await self.parking.hold(tx, behind) if behind else set()
        aside = self._aside()
        if not aside:
            return [one for one in part if one.dead is None], []
        live = [one for one in part if one.is_live(aside)]
        return live, [one for one in part if one.dead is None and one.lane in aside]

    async def _handle(self, topic: str, live: list[Entry], tx: AsyncConnection) -> None:
        try:
            await self.handlers[topic]([one.record for one in live], tx)
        except InvalidEvent as verdict:
            if not 0 <= verdict.index < len(live):
                message = f"the handler named record {verdict.index} of {len(live)}"
                raise LookupError(message) from verdict
            live[verdict.index].dead = verdict.reason
            raise _JudgedError from verdict

    def _convicted(self, waiting: Sequence[Entry], *, proof: bool) -> set[Lane]:
        """The keys that are parked with this; not before they are seen to be the reason."""
        fresh = {one.lane for one in waiting} - self.parked
        if fresh and not self._evidence.are_guilty(fresh):
            if proof:
                self._evidence.note_success(self.now())
                raise _RehearsedError
            if not self._evidence.spend_credit(fresh, self.now()):
                raise UnsettledError
        if len(self.parked) + len(fresh) > MAX_PARKED_KEYS:
            message = f"more than {MAX_PARKED_KEYS} keys would be parked; look at what fails"
            raise ConsumerStoppedError(message)
        return fresh

    def _to_park(self, one: Entry) -> NewlyParked:
        record = ParkedRecord(one.raw.offset, one.raw.value, one.record.traceparent, one.version)
        if one.lane in self.parked:
            return NewlyParked(one.lane, record)
        reason = self._evidence.suspects[one.lane].reason
        return NewlyParked(one.lane, record, reason, workspace_of(one.raw.value))

    def _note(self, live: Sequence[Entry], fresh: set[Lane]) -> None:
        """Remember what a commit has shown."""
        if self._evidence.suspects:
            self._evidence.acquit({*(one.lane for one in live), *fresh})
        if live:
            self._evidence.note_success(self.now())
        if fresh:
            self.parked |= fresh
            metrics.PARKED.labels(self._service).inc(len(fresh))
            log.error("keys parked, others go on", count=len(fresh))
        self._trouble_since = None
        self.give_sign()

    def _check_limit(self, topic: str, part: Sequence[Entry]) -> None:
        dead = [one.dead for one in part if one.dead is not None]
        if dead:
            metrics.DEAD_LETTERS.labels(self._service).inc(len(dead))
            log.error("records put aside", topic=topic, count=len(dead), first=dead[0])
        limit = self._limits.setdefault(topic, DeadLetterLimit())
        if not dead and limit.note_applied(len(part)):
            return
        # A record without a key is about nobody else's: it counts for itself.
        reason = limit.note(
            None if one.dead is None else one.lane[2] or b"%d" % one.raw.offset for one in part
        )
        if reason is not None:
            message = f"{topic}: {reason}; look at the dead letters, fix, then resume"
            raise ConsumerStoppedError(message)


def _entry(reader: Reader, topic: str, one: ConsumerRecord) -> Entry:
    """The record, decoded or dead; UnknownVersionError for one of a newer version."""
    key = one.key or b""
    version = version_of(one, reader)
    entry = Entry(one, (topic, one.partition, key), version)
    try:
        value = reader.read(one.value, version)
    except UnreadableError as error:
        entry.dead = f"not a {topic} record: {error}"
        return entry
    if len(key) > MAX_KEY_BYTES:
        entry.dead = f"its key has {len(key)} bytes, {MAX_KEY_BYTES} is the most"
    entry.record = Record(topic, one.partition, one.offset, key, value, trace_of(one))
    return entry


def _letter(entry: Entry, reason: str) -> DeadLetter:
    record = entry.raw
    return DeadLetter(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        reason,
        workspace=workspace_of(record.value),
        version=entry.version,
    )
