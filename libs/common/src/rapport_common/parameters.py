"""A query parameter that there is not is refused: `?limt=5` would silently give another page."""

from fastapi import Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams

from rapport_common.errors import InvalidRequestError

MOST = 20
"""Names that are told of."""
SHOWN = 40
"""Characters of a name that are repeated to whoever sent it."""


def require_known_parameters(request: Request) -> None:
    """InvalidRequestError unless the route of a request declares each parameter of its query.

    For operators' routes; SDKs add parameters of their own to what they call, and mail programs
    to what people open.
    """
    route = request.scope.get("route")
    if not request.scope["query_string"] or not isinstance(route, APIRoute):
        return
    known = {
        one.alias
        for one in get_flat_params(route.dependant)
        if isinstance(one.field_info, params.Query)
    }
    unknown = [one for one in QueryParams(request.scope["query_string"]) if one not in known]
    if unknown:
        raise _refused(sorted(known), unknown[:MOST])


def _refused(known: list[str], unknown: list[str]) -> InvalidRequestError:
    there_are = f"this route knows {', '.join(known)}" if known else "this route knows none"
    message = f"there is no such parameter; {there_are}."
    places = [f"query.{ascii(one[:SHOWN])[1:-1]}" for one in unknown]
    problems = [{"path": one, "message": message, "type": "unknown_parameter"} for one in places]
    details = {"problems": problems, "known": known}
    return InvalidRequestError(f"{places[0]}: {message}", details=details)
