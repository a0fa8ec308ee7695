"""Reading the bodies of requests: how large, for how long, and how many bytes at a time."""

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from functools import partial
from typing import Any

from starlette.types import Message, Receive

from rapport_common.errors import AppError, UnavailableError
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

    async def read(self, length: bytes | None) -> bytes:
        """The body as it was sent; `length` is what its Content-Length says.

        AppError: 413 over the limit, 408 when it takes over 30 s, 503 while too much is held.
        """
        if length is not None and length.isdigit() and int(length[:20]) > MAX_BODY_BYTES:
            raise too_large()
        # Nearly always all of it is there already, and then nothing needs a clock.
        begun: Any = self._receive()
        first: Awaitable[Message]
        try:
            waited_for = begun.send(None)
        except StopIteration as done:
            message = done.value
            body: bytes = message.get("body", b"")
            if message["type"] == "http.request" and not message.get("more_body"):
                if len(body) > MAX_BODY_BYTES:
                    raise too_large() from None
                return body
            first = _at_once(message)
        else:
            first = _Rest(begun, waited_for)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._chunks(first)
        except TimeoutError as error:
            late = f"The body did not arrive within {BODY_SECONDS:g} s."
            raise AppError(
                late, code="request_timeout", status=408, headers={"Connection": "close"}
            ) from error

    async def _chunks(self, first: Awaitable[Message]) -> bytes:
        chunks: list[bytes] = []
        size = 0
        message = await first
        while True:
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
            message = await self._receive()

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


class _Rest:
    """A coroutine that was begun by hand and stands still at `waited_for`: the rest of it."""

    def __init__(self, begun: Coroutine[Any, Any, Message], waited_for: Any) -> None:
        self._begun = begun
        self._waited_for = waited_for

    def __await__(self) -> Generator[Any, Any, Message]:
        # `yield from` (PEP 380), but that the first step has been made already.
        waited_for = self._waited_for
        while True:
            try:
                answer = yield waited_for
            except BaseException as error:  # noqa: BLE001 - a cancellation is the coroutine's too
                step = partial(self._begun.throw, error)
            else:
                step = partial(self._begun.send, answer)
            try:
                waited_for = step()
            except StopIteration as done:
                message: Message = done.value
                return message


async def _at_once(message: Message) -> Message:
    return message
