"""The front door of every service: who calls comes first, and nothing waits without end."""

import asyncio
import json
import re
import tracemalloc
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from structlog.testing import capture_logs
from tests.support.talking import port_of, serving
from tests.support.waiting import HANG_SECONDS

from rapport_common import bodies, tracing
from rapport_common.auth import Operator, operator
from rapport_common.bodies import Bodies
from rapport_common.door import Bounds, without_blanks
from rapport_common.http import Health, create_app
from rapport_common.http_metrics import HTTP
from rapport_common.testing.credentials import authenticator, mint

MIB = 2**20
TOKEN = mint("demo", "ada", ["*"], timedelta(hours=1))
BEARER = f"Authorization: Bearer {TOKEN}\r\n".encode()
Caller = Annotated[Operator, Depends(operator("things"))]


class Thing(BaseModel):
    """A body."""

    name: str


@dataclass
class Standing:
    """A server, and what its routes have been asked."""

    health: Health
    port: int = 0
    asked: list[str] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self, bounds: Bounds) -> FastAPI:
        app = create_app("segment", self.health, authenticator(), bounds)

        @app.post("/v1/things")
        async def add(thing: Thing, _caller: Caller) -> str:
            self.asked.append(thing.name)
            return thing.name

        @app.post("/form/{token}")
        async def form(token: str, request: Request) -> int:
            self.asked.append(token)
            return len(await request.body())

        @app.put("/v1/files")
        async def upload(request: Request, _caller: Caller) -> int:
            return sum([len(piece) async for piece in request.stream()])

        @app.get("/frozen")
        async def frozen() -> None:
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                await self.go_on.wait()  # as a driver does whose server stands still

        @app.get("/away")
        async def away() -> None:
            raise PoolTimeoutError

        @app.get("/broken")
        async def broken() -> None:
            raise KeyError("x")

        return app


@asynccontextmanager
async def standing(bounds: Bounds, *, connections: int | None = None) -> AsyncIterator[Standing]:
    found = Standing(Health(seconds=0.1))
    async with serving(found.app(bounds), connections=connections) as server:
        found.port = port_of(server)
        try:
            yield found
        finally:
            found.go_on.set()


@pytest.fixture
async def served() -> AsyncIterator[Standing]:
    async with standing(Bounds(streams=(re.compile("/v1/files"),))) as found:
        yield found


