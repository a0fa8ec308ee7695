"""Forgets people in one service: what is asked on `privacy` is noted, worked off and answered.

The work is a list of sweeps, done page by page (`pages.py`).
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common import clock, logging, metrics
from rapport_common.access.gatherer import Gatherer
from rapport_common.access.parts import Part
from rapport_common.errors import InvalidEvent
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.events.topics import PRIVACY
from rapport_common.kafka.batch import Record, Subscription
from rapport_common.privacy.pages import PageWorker
from rapport_common.privacy.store import PrivacyStore, Work
from rapport_common.privacy.subject import Subject
from rapport_common.privacy.sweeps import Sweep
from rapport_common.publisher import Publisher

log = logging.get(__name__)

ANSWERS = frozenset({"receipt", "piece", "gathered"})

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


class Eraser(PageWorker[Work]):
    """One service's way of forgetting; also the worker that does it."""

    name = "eraser"
    asked = "erasure"

    def __init__(
        self,
        service: str,
        sweeps: Sequence[Sweep],
        parts: Sequence[Part] = (),
        *,
        at_once: Told = nothing,
        answers: Told = nothing,
        restricts: Told = nothing,
        measure: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> None:
        """`parts` are what is told of a person who asks for it.

        `at_once` is done with a wish when it is read, before any sweep: what must not wait.
        `answers` gets those of all services; `restricts` whose data are only to be kept, where that
        is not known of the people who are followed; `measure` sets metrics now and then.
        """
        self.store = PrivacyStore(service)
        super().__init__(service, self.store, metrics.ERASURE_FAILURES, metrics.ERASURE_OLDEST)
        self.sweeps = sweeps
        self.gatherer = Gatherer(service, parts)
        self._at_once = at_once
        self._answers = answers
        self._restricts = restricts
        self._measures = measure
        self._publisher = Publisher(service, PRIVACY)
        metrics.ERASURES.labels(service)

    def subscription(self) -> Subscription:
        """The topic, for the consumer."""
        return Subscription(PRIVACY, self.on_privacy)

    async def on_privacy(self, batch: Sequence[Record], tx: AsyncConnection) -> None:
        """Note who is to be forgotten or told of; what was noted before is not noted again."""
        for index, one in enumerate(batch):
            record: PrivacyRecord = one.value
            _require_storable(index, record)
            who = subject_of(record)
            if record.kind in ANSWERS:
                await self._answers(tx, record)
            elif record.kind == "restrict":
                await self._restricts(tx, record)
            elif record.kind == "access":
                await self.gatherer.note(tx, index, who, record)
            elif record.kind == "erase" and await self.store.add(tx, who):
                await self.gatherer.store.drop(tx, who.workspace, who.subjects | who.profiles)
                await self._at_once(tx, record)

    @override
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

    @override
    async def _measure_more(self, tx: AsyncConnection) -> None:
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
