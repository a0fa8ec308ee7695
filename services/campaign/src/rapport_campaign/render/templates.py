"""Liquid with limits: what a template may not do is stopped by the engine, not by trust."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Any

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError, LiquidSyntaxError, ResourceLimitError
from typing_extensions import override

MAX_SOURCE = 64 * 1024
MAX_OUTPUT = 512 * 1024
MAX_ITEMS = 10_000
MAX_VALUE = 256 * 1024
MAX_DEPTH = 4
MAX_WORK = 16 * 1024 * 1024
"""Characters and items that all filters of one rendering may produce together."""

# They load other templates, which there are none of.
_NO_TAGS = ("include", "render")
# `safe` would let a customer's own data into the page as HTML.
_NO_FILTERS = ("safe",)
_PRODUCTS = {"replace", "join", "times"}

_work: ContextVar[list[int]] = ContextVar("work")


class TemplateError(ValueError):
    """A template that can't be used, or not with this data; `line` counts from 1 when known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Limited(Environment):
    """Liquid without loading, without raw HTML, and with an end to everything."""

    loop_iteration_limit = MAX_ITEMS
    local_namespace_limit = MAX_VALUE
    output_stream_limit = MAX_OUTPUT
    context_depth_limit = 20

    @override
    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register what is allowed, each filter under the meter."""
        super().setup_tags_and_filters(extra=extra)
        for tag in _NO_TAGS:
            del self.tags[tag]
        for name in _NO_FILTERS:
            del self.filters[name]
        self.filters = {name: _metered(name, one) for name, one in self.filters.items()}


def _metered(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that may neither make one huge value nor, over a rendering, too many of them."""

    @wraps(call)
    def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
        sizes = [_size(one) for one in (value, *args)]
        # These three can multiply sizes, so the product is bounded before it exists.
        factor = max(sizes[1:], default=1) if name in _PRODUCTS else 1
        _spend(sizes[0], max(factor, 1))
        result = call(value, *args, **kwargs)
        _spend(_size(result), 1)
        return result

    return bounded


def _size(value: Any, depth: int = 0) -> int:
    """What it costs to write a value out, within a factor: a list counts what is in it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() // 4 + 1
    if isinstance(value, list | tuple) and depth < MAX_DEPTH:
        return len(value) + sum(_size(one, depth + 1) for one in value)
    return len(value) if isinstance(value, str | list | tuple | dict | range) else 1


def _spend(size: int, factor: int) -> None:
    work = _work.get(None)
    if work is not None:
        work[0] += size * factor
        if work[0] > MAX_WORK:
            raise ResourceLimitError("the template does too much work", token=None)
    if size > MAX_VALUE:
        raise ResourceLimitError(f"a value is larger than {MAX_VALUE}", token=None)


_HTML = Limited(autoescape=True)
_TEXT = Limited(autoescape=False)


@lru_cache(maxsize=512)
def compiled(source: str, *, html: bool) -> BoundTemplate:
    """A template ready to render; TemplateError says what is wrong with it and where."""
    if len(source.encode("utf-8", "replace")) > MAX_SOURCE:
        raise TemplateError(f"the template is larger than {MAX_SOURCE // 1024} KiB")
    try:
        template = (_HTML if html else _TEXT).from_string(source)
        _check_filters(template, source)
    except LiquidError as error:
        raise TemplateError(str(error.message), _line(error, source)) from error
    except RecursionError as error:
        raise TemplateError("the template is nested too deeply") from error
    return template


def rendered(source: str, variables: Mapping[str, Any], *, html: bool) -> str:
    """The text for one person; TemplateError when the template and the data don't go together."""
    template = compiled(source, html=html)
    spent = _work.set([0])
    try:
        return str(template.render(**variables))
    except LiquidError as error:
        raise TemplateError(str(error.message), _line(error, source)) from error
    except Exception as error:
        # A filter met data it was not written for: this message's problem, nobody else's.
        raise TemplateError(f"{type(error).__name__}: {error}") from error
    finally:
        _work.reset(spent)


@lru_cache(maxsize=512)
def uses(source: str, variable: str, *, html: bool) -> bool:
    """Whether a template mentions a variable."""
    return variable in compiled(source, html=html).analyze().globals


def _check_filters(template: BoundTemplate, source: str) -> None:
    """Liquid finds an unknown filter when it renders; who writes the template finds it now."""
    for name, spans in template.analyze().filters.items():
        if name not in template.env.filters:
            line = source.count("\n", 0, spans[0].index) + 1
            raise TemplateError(f"there is no filter '{name}'", line)


def _line(error: LiquidError, source: str) -> int | None:
    token = error.token
    if token is not None and token.start_index >= 0:
        return token.source.count("\n", 0, token.start_index) + 1
    # The parser loses the place at the end of an expression: the first bad half tells it.
    return None if not isinstance(error, LiquidSyntaxError) else _first_bad_line(source)


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
