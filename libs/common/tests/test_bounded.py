"""The HTTP protocol of every service: who breaks a bound is told, in his turn, and is gone."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.talking import (
    heard,
    in_pieces,
    joined,
    port_of,
    problem,
    serving,
    statuses,
    talked,
)
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common import bounded
from rapport_common.bounded import (
    HEAD_SECONDS,
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_PIPELINED,
    BoundedProtocol,
)
from rapport_common.runtime import _Server

CLOSE = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def asked(path: bytes = b"/", *more: bytes, method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\nHost: x\r\n" + b"".join(more) + b"\r\n"


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


class App:
    """Answers with the size of the body; `/early` does not read it; `/held` waits for `go_on`."""

    def __init__(self) -> None:
        self.heads = 0
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.heads += 1
        size, more = 0, scope["path"] != "/early"
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        if scope["path"] == "/held":
            await self.go_on.wait()
        body = b"%d" % size
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def app() -> App:
    return App()


@pytest.fixture
async def server(app: App) -> AsyncIterator[_Server]:
    """It answers as ever when the test is over."""
    async with serving(app) as made:
        yield made
        app.go_on.set()
        assert statuses(await talked(port_of(made), asked(b"/", CLOSE))) == [200]


@pytest.fixture
async def port(server: _Server) -> int:
    return port_of(server)


def time_passes(protocol: BoundedProtocol) -> None:
    """As if the time that something may take were over."""
    deadline = protocol._deadline
    assert deadline is not None
    assert deadline.when() <= asyncio.get_running_loop().time() + HEAD_SECONDS
    deadline.cancel()
    protocol._late()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that the client gets until its connection is closed."""
    async with asyncio.timeout(HANG_SECONDS):
        return await heard(reader)


@pytest.mark.parametrize("before", [0, 1])
async def test_a_slow_head_is_a_408(server: _Server, before: int) -> None:
    protocol, reader, writer = await joined(server)
    if before:
        protocol.data_received(asked())
        await reader.readuntil(b"\r\n\r\n0")
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    deadline = protocol._deadline
    protocol.data_received(b"X: y\r\n")
    assert protocol._deadline is deadline
    time_passes(protocol)
    assert problem(await rest(reader)) == ([408], "request_timeout")
    writer.close()


@pytest.mark.parametrize("said", [b"", b"\r\n", asked(), asked() + b"\r\n"])
async def test_a_connection_that_says_nothing_is_closed(server: _Server, said: bytes) -> None:
    protocol, reader, writer = await joined(server)
    if asked() in said:
        protocol.data_received(asked())
        await reader.readuntil(b"\r\n\r\n0")
        assert protocol._deadline is None
        assert protocol.timeout_keep_alive_task is not None  # uvicorn's
        said = b"\r\n"
    if said:
        protocol.data_received(said)
    time_passes(protocol)
    assert await rest(reader) == b""
    writer.close()


