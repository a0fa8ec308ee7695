"""Accepting events: judge each, keep the bad ones, make the good ones durable, count."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.db import is_retriable
from rapport_common.errors import UnavailableError
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event, EventType, partition_key
from rapport_common.events.topics import EVENTS
from rapport_common.ids import uuid7
from rapport_common.kafka.producer import Outgoing
from rapport_ingest import metrics, store
from rapport_ingest.domain.event import MAX_EVENT_BYTES, Origin, Refusal, judge
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.spool import Spool
from rapport_ingest.store import Caller, Rejected, Spooled

KEEP_SECONDS = 5.0

SLICE = 200
"""So many events are judged at a time; other requests get their turn in between."""


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The verdict on one event, as the sender reads it."""

    message_id: str
    status: str
    code: str | None = None
    message: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """The events of one request and what goes for all of them."""

    caller: Caller
    items: Sequence[msgspec.Raw]
    kind: EventType | None
    received_at: datetime
    sent_at: datetime | None
    traceparent: str | None


class Acceptor:
    """The use case behind every route that takes events."""

    def __init__(
        self, engine: AsyncEngine, spool: Spool, counting: Counting, partition_secret: bytes
    ) -> None:
        self._engine = engine
        self._spool = spool
        self._counting = counting
        self._secret = partition_secret
        # Unique for ever by this start's prefix, and cheaper than an id from chance each time.
        self._ids = (f"{prefix}-{number}" for prefix in [str(uuid7())] for number in count())

    async def accept(self, sending: Sending) -> list[Result]:
        """One verdict per event, in their order, each of them kept for good by then.

        UnavailableError when that can't be done: the sender has to send the request again.
        """
        verdicts = await self._judge(sending)
        await self._keep(sending, verdicts)
        events = [one for one in verdicts if isinstance(one, Event)]
        spooled = False
        if events:
            outgoing = [self._spooled(sending, one) for one in events]
            spooled = await self._spool.deliver(outgoing)
        self._counting.note(
            sending.caller,
            accepted=len(events),
            rejected=len(verdicts) - len(events),
            spooled=spooled,
        )
        return [_result(one) for one in verdicts]

    async def _judge(self, sending: Sending) -> list[Event | Refusal]:
        caller = sending.caller
        origin = Origin(caller.workspace, caller.source, sending.received_at, sending.sent_at)
        spare = next(self._ids)
        if len(sending.items) == 1:
            return [judge(sending.items[0], sending.kind, origin, spare)]
        verdicts: list[Event | Refusal] = []
        for start in range(0, len(sending.items), SLICE):
            if start:
                await asyncio.sleep(0)
            part = sending.items[start : start + SLICE]
            verdicts += [
                judge(raw, sending.kind, origin, f"{spare}-{index}")
                for index, raw in enumerate(part, start)
            ]
        return verdicts

    async def _keep(self, sending: Sending, verdicts: Sequence[Event | Refusal]) -> None:
        """Keep what is refused before anybody is told; without Postgres nobody is."""
        rows = [
            _rejected(sending, one, raw)
            for one, raw in zip(verdicts, sending.items, strict=True)
            if isinstance(one, Refusal)
        ]
        if not rows:
            return
        try:
            async with asyncio.timeout(KEEP_SECONDS), self._engine.begin() as tx:
                await store.keep_rejected(tx, sending.caller.workspace, rows)
        except (SQLAlchemyError, OSError) as error:
            if not is_retriable(error):
                raise
            message = "A rejected event can't be kept now; send the same request again."
            raise UnavailableError(message) from error
        for one in rows:
            metrics.REJECTED.labels(one.code).inc()

    def _spooled(self, sending: Sending, event: Event) -> Spooled:
        key = partition_key(self._secret, event.workspace, event.identifiers()[0])
        outgoing = Outgoing(EVENTS.name, key, encode(event), sending.traceparent)
        return Spooled(sending.caller, event.message_id, outgoing)


def _rejected(sending: Sending, refusal: Refusal, raw: msgspec.Raw) -> Rejected:
    return Rejected(
        source=sending.caller.source,
        message_id=refusal.message_id,
        received_at=sending.received_at,
        code=refusal.code,
        path=refusal.path,
        reason=refusal.reason,
        body=bytes(raw)[:MAX_EVENT_BYTES],
    )


def _result(verdict: Event | Refusal) -> Result:
    if isinstance(verdict, Refusal):
        return Result(verdict.message_id, "rejected", verdict.code, verdict.reason, verdict.path)
    return Result(verdict.message_id, "accepted")
