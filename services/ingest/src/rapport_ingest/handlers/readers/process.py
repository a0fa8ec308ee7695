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
from rapport_ingest.domain.rows import Entry
from rapport_ingest.handlers.readers.frames import (
    LENGTH_BYTES,
    Assignment,
    Checked,
    Checking,
    Failed,
    Frame,
    Opened,
    Piece,
    arrived,
    frame_of,
)

log = logging.get(__name__)

CHILD = "rapport_ingest.handlers.readers.child"


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
            self._waiting = [arrived(one) for one in found.entries]
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
            found = frame_of(await stdout.readexactly(length))
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