async def talked(port: int, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, all that comes after them) of the first answer."""
    async with asyncio.timeout(HANG_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        found = await answered(reader)
        writer.close()
        return found


async def answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    async with asyncio.timeout(HANG_SECONDS):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        pairs = (line.partition(": ") for line in lines[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        size = int(headers.get("content-length", 0))
        body = b"" if lines[0].startswith("HEAD") else await reader.read(size) if size else b""
        return int(lines[0].split()[1]), headers, body


def head(method: bytes, path: bytes, *more: bytes) -> bytes:
    kind = b"Content-Type: application/json\r\n"
    return method + b" " + path + b" HTTP/1.1\r\nHost: x\r\n" + kind + b"".join(more) + b"\r\n"


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


CHUNKED = b"Transfer-Encoding: chunked\r\n"


def code(found: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    body = json.loads(found[2])
    assert set(body) == {"code", "message", "details"}
    return found[0], body["code"]


@pytest.mark.parametrize(
    ("path", "credential", "more", "expected"),
    [
        (b"/v1/things", b"", length(30 * MIB), (401, "unauthorized")),
        (b"/v1/things", b"", CHUNKED, (401, "unauthorized")),
        (b"/v1/things", b"Authorization: Bearer x\r\n", length(9), (401, "unauthorized")),
        (b"/v1/files", b"", length(30 * MIB), (401, "unauthorized")),
        (b"/v1/things", BEARER, length(30 * MIB), (413, "too_large")),
        (b"/form/x", b"", length(129 * 1024), (413, "too_large")),
        (b"/v1/nowhere", b"", length(30 * MIB), (404, "not_found")),
    ],
)
async def test_who_calls_and_how_much_comes_before_any_byte_of_the_body(
    served: Standing,
    path: bytes,
    credential: bytes,
    more: bytes,
    expected: tuple[int, str],
) -> None:
    method = b"PUT" if path == b"/v1/files" else b"POST"
    # Not one byte of the body is sent: the answer can't have waited for it.
    assert code(await talked(served.port, head(method, path, credential, more))) == expected
    assert served.asked == []


async def test_what_a_stranger_sends_is_not_kept(served: Standing) -> None:
    piece = b"100000\r\n" + b"x" * MIB + b"\r\n"
    tracemalloc.start()
    try:
        for path in (b"/v1/things", b"/v1/files", b"/form/x"):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            found = await talked(served.port, head(b"POST", path, CHUNKED), *[piece] * 30)
            assert found[0] in {401, 405, 413}
            # The client is in the same process: its piece, and what a socket's buffers hold.
            assert tracemalloc.get_traced_memory()[1] - before < 8 * MIB
    finally:
        tracemalloc.stop()


async def test_a_body_within_its_bounds_arrives(served: Standing) -> None:
    body = json.dumps({"name": "x" * 10_000}).encode()
    parts = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    start = head(b"POST", b"/v1/things", BEARER, length(len(body)))
    assert (await talked(served.port, start, *parts))[0] == 200
    assert (await talked(served.port, head(b"POST", b"/form/a", length(3)) + b"a=b"))[2] == b"3"
    large = head(b"PUT", b"/v1/files", BEARER, length(4 * MIB))
    assert (await talked(served.port, large, *[b"x" * MIB] * 4))[2] == b"4194304"


@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/files"), ("POST", "/v1/things")])
async def test_who_leaves_in_the_middle_of_a_body_is_no_error_of_ours(
    method: str, path: str
) -> None:
    pieces: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = []

    async def receive() -> dict[str, Any]:
        return pieces.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {TOKEN}".encode()),
            (b"content-length", b"9"),
        ],
    }
    app = Standing(Health()).app(Bounds(streams=(re.compile("/v1/files"),)))
    with capture_logs() as logs:
        await app(scope, receive, send)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (400, "broken_off")
    assert logs == []


@pytest.mark.parametrize("path", [b"/v1/things", b"/v1/files", b"/form/x"])
async def test_a_body_that_falls_silent_is_a_408(
    served: Standing, monkeypatch: pytest.MonkeyPatch, path: bytes
) -> None:
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.05)
    method = b"PUT" if path == b"/v1/files" else b"POST"
    found = await talked(served.port, head(method, path, BEARER, length(9)) + b"{")
    assert code(found) == (408, "request_timeout")
    assert found[1]["connection"] == "close"


async def test_of_too_many_open_bodies_the_longest_silent_makes_room() -> None:
    waiting = Bodies(most_open=2)
    queues: list[asyncio.Queue[dict[str, Any]]] = [asyncio.Queue() for _ in range(3)]
    reading = []
    for one in queues:
        incoming = bodies.Incoming(waiting, one.get, 100)
        reading.append(asyncio.ensure_future(incoming.read(None)))
        await one.put({"type": "http.request", "body": b"a", "more_body": True})
        while not one.empty() or (waiting.waiting < min(len(reading), 2)):
            await asyncio.sleep(0)
    with pytest.raises(Exception, match="did not arrive in time"):
        await reading[0]
    assert waiting.waiting == 2
    for one in queues[1:]:
        await one.put({"type": "http.request", "body": b"b", "more_body": False})
    assert [await one for one in reading[1:]] == [b"ab", b"ab"]
    assert waiting.waiting == 0


async def test_what_is_not_done_in_time_is_answered_and_ends_later() -> None:
    async with standing(Bounds(seconds=0.05)) as served:
        found = await talked(served.port, head(b"GET", b"/frozen"))
        assert code(found) == (503, "unavailable")
        assert found[1]["retry-after"] == "5"
        async with asyncio.timeout(HANG_SECONDS):
            await served.cancelled.wait()
        assert (await talked(served.port, head(b"GET", b"/healthz")))[0] == 200


def counted(route: str, status: int) -> int:
    times = HTTP._times.get(("segment", route, "GET", status))
    return sum(times.buckets) if times else 0


@pytest.mark.parametrize(("path", "status"), [("/away", 503), ("/broken", 500), ("/frozen", 503)])
async def test_every_error_is_counted_as_what_it_is_and_has_its_trace(
    path: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = counted(path, status)
    async with standing(Bounds(seconds=0.05)) as served:
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        more = f"{tracing.HEADER}: {trace}\r\n".encode()
        found = await talked(served.port, head(b"GET", path.encode(), more))
    assert (found[0], found[1]["traceparent"]) == (status, trace)
    assert counted(path, status) == before + 1
    assert "Traceback" not in capfd.readouterr().err or status == 500


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (b"cursor=&limit=100", b"limit=100"),
        (b"limit=100&state=", b"limit=100"),
        (b"cursor=", b""),
        (b"q=a%3D&cursor=bQ==&flag", b"q=a%3D&cursor=bQ==&flag"),
        (b"a=1&b=2", b"a=1&b=2"),
    ],
)
def test_a_field_left_empty_is_not_asked_for(query: bytes, left: bytes) -> None:
    """As the pages under /docs send them."""
    assert without_blanks(query) == left


async def test_a_head_has_no_body(served: Standing) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            head(b"HEAD", b"/broken") + head(b"GET", b"/healthz", b"Connection: close\r\n")
        )
        both = await reader.read()
        writer.close()
    assert both.count(b"HTTP/1.1 ") == 2
    first, second = both.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"405")
    assert first.endswith(b"\r\n\r\n")
    assert second.endswith(b'{"alive":true}')


async def test_the_connection_that_is_idle_for_longest_makes_room() -> None:
    async with standing(Bounds(), connections=3) as served:
        opened = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(head(b"GET", b"/healthz"))
            assert (await answered(reader))[0] == 200
            opened.append((reader, writer))
        assert (await talked(served.port, head(b"GET", b"/healthz")))[0] == 200
        async with asyncio.timeout(HANG_SECONDS):
            assert await opened[0][0].read() == b""  # closed
        for _reader, writer in opened:
            writer.close()


async def test_when_all_connections_are_busy_the_next_is_told_so() -> None:
    async with standing(Bounds(), connections=2) as served:
        busy = []
        for _ in range(2):
            _reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(head(b"POST", b"/form/x", length(9)))
            busy.append(writer)
        async with asyncio.timeout(HANG_SECONDS):
            while (found := await talked(served.port, b""))[0] != 503:
                pass
        assert code(found) == (503, "service_unavailable")
        for writer in busy:
            writer.close()


async def test_readiness_is_told_in_time_whatever_a_check_does() -> None:
    health, go_on, asked = Health(seconds=0.05), asyncio.Event(), 0

    async def stuck() -> str | None:
        nonlocal asked
        asked += 1
        await go_on.wait()
        return None

    async def fine() -> str | None:
        return None

    health.checks |= {"stuck": stuck, "fine": fine}
    for _ in range(3):
        ready, found = await health.report()
        assert not ready
        assert found == {"stuck": "no answer within 0.05 s", "fine": "ok"}
    assert asked == 1
    go_on.set()
    assert await health.report() == (True, {"stuck": "ok", "fine": "ok"})
