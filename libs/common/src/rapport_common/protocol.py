"""uvicorn's HTTP protocol, with head and body of an answer in one write to the socket."""

import asyncio
from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


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


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn writes an answer's head and its body one by one; each is a system call."""

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Corked(transport, asyncio.get_running_loop()))  # type: ignore[arg-type] # all of a transport that uvicorn uses
