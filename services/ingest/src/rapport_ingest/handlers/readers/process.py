"""Files are read in a process of their own: what a file does to its reader is not done to ingest.

The parent tells the child by standard input what to read, and gets frames by standard output: one
`Opened`, `Checking`s and one `Checked` if there is something to check, then `Piece`s, one `Ended`;
or `Failed` in place of any. No frame takes long to come, whatever is in the file. A pipe holds few
of them, so the child waits while its parent is slow. It ends when its parent does: there is nobody
to write to.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from rapport_common import logging
from rapport_common.errors import InvalidRequestError, UnavailableError
from rapport_ingest.domain.imports import ImportSpec
from rapport_ingest.domain.rows import Entry, Place
from rapport_ingest.domain.totals import Tally
from rapport_ingest.domain.verdict import Refusal

log = logging.get(__name__)

LENGTH_BYTES = 4
CHILD = "rapport_ingest.handlers.readers.child"


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """How the operator's S3 is reached."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to read: the file at `path`, or `bucket/key` in the `store`.

    `place`, `tally` and `fingerprint` are those of an import that goes on; what has been `checked`
    is not checked again. `memory` and `unpacked` are bytes at most, of the process and of what the
    file unfolds to.
    """

    spec: ImportSpec
    job: str
    path: str
    memory: int
    unpacked: int
    store: Store | None = None
    place: Place = Place()
    tally: Tally = Tally()
    checked: bool = False
    fingerprint: str | None = None


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The file is open."""

    size: int
    fingerprint: str
    total: int | None


class Checking(msgspec.Struct, frozen=True, tag="checking"):
    """How far it has been checked, and how many of its bytes were read for it."""

    tally: Tally
    read: int


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """What comparing the file with its last line has found."""

    checks: dict[str, Any]


class Carried(msgspec.Struct, frozen=True, array_like=True):
    """An entry on its way."""

    item: bytes
    id: str
    first: int
    last: int
    size: int
    after: Place
    refusal: Refusal | None


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """Some entries, the place behind them, and how many bytes of the file have been read.

    There may be none for long: then the place tells how far it is.
    """

    entries: list[Carried]
    place: Place
    read: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """There are no more."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It can't be read; `passing`: it could be later."""

    code: str
    message: str
    passing: bool = False


Frame = Opened | Checking | Checked | Piece | Ended | Failed
_frames: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)
_encode = msgspec.msgpack.Encoder().encode


def framed(frame: Frame) -> bytes:
    """A frame as it goes through the pipe."""
    data = _encode(frame)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def carried(entry: Entry) -> Carried:
    """An entry as it travels."""
    return Carried(
        bytes(entry.item),
        entry.id,
        entry.first,
        entry.last,
        entry.size,
        entry.after,
        entry.refusal,
    )


def _entry(one: Carried) -> Entry:
    item = msgspec.Raw(one.item)
    return Entry(item, one.id, one.first, one.last, one.size, one.after, one.refusal)


class Reading:
    """A file that a child is reading."""

    def __init__(self, process: asyncio.subprocess.Process, assignment: Assignment) -> None:
        self._process = process
        self._memory = assignment.memory
        self._waiting: list[Entry] = []
        self.ended = False
        self.read = 0
        self.place, self.tally = assignment.place, assignment.tally
        self.checks: dict[str, Any] = {}
        self.opened = Opened(0, "", None)

    async def open(self) -> None:
        """Wait until the file is open. InvalidRequestError, UnavailableError."""
        found = await self._frame()
        if isinstance(found, Opened):
            self.opened = found

    async def take(self, count: int) -> list[Entry]:
        """The next entries, at most `count`. None: it has `ended`, or has come a little further."""
        if not self._waiting and not self.ended:
            self._hear(await self._frame())
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        if taken:
            self.place = taken[-1].after
        return taken

    def _hear(self, found: Frame) -> None:
        if isinstance(found, Piece):
            self._waiting = [_entry(one) for one in found.entries]
            self.place, self.read = found.place, found.read
        elif isinstance(found, Checking):
            self.tally, self.read = found.tally, found.read
        elif isinstance(found, Checked):
            self.checks = found.checks
        else:
            self.ended = True

    async def _frame(self) -> Frame:
        stdout = self._process.stdout
        if stdout is None:
            message = "a child is started with a pipe"
            raise RuntimeError(message)
        try:
            length = int.from_bytes(await stdout.readexactly(LENGTH_BYTES), "big")
            found = _frames.decode(await stdout.readexactly(length))
        except asyncio.IncompleteReadError as error:
            raise await self._lost() from error
        if isinstance(found, Failed):
            if found.passing:
                raise UnavailableError(found.message)
            raise InvalidRequestError(found.message, code=found.code)
        return found

    async def _lost(self) -> InvalidRequestError:
        """What to say of a child that ended without a word."""
        status = await self._process.wait()
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        log.error("the reader of an import ended", how=how)
        message = (
            f"The file can't be read: the process that read it ended ({how}). It has "
            f"{self._memory // 2**20} MiB of memory; write the file in smaller pieces."
        )
        return InvalidRequestError(message, code="unreadable_file")


@asynccontextmanager
async def reading(assignment: Assignment) -> AsyncIterator[Reading]:
    """A child that reads, ended with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        CHILD,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if process.stdin is not None:
            with suppress(ConnectionError):
                process.stdin.write(msgspec.json.encode(assignment))
                process.stdin.close()
                await process.stdin.wait_closed()
        found = Reading(process, assignment)
        await found.open()
        yield found
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        # Not `wait`: while its pipe is full of what nobody reads any more, that does not come back.
        await process.communicate()
