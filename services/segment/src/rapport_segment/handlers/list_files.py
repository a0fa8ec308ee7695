"""Files that lists are made of: kept in pieces, read from a plain copy on the disk."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError, TooLargeError
from rapport_common.files.lines import LinesReader
from rapport_common.files.rows import Place, Row, Writing
from rapport_common.files.separated import SeparatedReader
from rapport_common.files.unpacking import damage_told, unpacked
from rapport_common.jobs.store import Job
from rapport_segment.domain.list_rows import (
    KIND,
    VALUE,
    ListSpec,
    identifiers_of,
    kinds_of,
)
from rapport_segment.domain.naming import Refused
from rapport_segment.store import list_files
from rapport_segment.store.list_files import Refusal

MAX_UPLOAD_BYTES = 128 * 2**20
MAX_UNPACKED_BYTES = 2**29
PIECE_BYTES = 4 * 2**20
"""A piece that is read ends behind so much, at the latest."""

PART_BYTES = 2**20
FORMS = ("csv", "jsonl")
IN_MEMORY = 2**20
Received = tempfile.SpooledTemporaryFile[bytes]


@dataclass(frozen=True, slots=True)
class At:
    """How far a file has been read: bytes, rows, and the lines that end before."""

    offset: int = 0
    rows: int = 0
    lines: int = 0
    inside: bool = False


@dataclass(slots=True)
class Piece:
    """Some rows of a file: identifiers, what was not taken, and where the next one begins."""

    identifiers: list[tuple[str, str]]
    rows: int
    refusals: list[Refusal]
    after: At


class ListFile:
    """A file on the disk, plain; its calls block."""

    def __init__(self, file: BinaryIO, spec: ListSpec) -> None:
        """InvalidRequestError: it can't be read at all, or has no column of identifiers."""
        self._file = file
        self._spec = spec
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self._reader: SeparatedReader | LinesReader
        self._start = 0
        if spec.form == "jsonl":
            self._reader = LinesReader(file)
            return
        self._reader = SeparatedReader(
            file, Writing(delimiter=spec.delimiter, encoding=spec.encoding)
        )
        self._start = self._reader.start
        columns = list(self._reader.columns or ())
        is_said = {KIND, VALUE} <= set(columns)
        if not is_said and not kinds_of(columns, spec.columns):
            # They are not told: without a header they are somebody's data.
            message = (
                f"No column of the file's {len(columns)} is called as a kind of identifier. Say "
                "which is what: column=email=Customer address."
            )
            raise InvalidRequestError(message, code="no_identifiers")

    def count_lines(self) -> int:
        """The lines of the file."""
        self._file.seek(0)
        return sum(one.count(b"\n") for one in iter(lambda: self._file.read(PART_BYTES), b""))

    def piece(self, at: At, most: int) -> Piece | None:
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
        found: dict[tuple[str, str], None] = {}
        refusals: list[Refusal] = []
        begin, rows = at.offset or self._start, 0
        for one in read:
            behind = _place(one)
            if isinstance(one, Row):
                rows += 1
                named = self._named(one)
                if isinstance(named, Refused):
                    before = text[: begin - at.offset]
                    own = text[begin - at.offset : behind.minor - at.offset]
                    blank = len(own) - len(own.lstrip(b"\r\n"))
                    line = at.lines + before.count(b"\n") + own[:blank].count(b"\n") + 1
                    refusals.append(Refusal(line, named.code, named.reason))
                else:
                    found.update(dict.fromkeys(named))
            begin = behind.minor
        lines = at.lines + text.count(b"\n")
        after = At(end.minor, end.rows, lines, inside=bool(end.major))
        return Piece(list(found), rows, refusals, after)

    def _named(self, row: Row) -> list[tuple[str, str]] | Refused:
        if row.values is None:
            return Refused(row.code, row.reason)
        return identifiers_of(row.values, self._spec.columns)


def _place(one: Row | Place) -> Place:
    return one.after if isinstance(one, Row) else one


@asynccontextmanager
async def opened(engine: AsyncEngine, job: Job, spec: ListSpec) -> AsyncIterator[ListFile]:
    """The file of a job, put together and unpacked."""
    with tempfile.TemporaryFile() as packed, tempfile.TemporaryFile() as plain:
        async with engine.begin() as tx:
            async for content in list_files.parts(tx, job.workspace, job.id):
                packed.write(content)
        packed.seek(0)
        await asyncio.to_thread(_unpack, cast("BinaryIO", packed), cast("BinaryIO", plain))
        yield ListFile(cast("BinaryIO", plain), spec)


def _unpack(packed: BinaryIO, plain: BinaryIO) -> None:
    with damage_told():
        shutil.copyfileobj(unpacked(packed, MAX_UNPACKED_BYTES), plain, PART_BYTES)
    plain.flush()


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
