"""Accepting events: judge each, keep the bad ones, make the good ones durable, count."""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.errors import UnavailableError
from rapport_common.events.envelope import Event
from rapport_common.events.topics import EVENTS
from rapport_common.ids import uuid7
from rapport_common.kafka.producer import Outgoing
from rapport_ingest import metrics
from rapport_ingest.domain.event import MAX_EVENT_BYTES, Origin, judge
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.planned import breach
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.sending import Sending
from rapport_ingest.domain.verdict import Refusal, Result
from rapport_ingest.domain.warnings import KEY_IN_BROWSER
from rapport_ingest.handlers.cataloguing import Cataloguing
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.debugging import Debugging
from rapport_ingest.handlers.planning import Planning
from rapport_ingest.spool import Spool
from rapport_ingest.store import quarantine
from rapport_ingest.store.quarantine import Quarantined

log = logging.get(__name__)

BROKEN = "Something broke on our side when it was read. It is kept, and can be replayed."
KEEP_SECONDS = 5.0

ACCEPTED, TESTED = "accepted", "tested"

SLICE = 200
"""So many events are judged at a time; other requests get their turn in between."""


class _Judged(msgspec.Struct):
    """What became of the events of one request.

    `records` are the good ones, in their order, encoded at once: as values they cost far more
    memory, and many requests may wait for Kafka. Each of the `refused` comes with its index.
    """

    results: list[Result]
    records: list[Outgoing]
    refused: list[tuple[int, Refusal]]


