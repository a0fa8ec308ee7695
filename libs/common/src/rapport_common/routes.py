"""Routes that cost something when they are first asked, and are put together as they are."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.routing import compile_path
from typing_extensions import override

from rapport_common.storable import unstorable


class LateRoute(APIRoute):
    """A route that looks at the types of its parameters and answers when it is first asked for.

    That takes a millisecond and more for each of a hundred routes (FastAPI 0.165), before a service
    could answer at all. Until then it knows what requests are told apart by. What is wrong with a
    route is found by whoever reads the description of the API, which asks all of them.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **told: Any) -> None:
        self.path, self.endpoint = path, endpoint
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.methods = {one.upper() for one in told.get("methods") or ["GET"]}
        self.tags = told.get("tags") or []
        self._told = told

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there (yet)."""
        told = self.__dict__.pop("_told", None)
        if told is None:
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(message)
        try:
            super().__init__(self.path, self.endpoint, **{**told, "tags": self.tags})
        except Exception as error:
            self._told = told
            # An AttributeError would be swallowed by whoever asks whether there is the attribute.
            message = f"{self.methods} {self.path} is no route that can be: {error}"
            raise RuntimeError(message) from error
        return getattr(self, name)

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Answer, but for JSON that can't be kept, which no route gets to see."""
        answer = super().get_route_handler()
        if self.body_field is None or isinstance(self.body_field.field_info, Form):
            return answer

        async def guarded(request: Request) -> Response:
            found = unstorable(await request.body())
            if found is not None:
                place, why = found
                problem = {"type": "unstorable", "loc": ("body", *place), "msg": why}
                raise RequestValidationError([problem])
            return await answer(request)

        return guarded


class Router(APIRouter):
    """Routes of one subject, each made when it is first asked for."""

    def __init__(self, *, route_class: type[LateRoute] = LateRoute, **told: Any) -> None:
        super().__init__(route_class=route_class, **told)


def add_routes(to: FastAPI | APIRouter, *routers: APIRouter) -> None:
    """Add the routes of `routers` as they are, under the tags of a router they are added to.

    `include_router` makes each of them again, with all its checks of types: once for every router
    that is above it, and once more at the first request. For a service of a hundred routes that
    was four fifths of the time until its first answer (FastAPI 0.165). Before the first request.
    ValueError for a router whose prefix or dependencies they would not be under.
    """
    into = to.router if isinstance(to, FastAPI) else to
    if into.prefix or into.dependencies:
        message = "Routes are added as they are, and would not be under its prefix or dependencies."
        raise ValueError(message)
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                route.tags = [*into.tags, *route.tags]
            into.routes.append(route)
