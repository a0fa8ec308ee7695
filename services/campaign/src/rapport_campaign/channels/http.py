"""The HTTP that all adapters speak: bounded, guarded, and exact about what was sent.

There is one of it in a process. Connections go to public addresses only, or to networks that the
operator allows, as some addresses are named by others: a browser's subscription, a webhook. It
follows no redirection, uses no proxies of the environment, and reads at most so much of an answer.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore
import httpx
import msgspec

from rapport_common import clock
from rapport_common.outside.addresses import Network, UnusableUrlError, require_usable
from rapport_common.outside.connecting import ForbiddenAddressError, Guarded

MOST_ANSWER = 64 * 1024
SECONDS = 15.0
"""Of a request as a whole: who drips an answer byte by byte gets no more."""
CONNECT_SECONDS = 5.0
_CONNECTIONS, _IDLE, _IDLE_SECONDS = 64, 32, 20.0


class NotSentError(Exception):
    """Nothing of a request can have arrived; its text says why."""


class UnansweredError(Exception):
    """A request may have arrived, and no whole answer came back; its text says what happened."""


def instant_of(text: str) -> datetime | None:
    """An instant as HTTP writes it (RFC 9110, 5.6.7); None for what is none, or beyond our years.

    Who answers may write anything: what is read here raises nothing.
    """
    try:
        then = parsedate_to_datetime(text)
        return None if then.tzinfo is None else then.astimezone(UTC)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `version` is by which one of HTTP it has to go: 1 or 2.

    `most`: so many bytes of an answer are read; `seconds` for all of it, if fewer than usual.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    version: int = 1
    most: int = MOST_ANSWER
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `headers` by their names in small letters; `is_whole`: the body was read to its
    end, and not cut at the request's `most`.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = True

    @property
    def is_yes(self) -> bool:
        """Whether the server says that it did what it was asked for."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110, 15.3

    @property
    def retry_after(self) -> float | None:
        """Seconds for which the server asks to be left alone (RFC 9110, 10.2.3)."""
        text = self.headers.get("retry-after", "")
        if text.isascii() and text.isdigit() and len(text) < 10:  # noqa: PLR2004 - 30 years
            return float(text)
        then = instant_of(text)
        return None if then is None else max(0.0, (then - clock.now()).total_seconds())

    def json(self) -> dict[str, Any]:
        """The object in the body; an empty one where there is none that can be read."""
        try:
            found = msgspec.json.decode(self.body) if self.is_whole else {}
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Http:
    """Speaks to providers, keeping connections open for a while."""

    def __init__(
        self,
        own: Sequence[Network] = (),
        *,
        seconds: float = SECONDS,
        limit: Callable[[float], asyncio.Timeout] = asyncio.timeout,
    ) -> None:
        """`own`: networks that may be spoken to though they are private, by plain http, too.

        `limit` makes what ends a request after so many seconds.
        """
        self.own = own
        self._seconds = seconds
        self._limit = limit
        self._pools: dict[int, httpcore.AsyncConnectionPool] = {}
        self._opening = asyncio.Lock()

    async def ask(self, request: Request) -> Reply:
        """Send a request; NotSentError or UnansweredError where no answer came.

        Which of both: a request that is being written may be read to its end by who never answers.
        """
        try:
            require_usable(request.url, self.own)
        except UnusableUrlError as error:
            message = f"the address {error}"
            raise NotSentError(message) from error
        pool = await self._pool(request.version)
        under_way = _Progress()
        seconds = min(request.seconds or self._seconds, self._seconds)
        try:
            async with self._limit(seconds):
                return await self._exchange(pool, request, under_way)
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
            message = str(error) if isinstance(error, ForbiddenAddressError) else _named(error)
            raise NotSentError(f"no connection: {message}") from error
        except TimeoutError as error:
            message = f"no answer within {seconds:g} s"
            raise (UnansweredError if under_way.begun else NotSentError)(message) from error
        except (
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            ssl.SSLError,
            OSError,
        ) as error:
            message = f"the connection broke: {_named(error)}"
            raise (UnansweredError if under_way.begun else NotSentError)(message) from error
        except (httpcore.UnsupportedProtocol, ValueError) as error:
            raise NotSentError(f"can't be asked: {_named(error)}") from error

    async def close(self) -> None:
        """Close what is open."""
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    async def _exchange(
        self, pool: httpcore.AsyncConnectionPool, request: Request, under_way: "_Progress"
    ) -> Reply:
        async with pool.stream(
            request.method,
            request.url,
            headers=_headers(request),
            content=request.body,
            extensions={"timeout": self._timeouts(), "trace": under_way.note},
        ) as answer:
            body = bytearray()
            is_whole = True
            async for part in answer.aiter_stream():
                body += part
                if len(body) > request.most:
                    is_whole = False
                    break
            if is_whole and _is_followed(answer):
                # It has said more than it was asked: the next request would be given that as its
                # answer. Where the connection is closed, the pool makes another.
                await answer.extensions["network_stream"].aclose()
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in answer.headers
            }
            return Reply(answer.status, headers, bytes(body[: request.most]), is_whole)

    def _timeouts(self) -> dict[str, float]:
        each = self._seconds
        return {"connect": min(CONNECT_SECONDS, each), "read": each, "write": each, "pool": each}

    async def _pool(self, version: int) -> httpcore.AsyncConnectionPool:
        async with self._opening:
            if version not in self._pools:
                # To read the authorities takes as long as a hundred requests: beside the loop.
                trusted = await asyncio.to_thread(httpx.create_ssl_context)
                self._pools[version] = httpcore.AsyncConnectionPool(
                    ssl_context=trusted,
                    max_connections=_CONNECTIONS,
                    max_keepalive_connections=_IDLE,
                    keepalive_expiry=_IDLE_SECONDS,
                    http1=version == 1,
                    http2=version != 1,
                    network_backend=Guarded(self.own),
                )
            return self._pools[version]


class _Progress:
    """Whether a request has begun to go out, as httpcore tells of its steps."""

    def __init__(self) -> None:
        self.begun = False

    async def note(self, event: str, _info: Mapping[str, Any]) -> None:
        """Begun with the headers: what was written before them asks for nothing."""
        if event.endswith("send_request_headers.started"):
            self.begun = True


def _headers(request: Request) -> list[tuple[bytes, bytes]]:
    """With those that HTTP asks for; what would end a header is refused by ValueError."""
    named = {"user-agent": "rapport", **request.headers}
    found = [(name.encode("ascii"), value.encode("latin-1")) for name, value in named.items()]
    if any(one in value for _name, value in found for one in (b"\r", b"\n", b"\0")):
        message = "a header of several lines"
        raise ValueError(message)
    return found


def _is_followed(answer: httpcore.Response) -> bool:
    """Whether more has come behind an answer of HTTP/1.1. Nothing public tells: what is looked at
    is inside httpcore, whose version is the lock's, and the tests of channels hold it.
    """
    connection = getattr(getattr(answer.stream, "_stream", None), "_connection", None)
    state = getattr(connection, "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])


def _named(error: BaseException) -> str:
    return type(error).__name__
