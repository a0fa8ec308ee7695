"""The hot path: plain ASGI for the routes that take events; all others go to the FastAPI app."""

import asyncio
import time
from collections.abc import Mapping
from urllib.parse import parse_qs

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from rapport_common import clock, logging, tracing
from rapport_common.bodies import Bodies, Incoming, SenderGoneError
from rapport_common.db import is_retriable
from rapport_common.errors import (
    AppError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from rapport_common.http_metrics import HTTP
from rapport_common.proxies import Proxies
from rapport_ingest import metrics
from rapport_ingest.domain.addresses import plain
from rapport_ingest.domain.body import MAX_BODY_BYTES, unpack
from rapport_ingest.domain.cors import Headers, cors, preflight
from rapport_ingest.domain.credentials import credential
from rapport_ingest.domain.dialects import JSON, Answer, Dialect, Opened, Request, posthog
from rapport_ingest.domain.reading import sent_moment
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.sending import Sending
from rapport_ingest.domain.verdict import Result
from rapport_ingest.edge.exchange import cycle_of
from rapport_ingest.handlers.accept import Acceptor
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.handlers.limits import Limits
from rapport_ingest.routes import ROUTES, Route

log = logging.get(__name__)

MAX_QUERY_FIELDS = 200
LARGE, LARGE_CONVERTED = 2**18, 2**16
"""A body over so many bytes is unpacked and opened in a thread, and counted when it was packed; the
second goes for dialects that convert each event, which costs many times as much."""

STRANGERS = 1
"""So many large bodies are opened at a time of which nobody knows yet whose they are."""

TOO_LARGE, UNSUPPORTED = 413, 415


# Clients end the address with a slash or without; see also `plain`.
EXACT: Mapping[str, Route] = {
    path: one for one in ROUTES if not one.prefix for path in (one.path, one.path + "/")
}
PREFIXES: tuple[Route, ...] = tuple(one for one in ROUTES if one.prefix)

Reply = tuple[int, Headers]
"""Status and headers of an answer."""


class Intake:
    """The ASGI application of ingest."""

    def __init__(
        self,
        app: ASGIApp,
        keys: KeyRing,
        limits: Limits,
        acceptor: Acceptor,
        proxies: Proxies,
    ) -> None:
        self._app = app
        self._proxies = proxies
        self._keys = keys
        self._limits = limits
        self._acceptor = acceptor
        self._encode = msgspec.json.Encoder().encode
        self.bodies = Bodies()
        self._strangers = asyncio.Semaphore(STRANGERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = _route(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        method = scope["method"]
        headers: dict[bytes, bytes] = dict(scope["headers"])
        incoming = Incoming(self.bodies, receive, MAX_BODY_BYTES)
        reply: Reply
        try:
            if method in route.methods:
                answer = await self._take(route, scope, headers, receive, incoming)
                shown = (b"content-type", answer.content_type)
                reply = answer.status, (*cors(headers.get(b"origin")), shown, *answer.headers)
                body = answer.body
            else:
                reply, body = _other_method(route, method, headers), b""
        except SenderGoneError:
            return
        except Exception as error:  # noqa: BLE001 - the edge: every error has to become an answer
            reply, body = self._failure(route, headers, error)
        finally:
            incoming.done()
        cycle = cycle_of(send)
        if cycle is not None and cycle.can_reply:
            cycle.reply(*reply, body)
        else:
            await _send(send, *reply, body)
        HTTP.observe("ingest", route.path, method, reply[0], time.perf_counter() - started)

    async def _take(
        self,
        route: Route,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        incoming: Incoming,
    ) -> Answer:
        received_at = clock.now()
        dialect = route.dialect
        key = _key(route, scope, headers)
        sender = (self._keys.known(key) or await self._keys.sender(key)) if key else None
        packed = _whole(receive)
        if packed is None:
            packed = await incoming.read(headers.get(b"content-length"))
        opened = await self._opened(
            route.dialect, scope, headers, packed, sender, incoming=incoming
        )
        if sender is None:
            sender = await self._by_body(opened)
        address = scope["client"][0] if scope["client"] else None
        address = self._proxies.client(address, scope["headers"])
        if sender.guard is not None:
            sender.guard.check(headers.get(b"origin"), address)
        self._limits.take(sender, len(opened.items), overload=dialect.overload)
        device = dialect.browser if opened.device is None else opened.device
        sending = Sending(
            sender=sender,
            items=opened.items,
            kind=dialect.kind,
            received_at=received_at,
            sent_at=sent_moment(opened.sent_at),
            traceparent=_trace(headers),
            dialect=dialect.name,
            address=address if device else None,
            user_agent=_user_agent(headers) if device else None,
            refusals=opened.refusals,
            originals=opened.originals,
            trust="public" if sender.secret and _is_browser(headers) else None,
        )
        results: list[Result] | None = None
        try:
            results = await self._acceptor.accept(sending)
        finally:
            self._limits.done(sender, len(opened.items), kept=results is not None)
        return dialect.answer(opened, results)

    async def _opened(
        self,
        dialect: Dialect,
        scope: Scope,
        headers: dict[bytes, bytes],
        packed: bytes,
        sender: Sender | None,
        *,
        incoming: Incoming,
    ) -> Opened:
        """The events in a body; large ones in a thread, so that other requests go on meanwhile."""
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").lower()
        small = LARGE if dialect.name == "segment" else LARGE_CONVERTED
        asked = scope["method"], scope["path"], scope["query_string"], headers
        try:
            body = unpack(packed, encoding, small)
        except TooLargeError:
            body = None
        is_small = body is not None and len(body) <= small
        if body is not None and is_small and not _may_hide_more(dialect, body or asked[2]):
            return _open(dialect, Request(*asked, body), sender)
        if sender is not None:
            return await _open_large(dialect, asked, (packed, encoding), sender, incoming)
        async with self._strangers:
            return await _open_large(dialect, asked, (packed, encoding), None, incoming)

    async def _by_body(self, opened: Opened) -> Sender:
        if not isinstance(opened.write_key, str) or not opened.write_key:
            raise _no_key()
        return await self._keys.sender(opened.write_key)

    def _failure(
        self, route: Route, asked: Mapping[bytes, bytes], error: Exception
    ) -> tuple[Reply, bytes]:
        if is_retriable(error):
            error = UnavailableError("The database is away for the moment; send the request again.")
        if not isinstance(error, AppError):
            log.error("request failed", exc_info=error)
            message = "Something broke on our side; send the same request again."
            error = AppError(message, code="internal", status=500)
        if isinstance(error, UnavailableError):
            metrics.UNAVAILABLE.inc()
        elif error.code in metrics.REFUSALS:
            metrics.REFUSALS[error.code].inc()
        more = [(key.lower().encode(), value.encode()) for key, value in error.headers.items()]
        status, gives_up = error.status, route.dialect.too_large
        # Some clients send again for ever what is answered otherwise.
        if gives_up != TOO_LARGE and status in {TOO_LARGE, UNSUPPORTED}:
            status = gives_up
        allowed = cors(asked.get(b"origin"))
        shown = route.failed
        if shown is not None:
            more += [*allowed, (b"content-type", shown.content_type), *shown.headers]
            return (status, more), shown.body
        body = error.body()
        if route.problem is not None:
            body = route.problem(status, body)
        return (status, [*allowed, (b"content-type", JSON), *more]), self._encode(body)


def _whole(receive: Receive) -> bytes | None:
    """The body, when all of it is there already, as nearly always; TooLargeError."""
    cycle = cycle_of(receive)
    body = cycle.whole_body() if cycle is not None else None
    if body is not None and len(body) > MAX_BODY_BYTES:
        raise TooLargeError(MAX_BODY_BYTES)
    return body


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _other_method(route: Route, method: str, headers: Mapping[bytes, bytes]) -> Reply:
    if method == "OPTIONS":
        return 200, [*preflight(headers, route.methods), *_allowed_webhook(headers)]
    methods = ", ".join((*route.methods, "OPTIONS"))
    message = f"{method} {route.path}: events are sent with {' or '.join(route.methods)}."
    raise AppError(message, code="method_not_allowed", status=405, headers={"Allow": methods})


def _route(scope: Scope) -> Route | None:
    """The route of a request; a path that is not known as it is becomes plain in `scope`."""
    found = EXACT.get(scope["path"])
    if found is not None:
        return found
    path = scope["path"] = plain(scope["path"])
    return EXACT.get(path) or next((one for one in PREFIXES if path.startswith(one.path)), None)


async def _open_large(
    dialect: Dialect,
    asked: tuple[str, str, bytes, Mapping[bytes, bytes]],
    packed: tuple[bytes, str],
    sender: Sender | None,
    incoming: Incoming,
) -> Opened:
    body = await asyncio.to_thread(unpack, *packed)
    if body is not packed[0]:
        incoming.hold(len(body))
    return await asyncio.to_thread(_open, dialect, Request(*asked, body), sender)


def _may_hide_more(dialect: Dialect, stated: bytes) -> bool:
    """Whether what came may itself be packed, so that its length says nothing of its size."""
    return dialect.name == "posthog" and posthog.hides_more(stated)


def _open(dialect: Dialect, request: Request, sender: Sender | None) -> Opened:
    try:
        return dialect.open(request, sender.policy if sender else None)
    except AppError as error:
        if sender is not None or error.status == TOO_LARGE:
            raise
        # Without a key in the headers a body that can't be read has none either.
        raise _no_key() from error


def _key(route: Route, scope: Scope, headers: Mapping[bytes, bytes]) -> str | None:
    return (
        (_key_in_url(route, scope) if route.key_in_url else None)
        or credential(headers)
        or _key_in_query(scope["query_string"], route.key_name)
    )


def _key_in_url(route: Route, scope: Scope) -> str | None:
    """The key of a sender that may have a credential of its own in the header."""
    path: str = scope["path"]
    rest = path[len(route.path) :].strip("/")
    return rest or _key_in_query(scope["query_string"], route.key_name)


def _key_in_query(query: bytes, name: str) -> str | None:
    """The key of a sender that can set neither headers nor a body: pixels, beacons, webhooks."""
    if name.encode() + b"=" not in query:
        return None
    try:
        found = parse_qs(query.decode("latin-1"), max_num_fields=MAX_QUERY_FIELDS).get(name)
    except ValueError:  # more fields than that: nobody's who has a key
        return None
    return found[0] if found else None


def _is_browser(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a page sent the request (Fetch Standard, Fetch Metadata); Node sets other headers."""
    return b"origin" in headers or b"sec-fetch-site" in headers


def _user_agent(headers: Mapping[bytes, bytes]) -> str | None:
    found = headers.get(b"user-agent")
    return found.decode("latin-1") if found else None


def _allowed_webhook(headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """The handshake of CNCF's "HTTP 1.1 Web Hooks for Event Delivery", section 4.

    Any sender may deliver here, at any rate: its requests need a write key all the same.
    """
    origin = headers.get(b"webhook-request-origin")
    if origin is None:
        return []
    return [
        (b"allow", b"OPTIONS, POST"),
        (b"webhook-allowed-origin", origin),
        (b"webhook-allowed-rate", b"*"),
    ]


def _trace(headers: Mapping[bytes, bytes]) -> str | None:
    """The sender's trace, if it has one; none is started on the hot path."""
    sent = headers.get(b"traceparent")
    if sent:
        return tracing.enter(sent.decode("latin-1"))
    tracing.leave()
    return None


def _no_key() -> UnauthorizedError:
    return UnauthorizedError(
        "There is no write key in this request. Send it as the Basic user, as Bearer, as "
        "X-Write-Key, or as writeKey in a JSON body."
    )
