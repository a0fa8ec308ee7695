"""Files that are uploaded for a job: taken to the disk, kept in pieces, put together to be read."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from rapport_common.errors import TooLargeError
from rapport_common.files.lines import LinesReader
from rapport_common.files.rows import Place, Row, Writing
from rapport_common.files.separated import SeparatedReader
from rapport_common.files.unpacking import damage_told, unpacked

MAX_UPLOAD_BYTES = 128 * 2**20
MAX_UNPACKED_BYTES = 2**29
PIECE_BYTES = 4 * 2**20
"""A piece that is read ends behind so much, at the latest."""

PART_BYTES = 2**20
IN_MEMORY = 2**20
Received = tempfile.SpooledTemporaryFile[bytes]


@dataclass(frozen=True, slots=True)
class At:
    """How far a file has been read: bytes, rows, and the lines that end before."""

    offset: int = 0
    rows: int = 0
    lines: int = 0
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a file, each with the line in which it begins; and where the next one is."""

    rows: list[tuple[int, Row]]
    after: At


class RowFile:
    """A file of rows on the disk, plain; its calls block."""

    def __init__(self, file: BinaryIO, form: str, writing: Writing) -> None:
        """`form`: csv or jsonl; `writing` is of CSV. InvalidRequestError: it can't be read."""
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self._reader: SeparatedReader | LinesReader
        self._start = 0
        if form == "jsonl":
            self._reader = LinesReader(file)
            return
        self._reader = SeparatedReader(file, writing)
        self._start = self._reader.start

    @property
    def columns(self) -> list[str] | None:
        """The names of all columns; None where each row names its own."""
        return None if self._reader.columns is None else list(self._reader.columns)

    def count_lines(self) -> int:
        """The lines of the file."""
        self._file.seek(0)
        return sum(one.count(b"\n") for one in iter(lambda: self._file.read(PART_BYTES), b""))

    def piece(self, at: At, most: int) -> Rows | None:
        """The next rows, `most` of them; None at the end."""
        place = Place(int(at.inside), at.offset, at.rows)
        read: list[Row | Place] = []
        for one in self._reader.rows(place):
            read.append(one)
            if len(read) == most or _place(one).minor - at.offset > PIECE_BYTES:
                break
        if not read:
            return None
        end = _place(read[-1])
        text = os.pread(self._file.fileno(), end.minor - at.offset, at.offset)
        found: list[tuple[int, Row]] = []
        begin, line, counted = at.offset or self._start, at.lines, at.offset
        for one in read:
            behind = _place(one)
            if isinstance(one, Row):
                line += text.count(b"\n", counted - at.offset, begin - at.offset)
                own = text[begin - at.offset : behind.minor - at.offset]
                blank = len(own) - len(own.lstrip(b"\r\n"))
                found.append((line + own[:blank].count(b"\n") + 1, one))
                counted = begin
            begin = behind.minor
        lines = at.lines + text.count(b"\n")
        return Rows(found, At(end.minor, end.rows, lines, inside=bool(end.major)))


def _place(one: Row | Place) -> Place:
    return one.after if isinstance(one, Row) else one


@asynccontextmanager
async def received(body: AsyncIterator[bytes]) -> AsyncIterator[Received]:
    """The body of a request, on the disk if it is long; TooLargeError for one that is too long."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        async for piece in body:
            if file.tell() + len(piece) > MAX_UPLOAD_BYTES:
                raise TooLargeError(MAX_UPLOAD_BYTES)
            file.write(piece)
        file.seek(0)
        yield file


def pieces(file: Received) -> Iterator[bytes]:
    """A file in the pieces in which it is kept."""
    return iter(lambda: file.read(PART_BYTES), b"")


@asynccontextmanager
async def put_together(parts: AsyncGenerator[bytes]) -> AsyncIterator[BinaryIO]:
    """A file of its pieces on the disk, unpacked; InvalidRequestError for one that is damaged."""
    with tempfile.TemporaryFile() as packed, tempfile.TemporaryFile() as plain:
        async with aclosing(parts):
            async for content in parts:
                packed.write(content)
        packed.seek(0)
        await asyncio.to_thread(_unpack, cast("BinaryIO", packed), cast("BinaryIO", plain))
        yield cast("BinaryIO", plain)


def _unpack(packed: BinaryIO, plain: BinaryIO) -> None:
    with damage_told():
        shutil.copyfileobj(unpacked(packed, MAX_UNPACKED_BYTES), plain, PART_BYTES)
    plain.flush()
