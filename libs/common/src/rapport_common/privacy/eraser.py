"""Forgets people in one service: what is asked on `privacy` is noted, worked off and answered.

The work is a list of sweeps. Each page of one is a transaction with the note of how far it is, so
any number of processes share it, a kill costs a page at most, and counts stay exact.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging, metrics
from rapport_common.access.gatherer import Gatherer
from rapport_common.access.parts import Part
from rapport_common.db import is_retriable
from rapport_common.discretion import told
from rapport_common.errors import InvalidEvent
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.events.topics import PRIVACY
from rapport_common.kafka.batch import Record, Subscription
from rapport_common.privacy.store import PrivacyStore, Work
from rapport_common.privacy.subject import Subject
from rapport_common.privacy.sweeps import Sweep
from rapport_common.publisher import Publisher

log = logging.get(__name__)

ANSWERS = frozenset({"receipt", "piece", "gathered"})
IDLE_SECONDS = 0.5
COUNT_SECONDS = 10.0

Told = Callable[[AsyncConnection, PrivacyRecord], Awaitable[None]]
"""What is done with a record in the transaction of its batch."""


async def nothing(_tx: AsyncConnection, _record: PrivacyRecord) -> None:
    """Nothing at once."""


def subject_of(record: PrivacyRecord) -> Subject:
    """Whom a record is about."""
    return Subject(
        workspace=record.workspace,
        request_id=record.request_id,
        profile_id=record.profile_id,
        subjects=frozenset(record.subjects),
        kinds=frozenset(record.kinds),
        profiles=frozenset(one.profile_id for one in record.profiles),
        at=record.at,
    )


class Eraser:
    """One service's way of forgetting; also the worker that does it."""

    name = "eraser"

    def __init__(
        self,
        service: str,
        sweeps: Sequence[Sweep],
        parts: Sequence[Part] = (),
        *,
        at_once: Told = nothing,
        answers: Told = nothing,
        measure: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> None:
        """`parts` are what is told of a person who asks for it.

        `at_once` is done with a wish when it is read, before any sweep: what must not wait.
        `answers` gets those of all services; `measure` sets metrics now and then.
        """
        self.store = PrivacyStore(service)
        self.sweeps = sweeps
        self.gatherer = Gatherer(service, parts)
        self.last_sign = time.monotonic()
        self._service = service
        self._at_once = at_once
        self._answers = answers
        self._measures = measure
        self._publisher = Publisher(service, PRIVACY)
        self._engine: AsyncEngine | None = None
        self._count_at = 0.0
        metrics.ERASURE_OLDEST.labels(service)
        metrics.ERASURES.labels(service)
        metrics.ERASURE_FAILURES.labels(service)

    def subscription(self) -> Subscription:
        """The topic, for the consumer."""
        return Subscription(PRIVACY, self.on_privacy)

    def over(self, engine: AsyncEngine) -> "Eraser":
        """Work over these connections."""
        self._engine = engine
        return self

    async def on_privacy(self, batch: Sequence[Record], tx: AsyncConnection) -> None:
        """Note who is to be forgotten or told of; what was noted before is not noted again."""
        for index, one in enumerate(batch):
            record: PrivacyRecord = one.value
            _require_storable(index, record)
            who = subject_of(record)
            if record.kind in ANSWERS:
                await self._answers(tx, record)
            elif record.kind == "access":
                await self.gatherer.note(tx, index, who, record)
            elif record.kind == "erase" and await self.store.add(tx, who):
                await self.gatherer.store.drop(tx, who.workspace, who.subjects | who.profiles)
                await self._at_once(tx, record)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; a page under way is finished."""
        while not stop.is_set():
            worked = False
            try:
                worked = await self.turn()
                await self.measure()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("erasures can't be read, trying again", error=error)
            self.last_sign = time.monotonic()
            if not worked:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await stop.wait()

    async def turn(self) -> bool:
        """Work off a page of the wish that waits longest; False when none is to be worked on."""
        if self._engine is None:
            raise LookupError(self._service)
        work: Work | None = None
        try:
            async with self._engine.begin() as tx:
                work = await self.store.take(tx)
                if work is None:
                    return False
                await self._page(tx, work)
        except Exception as error:
            if work is None:
                raise
            log.warning("erasure waits", request=work.who.request_id, error=error)
            metrics.ERASURE_FAILURES.labels(self._service).inc()
            async with self._engine.begin() as tx:
                await self.store.postpone(tx, work, told(error))
        return True

    async def _page(self, tx: AsyncConnection, work: Work) -> None:
        if work.sweep < len(self.sweeps):
            sweep = self.sweeps[work.sweep]
            page = await sweep.page(tx, work.who, work.after)
            await self.store.advance(tx, work, sweep.table, page)
            return
        now, who = clock.now(), work.who
        await self.store.finish(tx, who, now)
        removed = {table: number for table, number in work.removed.items() if number}
        receipt = PrivacyRecord(
            workspace=who.workspace,
            request_id=who.request_id,
            kind="receipt",
            profile_id=who.profile_id,
            subjects=[],
            at=now,
            service=self._service,
            rows=sum(removed.values()),
            tables=removed,
        )
        await self._publisher.tell(tx, receipt)
        metrics.ERASURES.labels(self._service).inc()
        log.info("erasure done", request=who.request_id, rows=receipt.rows)

    async def measure(self) -> None:
        """Set the metrics, unless that was done a moment ago."""
        if self._engine is None or time.monotonic() < self._count_at:
            return
        self._count_at = time.monotonic() + COUNT_SECONDS
        async with self._engine.begin() as tx:
            metrics.ERASURE_OLDEST.labels(self._service).set(await self.store.oldest(tx))
            if self._measures is not None:
                await self._measures(tx)


def _require_storable(index: int, record: PrivacyRecord) -> None:
    names = (record.workspace, record.request_id, record.profile_id, *record.subjects)
    kept = (*names, *record.kinds, *(one.profile_id for one in record.profiles), *record.tables)
    if any("\0" in one for one in kept):
        raise InvalidEvent(index, "a name has a NUL character")
    try:
        _require_names(record)
    except ValueError as error:
        raise InvalidEvent(index, f"what stands for a person can't be read: {error}") from error


def _require_names(record: PrivacyRecord) -> None:
    for one in record.subjects:
        bytes.fromhex(one)
    for profile in record.profiles:
        UUID(profile.profile_id)
