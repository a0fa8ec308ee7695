"""The hot path: plain ASGI for the routes that take events; all others go to the FastAPI app."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from rapport_common import clock, logging, metrics, tracing
from rapport_common.db import is_retriable
from rapport_common.errors import AppError, UnauthorizedError, UnavailableError
from rapport_common.events.envelope import EventType
from rapport_ingest import metrics as own_metrics
from rapport_ingest.domain.body import (
    MAX_BODY_BYTES,
    Envelope,
    Single,
    open_batch,
    open_single,
    too_large,
    unpack,
)
from rapport_ingest.domain.credentials import credential
from rapport_ingest.domain.event import sent_moment
from rapport_ingest.handlers.accept import Acceptor, Result, Sending
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.store import Caller

log = logging.get(__name__)

BODY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Route:
    """One address that takes events; `kind` None: a batch, whose events say it themselves."""

    path: str
    kind: EventType | None


# The one-letter names are those of the browser SDKs.
KINDS: Mapping[str, EventType | None] = {
    "track": "track",
    "identify": "identify",
    "page": "page",
    "screen": "screen",
    "group": "group",
    "alias": "alias",
    "batch": None,
}
ROUTES: Mapping[str, Route] = {
    address: Route(f"/v1/{name}", kind)
    for name, kind in KINDS.items()
    for address in (f"/v1/{name}", f"/v1/{name[0]}")
}

ALLOWED_HEADERS = (
    b"authorization, content-type, content-encoding, x-retry-count, anonymousid, x-write-key"
)
CORS = [(b"access-control-allow-origin", b"*")]
JSON_HEADERS = [*CORS, (b"content-type", b"application/json")]


class Answer(msgspec.Struct, frozen=True):
    """The body of a 200: the sender must not repeat any of these events."""

    success: bool
    accepted: int
    rejected: int
    results: list[Result]


class _SenderGoneError(Exception):
    """The connection was closed before the body was there: nobody waits for an answer."""


class Intake:
    """The ASGI application of ingest."""

    def __init__(self, app: ASGIApp, keys: KeyRing, acceptor: Acceptor) -> None:
        self._app = app
        self._keys = keys
        self._acceptor = acceptor
        self._encode = msgspec.json.Encoder().encode
        self._seen: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = ROUTES.get(scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        method = scope["method"]
        try:
            status, headers, body = await self._answer(route, method, scope, receive)
        except _SenderGoneError:
            return
        except Exception as error:  # noqa: BLE001 - the edge: every error has to become an answer
            status, headers, body = self._failure(error)
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._observe(route.path, method, status, time.perf_counter() - started)

    async def _answer(
        self, route: Route, method: str, scope: Scope, receive: Receive
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if method == "POST":
            results = await self._take(route, headers, receive)
            return self._verdict(route, results)
        if method == "OPTIONS":
            return 200, _preflight(headers), b""
        message = f"{method} {route.path}: events are sent with POST."
        raise AppError(
            message, code="method_not_allowed", status=405, headers={"Allow": "POST, OPTIONS"}
        )

    async def _take(
        self, route: Route, headers: dict[bytes, bytes], receive: Receive
    ) -> list[Result]:
        received_at = clock.now()
        key = credential(headers)
        caller = await self._keys.caller(key) if key else None
        packed = await _read(receive, headers.get(b"content-length"))
        body = unpack(packed, headers.get(b"content-encoding", b"").decode("latin-1").lower())
        around = await self._open(route, body, authorised=caller is not None)
        if caller is None:
            caller = await self._by_body(around)
        sending = Sending(
            caller=caller,
            items=around.batch if isinstance(around, Envelope) else [msgspec.Raw(body)],
            kind=route.kind,
            received_at=received_at,
            sent_at=sent_moment(around.sent_at),
            traceparent=_trace(headers),
        )
        return await self._acceptor.accept(sending)

    async def _open(self, route: Route, body: bytes, *, authorised: bool) -> Envelope | Single:
        try:
            return open_batch(body) if route.kind is None else open_single(body)
        except AppError as error:
            if authorised:
                raise
            # Without a key in the headers a body that can't be read has none either.
            raise _no_key() from error

    async def _by_body(self, around: Envelope | Single) -> Caller:
        if not isinstance(around.write_key, str) or not around.write_key:
            raise _no_key()
        return await self._keys.caller(around.write_key)

    def _verdict(
        self, route: Route, results: list[Result]
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        rejected = sum(one.code is not None for one in results)
        if rejected and route.kind is not None:
            only = results[0]
            details = {"path": only.path, "message_id": only.message_id}
            raise AppError(only.message or "", code=only.code, details=details)
        answer = Answer(True, len(results) - rejected, rejected, results)
        return 200, JSON_HEADERS, self._encode(answer)

    def _failure(self, error: Exception) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if is_retriable(error):
            error = UnavailableError("The database is away for the moment; send the request again.")
        if not isinstance(error, AppError):
            log.error("request failed", exc_info=error)
            message = "Something broke on our side; send the same request again."
            error = AppError(message, code="internal", status=500)
        if isinstance(error, UnavailableError):
            own_metrics.UNAVAILABLE.inc()
        more = [(key.lower().encode(), value.encode()) for key, value in error.headers.items()]
        return error.status, [*JSON_HEADERS, *more], self._encode(error.body())

    def _observe(self, path: str, method: str, status: int, seconds: float) -> None:
        labels = (path, method, status)
        known = self._seen.get(labels)
        if known is None:
            # Methods are a client's choice: strange ones must not become endless labels.
            shown = method if method in {"POST", "OPTIONS", "GET"} else "other"
            known = (
                metrics.HTTP_REQUESTS.labels("ingest", path, shown, status),
                metrics.HTTP_DURATION.labels("ingest", path),
            )
            if shown == method:
                self._seen[labels] = known
        known[0].inc()
        known[1].observe(seconds)


async def _read(receive: Receive, length: bytes | None) -> bytes:
    """The body as it was sent. AppError: 413 over the limit, 408 when it takes over 30 s."""
    if length is not None and length.isdigit() and int(length[:20]) > MAX_BODY_BYTES:
        raise too_large()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _chunks(receive)
    except TimeoutError as error:
        message = f"The body did not arrive within {BODY_SECONDS:g} s."
        raise AppError(
            message, code="request_timeout", status=408, headers={"Connection": "close"}
        ) from error


async def _chunks(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _SenderGoneError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise too_large()
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunk if len(chunks) == 1 else b"".join(chunks)


def _preflight(headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """What a browser asks before it sends: any page may send, with our headers and its own."""
    asked = headers.get(b"access-control-request-headers", b"")
    allowed = ALLOWED_HEADERS + (b", " + asked if asked else b"")
    return [
        *CORS,
        (b"access-control-allow-methods", b"POST, OPTIONS"),
        (b"access-control-allow-headers", allowed),
        (b"access-control-max-age", b"86400"),
    ]


def _trace(headers: Mapping[bytes, bytes]) -> str | None:
    """The sender's trace, if it has one; none is started on the hot path."""
    sent = headers.get(b"traceparent")
    return tracing.enter(sent.decode("latin-1")) if sent else None


def _no_key() -> UnauthorizedError:
    return UnauthorizedError(
        "There is no write key in this request. Send it as the Basic user, as Bearer, as "
        "X-Write-Key, or as writeKey in a JSON body."
    )
