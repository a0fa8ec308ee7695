"""Looks at what authors write before anybody gets a mail made of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rapport_campaign.render.authoring import Made
from rapport_campaign.render.saying import templates
from rapport_campaign.render.templates import Problem
from rapport_campaign.render.variables import EXISTING, OF_REQUESTS, names
from rapport_campaign.render.wire import Source
from rapport_campaign.renderer import Refusal, Renderer
from rapport_common.errors import InvalidRequestError

FIELDS = ("subject", "html", "text", "amp")
_SHOWN = 50


async def require_usable(
    renderer: Renderer, wanted: Mapping[str, Any], *, of_request: bool = False
) -> None:
    """Refuse templates that can't be read, or that name what does not exist, with each place.

    `wanted` has them by field (`subject`, `html`, `text`, `amp`, those of `content`); what is
    missing is not looked at. `of_request`: of a single message, whose templates see other
    variables.
    """
    given = [(field, wanted[field]) for field in FIELDS if wanted.get(field) is not None]
    if wanted.get("content"):
        inside = templates(wanted["content"])
        given += [(f"content.{place}", text) for place, text in inside.items()]
    sources = [
        Source(text, html=field in {"html", "amp"}, of_request=of_request, amp=field == "amp")
        for field, text in given
    ]
    found = await renderer.check(sources)
    problems = [
        (field, problem)
        for (field, _), of_field in zip(given, found, strict=True)
        for problem in of_field
    ]
    if problems:
        raise _error(problems, OF_REQUESTS if of_request else EXISTING)


def require_made(found: Sequence[tuple[str, Made | Refusal]]) -> list[Made]:
    """What was made; InvalidRequestError with all that is wrong with it.

    Each is told of by the place before it, such as `languages.de.`.
    """
    problems: list[tuple[str, Problem]] = []
    made: list[Made] = []
    for place, one in found:
        if isinstance(one, Refusal):
            problems.append((f"{place}body", Problem(one.reason)))
        else:
            made.append(one)
            problems += [(f"{place}{fault.path}", fault.problem) for fault in one.faults]
    if problems:
        raise _error(problems, EXISTING)
    return made


def _error(problems: Sequence[tuple[str, Problem]], existing: Any) -> InvalidRequestError:
    message = _told(*problems[0])
    details: dict[str, Any] = {"problems": [_shown(*one) for one in problems[:_SHOWN]]}
    if any(one.variable for _, one in problems):
        details["variables"] = known = names(existing)
        message = f"{message}; there are {', '.join(known)}"
    return InvalidRequestError(message, details=details)


def _told(field: str, one: Problem) -> str:
    places = [("line", one.line), ("column", one.column)]
    where = [field, *(f"{name} {number}" for name, number in places if number)]
    return f"{', '.join(where)}: {one.message}"


def _shown(field: str, one: Problem) -> dict[str, Any]:
    return {
        "path": field,
        "line": one.line,
        "column": one.column,
        "variable": one.variable,
        "message": _told(field, one),
    }
