"""Tries parked keys again, beside the consumer and at its leisure."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import is_retriable
from rapport_common.discretion import told
from rapport_common.errors import InvalidEvent, Retry
from rapport_common.events.codec import workspace_of
from rapport_common.events.versions import UnreadableError
from rapport_common.kafka.batch import BatchWriter, ConsumerStoppedError, Record
from rapport_common.kafka.parking import ParkedKey, ParkedRecord
from rapport_common.kafka.part import Blame
from rapport_common.kafka.store import DeadLetter

log = logging.get(__name__)

MOST = 100
"""Records of a key in one transaction; after a failure one alone, then twice as many each time."""

PIECE_SECONDS = 2.0
IDLE_SECONDS = 1.0
COUNT_SECONDS = 15.0
MAX_WAIT_SECONDS = 300.0
SHARE = 4
"""After a try that took so long, four times that is left to others."""


@dataclass(slots=True)
class Outcome:
    """What became of a try: records applied and put aside, how many are left, and why they are."""

    applied: int = 0
    buried: int = 0
    left: int | None = None
    error: str | None = None

    @property
    def taken(self) -> bool:
        """Whether the key was there, and in nobody else's hands."""
        return self.left is not None


class Unparker:
    """Applies what is parked, in its order, one key at a time.

    A key that fails again waits twice as long, five minutes at most: a fault that passes heals by
    itself. Nothing else waits for it: it spends at most a fifth of the time, on a connection of
    its own, and each transaction is short.
    """

    name = "unparker"

    def __init__(self, service: str, engine: AsyncEngine, batches: BatchWriter) -> None:
        self._service = service
        self._engine = engine
        self._batches = batches
        self._parking = batches.parking
        self._next_count = 0.0
        metrics.PARKED.labels(service)

    async def run(self, stop: asyncio.Event) -> None:
        """Try what is due, wait, again, until `stop`."""
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self.turn()
                await self._count()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("parked keys not tried", error=error)
            pause = max(IDLE_SECONDS, SHARE * (time.monotonic() - started))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()

    async def turn(self) -> bool:
        """Try the key that has been due the longest; False when none is."""
        async with self._engine.begin() as tx:
            due = await self._parking.due(tx, limit=1)
        for key_id in due:
            await self.apply(key_id)
        return bool(due)

    async def apply(self, key_id: int) -> Outcome:
        """Apply what a key holds, in order, for `PIECE_SECONDS` at most.

        Connection errors of the database are raised, and change nothing.
        """
        outcome = Outcome()
        deadline = time.monotonic() + PIECE_SECONDS
        width, dead = MOST, dict[int, str]()
        while outcome.left != 0 and time.monotonic() < deadline:
            started = time.monotonic()
            try:
                done = await self._step(key_id, width, dead, outcome)
                if not done:
                    return outcome
                width = min(2 * done, MOST)
            except InvalidEvent:
                continue
            except ConsumerStoppedError as error:
                # It is not the record's fault, and what stopped the consumer stops this too.
                outcome.left = -1 if outcome.left is None else outcome.left
                await self._postpone(key_id, told(error))
                outcome.error = told(error)
                return outcome
            except Exception as error:
                passing = isinstance(error, Retry) or is_retriable(error)
                if passing and await self._is_away(error, time.monotonic() - started):
                    raise
                outcome.left = -1 if outcome.left is None else outcome.left
                if width > 1:
                    width = 1
                elif passing:
                    await self._postpone(key_id, told(error))
                    outcome.error = told(error)
                    return outcome
                else:
                    async with self._engine.begin() as tx:
                        dead |= await self._first(tx, key_id, told(error))
        return outcome

    async def _step(self, key_id: int, width: int, dead: dict[int, str], outcome: Outcome) -> int:
        """One transaction: so many records of the key applied, or dead, and gone from it."""
        async with self._engine.begin() as tx:
            key = await self._parking.claim(tx, key_id)
            if key is None:
                return 0
            records = await self._parking.head(tx, key, width if not key.attempts else 1)
            live = self._decode(key, records, dead)
            if live:
                try:
                    await self._batches.handlers[key.topic](live, tx)
                except InvalidEvent as verdict:
                    dead[live[verdict.index].offset] = verdict.reason
                    raise
            letters = [_letter(key, one, dead[one.offset]) for one in records if one.offset in dead]
            await self._batches.store.bury(tx, letters)
            left = await self._parking.settle(tx, key, [one.offset for one in records])
        outcome.left = left
        outcome.applied += len(live)
        outcome.buried += len(letters)
        metrics.DEAD_LETTERS.labels(self._service).inc(len(letters))
        return len(records)

    async def _is_away(self, error: Exception, took: float) -> bool:
        return await self._batches.blame(error, took) is Blame.WORLD

    async def _first(self, tx: AsyncConnection, key_id: int, reason: str) -> dict[int, str]:
        key = await self._parking.claim(tx, key_id)
        head = [] if key is None else await self._parking.head(tx, key, 1)
        return {one.offset: reason for one in head}

    def _decode(
        self, key: ParkedKey, records: Sequence[ParkedRecord], dead: dict[int, str]
    ) -> list[Record]:
        live: list[Record] = []
        for one in records:
            if one.offset in dead:
                continue
            try:
                value = self._batches.readers[key.topic].read(one.value, one.version)
            except UnreadableError as error:
                dead[one.offset] = f"not a {key.topic} record: {error}"
                continue
            live.append(
                Record(key.topic, key.partition, one.offset, key.key, value, one.traceparent)
            )
        return live

    async def _postpone(self, key_id: int, reason: str) -> None:
        async with self._engine.begin() as tx:
            found = await self._parking.keys(tx, only=key_id, limit=1)
            for key in found:
                wait = min(2.0 ** min(key.attempts + 1, 20), MAX_WAIT_SECONDS)
                await self._parking.postpone(tx, key_id, reason, timedelta(seconds=wait))
        log.warning("parked key fails again", key=key_id, reason=reason)

    async def _count(self) -> None:
        if time.monotonic() < self._next_count:
            return
        self._next_count = time.monotonic() + COUNT_SECONDS
        async with self._engine.begin() as tx:
            keys = await self._parking.lanes(tx)
            records = await self._parking.counts(tx) if keys else {}
        metrics.PARKED_KEYS.labels(self._service).set(len(keys))
        metrics.PARKED_RECORDS.labels(self._service).set(sum(records.values()))


def _letter(key: ParkedKey, one: ParkedRecord, reason: str) -> DeadLetter:
    return DeadLetter(
        key.topic,
        key.partition,
        one.offset,
        key.key,
        one.value,
        reason,
        workspace=workspace_of(one.value),
        version=one.version,
    )
