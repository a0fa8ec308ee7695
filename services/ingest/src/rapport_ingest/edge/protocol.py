"""The HTTP protocol of ingest: one task and one timer for a connection, one write for an answer."""

import asyncio
from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from rapport_common.bounded import BoundedProtocol
from rapport_ingest.edge.exchange import Corked, Cycle, known_target, target

MAX_KNOWN_URL = 200
"""Bytes of an address that is remembered taken apart: those that events are sent to are few."""


class IngestProtocol(BoundedProtocol):
    """The bounded protocol, for connections on which many small requests follow each other.

    uvicorn makes a task for each request, writes an answer's head and its body one by one, each a
    system call, and sets and cancels a timer for each answer. Here a connection has one task and
    one timer, which looks how long it has been idle. It can also be asked to leave, so that its
    client comes back to another process.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle_since: float | None = None
        self._turn: tuple[Any, ...] = ()
        self._serving: asyncio.Task[None] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._lost = False
        self._leaves = False
        self._pipelines = False
        self._last: Any = None

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(Corked(transport, asyncio.get_running_loop()))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._wake()
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()

    def is_busy(self, moment: float) -> bool:
        """Whether it is answering or has answered since `moment` (the loop's seconds).

        Not one whose answer has begun and goes on (a stream): it could not be ended. Nor one that
        sends requests without waiting for answers: those under way would be lost with it.
        """
        if self._leaves or self._pipelines or self._lost:
            return False
        if self.is_answering:
            return not self.cycle.response_started
        return self._idle_since is not None and self._idle_since >= moment

    def leave(self) -> None:
        """End the connection with its next answer, which says so (RFC 9112, 9.6)."""
        self._leaves = True

    @override
    def on_message_begin(self) -> None:
        if self._last is not None and not self._last.response_started:
            # It sends on, so the answer that it waits for can't be the last one.
            self._last.keep_alive = True
            self._last = None
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        """What uvicorn does with a head; the applications here have no root path."""
        self._admit()
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
        if not self.cycle.response_complete and self._leaves and not self._pipelines:
            self._end_with(self.cycle)
        super().on_message_complete()

    def _end_with(self, cycle: RequestResponseCycle) -> None:
        # Only now that all of it is here: a close with bytes unread can cost the answer.
        if cycle.keep_alive:
            self._last = cycle
            self._last.keep_alive = cycle.response_started

    @override
    def on_response_complete(self) -> None:
        """What uvicorn does after an answer, but for its timer."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self._go_on()
        self._after_answer()

    def _go_on(self) -> None:
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
