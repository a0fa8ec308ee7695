"""The front door of every service: who calls, before a body is read; then how much, and how long.

FastAPI reads a body before it looks at a token, all of it, for as long as it takes. Here nothing
is kept of what a stranger sends to an operator route, a body has a limit and a deadline, and a
request that does not get done is answered: a database that stands still must not keep people
waiting, nor their connections.
"""

import asyncio
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from rapport_common import logging
from rapport_common.auth import authenticate
from rapport_common.bodies import Bodies, Incoming, SenderGoneError, replayed, streamed
from rapport_common.db import is_retriable
from rapport_common.errors import AppError, UnavailableError

log = logging.get(__name__)

OPERATOR_PATHS = "/v1/"
"""Below it a body needs a token; what lies elsewhere are forms that anybody may send."""

REQUEST_SECONDS = 10.0
"""From the end of a body to the beginning of its answer. The database's own time-outs are shorter;
they do not help when it stands still."""


_BLANK = re.compile(rb"=(?:&|$)")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many bytes a body may have; those whose path matches one of `streams` have no bound
    here: their handlers have one of their own.
    """

    operator_bytes: int = 2 * 2**20
    public_bytes: int = 128 * 2**10
    streams: tuple[re.Pattern[str], ...] = ()
    seconds: float = REQUEST_SECONDS


class Door:
    """An ASGI application in front of another one; `router` knows which paths there are."""

    def __init__(self, app: ASGIApp, router: Router, bounds: Bounds) -> None:
        self._app = app
        self._router = router
        self._bounds = bounds
        self._late: set[asyncio.Task[None]] = set()
        self.bodies = Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not _has_body(headers):
            if _BLANK.search(scope["query_string"]) and b"authorization" in headers:
                scope = {**scope, "query_string": without_blanks(scope["query_string"])}
            await self._answered(scope, receive, send)
            return
        if scope["path"].startswith(OPERATOR_PATHS):
            try:
                await authenticate(Request(scope))
            except AppError:
                if self._is_somewhere(scope):
                    raise
                # There is no such route: that is what the caller has to know.
                await self._answered(scope, receive, send)
                return
        if any(one.fullmatch(scope["path"]) for one in self._bounds.streams):
            # As long as the file takes; what is slow there is the sender.
            await self._app(scope, streamed(receive), send)
            return
        incoming = Incoming(self.bodies, receive, self._limit(scope["path"]))
        try:
            body = await incoming.read(headers.get(b"content-length"))
            await self._answered(scope, replayed(body, receive), send)
        except SenderGoneError as error:
            raise ClientDisconnect from error
        finally:
            incoming.done()

    def _limit(self, path: str) -> int:
        public = not path.startswith(OPERATOR_PATHS)
        return self._bounds.public_bytes if public else self._bounds.operator_bytes

    def _is_somewhere(self, scope: Scope) -> bool:
        asked = dict(scope)
        return any(one.matches(asked)[0] is not Match.NONE for one in self._router.routes)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answered in time, or UnavailableError; what has begun may take as long as it likes.

        The work is a task of its own: one that is cancelled while its database stands still goes
        on waiting for it, and nobody has to wait with it.
        """
        begun = late = False

        async def in_time(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if not late:
                begun = True
                await send(message)

        work = asyncio.get_running_loop().create_task(_run(self._app, scope, receive, in_time))
        try:
            await asyncio.wait({work}, timeout=self._bounds.seconds)
            if not work.done() and not begun:
                late = True
                self._give_up(work)
                message = (
                    f"This was not done within {self._bounds.seconds:g} s; it may or may not have "
                    "happened. Try the same request again in a moment."
                )
                raise UnavailableError(message, retry_after=5)
            await work
        except asyncio.CancelledError:
            work.cancel()
            raise

    def _give_up(self, work: asyncio.Task[None]) -> None:
        work.cancel()
        self._late.add(work)
        work.add_done_callback(self._ended)

    def _ended(self, work: asyncio.Task[None]) -> None:
        self._late.discard(work)
        error = None if work.cancelled() else work.exception()
        if error is not None and not isinstance(error, AppError) and not is_retriable(error):
            log.error("a request that came too late failed", exc_info=error)


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def without_blanks(query: bytes) -> bytes:
    """A query without the parameters that have no value: forms send them for fields left empty."""
    return b"&".join(one for one in query.split(b"&") if one.partition(b"=")[1:] != (b"=", b""))


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
