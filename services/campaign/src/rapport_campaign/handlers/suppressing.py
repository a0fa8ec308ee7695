"""The suppression list: what operators put on it, and a file of it."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.suppressions import Entry, Place
from rapport_campaign.store import locks
from rapport_campaign.store import suppression_list as store
from rapport_campaign.store.suppression_list import Kept
from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.exporting.answers import Format, Places, is_packed, packed, writing
from rapport_common.exporting.columns import Column, Kind

PIECE = 500
"""Addresses of one transaction: each of them is locked until its end."""

PAGE = 1000
AT_ONCE = 2
COLUMNS: tuple[Column[Kept], ...] = (
    Column("address", Kind.TEXT, lambda one: one.entry.place.address),
    Column("channel", Kind.TEXT, lambda one: one.entry.place.channel),
    Column("purpose", Kind.TEXT, lambda one: one.entry.place.purpose),
    Column("reason", Kind.TEXT, lambda one: one.entry.reason),
    Column("actor", Kind.TEXT, lambda one: one.entry.actor),
    Column("at", Kind.TIME, lambda one: one.entry.at),
)


async def put(
    tx: AsyncConnection,
    by: tuple[str, str],
    places: Sequence[tuple[Place, str]],
    *,
    at: datetime,
) -> int:
    """Put places on the list, each with why; what is being sent there is not stopped any more.

    `by`: a workspace, and who of it. How many were not on it so before. When this has committed
    nothing more is marked.
    """
    workspace, actor = by
    await locks.own_addresses(tx, [(workspace, place.address) for place, _ in places])
    entries = [Entry(place, reason, actor, at) for place, reason in places]
    return await store.put(tx, workspace, entries)


async def take(tx: AsyncConnection, caller: Operator, places: Sequence[Place], reason: str) -> int:
    """Take places off the list; how many were on it."""
    return await store.take(tx, caller.workspace, places, (caller.subject, reason), clock.now())


class Exporting:
    """Makes files of the list, a few at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.places = Places(AT_ONCE)

    async def parts(
        self, workspace: str, form: Format, *, gzip: bool, guarded: bool
    ) -> AsyncGenerator[bytes]:
        """The file, part by part, in the order of addresses; a page is a transaction of its own."""
        with self.places.one():
            parts = self._parts(workspace, form, guarded=guarded)
            async with aclosing(packed(parts, gzip=is_packed(form, gzip=gzip))) as some:
                async for part in some:
                    yield part

    async def _parts(self, workspace: str, form: Format, *, guarded: bool) -> AsyncGenerator[bytes]:
        making = writing(form, COLUMNS, guarded=guarded)
        part = making.begin()
        async for page in self._pages(workspace):
            yield part + making.add(page)
            part = b""
        yield part + making.end()

    async def _pages(self, workspace: str) -> AsyncIterator[list[Kept]]:
        after = ("", "")
        while True:
            async with self._engine.begin() as tx:
                page = await store.page(tx, workspace, after, PAGE)
            if not page:
                return
            yield page
            last = page[-1].entry.place
            after = (last.address, last.channel)
