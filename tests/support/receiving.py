"""A receiver of webhooks: a real server, which answers as a test says and remembers what came."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass
class Came:
    """A post as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.body)["data"]
        return found


@dataclass
class Receiver:
    """`answer` gives a status, or None for a connection that breaks, for each post; `says` a body.

    While `open` is not set nobody gets an answer. Since each answer is `most` under way.
    """

    answer: Callable[[Came], int | None] = lambda _came: 204
    says: Callable[[Came], bytes] = lambda _came: b""
    came: list[Came] = field(default_factory=list)
    more: str = ""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    under_way: int = 0
    most: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one post after the other, as long as they come."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._take(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _take(
        self, top: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        _line, *lines = top.decode().strip().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        came = Came(headers, body)
        self.came.append(came)
        self.arrived.set()
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.open.wait()
        self.under_way -= 1
        status = self.answer(came)
        if status is None:
            raise ConnectionResetError
        said = self.says(came)
        head = f"HTTP/1.1 {status} So\r\ncontent-length: {len(said)}\r\n{self.more}\r\n"
        writer.write(head.encode() + said)
        await writer.drain()


@asynccontextmanager
async def receiving(**told: Any) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own, which answers at once unless `open` is cleared."""
    receiver = Receiver(**told)
    receiver.open.set()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        receiver.open.set()
        server.close()
