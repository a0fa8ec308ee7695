"""The HTTP protocol: the requests of a connection share a task, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from tests.support.waiting import HANG_SECONDS, between_looks
from uvicorn.server import ServerState

from rapport_common import tracing
from rapport_common.protocol import FrontDoorProtocol

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"


class App:
    """Answers with the path; `/slow` goes on after its answer until `go_on`."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.go_on = asyncio.Event()
        self.cancelled = 0

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.tasks.append(asyncio.current_task())
        body = (scope["path"] + "?" + scope["query_string"].decode()).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        if scope["path"] == "/slow":
            await self.go_on.wait()


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def get(self, path: bytes) -> bytes:
        """The body of the answer."""
        self.writer.write(GET % path)
        return await self.answer()

    async def answer(self) -> bytes:
        """The body of the next answer."""
        async with asyncio.timeout(HANG_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return await self._reader.readexactly(length)


@pytest.fixture
async def app() -> App:
    return App()


@pytest.fixture
def state() -> ServerState:
    return ServerState()


@pytest.fixture
async def client(app: App, state: ServerState) -> AsyncIterator[Client]:
    config = uvicorn.Config(app, http=FrontDoorProtocol, lifespan="off", proxy_headers=False)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: FrontDoorProtocol(config=config, server_state=state, app_state={}), "127.0.0.1"
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield Client(reader, writer)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    server.close()


async def test_one_task_serves_a_connection_and_ends_with_it(
    client: Client, app: App, state: ServerState
) -> None:
    for number in range(5):
        path = b"/%d" % number
        assert await client.get(path + b"?a=b%20c") == path + b"?a=b%20c"
    assert len(set(app.tasks)) == 1
    assert state.tasks == set(app.tasks)
    client.writer.close()
    async with asyncio.timeout(HANG_SECONDS):
        while state.tasks or state.connections:
            await between_looks()


async def test_an_address_is_unquoted_however_long_it_is(client: Client) -> None:
    for more in (b"x", b"x" * 500):
        assert await client.get(b"/a%20b" + more) == b"/a b" + more + b"?"


async def test_what_goes_on_after_an_answer_holds_nobody_up(client: Client, app: App) -> None:
    assert await client.get(b"/slow") == b"/slow?"
    for number in range(3):
        assert await client.get(b"/%d" % number) == b"/%d?" % number
    assert app.tasks[0] not in app.tasks[1:]
    app.go_on.set()
    await asyncio.sleep(0)
    assert await client.get(b"/last") == b"/last?"


async def test_pipelined_requests_are_answered_in_their_order(client: Client) -> None:
    client.writer.write(b"".join(GET % (b"/%d" % number) for number in range(20)))
    assert [await client.answer() for _ in range(20)] == [b"/%d?" % n for n in range(20)]


async def test_a_trace_ends_with_its_request() -> None:
    assert tracing.enter(TRACE) == tracing.current() == TRACE
    tracing.leave()
    assert tracing.current() is None
