"""Ingest's HTTP protocol: the requests of a connection share a task, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from tests.support.talking import in_pieces, serving
from tests.support.waiting import HANG_SECONDS, between_looks
from uvicorn.server import ServerState

from rapport_common.bounded import MAX_FIELDS
from rapport_common.runtime import Edge
from rapport_ingest.edge.protocol import IngestProtocol

GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"


class App:
    """Answers with the path; `/slow` goes on after its answer until `go_on`, `/held` waits."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.go_on = asyncio.Event()
        self.held: asyncio.Event | None = None

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.tasks.append(asyncio.current_task())
        if scope["path"] == "/held":
            self.held = asyncio.Event()
            await self.held.wait()
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
        self.was_last = False

    async def get(self, path: bytes) -> bytes:
        """The body of the answer."""
        self.writer.write(GET % path)
        return await self.answer()

    async def is_closed(self) -> bool:
        """Whether nothing more comes; waits for it."""
        async with asyncio.timeout(HANG_SECONDS):
            return not await self._reader.read()

    async def answer(self) -> bytes:
        """The body of the next answer."""
        async with asyncio.timeout(HANG_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            self.was_last = b"connection: close" in head
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
    config = uvicorn.Config(app, http=IngestProtocol, lifespan="off", proxy_headers=False)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: IngestProtocol(config=config, server_state=state, app_state={}), "127.0.0.1"
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


def only(state: ServerState) -> IngestProtocol:
    """The server's side of the one connection."""
    [found] = state.connections
    assert isinstance(found, IngestProtocol)
    return found


async def test_a_connection_that_leaves_says_so_with_its_next_answer(
    client: Client, state: ServerState
) -> None:
    await client.get(b"/1")
    was_last = client.was_last
    assert not was_last
    assert only(state).is_busy(0)
    only(state).leave()
    assert not only(state).is_busy(0)
    assert await client.get(b"/2") == b"/2?"
    assert client.was_last
    assert await client.is_closed()


async def test_what_was_sent_at_once_is_answered_before_a_connection_leaves(
    client: Client, state: ServerState
) -> None:
    await client.get(b"/1")
    only(state).leave()
    client.writer.write(b"".join(GET % (b"/%d" % number) for number in range(3)))
    assert [await client.answer() for _ in range(3)] == [b"/%d?" % n for n in range(3)]
    assert not client.was_last
    assert await client.get(b"/4") == b"/4?"


async def test_who_sends_on_before_the_last_answer_is_answered(
    client: Client, app: App, state: ServerState
) -> None:
    await client.get(b"/1")
    protocol = only(state)
    protocol.leave()
    client.writer.write(GET % b"/held")
    async with asyncio.timeout(HANG_SECONDS):
        while app.held is None:
            await between_looks()
    assert not protocol.is_busy(0)  # it leaves already
    begun = GET % b"/next"
    client.writer.write(begun[:9])
    async with asyncio.timeout(HANG_SECONDS):
        while not protocol._in_head:
            await between_looks()
    app.held.set()
    assert await client.answer() == b"/held?"
    assert not client.was_last
    client.writer.write(begun[9:])
    assert await client.answer() == b"/next?"


async def test_a_connection_leaves_when_all_of_a_body_has_been_read(
    client: Client, state: ServerState
) -> None:
    await client.get(b"/1")
    only(state).leave()
    client.writer.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
    assert await client.answer() == b"/early?"
    assert not client.was_last
    client.writer.write(b"abc" + GET % b"/2")
    assert await client.answer() == b"/2?"
    assert client.was_last


async def test_a_stream_is_not_busy(client: Client, state: ServerState) -> None:
    await client.get(b"/1")
    protocol = only(state)
    assert not protocol.is_busy(asyncio.get_running_loop().time() + 1)
    protocol.cycle.response_complete, protocol.cycle.response_started = False, True
    assert not protocol.is_busy(0)


async def test_bounds_hold_here_too_in_whatever_pieces_bytes_come() -> None:
    many = b"GET / HTTP/1.1\r\n" + b"a:\r\n" * (MAX_FIELDS + 1) + b"\r\n"
    async with serving(App(), edge=Edge(IngestProtocol)) as server:
        for cuts in ([], [9], [50, 75, 100], range(500)):
            for last, status in ((many, 431), (b"?\r\n", 400)):
                found = await in_pieces(server, GET % b"/1" + GET % b"/2" + last, cuts)
                assert found == [200, 200, status]
