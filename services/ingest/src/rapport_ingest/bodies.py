"""Reading the bodies of requests: how large, for how long, and how many bytes at a time."""

import asyncio

from starlette.types import Receive

from rapport_common.errors import AppError, UnavailableError
from rapport_common.protocol import Cycle
from rapport_ingest.domain.body import MAX_BODY_BYTES, too_large

BODY_SECONDS = 30.0

MAX_HELD = 128 * 2**20
"""Bytes of bodies that this process holds at a time, of those that did not come in one piece."""

BUSY_SECONDS = 5


class SenderGoneError(Exception):
    """The connection was closed before the body was there: nobody waits for an answer."""


class Bodies:
    """How many bytes of bodies are held now; those that come in one piece are not counted."""

    def __init__(self) -> None:
        self.held = 0


class Incoming:
    """The body of one request, and what it holds of the bytes that all may hold together."""

    __slots__ = ("_bodies", "_receive", "_size")

    def __init__(self, bodies: Bodies, receive: Receive) -> None:
        self._bodies = bodies
        self._receive = receive
        self._size = 0

    def whole(self) -> bytes | None:
        """The body, when all of it is there already, as nearly always; AppError 413."""
        cycle = getattr(self._receive, "__self__", None)
        body: bytes | None = cycle.whole_body() if isinstance(cycle, Cycle) else None
        if body is not None and len(body) > MAX_BODY_BYTES:
            raise too_large()
        return body

    async def read(self, length: bytes | None) -> bytes:
        """The body as it was sent; `length` is what its Content-Length says.

        AppError: 413 over the limit, 408 when it takes over 30 s, 503 while too much is held.
        """
        if length is not None and length.isdigit() and int(length[:20]) > MAX_BODY_BYTES:
            raise too_large()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._chunks()
        except TimeoutError as error:
            late = f"The body did not arrive within {BODY_SECONDS:g} s."
            raise AppError(
                late, code="request_timeout", status=408, headers={"Connection": "close"}
            ) from error

    async def _chunks(self) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise SenderGoneError
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise too_large()
            more = message.get("more_body")
            if not more and not chunks:
                return chunk
            self.hold(len(chunk))
            chunks.append(chunk)
            if not more:
                return b"".join(chunks)

    def hold(self, size: int) -> None:
        """Count `size` bytes more; UnavailableError when they are too many."""
        if self._bodies.held + size > MAX_HELD:
            message = "Too many large bodies arrive at the same time; send the same request again."
            raise UnavailableError(message, retry_after=BUSY_SECONDS)
        self._bodies.held += size
        self._size += size

    def done(self) -> None:
        """Nothing of it is held any more."""
        self._bodies.held -= self._size
        self._size = 0
