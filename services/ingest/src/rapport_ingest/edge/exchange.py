"""One request and its answer: rendered and written in one go."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class Corked:
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

    def write_whole(self, data: bytes) -> None:
        """Write an answer that is complete: at once, unless something is kept before it."""
        if self._pieces:
            self._pieces.append(data)
        elif not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Write what is kept, then close."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """As of the transport; asked for each answer, so it does not go through `__getattr__`."""
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._pieces:
            gathered, self._pieces = b"".join(self._pieces), []
            if not self._transport.is_closing():
                self._transport.write(gathered)


_last_rendered: tuple[object, bytes] = (None, b"")


def _rendered(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The server's own headers as they are sent; uvicorn makes another list each second."""
    global _last_rendered  # noqa: PLW0603 - a cache of one
    known, text = _last_rendered
    if known is not headers:
        text = b"".join(b"%s: %s\r\n" % one for one in headers)
        _last_rendered = headers, text
    return text


def target(url: bytes) -> tuple[str, bytes, bytes]:
    """Path, raw path and query."""
    parsed = httptools.parse_url(url)
    path = parsed.path.decode("ascii")
    return unquote(path) if "%" in path else path, parsed.path, parsed.query or b""


known_target = lru_cache(maxsize=1024)(target)


class Cycle(RequestResponseCycle):
    """One request and its answer, which may be given as a whole."""

    def whole_body(self) -> bytes | None:
        """The body, if all of it has arrived and nothing was received of it yet."""
        if self.more_body or self.disconnected or self.response_complete:
            return None
        body = bytes(self.body)
        self.body = bytearray()
        self.message_event.clear()
        return body

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
        pieces = [STATUS_LINE[status], _rendered(self.default_headers)]
        for name, value in headers:
            pieces += (name, b": ", value, b"\r\n")
            if name == b"connection" and value.lower() == b"close":
                self.keep_alive = False
        end = b"\r\n\r\n" if self.keep_alive else b"\r\nconnection: close\r\n\r\n"
        pieces += (b"content-length: %d" % len(body), end)
        if self.scope["method"] != "HEAD":  # RFC 9110, 9.3.2: the head it would have, and no more
            pieces.append(body)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write_whole(b"".join(pieces))  # type: ignore[attr-defined] # it is corked
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def cycle_of(channel: Receive | Send) -> Cycle | None:
    """The request that an ASGI callable belongs to; None if another protocol made it."""
    found = getattr(channel, "__self__", None)
    return found if isinstance(found, Cycle) else None
