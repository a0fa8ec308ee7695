"""The cheapest HTTP client there is: one request in flight per connection, no parsing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

from typing_extensions import override

END = b"\r\n\r\n"
LENGTH = b"content-length:"
OK = b"HTTP/1.1 200"

Done = Callable[["Connection", float, bool, bytes], None]
"""Called with the connection, seconds since the send, whether it was a 200, and the body."""


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, on_response: Done, on_lost: Callable[[], None]) -> None:
        self._on_response = on_response
        self._on_lost = on_lost
        self._buffer = bytearray()
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due: float | None = None) -> None:
        """Send a whole request that was `due` then (by perf_counter; default: now).

        The previous one must have been answered.
        """
        if self._transport is None:
            message = "not connected"
            raise ConnectionError(message)
        self._sent = time.perf_counter() if due is None else due
        self._transport.write(request)

    def close(self) -> None:
        """Close; `on_lost` is not called."""
        self._on_lost = _nothing
        if self._transport is not None:
            self._transport.close()

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(END)
        if head < 0:
            return
        end = head + len(END) + _length(bytes(self._buffer[:head]))
        if len(self._buffer) < end:
            return
        taken = time.perf_counter() - self._sent
        body = bytes(self._buffer[head + len(END) : end])
        is_ok = self._buffer.startswith(OK)
        del self._buffer[:end]
        self._on_response(self, taken, is_ok, body)

    @override
    def connection_lost(self, _error: Exception | None) -> None:
        self._on_lost()


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(LENGTH)
    return int(lowered[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def _nothing() -> None:
    """The connection was closed by us."""


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie; 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
