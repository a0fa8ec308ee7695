"""Liquid templates: what is wrong with one is told when it is made, with the place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from liquid import BoundTemplate
from liquid.exceptions import LiquidError, LiquidSyntaxError, LiquidValueError, ResourceLimitError

from rapport_campaign.render import meter
from rapport_campaign.render.engine import Counted, Limited
from rapport_campaign.render.linked import Known, Linked
from rapport_campaign.render.variables import (
    EXISTING,
    OF_REQUESTS,
    OF_SURVEYS,
    Unknown,
    unknown_in,
)

MAX_SOURCE = 64 * 1024
MAX_COMPILED = 256 * 1024
"""Of a page that MJML and snippets were made into, in bytes."""
MAX_PLACES = 10_000
"""Tags and outputs, as many as 64 KiB of source have room for."""
_KEPT = 64
"""Parsed templates that are kept: one of so many places takes 10 MB."""


class TemplateError(ValueError):
    """A template that can't be used, or not with this data.

    `line` and `column` count from 1, when they are known.
    """

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    @property
    def told(self) -> str:
        """The message with the place before it, as `template in line 3, column 8: ...`."""
        places = [("line", self.line), ("column", self.column)]
        where = ", ".join(f"{name} {number}" for name, number in places if number)
        return f"template{' in ' if where else ''}{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a template, and where."""

    message: str
    line: int | None = None
    column: int | None = None
    variable: str | None = None


_HTML = Limited(autoescape=True)
_TEXT = Limited(autoescape=False)
_WORD_OF_THE_PARSER = re.compile(r"\b(?:eof|EOF)\b")


@lru_cache(maxsize=_KEPT)
def compiled(source: str, *, html: bool, most: int = MAX_SOURCE) -> Counted:
    """A template ready to render; TemplateError says what is wrong with it and where.

    It has at most `most` bytes.
    """
    size = len(source.encode("utf-8", "replace"))
    if size > most:
        raise TemplateError(f"the template is larger than {most // 1024} KiB")
    if size > MAX_SOURCE and source.count("{{") + source.count("{%") > MAX_PLACES:
        raise TemplateError(f"the template has more than {MAX_PLACES} tags and outputs")
    try:
        template = (_HTML if html else _TEXT).from_string(source)
        _check_filters(template, source)
    except LiquidError as error:
        raise _told(error, source) from error
    except RecursionError as error:
        raise TemplateError("the template is nested too deeply") from error
    return template


def problems(
    source: str, *, html: bool, existing: Any = EXISTING, most: int = MAX_SOURCE
) -> list[Problem]:
    """All that is wrong with a template before anybody gets it; unknown variables, for example."""
    try:
        template = compiled(source, html=html, most=most)
    except TemplateError as error:
        return [Problem(error.message, error.line, error.column)]
    return [_unknown(one, source) for one in unknown_in(template, existing)]


@lru_cache(maxsize=_KEPT)
def require_known(source: str, *, html: bool, purpose: str = "") -> None:
    """TemplateError when a request's template has a variable that such requests don't have."""
    existing = OF_SURVEYS if purpose == "survey" else OF_REQUESTS
    for one in problems(source, html=html, existing=existing):
        raise TemplateError(one.message, one.line, one.column)


def rendered(
    source: str, variables: Mapping[str, Any], *, html: bool, most: int = MAX_SOURCE
) -> str:
    """The text for one person; TemplateError when the template and the data don't go together."""
    return "".join(_filled(compiled(source, html=html, most=most), variables, source))


def page(source: str, variables: Mapping[str, Any], *, most: int = MAX_SOURCE) -> Linked:
    """The page for one person, as `rendered` gives it, with its links."""
    template = compiled(source, html=True, most=most)
    parts = _filled(template, variables, source)
    return Linked(parts, template.texts, _read_before(source, most=most))


@lru_cache(maxsize=_KEPT)
def _read_before(_source: str, *, most: int) -> Known:  # noqa: ARG001 - the key of `compiled`
    return {}


def _filled(template: Counted, variables: Mapping[str, Any], source: str) -> list[str]:
    """The text for one person in pieces, those of the template and those of the data."""
    account = meter.begin()
    try:
        return template.pieces(variables)
    except LiquidError as error:
        raise _told(error, source) from error
    except Exception as error:
        raise TemplateError("the template can't be filled with this person's data") from error
    finally:
        meter.end(account)


def _unknown(one: Unknown, source: str) -> Problem:
    line, column = _place(source, one.index)
    return Problem(f"there is no variable {one.name}", line, column, one.name)


def _check_filters(template: BoundTemplate, source: str) -> None:
    """Liquid finds an unknown filter when it renders; who writes the template finds it now."""
    for name, spans in template.analyze().filters.items():
        if name not in template.env.filters:
            raise TemplateError(f"there is no filter '{name}'", *_place(source, spans[0].index))


def _told(error: LiquidError, source: str) -> TemplateError:
    token = error.token
    message = str(error.message)
    if isinstance(error, LiquidValueError):
        message = "a number is too large"
    elif not isinstance(error, LiquidSyntaxError | ResourceLimitError):
        # The engine names the types of its own language here.
        message = "a value is of the wrong kind here"
    message = _WORD_OF_THE_PARSER.sub("the end", message)
    if token is not None and token.start_index >= 0:
        return TemplateError(message, *_place(token.source, token.start_index))
    # The parser loses the place at the end of an expression: the first bad half tells it.
    is_syntax = isinstance(error, LiquidSyntaxError)
    return TemplateError(message, _first_bad_line(source) if is_syntax else None)


def _place(source: str, index: int) -> tuple[int, int]:
    """(line, column) of a character, both from 1."""
    return source.count("\n", 0, index) + 1, index - source.rfind("\n", 0, index)


def _first_bad_line(source: str) -> int | None:
    for number, line in enumerate(source.splitlines(), 1):
        try:
            _TEXT.from_string(line)
        except LiquidError as error:
            if error.token is None or error.token.start_index < 0:
                return number
        except RecursionError:
            return number
    return None
