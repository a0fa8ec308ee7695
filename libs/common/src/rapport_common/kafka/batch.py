"""Applying a batch: whole, without the records named as invalid, or by halves."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import ConsumerRecord, TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import is_retriable
from rapport_common.discretion import told
from rapport_common.errors import InvalidEvent, Retry
from rapport_common.events.topics import Topic
from rapport_common.kafka.limit import DeadLetterLimit
from rapport_common.kafka.store import ConsumerStore, DeadLetter, FencedError, Move
from rapport_common.wording import plain

log = logging.get(__name__)

MAX_BACKOFF_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Record:
    """A decoded record with where it came from."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: Any
    traceparent: str | None = None


Handler = Callable[[Sequence[Record], AsyncConnection], Awaitable[None]]
"""Applies a batch inside the transaction it is given; raises Retry or InvalidEvent(index)."""

Positions = dict[TopicPartition, int]
"""What this member last read or wrote: the next offset of each partition it holds."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic and what to do with its records."""

    topic: Topic
    handle: Handler


class ConsumerStoppedError(Exception):
    """Data is lost, re-created or mostly poison: an operator has to look before it goes on."""


class BatchWriter:
    """Commits the effects of records together with the positions behind them."""

    def __init__(
        self, service: str, engine: AsyncEngine, subscriptions: Sequence[Subscription]
    ) -> None:
        self.store = ConsumerStore(service, service)
        self.handlers: Mapping[str, Handler] = {one.topic.name: one.handle for one in subscriptions}
        self.decoders: Mapping[str, msgspec.json.Decoder[Any]] = {
            one.topic.name: msgspec.json.Decoder(one.topic.record) for one in subscriptions
        }
        self._service = service
        self._engine = engine
        self._limits: dict[str, DeadLetterLimit] = {}
        self.stop = asyncio.Event()
        self.give_sign: Callable[[], None] = lambda: None

    def forgive(self) -> None:
        """Start counting dead letters from nothing."""
        self._limits.clear()

    async def settle(self, topic: str, records: list[ConsumerRecord], positions: Positions) -> None:
        """Commit a batch and move `positions`.

        Raises FencedError when the stored position is not the expected one, and
        ConsumerStoppedError when too many records are poison.
        """
        dead: dict[int, str] = {}
        live = self._decode(topic, records, dead)
        wait = 0.05
        while True:
            try:
                await self._commit(records, live, dead, positions)
            except InvalidEvent as verdict:
                dead[live.pop(verdict.index)[0]] = verdict.reason
            except FencedError:
                raise
            except Exception as error:
                if isinstance(error, Retry) or is_retriable(error):
                    if self.stop.is_set():
                        raise
                    await self._back_off(topic, error, wait)
                    wait = min(wait * 2, MAX_BACKOFF_SECONDS)
                elif not live:
                    raise
                elif len(live) == 1:
                    dead[live.pop()[0]] = told(error)
                else:
                    await self._bisect(topic, records, positions, error)
                    return
            else:
                self._check_limit(topic, records, dead)
                return

    async def _bisect(
        self,
        topic: str,
        records: list[ConsumerRecord],
        positions: Positions,
        error: Exception,
    ) -> None:
        """Some record breaks the handler, which can't say which: look for it by halves."""
        log.warning("batch failed, trying its halves", topic=topic, size=len(records), error=error)
        middle = len(records) // 2
        await self.settle(topic, records[:middle], positions)
        await self.settle(topic, records[middle:], positions)

    async def _back_off(self, topic: str, error: Exception, wait: float) -> None:
        metrics.CONSUMER_RETRIES.labels(self._service).inc()
        log.warning("batch not applied, trying again", topic=topic, error=error)
        self.give_sign()
        await asyncio.sleep(wait)

    def _decode(
        self, topic: str, records: list[ConsumerRecord], dead: dict[int, str]
    ) -> list[tuple[int, Record]]:
        decoder = self.decoders[topic]
        live: list[tuple[int, Record]] = []
        for index, one in enumerate(records):
            try:
                value = decoder.decode(one.value or b"")
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                dead[index] = f"not a {topic} record: {plain(error)}"
                continue
            trace = one.headers[0][1].decode("ascii", "replace") if one.headers else None
            live.append(
                (index, Record(topic, one.partition, one.offset, one.key or b"", value, trace))
            )
        return live

    async def _commit(
        self,
        records: list[ConsumerRecord],
        live: list[tuple[int, Record]],
        dead: dict[int, str],
        positions: Positions,
    ) -> None:
        topic = records[0].topic
        ends = {TopicPartition(topic, one.partition): one.offset + 1 for one in records}
        if any(tp not in positions for tp in ends):
            # A rebalance took a partition while an earlier half was being applied.
            raise FencedError
        moves = [Move(tp.topic, tp.partition, positions[tp], end) for tp, end in ends.items()]
        async with self._engine.begin() as tx:
            await self.store.advance(tx, moves)
            if live:
                await self.handlers[topic]([record for _, record in live], tx)
            await self.store.bury(tx, [_letter(records[i], why) for i, why in dead.items()])
        for tp, end in ends.items():
            positions[tp] = end
        self.give_sign()

    def _check_limit(self, topic: str, records: list[ConsumerRecord], dead: dict[int, str]) -> None:
        if dead:
            metrics.DEAD_LETTERS.labels(self._service).inc(len(dead))
            log.error(
                "records put aside", topic=topic, count=len(dead), first=next(iter(dead.values()))
            )
        limit = self._limits.setdefault(topic, DeadLetterLimit())
        reason = limit.note([index in dead for index in range(len(records))])
        if reason is not None:
            message = f"{topic}: {reason}; look at the dead letters, fix, then resume"
            raise ConsumerStoppedError(message)


def _letter(record: ConsumerRecord, reason: str) -> DeadLetter:
    return DeadLetter(
        record.topic, record.partition, record.offset, record.key, record.value, reason
    )
