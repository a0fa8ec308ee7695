"""Raw bytes on real sockets: each connection ends or is answered in its time, and ingest lives."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from tests.support.talking import heard, port_of, problem, serving, statuses, talked
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common import bodies, bounded
from rapport_common.runtime import Edge
from rapport_ingest.edge.protocol import IngestProtocol

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

pytestmark = pytest.mark.integration

SHORT = 0.2
EVENT = b'{"event":"x","userId":"u"}'


@pytest.fixture
async def port(ingest: "Ingest", monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server with short limits; it has to answer as ever when the test is over."""
    for module, name in (
        (bounded, "HEAD_SECONDS"),
        (bodies, "BODY_SECONDS"),
    ):
        monkeypatch.setattr(module, name, SHORT)
    async with serving(ingest.built.app, edge=Edge(IngestProtocol)) as server:
        yield port_of(server)
        last = await talked(port_of(server), post(EVENT, ingest, b"Connection: close\r\n"))
        assert statuses(last) == [200]


def post(body: bytes, ingest: "Ingest", more: bytes = b"", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return head(ingest, b"Content-Length: %d\r\n" % size + more) + body


def head(ingest: "Ingest", more: bytes = b"", target: bytes = b"/v1/track") -> bytes:
    key = ingest.key.encode()
    return b"POST %s HTTP/1.1\r\nHost: x\r\nX-Write-Key: %s\r\n%s\r\n" % (target, key, more)


CLOSE = b"Connection: close\r\n"


async def test_pipelined_requests_are_answered_in_order(ingest: "Ingest", port: int) -> None:
    bad = post(b"[]", ingest)
    sent = post(EVENT, ingest) + bad + post(EVENT, ingest, CLOSE)
    assert statuses(await talked(port, sent)) == [200, 400, 200]


async def test_what_is_no_http_is_refused_after_the_answers_before_it(
    ingest: "Ingest", port: int
) -> None:
    answer = await talked(port, post(EVENT, ingest) * 3 + b"GET nonsense\r\n\r\n")
    assert problem(answer) == ([200, 200, 200, 400], "bad_request")


async def test_a_flood_of_pipelined_requests_is_cut(ingest: "Ingest", port: int) -> None:
    found = statuses(await talked(port, post(EVENT, ingest) * 1000))
    assert set(found[:-1]) == {200}
    assert found[-1] == 400
    assert bounded.MAX_PIPELINED <= len(found) < 1000


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (b"1a\r\n" + EVENT + b"\r\n0\r\n\r\n", 200),
        (b"1a;x=y\r\n" + EVENT + b"\r\n0\r\nTrailer: x\r\n\r\n", 200),
        (b"zz\r\n" + EVENT + b"\r\n0\r\n\r\n", 400),
        (b"-1\r\n" + EVENT, 400),
        (b"ffffffffffffffffff\r\n" + EVENT, 400),
        (b"2\r\n" + EVENT + b"\r\n0\r\n\r\n", 400),
        (b"1a\r\n" + EVENT + b"\r\n0\r\n" + b"T: x\r\n" * 5000 + b"\r\n", 431),
        (b"ffffff\r\n" + b" " * 2**24 + b"\r\n0\r\n\r\n", 413),
        (b"1a\r\n" + EVENT + b"\r\n", 408),
    ],
)
async def test_chunks(
    ingest: "Ingest", port: int, monkeypatch: pytest.MonkeyPatch, chunks: bytes, expected: int
) -> None:
    if expected != 408:  # 16 MiB may take their time where others work too
        monkeypatch.setattr(bodies, "BODY_SECONDS", HANG_SECONDS)
    more = b"Transfer-Encoding: chunked\r\n" + CLOSE
    found = statuses(await talked(port, head(ingest, more), chunks, pause=0.05))
    assert found == [expected] or (found == [] and expected in {413, 431})


async def test_a_slow_body_is_a_408(ingest: "Ingest", port: int) -> None:
    parts = [head(ingest, b"Content-Length: 100\r\n"), *[b" "] * 100]
    assert problem(await talked(port, *parts, pause=0.05)) == ([408], "request_timeout")


