"""A proxy between a client and ingest that plays a script: a fault for each request with events."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal, Self

from tests.support.certificate import own_certificate
from tests.support.waiting import HANG_SECONDS

from rapport_local.ports import HOST
from rapport_local.stack import Stack

Fault = Literal["pass", "500", "503", "429", "slow", "reset", "restart"]
"""What becomes of a request.

`reset`: ingest has taken it, the client gets half of the answer. `restart`: ingest is killed with
the request under way, so nobody knows whether it was taken. `slow`: the answer comes after 2 s.
"""

SLOW_SECONDS = 2.0
RETRY_AFTER_SECONDS = 1
GATHER_SECONDS = 6.0
POLL_SECONDS = 0.05
# Where flags are asked for, and recordings of sessions go.
NO_EVENTS = ("/flags", "/decide", "/record")
MAX_HEAD_BYTES = 2**16


@dataclass
class Restarter:
    """Kills ingest once for all clients that ask for it within a few seconds."""

    stack: Stack
    count: int = 0
    _round: "asyncio.Task[None] | None" = None

    async def join(self) -> None:
        """Wait for the next round, in which the caller sends; the kill comes right after."""
        if self._round is None or self._round.done():
            self._round = asyncio.get_running_loop().create_task(self._gather())
        await asyncio.shield(self._round)

    async def kill(self) -> None:
        """Kill ingest, unless somebody of the same round has already done it."""
        mark = self.count
        await asyncio.sleep(0)
        if self._round is not None and mark == self.count:
            self._round = None
            self.count += 1
            self.stack.kill("ingest")

    async def _gather(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)


@dataclass
class FaultProxy:
    """One client's way to ingest; `played` is what became of its requests so far.

    Steps that are left when the client has sent all are a test that tested too little: see `left`.
    While ingest is away a request waits for it, as at a load balancer: a client meets its own
    faults only, not those of the others. After a `restart` the next one is refused: the client has
    to bear that ingest is not there. With `patient` that one waits too. `secure`: it speaks TLS,
    with a certificate of its own.
    """

    upstream: int
    script: Sequence[Fault]
    restarter: Restarter
    patient: bool = False
    secure: bool = False
    played: list[Fault] = field(default_factory=list)
    requests: int = 0
    port: int = 0
    quiet_since: float = field(default_factory=time.monotonic)
    _refuses: bool = False
    _open: "set[asyncio.Task[None]]" = field(default_factory=set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Listen on a free port until the end of the block."""
        tls = own_certificate(HOST) if self.secure else None
        server = await asyncio.start_server(self._accept, HOST, 0, limit=MAX_HEAD_BYTES, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            # A client that is gone may have left requests that nobody waits for any more.
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where the client sends."""
        return f"http{'s' if self.secure else ''}://{HOST}:{self.port}"

    @property
    def left(self) -> Sequence[Fault]:
        """The steps that were not played."""
        return self.script[len(self.played) :]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # What a client does to its connection is its own business.
        with suppress(OSError, asyncio.IncompleteReadError):
            try:
                await self._exchange(await _request(reader), writer)
            finally:
                writer.close()

    async def _exchange(self, request: "_Request", writer: asyncio.StreamWriter) -> None:
        fault = self._next(request)
        if fault in {"500", "503", "429"}:
            writer.write(_refusal(HTTPStatus(int(fault)), request.origin))
            await writer.drain()
            return
        if fault == "restart":
            await self.restarter.join()
        answer = await self._forward(request, restart=fault == "restart")
        if fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if fault in {"reset", "restart"} or not answer:
            await _break(writer, answer[: len(answer) // 2] if fault == "reset" else b"")
            return
        writer.write(answer)
        await writer.drain()

    def _next(self, request: "_Request") -> Fault:
        """The step of this request; what brings no events is let through."""
        if not request.has_events:
            return "pass"
        self.requests += 1
        self.quiet_since = time.monotonic()
        if not self.left:
            return "pass"
        self.played.append(self.left[0])
        return self.played[-1]

    async def _forward(self, request: "_Request", *, restart: bool) -> bytes:
        """The whole answer of ingest; nothing if it is away or dies."""
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            answer = await self._try(request, restart=restart)
            refused = request.has_events and self._refuses and not self.patient
            if answer or restart or refused or time.monotonic() >= deadline:
                self._refuses = restart
                return answer
            await asyncio.sleep(POLL_SECONDS)

    async def _try(self, request: "_Request", *, restart: bool) -> bytes:
        try:
            reader, writer = await asyncio.open_connection(HOST, self.upstream)
        except OSError:
            return b""
        try:
            writer.write(request.raw)
            await writer.drain()
            if restart:
                await self.restarter.kill()
            return await reader.read(-1)
        except OSError:
            return b""
        finally:
            writer.close()


@dataclass(frozen=True)
class _Request:
    """One request, as it is sent on: on a connection of its own, in one piece."""

    method: str
    path: str
    raw: bytes
    origin: bytes

    @property
    def has_events(self) -> bool:
        """Whether it brings events: a GET does so only at Snowplow's pixel."""
        if self.method == "POST":
            return not self.path.startswith(NO_EVENTS)
        return self.method == "GET" and self.path.startswith("/i?")


async def _request(reader: asyncio.StreamReader) -> _Request:
    """Read a request. IncompleteReadError: the client has closed the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
    }
    if b"chunked" in headers.get(b"transfer-encoding", b""):
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    kept = [line for line in lines if line.partition(b":")[0].lower() not in _OWN]
    own = [b"Connection: close", b"Content-Length: %d" % len(body)]
    raw = b"\r\n".join([first, *kept, *own, b"", body])
    method, path, _version = first.decode("latin-1").split(" ")
    return _Request(method, path, raw, headers.get(b"origin", b"*"))


_OWN = {b"connection", b"content-length", b"transfer-encoding", b"keep-alive", b"expect"}


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """RFC 9112, 7.1: chunks with their sizes in hex, the last one empty."""
    chunks = []
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(chunks)


def _refusal(status: HTTPStatus, origin: bytes) -> bytes:
    """An answer as ingest and what stands before it give; a page may read it, also with cookies."""
    body = b'{"code": "a_fault", "message": "A test plays this fault."}'
    retry = b"Retry-After: %d\r\n" % RETRY_AFTER_SECONDS if status == 429 else b""
    return (
        b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode())
        + b"Access-Control-Allow-Origin: %s\r\nContent-Type: application/json\r\n" % origin
        + b"Access-Control-Allow-Credentials: true\r\n"
        + b"Access-Control-Expose-Headers: Retry-After\r\n"
        + b"Connection: close\r\n%sContent-Length: %d\r\n\r\n%s" % (retry, len(body), body)
    )


async def _break(writer: asyncio.StreamWriter, part: bytes) -> None:
    """Send a part of an answer and reset the connection, without a proper end."""
    if part:
        writer.write(part)
        await writer.drain()
    # A linger time of nothing makes the close a reset (RFC 9293, 3.10.4 ABORT).
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
