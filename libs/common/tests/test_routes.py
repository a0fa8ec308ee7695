"""Routes that are put together."""

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from rapport_common.routes import add_routes


def tagged(name: str, *tags: str) -> APIRouter:
    router = APIRouter(tags=list(tags))

    @router.get(f"/{name}")
    async def shown() -> str:
        return name

    return router


def test_routes_are_added_as_they_are() -> None:
    inner, app = tagged("a"), FastAPI()
    outer = tagged("b", "outer")
    made = [*outer.routes, *inner.routes]
    add_routes(outer, inner)
    add_routes(app, outer, tagged("c"))
    assert app.router.routes[-3:-1] == made


def test_a_route_is_under_the_tags_of_what_it_is_added_to() -> None:
    outer, app = tagged("b", "outer"), FastAPI()
    add_routes(outer, tagged("a", "own"))
    add_routes(app, outer)
    tags = {one.path: one.tags for one in app.routes if isinstance(one, APIRoute)}
    assert tags == {"/a": ["outer", "own"], "/b": ["outer"]}
