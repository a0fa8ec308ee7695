"""Tells what one service holds of somebody: pieces of lines, sealed, one page after the other.

The records that tell a page are in its transaction (`privacy/pages.py`): nothing is told twice.
"""

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common import clock, logging, metrics
from rapport_common.access.parts import Part, Told
from rapport_common.access.sealing import KEY_BYTES, place_of, seal
from rapport_common.access.store import AccessStore, Telling
from rapport_common.errors import InvalidEvent
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.events.topics import PRIVACY
from rapport_common.privacy.pages import PageWorker
from rapport_common.privacy.subject import Subject
from rapport_common.publisher import Publisher

log = logging.get(__name__)

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


class Gatherer(PageWorker[Telling]):
    """One service's way of telling; also the worker that does it."""

    name = "gatherer"
    asked = "access"

    def __init__(self, service: str, parts: Sequence[Part]) -> None:
        self.store = AccessStore(service)
        super().__init__(service, self.store, metrics.ACCESS_FAILURES, metrics.ACCESS_OLDEST)
        self.parts = parts
        self._publisher = Publisher(service, PRIVACY)

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

    @override
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