class Acceptor:
    """The use case behind every route that takes events, and behind imports and replays."""

    def __init__(
        self,
        engine: AsyncEngine,
        spool: Spool,
        *,
        counting: Counting,
        cataloguing: Cataloguing,
        planning: Planning,
        debugging: Debugging,
        partition_secret: bytes,
    ) -> None:
        self._engine = engine
        self._spool = spool
        self._counting = counting
        self._cataloguing = cataloguing
        self._planning = planning
        self._debugging = debugging
        self._secret = partition_secret
        self._large = asyncio.Lock()
        # Unique for ever by this start's prefix, and cheaper than an id from chance each time.
        self._ids = (f"{prefix}-{number}" for prefix in [str(uuid7())] for number in count())

    async def accept(self, sending: Sending) -> list[Result]:
        """One verdict per event, in their order, each of them kept for good by then.

        UnavailableError when that can't be done: the sender has to send the request again.
        """
        origin = Origin(
            sending.sender,
            SenderClock(sending.sent_at, sending.received_at),
            sending.address,
            sending.user_agent,
            sending.marks,
            {},
        )
        judged, count, spare = _Judged([], [], []), len(sending.items), next(self._ids)
        if count <= SLICE:
            self._slice(sending, origin, range(count), spare, judged)
        else:
            # What is being judged costs several times its bytes: one large request at a time.
            async with self._large:
                for start in range(0, count, SLICE):
                    slice_ = range(start, min(start + SLICE, count))
                    self._slice(sending, origin, slice_, spare, judged)
                    await asyncio.sleep(0)
        results, records, refused = judged.results, judged.records, judged.refused
        if sending.sender.policy.test_mode:
            metrics.TESTED.inc(len(results))
            self._debugging.show(sending, results)
            return results
        kept = await self._keep(sending, refused) if refused else []
        spooled = False
        if records:
            try:
                spooled = await self._spool.deliver(sending.sender.caller, results, records)
            except UnavailableError:
                await self._withdraw(sending, kept)
                raise
        for _index, refusal in refused:
            metrics.REJECTED.labels(refusal.code).inc()
        self._counting.note(
            sending.sender.caller, accepted=len(records), rejected=len(refused), spooled=spooled
        )
        self._warn(sending, origin, len(records))
        self._debugging.show(sending, results)
        return results

    def _warn(self, sending: Sending, origin: Origin, accepted: int) -> None:
        """Count what is odd about the accepted events."""
        caller = sending.sender.caller
        for code, events in (origin.notes or {}).items():
            self._counting.warn(caller, code, events)
        if accepted and sending.trust == "public" and sending.sender.trust != "public":
            self._counting.warn(caller, KEY_IN_BROWSER, accepted)

    def _slice(
        self, sending: Sending, origin: Origin, indexes: range, spare: str, judged: "_Judged"
    ) -> None:
        """Judge some of the events, and encode the good ones."""
        kind, ids, refusals = sending.kind, sending.ids, sending.refusals
        sequences = sending.sequences
        sender, trace = sending.sender, sending.traceparent
        good = TESTED if sender.policy.test_mode else ACCEPTED
        for index in indexes:
            verdict: Event | Refusal
            if refusals and index in refusals:
                verdict = refusals[index]
            else:
                id_ = ids[index] if ids else f"{spare}-{index}"
                place = index if sequences is None else sequences[index]
                try:
                    found = judge(sending.items[index], kind, origin, id_, place)
                except Exception as error:
                    # An event that breaks something of ours is kept, and costs no other.
                    log.exception("an event can't be read", error=error)
                    found = Refusal(id_, "internal", "", BROKEN)
                verdict = found if isinstance(found, Refusal) else self._noted(sender, *found)
            if isinstance(verdict, Refusal):
                judged.refused.append((index, verdict))
                judged.results.append(_rejected(verdict))
                continue
            judged.results.append(Result(verdict.message_id, good))
            judged.records.append(self._record(verdict, trace))

    def _noted(self, sender: Sender, event: Event, fields: dict[str, Any]) -> Event | Refusal:
        """What the plan makes of a good event; the catalogue learns from it."""
        if sender.policy.test_mode:
            broken = breach(sender, event, fields)
            return (broken.refusal(event) if broken is not None else None) or event
        refusal = self._planning.check(sender, event, fields) if sender.plan is not None else None
        self._cataloguing.note(event, fields)
        return refusal or event

    async def _keep(self, sending: Sending, refused: Sequence[tuple[int, Refusal]]) -> list[int]:
        """Keep what is refused before anybody is told; without Postgres nobody is.

        It goes before the delivery: while Postgres is away, each try of the sender would put the
        good events into Kafka once more.
        """
        bodies = sending.originals or sending.items
        rows = [_quarantined(sending, index, one, bodies[index]) for index, one in refused]
        try:
            async with asyncio.timeout(KEEP_SECONDS), self._engine.begin() as tx:
                return await quarantine.keep(tx, sending.sender.caller.workspace, rows)
        except (SQLAlchemyError, OSError) as error:
            if not is_retriable(error):
                raise
            message = "A rejected event can't be kept now; send the same request again."
            raise UnavailableError(message) from error

    async def _withdraw(self, sending: Sending, ids: Sequence[int]) -> None:
        """Take back what was kept of a request that is sent again, so that it is not there twice.

        If Postgres went away in this very moment it is: twice is better than never.
        """
        if not ids:
            return
        try:
            async with asyncio.timeout(KEEP_SECONDS), self._engine.begin() as tx:
                await quarantine.withdraw(tx, sending.sender.caller.workspace, ids)
        except (SQLAlchemyError, OSError) as error:
            log.warning("refused events are kept twice", rows=len(ids), error=error)

    def _record(self, event: Event, traceparent: str | None) -> Outgoing:
        return Outgoing.of(EVENTS, event, traceparent, secret=self._secret)


def _quarantined(sending: Sending, index: int, refusal: Refusal, raw: msgspec.Raw) -> Quarantined:
    body = bytes(raw)
    place = f"{sending.places[index]}: " if sending.places else ""
    return Quarantined(
        source=sending.sender.caller.source,
        message_id=_storable(refusal.message_id),
        received_at=sending.received_at,
        code=refusal.code,
        path=_storable(refusal.path),
        reason=_storable(place + refusal.reason),
        body=body[:MAX_EVENT_BYTES],
        truncated=len(body) > MAX_EVENT_BYTES,
        sent_at=sending.sent_at,
        type=sending.kind,
        dialect=sending.dialect,
        sequence=sending.sequence(index),
        trust=sending.trust or sending.sender.trust,
        historic=sending.historic,
    )


def _storable(text: str) -> str:
    """What a dialect quotes of its client may have what Postgres can't store."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _rejected(refusal: Refusal) -> Result:
    return Result(refusal.message_id, "rejected", refusal.code, refusal.reason, refusal.path)
