"""uvicorn's HTTP protocol, with head and body of an answer in one write and one timer."""

import asyncio
from collections.abc import Iterable
from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)


class _Corked:
    """A transport that gathers what is written in one turn of the loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep `data` until the loop's next turn."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Write what is kept, then close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._pieces:
            gathered, self._pieces = b"".join(self._pieces), []
            if not self._transport.is_closing():
                self._transport.write(gathered)


class Cycle(RequestResponseCycle):
    """One request and its answer, which may be given as a whole."""

    @property
    def can_reply(self) -> bool:
        """Whether nothing has been answered yet, and the client reads what it gets."""
        return not (self.response_started or self.flow.write_paused)

    def reply(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer at once. Header names are in lower case and, like values, known to be valid.

        What uvicorn's `send` does in two steps, without looking at each header again.
        """
        if self.disconnected:
            return
        pieces = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            pieces += (name, b": ", value, b"\r\n")
            if name == b"connection" and value.lower() == b"close":
                self.keep_alive = False
        pieces.append(b"content-length: %d\r\n" % len(body))
        pieces.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        pieces.append(body)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join(pieces))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's protocol with fewer system calls and timers.

    uvicorn writes an answer's head and its body one by one, and sets and cancels a timer for
    each answer; here a connection has one timer, which looks how long it has been idle.
    """

    _idle_since: float | None = None

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Corked(transport, asyncio.get_running_loop()))  # type: ignore[arg-type] # all of a transport that uvicorn uses

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()

    @override
    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.cycle.__class__ = Cycle

    @override
    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)

    @override
    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def _look_again(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._end_idle)

    def _end_idle(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # the end of the request sets the timer again
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again(left)
        else:
            self.timeout_keep_alive_handler()