async def test_an_endless_head_is_a_431(port: int, app: App) -> None:
    for start in (b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nX"):
        found = await talked(port, start, *[b"x" * 10_000] * 10, pause=0.001)
        assert problem(found) == ([431], "request_header_fields_too_large"), start
    flood = await talked(port, asked(b"/", b"X: y\r\n" * 20_000))
    assert problem(flood)[0] == [431]
    assert app.heads == 0
    large = asked(b"/", b"X: " + b"y" * (MAX_HEAD_BYTES - 1000) + b"\r\n", CLOSE)
    assert statuses(await talked(port, large)) == [200]


async def test_a_head_with_too_many_fields_never_reaches_the_application(
    port: int, app: App
) -> None:
    many = asked(b"/", b"a:\r\n" * MAX_FIELDS)
    assert len(many) < MAX_HEAD_BYTES
    found = problem(await talked(port, many))
    assert found == ([431], "request_header_fields_too_large")
    assert app.heads == 0


async def test_endless_trailers_are_a_431(port: int) -> None:
    trailers = b"0\r\n" + b"T: x\r\n" * 5000 + b"\r\n"
    assert statuses(await talked(port, asked(b"/", CHUNKED), trailers)) == [431]


async def test_what_is_no_http_is_refused_after_the_answers_before_it(port: int) -> None:
    answer = await talked(port, asked() * 3 + b"GET nonsense\r\n\r\n")
    assert problem(answer) == ([200, 200, 200, 400], "bad_request")


async def test_a_flood_of_pipelined_requests_is_cut(port: int, app: App) -> None:
    found = statuses(await talked(port, asked() * 2000))
    assert set(found[:-1]) == {200}
    assert found[-1] == 400
    assert MAX_PIPELINED <= app.heads == len(found) - 1 < 2000


async def test_a_body_is_not_counted_as_the_next_head(server: _Server) -> None:
    protocol, reader, writer = await joined(server)
    body = b"x" * (MAX_HEAD_BYTES + 1)
    protocol.data_received(asked(b"/", length(len(body)), method=b"POST") + body[:1])
    protocol.data_received(body[1:])
    for part in (b"GET / HTTP/1.1\r\n", CLOSE + b"\r\n"):
        protocol.data_received(part)
    assert statuses(await rest(reader)) == [200, 200]
    writer.close()


@pytest.mark.parametrize(("more", "part"), [(length(10**9), b"x"), (CHUNKED, b"1\r\nx\r\n")])
async def test_an_unread_body_ends_the_connection(
    server: _Server, more: bytes, part: bytes
) -> None:
    protocol, reader, writer = await joined(server)
    protocol.data_received(asked(b"/early", more, method=b"POST"))
    await reader.readuntil(b"\r\n\r\n0")
    protocol.data_received(part)
    deadline = protocol._deadline
    protocol.data_received(part)
    assert protocol._deadline is deadline
    time_passes(protocol)
    assert await rest(reader) == b""
    writer.close()


async def test_a_connection_lives_on_when_the_rest_of_a_body_has_come(server: _Server) -> None:
    protocol, reader, writer = await joined(server)
    protocol.data_received(asked(b"/early", length(3), method=b"POST"))
    await reader.readuntil(b"\r\n\r\n0")
    protocol.data_received(b"abc")
    protocol.data_received(asked(b"/", CLOSE))
    assert statuses(await rest(reader)) == [200]
    writer.close()


async def test_a_head_has_time_while_an_answer_holds_it_up(server: _Server, app: App) -> None:
    protocol, reader, writer = await joined(server)
    protocol.data_received(asked(b"/held") + b"GET / HT")
    time_passes(protocol)
    app.go_on.set()
    await reader.readuntil(b"\r\n\r\n0")
    protocol.data_received(b"TP/1.1\r\n" + CLOSE + b"\r\n")
    assert statuses(await rest(reader)) == [200]
    writer.close()


async def test_not_everybody_who_comes_to_a_full_server_is_heard(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "FULL_SECONDS", 10 * HANG_SECONDS)
    monkeypatch.setattr(bounded, "MAX_FULL", 1)
    async with serving(app, connections=1) as server:
        held = await joined(server)
        held[0].data_received(asked(b"/held"))
        waiting, refused = await joined(server), await joined(server)
        assert problem(await rest(refused[1])) == ([503], "service_unavailable")
        waiting[0].data_received(asked())
        assert problem(await rest(waiting[1])) == ([503], "service_unavailable")
        app.go_on.set()
        assert (await held[1].readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        for _protocol, _reader, writer in (held, waiting, refused):
            writer.close()


async def test_an_upgrade_is_not_made(port: int) -> None:
    for protocol in (b"websocket", b"h2c"):
        upgrade = asked(b"/", b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n")
        assert statuses(await talked(port, upgrade, asked(b"/", CLOSE), pause=0.05)) == [200, 200]
    assert problem(await talked(port, asked(b"x:1", method=b"CONNECT")))[0] == [400]


async def test_who_resets_his_connection_leaves_nothing(server: _Server) -> None:
    accepted = server.server_state.connections
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(asked())
    await reader.readuntil(b"\r\n\r\n")
    [protocol] = accepted
    assert isinstance(protocol, BoundedProtocol)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
    async with asyncio.timeout(HANG_SECONDS):
        while accepted:
            await between_looks()
    assert protocol.timeout_keep_alive_task is None
    assert protocol._deadline is None


async def test_nobody_is_quiet_while_he_is_answered(server: _Server, app: App) -> None:
    protocol, reader, writer = await joined(server)
    opened = protocol.quiet_since
    assert opened > 0
    protocol.data_received(asked(b"/held"))
    assert protocol.quiet_since == 0
    app.go_on.set()
    await reader.readuntil(b"\r\n\r\n")
    assert protocol.quiet_since > opened
    writer.close()


STREAM = (
    asked() + asked(b"/", CHUNKED, method=b"POST") + b"3\r\nabc\r\n0\r\n\r\n" + asked(b"/early")
)
ENDINGS = {
    b"GET nonsense\r\n\r\n": 400,
    asked(b"/", b"a:\r\n" * (MAX_FIELDS + 1)): 431,
    b"GET /" + b"x" * (3 * MAX_HEAD_BYTES): 431,
    asked(b"/", CHUNKED, method=b"POST") + b"zz\r\n": 400,
    asked(b"/", CHUNKED, method=b"POST") + b"0\r\n" + b"a:\r\n" * (MAX_FIELDS + 1): 431,
    asked(b"/", CLOSE): 200,
}


@given(st.sampled_from(list(ENDINGS)), st.lists(st.integers(0, len(STREAM) + 2000), max_size=8))
async def test_it_does_not_matter_in_which_pieces_bytes_come(
    server: _Server, ending: bytes, cuts: Sequence[int]
) -> None:
    found = await in_pieces(server, STREAM + ending, cuts)
    assert found == [200, 200, 200, ENDINGS[ending]]
