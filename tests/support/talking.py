"""A server in the test's own loop, and raw bytes to it and from it."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import msgspec
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common import runtime
from rapport_common.bounded import BoundedProtocol
from rapport_common.runtime import STOCK, Edge

LARGEST_PIECE = 2**16
STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


@asynccontextmanager
async def serving(
    app: Any, *, edge: Edge = STOCK, connections: int | None = None
) -> AsyncIterator[runtime._Server]:
    """The server of a service's process, as the runtime makes it, until the block ends."""
    server = runtime._server(app, "127.0.0.1", 0, edge=edge, connections=connections)
    running = asyncio.ensure_future(server.serve())
    async with asyncio.timeout(HANG_SECONDS):
        while not server.started:
            await between_looks()
    try:
        yield server
    finally:
        server.should_exit = True
        await running


def port_of(server: runtime._Server) -> int:
    """Where it listens."""
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


async def joined(
    server: runtime._Server,
) -> tuple[BoundedProtocol, asyncio.StreamReader, asyncio.StreamWriter]:
    """A new connection of the server: its side, and the client's."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    _transport, protocol = await loop.connect_accepted_socket(server._protocol, ours)
    assert isinstance(protocol, BoundedProtocol)
    return protocol, *await asyncio.open_connection(sock=theirs)


async def talked(port: int, *parts: bytes, pause: float = 0.0, end: bool = False) -> bytes:
    """All that comes back until the other side closes; `end`: we close ours when all is sent."""
    async with asyncio.timeout(HANG_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = asyncio.create_task(heard(reader))
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.wait([answer], timeout=pause)
                if answer.done():
                    break
        if end:
            writer.close()
        found = await answer
        writer.close()
        return found


async def in_pieces(server: runtime._Server, data: bytes, cuts: Sequence[int]) -> list[int]:
    """The statuses of all answers to `data`, which is cut there and into 64 KiB at most.

    The protocol is given it by hand: what a socket gives at a time is its own affair.
    """
    protocol, reader, writer = await joined(server)
    edges = {*cuts, *range(0, len(data), LARGEST_PIECE), max(len(data), *cuts, 0)}
    for start, end in pairwise(sorted(edges)):
        if data[start:end] and not protocol.transport.is_closing():
            protocol.data_received(data[start:end])
            await asyncio.sleep(0)
    async with asyncio.timeout(HANG_SECONDS):
        found = await heard(reader)
    writer.close()
    return statuses(found)


async def heard(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    with suppress(ConnectionError):
        while part := await reader.read(65536):
            found += part
    return found


def statuses(answer: bytes) -> list[int]:
    """Those of all answers, in their order."""
    return [int(one) for one in STATUS.findall(answer)]


def problem(answer: bytes) -> tuple[list[int], str]:
    """(statuses, the code of the last one's body)."""
    body = msgspec.json.decode(answer.rpartition(b"\r\n\r\n")[2])
    assert set(body) == {"code", "message", "details"}
    return statuses(answer), body["code"]
