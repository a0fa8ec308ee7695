"""Errors that people see: which addresses are theirs, and who wants a page and who JSON."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from rapport_common.routes import LateRoute

if TYPE_CHECKING:
    from rapport_common.pages.site import Page  # templates are loaded by who has pages

MAX_ACCEPT = 1000
_RANGE = re.compile(
    r"\s*([\w!#$&^.+*-]+)/([\w!#$&^.+*-]+)\s*(?:;(?:[^;]*;)*?\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?.*",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)

Headers = Iterable[tuple[bytes, bytes]]


class PeopleRoute(LateRoute):
    """A route whose callers are people: all that is refused below its first segment is a page,
    whoever refuses it.
    """

    @staticmethod
    def problem_page(status: int, message: str, languages: str) -> "Page":
        """What people read of a problem; `languages` is their Accept-Language header."""
        raise NotImplementedError


def problem_page(app: Any, path: str, headers: Headers, status: int, message: str) -> "Page | None":
    """The page for a problem with a request to `app`; None when a program is to be told."""
    first = _first(path)
    route = next((one for one in _routes_of(app) if _first(one.path) == first), None)
    if route is None:
        return None
    sent = {name.lower(): value.decode("latin-1") for name, value in headers}
    if prefers_json(sent.get(b"accept", "")):
        return None
    return route.problem_page(status, message, sent.get(b"accept-language", ""))


def _routes_of(app: Any) -> Iterator[PeopleRoute]:
    """Those of an application, also in the routers that it includes."""
    routers = [getattr(app, "router", None)]
    while routers:
        for one in getattr(routers.pop(), "routes", ()):
            if isinstance(one, PeopleRoute):
                yield one
            # To ask another late route for an attribute makes it: all of a service, at an error.
            elif isinstance(one, LateRoute):
                continue
            elif (included := getattr(one, "original_router", None)) is not None:
                routers.append(included)


def prefers_json(accepted: str) -> bool:
    """Whether an Accept header (RFC 9110, 12.5.1) would rather have JSON than HTML.

    Who takes both equally is a browser, or has not thought of it: a page is for everybody.
    """
    found = [_RANGE.fullmatch(one) for one in accepted[:MAX_ACCEPT].split(",")]
    ranges = [
        (one[1].lower(), one[2].lower(), float(one[3] or 1)) for one in found if one is not None
    ]
    return _wanted(ranges, "application", "json") > _wanted(ranges, "text", "html")


def _wanted(ranges: Iterable[tuple[str, str, float]], kind: str, form: str) -> tuple[float, int]:
    """(quality, how exactly it is named) of a media type, by the range that names it best."""
    best = (0, 0.0)
    for main, sub, quality in ranges:
        if main == kind and (sub == form or sub.endswith(f"+{form}")):
            best = max(best, (3, quality))
        elif (main, sub) == (kind, "*"):
            best = max(best, (2, quality))
        elif (main, sub) == ("*", "*"):
            best = max(best, (1, quality))
    exactness, quality = best
    return (quality, exactness) if quality else (0.0, 0)


def _first(path: str) -> str:
    """The first segment: `/s/x` and `/s` are below `s`."""
    return path.lstrip("/").partition("/")[0].partition("?")[0]
