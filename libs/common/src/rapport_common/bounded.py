"""The HTTP protocol of every service: uvicorn's own, with a bound on all that a client may send."""

import asyncio
from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rapport_common.refusal import refusal

MAX_HEAD_BYTES = 64 * 2**10
HEAD_SECONDS = 10.0
"""From a connection to the end of its first head, and from the first byte of any later one; as long
is read and dropped what is left of a body after its answer."""

MAX_FIELDS = 1000
"""Fields of a head and its trailers together."""

MAX_PIPELINED = 64
"""Requests that may wait for the answer to the one before them; each costs some kilobytes."""

MAX_FULL = 64
FULL_SECONDS = 1.0
"""Who comes when all connections are busy may say for so long what he wants: a person is told in
a page, a program in JSON."""

BUSY = 503
_HEAD_TOO_LARGE = f"The request's head is larger than {MAX_HEAD_BYTES // 1024} KiB."
_TOO_MANY_FIELDS = f"The request has more than {MAX_FIELDS} header fields."
_TOO_MANY_WAIT = f"More than {MAX_PIPELINED} requests wait for their answers."


class _RefusedError(Exception):
    """Raised in a callback of the parser, which then stops."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the bounds that it lacks; all else is as uvicorn does it.

    A client that breaks one is told so after the answers to its earlier requests (RFC 9112,
    9.3.2), as what is no HTTP is, and the connection is closed. When all connections that a
    process may have are open, the one that has been quiet for longest makes room.

    Overridden is what asyncio and the parser call, and two methods of uvicorn's: where it answers
    400, and where an answer has ended. Of its state `cycle.response_complete`, `pipeline` and
    `connections` are read, and `limit_concurrency` is taken over.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # uvicorn would answer in plain text, and make no room.
        self._most_connections, self.limit_concurrency = self.limit_concurrency, None
        self._deadline: asyncio.TimerHandle | None = None
        self._quiet_from = self.loop.time()
        self._in_head = False
        self._head_bytes = 0
        self._full = ""
        self._refused: tuple[int, str] | None = None
        self.url = b""
        self.headers = []

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._set_deadline(HEAD_SECONDS)
        most = self._most_connections
        if most is not None and len(self.connections) > most and not self._make_room():
            self._full = f"{most} connections are open here; try again in a moment."
            if len(self.connections) > most + MAX_FULL:
                self._refuse(BUSY, self._full)
            else:
                self._set_deadline(FULL_SECONDS)

    def _make_room(self) -> bool:
        """Close the connection that has done nothing for longest; False if all are answered."""
        others: Any = self.connections - {self}  # all are of this class
        quiet = [one for one in others if one.quiet_since]
        if not quiet:
            return False
        longest = min(quiet, key=lambda one: one.quiet_since)
        self.connections.discard(longest)
        longest.transport.close()
        return True

    @property
    def quiet_since(self) -> float:
        """Since when nothing is answered here (the loop's seconds); 0 while something is."""
        if self.is_answering or self._full or self.transport.is_closing():
            return 0.0
        return self._quiet_from

    @property
    def is_answering(self) -> bool:
        """Whether a request whose head has arrived is not answered yet."""
        cycle: Any = self.cycle  # None before the first head
        return cycle is not None and not cycle.response_complete

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        super().connection_lost(exc)
        # uvicorn leaves it when a client resets: what it holds would stay until its time is over.
        self._unset_keepalive_if_required()

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, _HEAD_TOO_LARGE)
        elif not self._in_head and len(self.headers) > MAX_FIELDS:  # its trailers
            self._refuse(431, _TOO_MANY_FIELDS)
        elif self._deadline is None and (self._in_head or not self.is_answering):
            # Also when empty lines come, which are no head yet, or the rest of an unread body.
            self._set_deadline(HEAD_SECONDS)

    @override
    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        self._admit()
        super().on_headers_complete()

    def _admit(self) -> None:
        """Let a head in that is whole and within its bounds; else _RefusedError."""
        # Most heads are whole in the bytes just read, and those are few.
        if self._head_bytes > MAX_HEAD_BYTES and self._size_of_head() > MAX_HEAD_BYTES:
            self._refused = 431, _HEAD_TOO_LARGE
        elif len(self.headers) > MAX_FIELDS:
            self._refused = 431, _TOO_MANY_FIELDS
        elif self._full:
            self._refused = BUSY, self._full
        elif len(self.pipeline) >= MAX_PIPELINED:
            self._refused = 400, _TOO_MANY_WAIT
        if self._refused is not None:
            raise _RefusedError
        if self._deadline is not None:
            self._set_deadline(None)
        self._in_head = False
        self._head_bytes = 0

    @override
    def on_message_complete(self) -> None:
        self._head_bytes = 0
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._after_answer()

    def _after_answer(self) -> None:
        """Tell what had to wait for this answer."""
        self._quiet_from = self.loop.time()
        if self._refused is not None:
            self._tell_in_turn(*self._refused)

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(*(self._refused or (400, "This is not HTTP/1.1 as RFC 9112 has it.")))

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        self._deadline = None
        if self._full:
            self._refuse(BUSY, self._full)
        elif self._in_head and self.is_answering:  # nothing is read meanwhile
            self._set_deadline(HEAD_SECONDS)
        elif self._in_head:
            self._refuse(408, f"The request's head did not arrive within {HEAD_SECONDS:g} s.")
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str) -> None:
        self._refused = status, message
        self._tell_in_turn(status, message)

    def _tell_in_turn(self, status: int, message: str) -> None:
        # An error in the body of the request that is being answered ends it: the rest of it will
        # never come. One in a later request has to wait for its turn.
        if not self.is_answering or not (self._in_head or self.pipeline):
            self._tell(status, message)

    def _tell(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        asks = bool(self._in_head or self._full)  # else what was read last is answered already
        is_head = asks and self.url and self.parser.get_method() == b"HEAD"
        head, body = refusal(
            status, message, app=self.config.app, asked=(self.url, self.headers) if asks else None
        )
        self.transport.write(head if is_head else head + body)
        self.transport.close()
