"""Who is told what goes wrong: people by a page in their language, programs by JSON."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from libs.common.tests.test_door import answered, length, talked
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from tests.support.talking import joined, port_of, serving
from tests.support.waiting import HANG_SECONDS
from typing_extensions import override

from rapport_common import bodies, bounded, pages
from rapport_common.door import Bounds
from rapport_common.errors import BusyError
from rapport_common.http import Health, create_app
from rapport_common.pages.language import language_of
from rapport_common.pages.site import Page, Site
from rapport_common.problem_pages import PeopleRoute, prefers_json
from rapport_common.routes import Router, add_routes
from rapport_common.testing.credentials import authenticator

GERMAN = b"Accept-Language: de\r\n"
BROWSER = b"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n" + GERMAN
PROGRAM = b"Accept: application/json\r\n"
SITE = Site(Path(pages.__file__).parent)


class Form(PeopleRoute):
    """An address for people."""

    @override
    @staticmethod
    def problem_page(status: int, message: str, languages: str) -> Page:
        return SITE.problem(status, message, language_of(languages), titles={}, messages={})


def app(bounds: Bounds) -> FastAPI:
    made = create_app("feedback", Health(), authenticator(), bounds)
    router = Router(prefix="/f", route_class=Form)

    @router.post("/{token}")
    async def form(token: str, request: Request) -> int:
        return len(await request.body())

    @router.get("/{what}")
    async def show(what: str) -> None:
        if what == "frozen":
            await asyncio.Event().wait()
        raise {"away": PoolTimeoutError(), "busy": BusyError("x"), "broken": KeyError("x")}[what]

    outer = Router()
    add_routes(outer, router)
    add_routes(made, outer)
    return made


@asynccontextmanager
async def served(
    *, seconds: float = HANG_SECONDS, connections: int | None = None
) -> AsyncIterator[int]:
    async with serving(app(Bounds(seconds=seconds)), connections=connections) as server:
        yield port_of(server)


Answer = tuple[int, dict[str, str], bytes]


def start(line: bytes, *more: bytes) -> bytes:
    return line + b" HTTP/1.1\r\nHost: x\r\n" + b"".join(more) + b"\r\n"


REFUSED = {
    "wrong path below": (404, (b"GET /f/x/y", b"")),
    "wrong way to ask": (405, (b"PUT /f/x", b"")),
    "too large": (413, (b"POST /f/x", length(129 * 1024))),
    "body falls silent": (408, (b"POST /f/x", length(9))),
    "too much": (429, (b"GET /f/busy", b"")),
    "broken": (500, (b"GET /f/broken", b"")),
    "database away": (503, (b"GET /f/away", b"")),
    "database frozen": (503, (b"GET /f/frozen", b"")),
    "no end of the head": (431, (b"GET /f/x", b"X: " + b"x" * 70_000 + b"\r\n")),
    "address too long": (431, (b"GET /f/" + b"x" * 70_000, b"")),
    "too many fields": (431, (b"GET /f/x", b"X: y\r\n" * 20_000)),
    "not HTTP": (400, (b"GET /f/x", b"no field\r\n")),
}

UNREAD = ("address too long", "not HTTP")
"""Where the server may stop before it knows what the client would like."""


@pytest.fixture
async def port(what: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Where a server is that is impatient only with what stands still."""
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.05)
    async with served(seconds=0.2 if what == "database frozen" else HANG_SECONDS) as found:
        yield found


@pytest.mark.parametrize("what", REFUSED)
async def test_people_get_a_page_and_programs_json(port: int, what: str) -> None:
    status, (line, more) = REFUSED[what]
    page = await talked(port, start(line, BROWSER, more))
    assert page[0] == status
    if what not in UNREAD:
        assert b'<html lang="de"' in page[2]
    assert page[1]["content-type"].startswith("text/html")
    assert page[1]["cache-control"] == "no-store"
    assert "default-src 'none'" in page[1]["content-security-policy"]
    assert re.search(rb"<h1>\S.*</h1>\n<p>\S.*</p>", page[2])
    assert ("retry-after" in page[1]) == (status in {429, 503})
    if what not in UNREAD:
        told = await talked(port, start(line, PROGRAM, more))
        assert (told[0], told[1]["content-type"]) == (status, "application/json")
    elsewhere = await talked(port, start(line.replace(b"/f/", b"/v2/"), BROWSER, more))
    assert elsewhere[1]["content-type"] == "application/json"


@pytest.mark.parametrize("what", [one for one, (_, (line, _)) in REFUSED.items() if b"GET" in line])
async def test_a_head_has_no_body(port: int, what: str) -> None:
    status, (line, more) = REFUSED[what]
    async with asyncio.timeout(HANG_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asked = start(line.replace(b"GET", b"HEAD"), BROWSER, b"Connection: close\r\n", more)
        writer.write(asked)
        found = await reader.read()
        writer.close()
    assert int(found.split()[1]) in {status, 405}  # a route of this test's takes no HEAD
    assert found.endswith(b"\r\n\r\n")
    assert found.count(b"\r\n\r\n") == 1


async def test_a_head_that_does_not_end_is_told_in_a_page() -> None:
    async with serving(app(Bounds())) as server:
        protocol, reader, writer = await joined(server)
        protocol.data_received(b"GET /f/x HTTP/1.1\r\n" + BROWSER + b"X: y\r\n")
        protocol._late()
        found = await answered(reader)
        writer.close()
    assert (found[0], found[1]["content-type"]) == (408, "text/html; charset=utf-8")
    assert b'lang="de"' in found[2]


async def test_when_all_connections_are_busy_people_get_a_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded, "FULL_SECONDS", HANG_SECONDS)
    async with served(connections=1) as port:
        _reader, busy = await asyncio.open_connection("127.0.0.1", port)
        busy.write(start(b"POST /f/x", length(9)))
        for accepts, kind in ((BROWSER, "text/html; charset=utf-8"), (PROGRAM, "application/json")):
            async with asyncio.timeout(HANG_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(start(b"GET /f/away", accepts))
                found = await answered(reader)
                writer.close()
            assert (found[0], found[1]["content-type"], found[1]["retry-after"]) == (503, kind, "5")
        busy.close()


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("image/avif,image/webp,*/*;q=0.8", False),
        ("text/html, application/json", False),
        ("application/json;q=0.5, text/html", False),
        ("application/json;q=0", False),
        ("application/json", True),
        ("APPLICATION/JSON", True),
        ("application/problem+json", True),
        ("application/*", True),
        ("application/json, text/plain, */*", True),
        ("application/json; charset=utf-8", True),
        ("application/json;v=1;q=0.9,text/html;q=0.8", True),
        ("text/html;q=0, */*", True),
    ],
)
def test_who_would_rather_have_json(accepted: str, *, expected: bool) -> None:
    assert prefers_json(accepted) is expected


@given(st.text() | st.from_regex(r"([a-z*]+/[a-z*+]+(;q=[01](\.[0-9]{0,3})?)?,? ?){0,20}"))
def test_any_header_is_read(accepted: str) -> None:
    assert prefers_json(accepted) in {True, False}
