"""Errors that name what was sent, whatever it is, and say what can be sent instead."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from typing_extensions import override

from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_common.http import Health, create_app
from rapport_common.pages.site import Page
from rapport_common.problem_pages import PeopleRoute
from rapport_common.routes import Router, add_routes
from rapport_common.testing.credentials import authenticator, mint

TOKEN = mint("demo", "ada", ["*"], timedelta(hours=1))
Caller = Annotated[Operator, Depends(operator("things"))]


class OurPage(PeopleRoute):
    """A page that only says what is wrong."""

    @staticmethod
    @override
    def problem_page(status: int, message: str, languages: str) -> Page:
        return Page(f"<p>{message}", {})


def things() -> Router:
    router = Router()

    @router.get("/v1/things")
    async def listed(_caller: Caller) -> list[str]:
        return []

    @router.post("/v1/things")
    async def add(thing: dict[str, Any], _caller: Caller) -> None:
        raise InvalidRequestError(f"{next(iter(thing))}: is not known", details={"was": thing})

    @router.delete("/v1/half")
    async def half(_caller: Caller) -> None:
        message = "\ud800: is not known"
        raise InvalidRequestError(message, details={"was": {"\ud800": "\udfff"}})

    @router.delete("/v1/things/{name}")
    async def gone(name: str, _caller: Caller) -> str:
        return name

    return router


def pages() -> Router:
    router = Router(route_class=OurPage)

    @router.get("/p/half")
    async def half() -> None:
        message = "\ud800 is none"
        raise InvalidRequestError(message)

    return router


@pytest.fixture
def app() -> FastAPI:
    app = create_app("segment", Health(), authenticator())
    add_routes(app, things(), pages())
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://test",
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    ) as one:
        yield one


async def test_half_a_surrogate_pair_is_named_as_well_as_it_can_be(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.delete("/v1/half")
    assert (answer.status_code, answer.json()["message"]) == (422, "?: is not known")
    assert answer.json()["details"] == {"was": {"?": "?"}}


async def test_a_page_names_it_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/p/half", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.text) == (422, "<p>? is none")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b'{"a": "\xff"}', "no text in UTF-8"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "too many digits"),
    ],
)
async def test_what_no_program_could_read_is_refused_with_the_reason(
    client: httpx.AsyncClient, body: bytes, what: str
) -> None:
    answer = await client.post("/v1/things", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert what in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/v1/things", "GET, POST"), ("HEAD", "/v1/things/7", "DELETE")],
)
async def test_all_methods_of_a_path_are_told(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
