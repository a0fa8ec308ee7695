"""Reading the bodies of requests: how large, for how long, and how many at a time.

A sender that stops in the middle of a body keeps what it has sent in our memory. So each body has
a deadline and may not fall silent, all bodies together have a limit in bytes, and when too many
are under way the one that has been silent for longest makes room for the next.
"""

import asyncio

from starlette.types import Message, Receive

from rapport_common.errors import AppError, TooLargeError, UnavailableError

BODY_SECONDS = 30.0
SILENT_SECONDS = 10.0
"""A body of which nothing comes for so long is given up, also one that may take its time."""

MAX_HELD = 128 * 2**20
"""Bytes of bodies that a process holds at a time, of those that did not come in one piece."""

MAX_OPEN = 256
"""Bodies of which more is to come."""

BUSY_SECONDS = 5


class SenderGoneError(Exception):
    """The connection was closed before the body was there: nobody waits for an answer."""


class Bodies:
    """The bodies under way in a process, the longest silent first, and the bytes held of them.

    Those that come in one piece are not counted.
    """

    def __init__(self, *, most_open: int = MAX_OPEN) -> None:
        self.held = 0
        self._most_open = most_open
        self._waiting: dict[Incoming, asyncio.Timeout] = {}

    @property
    def waiting(self) -> int:
        """How many bodies more is to come of."""
        return len(self._waiting)

    def wait(self, one: "Incoming", until: asyncio.Timeout) -> None:
        """`one` waits for its next piece; who has waited longest may have to make room."""
        self._waiting.pop(one, None)
        while len(self._waiting) >= self._most_open:
            silent = next(iter(self._waiting))
            self._waiting.pop(silent).reschedule(asyncio.get_running_loop().time())
        self._waiting[one] = until

    def forget(self, one: "Incoming") -> None:
        """`one` waits no more."""
        self._waiting.pop(one, None)


class Incoming:
    """The body of one request, and what it holds of the bytes that all may hold together."""

    __slots__ = ("_bodies", "_limit", "_receive", "_size")

    def __init__(self, bodies: Bodies, receive: Receive, limit: int) -> None:
        self._bodies = bodies
        self._receive = receive
        self._limit = limit
        self._size = 0

    async def read(self, length: bytes | None) -> bytes:
        """The body as it was sent; `length` is what its Content-Length says.

        AppError: 413 over the limit, 408 when it takes over 30 s or falls silent for 10 s (RFC
        9110, 15.5.9), 503 while too much is held. SenderGoneError.
        """
        if length is not None and length.isdigit() and int(length[:20]) > self._limit:
            raise TooLargeError(self._limit)
        try:
            return await self._chunks(asyncio.get_running_loop().time() + BODY_SECONDS)
        except TimeoutError as error:
            raise _late() from error
        finally:
            self._bodies.forget(self)

    async def _chunks(self, deadline: float) -> bytes:
        loop = asyncio.get_running_loop()
        chunks: list[bytes] = []
        size = 0
        async with asyncio.timeout_at(deadline) as until:
            while True:
                until.reschedule(min(deadline, loop.time() + SILENT_SECONDS))
                self._bodies.wait(self, until)
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise SenderGoneError
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                if size > self._limit:
                    raise TooLargeError(self._limit)
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


def streamed(receive: Receive) -> Receive:
    """A body that may be as long as it likes, but not fall silent: AppError 408."""

    async def piece() -> Message:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                return await receive()
        except TimeoutError as error:
            raise _late() from error

    return piece


def replayed(body: bytes, receive: Receive) -> Receive:
    """A body that has been read, for an application that wants to receive it."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _late() -> AppError:
    message = (
        f"The body did not arrive in time: it may take {BODY_SECONDS:g} s, and pause for "
        f"{SILENT_SECONDS:g} s. Send the same request again."
    )
    return AppError(message, code="request_timeout", status=408, headers={"Connection": "close"})
