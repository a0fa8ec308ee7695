"""A log without Kafka: records at hand, a handler that fails as told, and what it has done."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.errors import InvalidEvent, Retry
from rapport_common.events.codec import encode
from rapport_common.events.membership import Membership
from rapport_common.events.topics import SEGMENT_MEMBERSHIP
from rapport_common.kafka.batch import BatchWriter, Record, Subscription, UnsettledError
from rapport_common.kafka.part import Positions
from rapport_common.kafka.unpark import Unparker

TOPIC = SEGMENT_MEMBERSHIP.name
PARTITIONS = 2


class KilledError(BaseException):
    """The process is gone, here and now."""


def membership(key: str, workspace: str = "acme") -> Membership:
    return Membership(
        workspace=workspace,
        profile_id=key,
        profile_version=1,
        segment_id="s",
        segment_version=1,
        entry_id=key,
        change="entered",
        at=clock.now(),
        cause="event",
        reason="test",
    )


@dataclass
class Log:
    """Records by partition; a key is always in the same one."""

    records: dict[int, list[ConsumerRecord[bytes, bytes]]] = field(default_factory=dict)

    def add(self, keys: Iterable[str]) -> None:
        for key in keys:
            partition = ord(key) % PARTITIONS
            held = self.records.setdefault(partition, [])
            held.append(_raw(partition, len(held), key))

    def after(self, positions: Positions, most: int = 1000) -> list[ConsumerRecord[bytes, bytes]]:
        rest = [
            one
            for partition, held in sorted(self.records.items())
            for one in held[positions[TopicPartition(TOPIC, partition)] :][:most]
        ]
        return rest[:most]

    def lanes(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for held in self.records.values():
            for one in held:
                found.setdefault((one.key or b"").decode(), []).append(one.offset)
        return found


def _raw(partition: int, offset: int, key: str) -> ConsumerRecord[bytes, bytes]:
    value = encode(membership(key))
    made: Any = ConsumerRecord(
        topic=TOPIC,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=key.encode(),
        value=value,
        checksum=None,
        serialized_key_size=len(key),
        serialized_value_size=len(value),
        headers=(),
    )
    return made


@dataclass
class Faults:
    """What the handler does, per key: so many times a passing failure, or poison for ever."""

    passing: Counter[str] = field(default_factory=Counter)
    poison: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    away: int = 0
    error: type[Exception] = Retry
    kills: set[int] = field(default_factory=set)
    everything: bool = False
    calls: int = 0

    async def __call__(self, batch: Sequence[Record], tx: AsyncConnection) -> None:
        self.calls += 1
        if 2 * self.calls in self.kills:
            raise KilledError
        for index, one in enumerate(batch):
            key = one.key.decode()
            self._raise(key, index)
            await tx.execute(
                text('INSERT INTO applied (key, "offset") VALUES (:key, :offset)'),
                {"key": key, "offset": one.offset},
            )
        if 2 * self.calls + 1 in self.kills:
            raise KilledError

    def _raise(self, key: str, index: int) -> None:
        if self.away:
            self.away -= 1
            raise ConnectionResetError
        if self.everything:
            raise self.error
        if self.passing[key]:
            self.passing[key] -= 1
            raise self.error
        if key in self.named:
            raise InvalidEvent(index, "told so")
        if key in self.poison:
            raise KeyError(key)


class Member:
    """One life of a consumer over a `Log`."""

    def __init__(self, engine: AsyncEngine, faults: Faults, service: str = "segment") -> None:
        self.engine = engine
        self.batches = BatchWriter(service, engine, [Subscription(SEGMENT_MEMBERSHIP, faults)])
        self.unparker = Unparker(service, engine, self.batches)
        self.positions: Positions = {}
        self.waits: list[float] = []
        ticks = itertools.count()
        self.batches.now = lambda: next(ticks) / 1000
        self.batches.pause = self._pause

    async def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    async def begin(self) -> None:
        """Read positions and parked keys, as after an assignment."""
        async with self.engine.begin() as tx:
            for partition in range(PARTITIONS):
                await self.batches.store.create_position(tx, TOPIC, partition, 0)
            stored = await self.batches.store.positions(tx)
            self.batches.parked = await self.batches.parking.lanes(tx)
        self.positions = {TopicPartition(*where): at for where, at in stored.items()}

    async def read(self, log: Log, *, most: int = 1000, rounds: int = 1) -> bool:
        """Apply what is new; False when some of it has to wait."""
        for _ in range(rounds):
            records = log.after(self.positions, most)
            if not records:
                return True
            try:
                await self.batches.settle(TOPIC, records, self.positions)
            except UnsettledError:
                await self.begin()
        return not log.after(self.positions)

    async def parked(self) -> dict[str, int]:
        """How many records wait, by key."""
        async with self.engine.begin() as tx:
            keys = await self.batches.parking.keys(tx, limit=1000)
        return {one.key.decode(): one.records for one in keys}

    async def heal(self) -> None:
        """Try everything that is parked, as often as there is progress."""
        async with self.engine.begin() as tx:
            keys = await self.batches.parking.keys(tx, limit=1000)
        for one in keys:
            await self.unparker.apply(one.id)


async def applied(engine: AsyncEngine) -> dict[str, list[int]]:
    """The offsets that have had their effect, by key, in the order in which they had it."""
    async with engine.begin() as tx:
        rows = await tx.execute(text('SELECT key, "offset" FROM applied ORDER BY n'))
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(row.key, []).append(row.offset)
    return found


async def dead(engine: AsyncEngine) -> dict[str, list[int]]:
    """The offsets that were put aside, by key."""
    async with engine.begin() as tx:
        rows = await tx.execute(text('SELECT key, "offset" FROM dead_letter ORDER BY "offset"'))
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(row.key.decode(), []).append(row.offset)
    return found


async def empty(engine: AsyncEngine) -> None:
    """Begin anew."""
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "CREATE TABLE IF NOT EXISTS applied "
                '(n bigint GENERATED ALWAYS AS IDENTITY, key text, "offset" bigint)'
            )
        )
        tables = "applied, position, parked_key, parked, dead_letter, tally, consumer_command"
        await tx.execute(text(f"TRUNCATE {tables}"))
