"""Exports of members: a file that is made while it is sent, all of it from one snapshot.

A snapshot is a transaction that stays open, and keeps the database from clearing away what has
changed since. So it is bounded: by how long nobody may take the next part, by how long the whole
may take, and by how many are made at once, on connections of their own.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging
from rapport_common.errors import UnavailableError
from rapport_common.exporting.answers import Format, Places, is_packed, packed, writing
from rapport_segment import metrics
from rapport_segment.domain.export_columns import columns_of, read_for
from rapport_segment.store import members

log = logging.get(__name__)

AT_ONCE = 2
"""Exports that one process makes at a time."""

SILENCE_SECONDS = 15.0
"""For so long a part may wait to be taken; then the answer, and its snapshot, end."""

MOST_SECONDS = 900.0
"""After so long an export is given up, however fast it is taken."""

LONG_PAGE, SHORT_PAGE = 2000, 250
"""Members read at once: of whose stays only, and of whom what is known is read, too."""


class Wanted(msgspec.Struct, frozen=True):
    """An export of a segment's members; `actor` is noted in the log, with how many went."""

    workspace: str
    actor: str
    segment_id: UUID
    format: Format
    columns: Sequence[str]
    gzip: bool = False
    guarded: bool = True


class Exporting:
    """Makes exports, a few at a time."""

    def __init__(
        self, engine: AsyncEngine, at_once: int = AT_ONCE, seconds: float = MOST_SECONDS
    ) -> None:
        self._engine = engine
        self._seconds = seconds
        self.places = Places(at_once)

    async def parts(self, wanted: Wanted) -> AsyncGenerator[bytes]:
        """The file, part by part; the next one is made when it is asked for."""
        with self.places.one():
            gzip = is_packed(wanted.format, gzip=wanted.gzip)
            async with aclosing(packed(self._parts(wanted), gzip=gzip)) as parts:
                async for part in parts:
                    yield part

    async def _parts(self, wanted: Wanted) -> AsyncGenerator[bytes]:
        making = writing(
            wanted.format, columns_of(wanted.columns), gzip=wanted.gzip, guarded=wanted.guarded
        )
        sections, after, rows = read_for(wanted.columns), None, 0
        limit, until = SHORT_PAGE if sections else LONG_PAGE, time.monotonic() + self._seconds
        part = making.begin()
        async with self._engine.begin() as tx:
            await members.hold_snapshot(tx, silence=SILENCE_SECONDS * 2)
            while found := await members.page(
                tx,
                wanted.workspace,
                wanted.segment_id,
                after=after,
                limit=limit,
                wanted=sections,
            ):
                after = found[-1].entry.profile_id
                rows += len(found)
                metrics.EXPORTED.inc(len(found))
                yield part + making.add(found)
                part = b""
                if time.monotonic() > until:
                    message = f"The export took longer than {self._seconds:g} s."
                    raise UnavailableError(message)
        yield part + making.end()
        log.info(
            "members exported",
            workspace=wanted.workspace,
            by=wanted.actor,
            segment=str(wanted.segment_id),
            rows=rows,
        )