async def test_a_slow_head_is_a_408(ingest: "Ingest", port: int) -> None:
    parts = [b"POST /v1/track HTTP/1.1\r\n", *[b"X: y\r\n"] * 100]
    assert problem(await talked(port, *parts, pause=0.05)) == ([408], "request_timeout")
    first = post(EVENT, ingest)
    assert problem(await talked(port, first, *parts, pause=0.05))[0] == [200, 408]


async def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    assert await talked(port) == b""
    assert await talked(port, *[b"\r\n"] * 100, pause=0.05) == b""


async def test_an_endless_head_is_a_431(ingest: "Ingest", port: int) -> None:
    for start in (b"POST /", b"POST / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nX"):
        found = await talked(port, start, *[b"x" * 10_000] * 10, pause=0.001)
        assert problem(found) == ([431], "request_header_fields_too_large"), start
    flood = head(ingest, b"X: y\r\n" * 20_000)
    assert problem(await talked(port, flood))[0] == [431]
    large = post(EVENT, ingest, b"X: " + b"y" * 60_000 + b"\r\n" + CLOSE)
    assert statuses(await talked(port, large)) == [200]


async def test_old_and_strange_ways_to_ask(ingest: "Ingest", port: int) -> None:
    asked = post(EVENT, ingest)
    old = asked.replace(b"HTTP/1.1", b"HTTP/1.0")
    assert statuses(await talked(port, old)) == [200]
    no_host = asked.replace(b"Host: x\r\n", CLOSE)
    assert statuses(await talked(port, no_host)) == [200]
    absolute = asked.replace(b"POST /v1", b"POST http://x/v1").replace(b"Host: x\r\n", CLOSE)
    assert statuses(await talked(port, absolute)) == [200]
    for target in (b"*", b"//", b"/\xff", b"http://[", b"x:1", b"/%00", b"/v1/../../x"):
        odd = head(ingest, b"Content-Length: 0\r\n" + CLOSE, target)
        [status] = statuses(await talked(port, odd))
        assert status in {400, 404}, target
    tunnel = b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"
    assert statuses(await talked(port, tunnel)) == [400]


async def test_a_length_that_lies(ingest: "Ingest", port: int) -> None:
    longer = post(EVENT, ingest, CLOSE, length=len(EVENT) + 10)
    assert problem(await talked(port, longer)) == ([408], "request_timeout")
    shorter = post(EVENT, ingest, length=len(EVENT) - 5)
    assert statuses(await talked(port, shorter)) == [400, 400]
    both = post(EVENT, ingest, b"Transfer-Encoding: chunked\r\n")
    assert statuses(await talked(port, both)) == [400]
    twice = post(EVENT, ingest, b"Content-Length: 1\r\n")
    assert statuses(await talked(port, twice)) == [400]


async def test_a_body_that_ends_with_its_connection_leaves_nothing(
    ingest: "Ingest", port: int
) -> None:
    part = post(b" " * 300_000, ingest, length=400_000)
    assert statuses(await talked(port, part, end=True)) == []
    async with asyncio.timeout(HANG_SECONDS):
        while ingest.built.app.bodies.held:
            await between_looks()


async def test_an_unread_body_ends_the_connection(ingest: "Ingest", port: int) -> None:
    parts = [head(ingest, b"Content-Length: 900000000\r\n"), *[b" "] * 100]
    assert problem(await talked(port, *parts, pause=0.05)) == ([413], "too_large")


async def test_who_expects_a_continue_gets_it(ingest: "Ingest", port: int) -> None:
    expects = b"Content-Length: %d\r\nExpect: 100-continue\r\n" % len(EVENT) + CLOSE
    async with asyncio.timeout(HANG_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head(ingest, expects))
        told = await reader.readuntil(b"\r\n\r\n")
        writer.write(EVENT)
        assert (statuses(told), statuses(await heard(reader))) == ([100], [200])
        writer.close()
    large = b"Content-Length: 900000000\r\nExpect: 100-continue\r\n" + CLOSE
    assert statuses(await talked(port, head(ingest, large))) == [413]


async def test_a_head_has_no_body(ingest: "Ingest", port: int) -> None:
    asked = post(EVENT, ingest, CLOSE).replace(b"POST", b"HEAD", 1)
    found = await talked(port, post(EVENT, ingest) + asked)
    assert statuses(found) == [200, 405]
    assert found.endswith(b"\r\n\r\n")
