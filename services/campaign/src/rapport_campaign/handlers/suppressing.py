"""The suppression list: what operators put on it, by hand and by file, and a file of it."""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.suppressions import Entry, EntryError, Place, row_of
from rapport_campaign.store import locks
from rapport_campaign.store import suppression_list as store
from rapport_campaign.store.suppression_list import Kept
from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import InvalidRequestError
from rapport_common.exporting.answers import Format, Places, is_packed, packed, writing
from rapport_common.exporting.columns import Column, Kind
from rapport_common.files.lines import LinesReader
from rapport_common.files.rows import Place as Spot
from rapport_common.files.rows import Row, Writing
from rapport_common.files.separated import SeparatedReader

FileForm = Literal["csv", "jsonl"]
PIECE = 500
"""Addresses of one transaction: each of them is locked until its end."""

PAGE = 1000
AT_ONCE = 2
MOST_ROWS = 20_000
"""Of one request, which is to be answered within seconds."""

MOST_TOLD = 1000
"""Rows that are told of when they were not taken; all are counted."""

COLUMNS: tuple[Column[Kept], ...] = (
    Column("address", Kind.TEXT, lambda one: one.entry.place.address),
    Column("channel", Kind.TEXT, lambda one: one.entry.place.channel),
    Column("purpose", Kind.TEXT, lambda one: one.entry.place.purpose),
    Column("reason", Kind.TEXT, lambda one: one.entry.reason),
    Column("actor", Kind.TEXT, lambda one: one.entry.actor),
    Column("at", Kind.TIME, lambda one: one.entry.at),
)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of a file that was not taken: its number, from 1 behind the header."""

    row: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the rows of a file."""

    rows: int
    changed: int
    refused: int
    refusals: Sequence[RefusedRow]


async def put(tx: AsyncConnection, caller: Operator, places: Sequence[tuple[Place, str]]) -> int:
    """Put places on the list, each with why; what is being sent there is not stopped any more.

    How many were not on it so before. When this has committed nothing more is marked.
    """
    at = clock.now()
    await locks.own_addresses(tx, [(caller.workspace, place.address) for place, _ in places])
    entries = [Entry(place, reason, caller.subject, at) for place, reason in places]
    return await store.put(tx, caller.workspace, entries)


async def take(tx: AsyncConnection, caller: Operator, places: Sequence[Place], reason: str) -> int:
    """Take places off the list; how many were on it."""
    return await store.take(tx, caller.workspace, places, (caller.subject, reason), clock.now())


async def put_file(
    engine: AsyncEngine, caller: Operator, content: bytes, form: FileForm, reason: str
) -> Taken:
    """Put what a file has on the list, a transaction for each piece; sent again it does no harm.

    `reason` is for rows that have none. InvalidRequestError: it can't be read at all, or has too
    many of them.
    """
    rows = await asyncio.to_thread(lambda: list(islice(_rows(content, form), MOST_ROWS + 1)))
    if len(rows) > MOST_ROWS:
        message = f"The file has more than {MOST_ROWS} rows: send it in pieces. Nothing was taken."
        raise InvalidRequestError(message, code="too_many_rows")
    refusals = [one for one in rows if isinstance(one, RefusedRow)]
    places = [(one[0], one[1] or reason) for one in rows if not isinstance(one, RefusedRow)]
    changed = 0
    for start in range(0, len(places), PIECE):
        async with engine.begin() as tx:
            changed += await put(tx, caller, places[start : start + PIECE])
    return Taken(len(rows), changed, len(refusals), refusals[:MOST_TOLD])


def _rows(content: bytes, form: FileForm) -> Iterator[tuple[Place, str | None] | RefusedRow]:
    file = io.BytesIO(content)
    reader = LinesReader(file) if form == "jsonl" else SeparatedReader(file, Writing())
    for one in reader.rows(Spot()):
        if not isinstance(one, Row):
            continue
        number = one.after.rows
        if one.values is None:
            yield RefusedRow(number, one.code, one.reason)
            continue
        try:
            yield row_of(one.values)
        except EntryError as error:
            yield RefusedRow(number, error.code, f"{error.where}: {error}.")


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
