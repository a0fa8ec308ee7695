"""uvicorn's HTTP protocol: one write for an answer, and a bound on all that a client may send."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from rapport_common.exchange import Corked, Cycle, known_target, target
from rapport_common.problem_pages import problem_page

if TYPE_CHECKING:
    from rapport_common.pages.site import Page

MAX_HEAD_BYTES = 64 * 2**10
HEAD_SECONDS = 10.0
"""From a connection to the end of its first head, and from the first byte of any later one."""

UNREAD_SECONDS = 10.0
"""What is left of a body after its answer is read and dropped for so long, then cut off."""

MAX_FULL = 64
FULL_SECONDS = 1.0
"""Who comes when all connections are busy may say for so long what he wants: a person is told in
a page, a program in JSON."""

MAX_PIPELINED = 64
"""Requests that may wait for the answer to the one before them; each costs some kilobytes."""

MAX_KNOWN_URL = 200
"""Bytes of an address that is remembered taken apart: those that events are sent to are few."""

MAX_TRAILERS = 1000
"""Fields of a head and its trailers together."""

_PHRASES = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
BUSY = 503
_HEAD_TOO_LARGE = f"The request's head is larger than {MAX_HEAD_BYTES // 1024} KiB."


class _RefusedError(Exception):
    """Raised in a callback of the parser, which then stops."""


class FrontDoorProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which bounds neither a head nor the time it takes.

    uvicorn also writes an answer's head and its body one by one, each a system call, and sets
    and cancels a timer for each answer; here a connection has one, which looks how long it has
    been idle. A client that breaks a rule is told so after the answers to its earlier requests
    (RFC 9112, 9.3.2), and the connection is closed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._due: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None
        self._opened = self.loop.time()
        self._in_head = False
        self._head_bytes = 0
        self._refused: tuple[int, str] | None = None
        self._told = False
        self._turn: tuple[Any, ...] = ()
        self._serving: asyncio.Task[None] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._lost = False
        self._full = ""
        self._leaves = False
        self._pipelines = False
        self._last: Any = None
        self.url = b""
        self.headers = []

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(Corked(transport, asyncio.get_running_loop()))  # type: ignore[arg-type] # all of a transport that uvicorn uses
        self._due = self.loop.call_later(HEAD_SECONDS, self._late)

        most = self.limit_concurrency
        if most is not None and len(self.connections) > most and not self._make_room():
            self._full = f"{most} connections are open here; try again in a moment."
            self._in_time()
            if len(self.connections) > most + MAX_FULL:
                self._refuse(BUSY, self._full)
            else:
                self._due = self.loop.call_later(FULL_SECONDS, self._late)

    def _make_room(self) -> bool:
        """Close the connection that has done nothing for longest; False if all are answered."""
        quiet = [one for one in self.connections if one is not self and one.quiet_since]  # type: ignore[union-attr] # all are of this class
        if not quiet:
            return False
        longest: Any = min(quiet, key=lambda one: one.quiet_since)  # type: ignore[union-attr]
        self.connections.discard(longest)
        longest.transport.close()
        return True

    @property
    def quiet_since(self) -> float:
        """Since when nothing is answered here (the loop's seconds); 0 while something is."""
        if self._answering() or self._full or self.transport.is_closing():
            return 0.0
        return self._idle_since or self._opened

    def is_busy(self, moment: float) -> bool:
        """Whether it is answering or has answered since `moment` (the loop's seconds).

        Not one whose answer has begun and goes on (a stream): it could not be ended. Nor one that
        sends requests without waiting for answers: those under way would be lost with it.
        """
        if self._leaves or self._pipelines or self._lost:
            return False
        if self._answering():
            return not self.cycle.response_started
        return self._idle_since is not None and self._idle_since >= moment

    def leave(self) -> None:
        """End the connection with its next answer, which says so (RFC 9112, 9.6)."""
        self._leaves = True

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        self._lost = True
        self._wake()
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head:
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, _HEAD_TOO_LARGE)
            elif self._due is None:
                self._due = self.loop.call_later(HEAD_SECONDS, self._late)
        elif len(self.headers) > MAX_TRAILERS:
            self._refuse(431, f"The request has more than {MAX_TRAILERS} header fields.")
        elif self._due is None and self._idle_since is None and not self._answering():
            self._due = self.loop.call_later(HEAD_SECONDS, self._late)  # empty lines, no head yet

    @override
    def on_message_begin(self) -> None:
        self._in_head = True
        if self._last is not None and not self._last.response_started:
            # It sends on, so the answer that it waits for can't be the last one.
            self._last.keep_alive = True
            self._last = None
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        # Most heads are whole in the bytes just read, and those are few.
        if self._head_bytes > MAX_HEAD_BYTES and self._size_of_head() > MAX_HEAD_BYTES:
            self._refused = 431, _HEAD_TOO_LARGE
            raise _RefusedError
        if self._full:
            self._refused = BUSY, self._full
            raise _RefusedError
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refused = 400, f"More than {MAX_PIPELINED} requests wait for their answers."
            raise _RefusedError
        self._in_time()
        if self.parser.should_upgrade() and self._should_upgrade():
            return
        self._in_head = False
        self._head_bytes = 0
        self._begin()

    def _begin(self) -> None:
        """What uvicorn does with a head; the applications here have no root path."""
        parser, scope = self.parser, self.scope
        version = parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        parsed = known_target if len(self.url) <= MAX_KNOWN_URL else target
        scope["path"], scope["raw_path"], scope["query_string"] = parsed(self.url)
        before: Any = self.cycle  # None before the first head
        self.cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            self.expect_100_continue,
            version != "1.0" and parser.should_keep_alive(),
            self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self._pipelines = True
            self.pipeline.appendleft((self.cycle, self.app))

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Give a request to the connection's task: one for each would cost more than its JSON."""
        if self._wake(cycle, app):
            return
        if self._serving is not None:  # it has not come back from the request before
            super()._start_asgi_task(cycle, app)
            return
        self._turn = cycle, app
        self._serving = self.loop.create_task(self._serve())
        self.tasks.add(self._serving)
        self._serving.add_done_callback(self.tasks.discard)

    def _wake(self, *turn: Any) -> bool:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return False
        self._turn = turn
        waiting.set_result(None)
        return True

    async def _serve(self) -> None:
        """Answer one request after the other, until the connection is lost."""
        while self._turn:
            cycle, app = self._turn
            await cycle.run_asgi(app)
            self._turn = ()
            if not self._lost:
                self._waiting = self.loop.create_future()
                await self._waiting

    @override
    def on_message_complete(self) -> None:
        if self.cycle.response_complete:
            self._in_time()
            self.cycle.more_body = False
        elif self._leaves and not self._pipelines and self.cycle.keep_alive:
            # Only now that all of it is here: a close with bytes unread can cost the answer.
            self._last = self.cycle
            self._last.keep_alive = self.cycle.response_started
        self._head_bytes = 0
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        self._go_on()
        if self._refused is not None and not self._answering():
            self._tell(*self._refused)
        elif self.cycle.response_complete and self.cycle.more_body and self._due is None:
            self._due = self.loop.call_later(UNREAD_SECONDS, self.transport.close)

    def _go_on(self) -> None:
        """What uvicorn does after an answer, but for its timer."""
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

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(*(self._refused or (400, "This is not HTTP/1.1 as RFC 9112 has it.")))

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _in_time(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _late(self) -> None:
        self._due = None
        if self._full:
            self._refuse(BUSY, self._full)
        elif self._in_head and self._answering():  # nothing is read meanwhile
            self._due = self.loop.call_later(HEAD_SECONDS, self._late)
        elif self._in_head:
            self._refuse(408, f"The request's head did not arrive within {HEAD_SECONDS:g} s.")
        else:
            self.transport.close()

    def _answering(self) -> bool:
        cycle: Any = self.cycle  # None before the first head
        return cycle is not None and not cycle.response_complete

    def _refuse(self, status: int, message: str) -> None:
        self._refused = status, message
        # An error in the body of the request that is being answered ends it; one in a later
        # request has to wait for its turn.
        if not self._answering() or not (self._in_head or self.pipeline):
            self._tell(status, message)

    def _tell(self, status: int, message: str) -> None:
        if self._told or self.transport.is_closing():
            return
        self._told = True
        kind, body = "application/json", b""
        asked = self._in_head or self._full  # what has been read of it
        page = self._page(status, message) if asked else None
        if page is None:
            code = _PHRASES[status].lower().replace(" ", "_")
            body = json.dumps({"code": code, "message": message, "details": {}}).encode()
            headers: dict[str, str] = {}
        else:
            kind, body, headers = "text/html; charset=utf-8", page.html.encode(), dict(page.headers)
        if status == BUSY:
            headers["retry-after"] = "5"
        more = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        head = (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: {kind}\r\n{more}"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        is_head = asked and self.url and self.parser.get_method() == b"HEAD"
        self.transport.write(head.encode() + (b"" if is_head else body))
        self.transport.close()

    def _page(self, status: int, message: str) -> "Page | None":
        path = self.url.decode("latin-1")
        return problem_page(self.config.app, path, self.headers, status, message)
