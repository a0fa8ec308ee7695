"""A mail server that takes everything, in a process of its own, and counts what it has taken."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from typing import TYPE_CHECKING, Any, cast

import uvloop
from tests.bench.recipients import DIGITS, TIMED
from typing_extensions import override

from rapport_local.ports import HOST

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_SPAWN = get_context("spawn")
_END = b"\r\n.\r\n"
MOST_TIMED = 100_000
"""Recipients by their number, of whom it is noted when they had their mail."""
_TIMED = re.compile(rb"RCPT TO:<%b(\d{%d})@" % (TIMED.encode(), DIGITS))


@dataclass(frozen=True)
class Sink:
    """Where it listens, and how many mails it has taken."""

    port: int
    process: BaseProcess
    _taken: Synchronized[int]
    _at: Any

    def at(self, number: int) -> float:
        """When the mail of a timed recipient was taken (monotonic); 0 for not yet."""
        return float(self._at[number])

    @property
    def taken(self) -> int:
        """Mails so far."""
        return self._taken.value


class _Session(asyncio.Protocol):
    """Pipelining (RFC 2920); a body ends with a dot, whatever is in it."""

    def __init__(self, taken: Synchronized[int], at: Any) -> None:
        self._taken, self._at = taken, at
        self._number: int | None = None
        self._rest = b""
        self._in_body = False
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink\r\n")

    @override
    def data_received(self, data: bytes) -> None:
        data, answers = self._rest + data, list[bytes]()
        while True:
            end = _END if self._in_body else b"\r\n"
            head, found, rest = data.partition(end)
            if not found:
                break
            data = rest
            if not self._in_body and head.startswith(b"RCPT"):
                timed = _TIMED.match(head)
                self._number = int(timed[1]) if timed else None
            answers.append(self._answer(head[:4].upper()))
        self._rest = data
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _answer(self, verb: bytes) -> bytes:
        if self._in_body:
            self._in_body = False
            self._taken.value += 1
            if self._number is not None:
                self._at[self._number] = time.monotonic()
            return b"250 2.0.0 taken\r\n"
        if verb == b"DATA":
            self._in_body = True
            return b"354 go ahead\r\n"
        if verb == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
        return b"221 bye\r\n" if verb == b"QUIT" else b"250 2.0.0 ok\r\n"


def _serve(listening: socket.socket, taken: Synchronized[int], at: Any) -> None:
    async def forever() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Session(taken, at), sock=listening)
        await server.serve_forever()

    uvloop.run(forever())


@contextmanager
def running() -> Iterator[Sink]:
    """One, on a free port, until the block ends."""
    with socket.create_server((HOST, 0), backlog=256) as listening:
        # Only the one process writes: no lock.
        taken = cast("Synchronized[int]", _SPAWN.Value("q", 0, lock=False))
        at = _SPAWN.Array("d", MOST_TIMED, lock=False)
        process = _SPAWN.Process(target=_serve, args=(listening, taken, at), daemon=True)
        process.start()
        try:
            yield Sink(listening.getsockname()[1], process, taken, at)
        finally:
            process.kill()
            process.join()
