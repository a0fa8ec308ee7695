"""Exports: people as a file that is made while it is sent.

A page is read in a transaction of its own, and written out before it is sent: whoever takes it
slowly, or not at all, holds no connection, no lock and no snapshot. So each person is told as they
are when their page is read, and an export can go on behind any of them.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.exporting.answers import Format, Places, is_packed, packed, writing
from rapport_common.exporting.columns import Column
from rapport_common.exporting.texts import Writing
from rapport_profile import metrics
from rapport_profile.domain.export_columns import Person
from rapport_profile.domain.naming import Id
from rapport_profile.domain.restraints import is_only_kept
from rapport_profile.store import exporting as store
from rapport_profile.store import retelling
from rapport_profile.store.standing import standing

log = logging.get(__name__)

AT_ONCE = 2
"""Exports that one process makes at a time."""

PAGE = 250
PAGE_BYTES = 1024 * 1024
"""Of what is stored of the people of a page, as it is stored."""

FIRST = "00000000-0000-0000-0000-000000000000"


class Wanted(msgspec.Struct, frozen=True):
    """An export: of these people in this order, or of all behind `after` by their ids.

    `actor` is noted in the log, with how many went.
    """

    workspace: str
    actor: str
    format: Format
    columns: Sequence[Column[Person]]
    ids: Sequence[Id] | None = None
    after: Id | None = None
    gzip: bool = False
    guarded: bool = True

    def writing(self) -> Writing[Person]:
        """What makes the file."""
        return writing(
            self.format,
            self.columns,
            gzip=self.gzip,
            guarded=self.guarded,
            named=self.after is None,
        )


class Exporting:
    """Makes exports, a few at a time."""

    def __init__(self, engine: AsyncEngine, at_once: int = AT_ONCE) -> None:
        self._engine = engine
        self.places = Places(at_once)

    async def parts(self, wanted: Wanted) -> AsyncGenerator[bytes]:
        """The file, part by part; the next one is made when it is asked for."""
        with self.places.one():
            gzip = is_packed(wanted.format, gzip=wanted.gzip)
            async with aclosing(packed(self._parts(wanted), gzip=gzip)) as parts:
                async for part in parts:
                    yield part

    async def _parts(self, wanted: Wanted) -> AsyncGenerator[bytes]:
        making, rows = wanted.writing(), 0
        part = making.begin()
        async for people in self._pages(wanted):
            part += making.add(people)
            rows += len(people)
            metrics.EXPORTED.inc(len(people))
            yield part
            part = b""
        yield part + making.end()
        log.info("profiles exported", workspace=wanted.workspace, by=wanted.actor, rows=rows)

    async def _pages(self, wanted: Wanted) -> AsyncIterator[list[Person]]:
        pages = self._all(wanted) if wanted.ids is None else self._these(wanted, wanted.ids)
        async for page in pages:
            yield page

    async def _all(self, wanted: Wanted) -> AsyncIterator[list[Person]]:
        async with self._engine.begin() as tx:
            # Who comes later has a later id; else an export would run behind them for ever.
            until = await retelling.last(tx, wanted.workspace)
        after = wanted.after or FIRST
        while until is not None:
            async with self._engine.begin() as tx:
                ids = await store.behind(
                    tx, wanted.workspace, after, until, limit=PAGE, most_bytes=PAGE_BYTES
                )
                page = await _people(tx, wanted.workspace, ids)
            if not ids:
                return
            after = ids[-1]
            yield page

    async def _these(self, wanted: Wanted, asked: Sequence[Id]) -> AsyncIterator[list[Person]]:
        told: set[Id] = set()
        for start in range(0, len(asked), PAGE):
            some = asked[start : start + PAGE]
            async with self._engine.begin() as tx:
                now = await store.heirs(tx, wanted.workspace, some)
                heirs = dict.fromkeys(now[one] for one in some if one in now)
                ids = [one for one in heirs if one not in told]
                people = await _people(tx, wanted.workspace, ids)
            told.update(ids)
            places = {id_: place for place, id_ in enumerate(ids)}
            yield sorted(people, key=lambda who: places[who.id])


async def _people(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> list[Person]:
    """Those of them of whom anything may be done but keeping what is known."""
    found = [Person(*one) async for one in standing(tx, workspace, ids)]
    return [one for one in found if not is_only_kept(one.summary.fold.restraints)]
