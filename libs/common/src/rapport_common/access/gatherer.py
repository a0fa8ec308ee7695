"""Tells what one service holds of somebody: pieces of lines, sealed, one page after the other.

Each page is a transaction with the note of how far it is and with the records that tell it. So any
number of processes share the work, a kill costs a page at most, and nothing is told twice.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging, metrics
from rapport_common.access.parts import Part, Told
from rapport_common.access.sealing import KEY_BYTES, place_of, seal
from rapport_common.access.store import AccessStore, Telling
from rapport_common.db import is_retriable
from rapport_common.discretion import told
from rapport_common.errors import InvalidEvent
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.events.topics import PRIVACY
from rapport_common.privacy.subject import Subject
from rapport_common.publisher import Publisher

log = logging.get(__name__)

IDLE_SECONDS = 0.5
COUNT_SECONDS = 10.0
PIECE = 384 * 1024
"""Bytes of lines in one piece: sealed and in JSON it is a record of half of what Kafka takes."""

_encoder = msgspec.json.Encoder(decimal_format="string")


def lines(section: str, rows: Sequence[Told]) -> bytes:
    """Rows as lines of the file."""
    return b"".join(_encoder.encode({"section": section, "row": row}) + b"\n" for row in rows)


def cut(content: bytes) -> Iterator[bytes]:
    """Bytes in pieces; where one ends has no meaning."""
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


class Gatherer:
    """One service's way of telling; also the worker that does it."""

    name = "gatherer"

    def __init__(self, service: str, parts: Sequence[Part]) -> None:
        self.store = AccessStore(service)
        self.parts = parts
        self.last_sign = time.monotonic()
        self._service = service
        self._publisher = Publisher(service, PRIVACY)
        self._engine: AsyncEngine | None = None
        self._count_at = 0.0
        metrics.ACCESS_OLDEST.labels(service)
        metrics.ACCESS_FAILURES.labels(service)

    def over(self, engine: AsyncEngine) -> "Gatherer":
        """Work over these connections."""
        self._engine = engine
        return self

    async def note(
        self, tx: AsyncConnection, index: int, who: Subject, record: PrivacyRecord
    ) -> None:
        """Note whose data are to be told; InvalidEvent names the record by its index."""
        try:
            public = bytes.fromhex(record.seal or "")
        except ValueError:
            public = b""
        if len(public) != KEY_BYTES:
            raise InvalidEvent(index, "a request for access without the key to seal with")
        await self.store.add(tx, who, public)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; a page under way is finished."""
        while not stop.is_set():
            worked = False
            try:
                worked = await self.turn()
                await self._measure()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("requests for access can't be read, trying again", error=error)
            self.last_sign = time.monotonic()
            if not worked:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await stop.wait()

    async def turn(self) -> bool:
        """Tell a page of the request that waits longest; False when none is to be worked on."""
        if self._engine is None:
            raise LookupError(self._service)
        work: Telling | None = None
        try:
            async with self._engine.begin() as tx:
                work = await self.store.take(tx)
                if work is None:
                    return False
                await self._page(tx, work)
        except Exception as error:
            if work is None:
                raise
            log.warning("access waits", request=work.who.request_id, error=error)
            metrics.ACCESS_FAILURES.labels(self._service).inc()
            async with self._engine.begin() as tx:
                await self.store.postpone(tx, work, told(error))
        return True

    async def _page(self, tx: AsyncConnection, work: Telling) -> None:
        if work.part >= len(self.parts):
            await self._finish(tx, work)
            return
        part = self.parts[work.part]
        page = await part.page(tx, work.who, work.after)
        content = lines(part.section, page.rows)
        if page.rows and part.section not in work.told:
            content = (
                _encoder.encode({"section": part.section, "about": part.about}) + b"\n" + content
            )
        pieces = list(cut(content))
        counts = (len(page.rows), len(pieces))
        await self.store.advance(tx, work, part.section, after=page.after, told=counts)
        records = [
            self._record(work, "piece", number=work.pieces + place, plain=plain)
            for place, plain in enumerate(pieces)
        ]
        await self._publisher.tell(tx, *records)

    async def _finish(self, tx: AsyncConnection, work: Telling) -> None:
        await self.store.finish(tx, work.who, clock.now())
        await self._publisher.tell(tx, self._record(work, "gathered", number=work.pieces))
        log.info("access told", request=work.who.request_id, pieces=work.pieces)

    def _record(
        self, work: Telling, kind: str, *, number: int, plain: bytes | None = None
    ) -> PrivacyRecord:
        who, sealed = work.who, None
        if plain is not None:
            place = place_of(who.request_id, self._service, number)
            sealed = seal(work.seal, place, plain)
        return PrivacyRecord(
            workspace=who.workspace,
            request_id=who.request_id,
            kind="gathered" if kind == "gathered" else "piece",
            profile_id=who.profile_id,
            subjects=[],
            at=clock.now(),
            service=self._service,
            number=number,
            sealed=sealed,
            rows=sum(work.told.values()) if sealed is None else None,
            tables=dict(work.told) if sealed is None else {},
        )

    async def _measure(self) -> None:
        if self._engine is None or time.monotonic() < self._count_at:
            return
        self._count_at = time.monotonic() + COUNT_SECONDS
        async with self._engine.begin() as tx:
            metrics.ACCESS_OLDEST.labels(self._service).set(await self.store.oldest(tx))
