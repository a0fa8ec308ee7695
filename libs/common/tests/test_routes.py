"""Routes that are put together, and made when they are first asked for."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.routing import APIRoute

from rapport_common.http import Health, create_app
from rapport_common.routes import LateRoute, Router, add_routes
from rapport_common.testing.credentials import authenticator


def tagged(name: str, *tags: str) -> Router:
    router = Router(tags=list(tags))

    @router.get(f"/{name}")
    async def shown(most: Annotated[int, Query(le=9)] = 1) -> dict[str, Any]:
        return {name: most}

    return router


def asked(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def is_made(route: object) -> bool:
    return "dependant" in vars(route)


def test_routes_are_added_as_they_are() -> None:
    inner, app = tagged("a"), FastAPI()
    outer = tagged("b", "outer")
    made = [*outer.routes, *inner.routes]
    add_routes(outer, inner)
    add_routes(app, outer, tagged("c"))
    assert app.router.routes[-3:-1] == made


@pytest.mark.parametrize("made_before", [False, True])
async def test_a_route_is_under_the_tags_of_what_it_is_added_to(*, made_before: bool) -> None:
    inner, outer, app = tagged("a", "own"), tagged("b", "outer"), FastAPI()
    if made_before:
        assert isinstance(inner.routes[0], APIRoute)
        assert inner.routes[0].dependant
    add_routes(outer, inner)
    add_routes(app, outer)
    paths = app.openapi()["paths"]
    assert paths["/a"]["get"]["tags"] == ["outer", "own"]
    assert paths["/b"]["get"]["tags"] == ["outer"]


async def test_a_route_is_made_when_it_is_first_asked_for_and_no_other_is() -> None:
    app = FastAPI()
    add_routes(app, tagged("a"), tagged("b"))
    first, second = app.routes[-2:]
    async with asked(app) as client:
        assert (await client.post("/a")).status_code == 405
        assert not is_made(first)
        for _again in range(2):
            assert (await client.get("/a?most=7")).json() == {"a": 7}
            assert (await client.get("/a?most=10")).status_code == 422
    assert is_made(first)
    assert not is_made(second)


async def test_an_error_makes_no_route() -> None:
    app = create_app("segment", Health(), authenticator())
    add_routes(app, tagged("a"), tagged("b"))
    async with asked(app) as client:
        assert (await client.get("/c")).status_code == 404
    assert not any(is_made(one) for one in app.routes if isinstance(one, LateRoute))


def test_a_route_of_its_own_kind_is_made_late_too() -> None:
    class Loud(LateRoute):
        pass

    router = Router(prefix="/x", route_class=Loud)
    router.add_api_route("/y", lambda: None, methods=["put"])
    [route] = router.routes
    assert isinstance(route, Loud)
    assert (route.path, route.methods, is_made(route)) == ("/x/y", {"PUT"}, False)
    assert route.unique_id
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = route.no_such_thing


@pytest.mark.parametrize("model", [None, object()])  # a FastAPIError, an AttributeError
def test_what_is_wrong_with_a_route_is_found_by_who_reads_the_description(model: object) -> None:
    class NoModel:
        pass

    app, router = FastAPI(), Router()
    router.add_api_route("/x", lambda: None, response_model=model or NoModel)
    add_routes(app, router)
    for _again in range(2):
        with pytest.raises(RuntimeError, match=r"{'GET'} /x is no route that can be"):
            app.openapi()


@pytest.mark.parametrize(
    "outer", [Router(prefix="/x"), FastAPI(dependencies=[Depends(lambda: None)])]
)
def test_routes_are_not_added_to_what_they_would_not_be_under(outer: FastAPI | Router) -> None:
    with pytest.raises(ValueError, match="as they are"):
        add_routes(outer, tagged("a"))


def test_routes_of_others_are_added_too() -> None:
    app, router = FastAPI(), APIRouter()
    router.add_api_route("/x", lambda: None)
    add_routes(app, router)
    assert app.openapi()["paths"]["/x"]
