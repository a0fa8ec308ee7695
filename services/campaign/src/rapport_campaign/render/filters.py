"""Filters on data that they were not made for: nothing, or the input, as Liquid's reference has it.

The engine's own raise, or print the words of its language (`None`, `True`). A mail to thousands
must not fail for the one person whose trait is null, so each filter takes any data here. What a
template's author can get wrong, how many arguments a filter takes, is told when it is compiled.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import msgspec
from liquid import Markup
from liquid.exceptions import LiquidSyntaxError, ResourceLimitError
from liquid.filter import flatten
from liquid.undefined import is_undefined

Call = Callable[..., Any]

_NUMBERS = {
    "abs",
    "at_most",
    "at_least",
    "ceil",
    "divided_by",
    "floor",
    "minus",
    "modulo",
    "plus",
    "times",
}
_LISTS = {
    "compact",
    "concat",
    "find",
    "find_index",
    "has",
    "join",
    "map",
    "reject",
    "reverse",
    "sort",
    "sort_natural",
    "uniq",
    "where",
}
# Their arguments are texts as well; of the others, which count, they stay as they are.
_TEXTS = {
    "append",
    "prepend",
    "remove",
    "remove_first",
    "remove_last",
    "replace",
    "replace_first",
    "replace_last",
    "split",
}
_OTHER_TEXTS = {
    "base64_decode",
    "base64_encode",
    "base64_url_safe_decode",
    "base64_url_safe_encode",
    "capitalize",
    "downcase",
    "escape",
    "escape_once",
    "escapejs",
    "lstrip",
    "newline_to_br",
    "rstrip",
    "squish",
    "strip",
    "strip_html",
    "strip_newlines",
    "truncate",
    "truncatewords",
    "upcase",
    "url_decode",
    "url_encode",
}
_GIVE_THEIR_INPUT = {
    "concat",
    "date",
    "reverse",
    "sort_natural",
    "truncate",
    "truncatewords",
    "uniq",
}
"""Of those that can't do their work; of the others nothing is left."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,300}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,300}\.[0-9]{1,300}")
_MOST_DIGITS = 15
_GIVEN_BY_THE_ENGINE = {"environment", "context"}


def text_of(value: Any) -> str:
    """A value as a template prints it: nothing for nil, JSON for an object."""
    if isinstance(value, str):
        return value
    if value is None or is_undefined(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "".join(map(text_of, value))
    if isinstance(value, range):
        return f"{value.start}..{value.stop - 1}"
    if type(value) is dict:
        return msgspec.json.encode(value, enc_hook=text_of).decode()
    return str(value)


def number_of(value: Any) -> int | float:
    """A value as a number; 0 for what is none."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        plain = value.strip()
        if _INTEGER.fullmatch(plain):
            return int(plain)
        return float(plain) if _DECIMAL.fullmatch(plain) else 0
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else 0
    return 0


def whole(value: Any) -> int | None:
    """A whole number, also in a text; None for what is none."""
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value.strip()) else None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return int(value) if math.isfinite(value) else None
    return None


def forgiving(name: str, call: Call) -> Call:
    """A filter that takes any data; ResourceLimitError alone gets through."""
    fitted = _fitted(name, call)

    @wraps(call)
    def forgive(value: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return fitted(value, *args, **kwargs)
        except ResourceLimitError:
            raise
        except Exception:  # noqa: BLE001 - whatever the engine makes of data, it is nobody's fault
            return value if name in _GIVE_THEIR_INPUT else None

    return forgive


def require_arguments(name: str, call: Call, given: int, named: Iterable[str], token: Any) -> None:
    """LiquidSyntaxError when a filter is given too many or too few arguments."""
    known = signature(call).parameters.values()
    mine = [one for one in known if one.name not in _GIVEN_BY_THE_ENGINE][1:]
    by_place = [one for one in mine if one.kind is not Parameter.KEYWORD_ONLY]
    least = sum(one.default is Parameter.empty for one in by_place)
    strangers = sorted(set(named) - {one.name for one in mine})
    if strangers:
        message = f"the filter {name} has no argument {strangers[0]}"
        raise LiquidSyntaxError(message, token=token)
    if not least <= given <= len(by_place):
        most = len(by_place)
        wanted = f"{least}" if least == most else f"{least} to {most}"
        message = (
            f"the filter {name} takes {wanted} argument{'' if most == 1 else 's'}, not {given}"
        )
        raise LiquidSyntaxError(message, token=token)


def _fitted(name: str, call: Call) -> Call:
    if name in _OWN:
        return _OWN[name]
    if name in _NUMBERS:
        return lambda value, *args: call(number_of(value), *map(number_of, args))
    if name in _LISTS:
        return _of_list(call)
    if name in _TEXTS:
        return lambda value, *args, **more: call(text_of(value), *map(text_of, args), **more)
    if name in _OTHER_TEXTS:
        return lambda value, *args, **more: call(text_of(value), *args, **more)
    return _date(call) if name == "date" else call


def _of_list(call: Call) -> Call:
    def fitted(value: Any, *args: Any, **more: Any) -> Any:
        return call([] if value is None else value, *args, **more)

    return fitted


def _date(call: Call) -> Call:
    def fitted(value: Any, layout: Any, **more: Any) -> Any:
        if isinstance(value, float | Decimal):
            # The engine keeps what it has read by equality: 1.5 s is no text of its own.
            value = int(value)
        if not isinstance(value, str | int | date | datetime) or isinstance(value, bool):
            return value
        return call(value, layout, **more) if isinstance(layout, str) and layout else value

    return fitted


def _join(value: Any, separator: Any = " ", *, environment: Any) -> str:
    between = text_of(separator)
    if environment.autoescape and between == " ":
        between = Markup(between)
    return between.join(text_of(one) for one in _items(value))


def _items(value: Any) -> list[Any]:
    """What a list's filter goes through: a single value is a list of one."""
    if value is None or is_undefined(value):
        return []
    if isinstance(value, list | tuple):
        return flatten(value)
    return list(value) if isinstance(value, range) else [value]


def _below(item: Any, key: Any) -> Any:
    return item.get(text_of(key)) if isinstance(item, Mapping) else None


def _compact(value: Any, key: Any = None) -> list[Any]:
    if key is None or is_undefined(key):
        return [one for one in _items(value) if one is not None]
    return [one for one in _items(value) if _below(one, key) is not None]


def _sort(value: Any, key: Any = None) -> Any:
    """What is missing comes last; what can't be compared stays as it was."""
    is_plain = key is None or is_undefined(key)
    keyed = [(one if is_plain else _below(one, key), one) for one in _items(value)]
    missing = [one for by, one in keyed if by is None]
    found = [(by, one) for by, one in keyed if by is not None]
    try:
        found.sort(key=lambda pair: pair[0])
    except TypeError:
        return value
    return [one for _, one in found] + missing


def _sum(value: Any, key: Any = None) -> int | float:
    is_plain = key is None or is_undefined(key)
    found = [number_of(one if is_plain else _below(one, key)) for one in _items(value)]
    if all(isinstance(one, int) for one in found):
        return sum(found)
    return float(sum(Decimal(str(one)) for one in found))


def _round(value: Any, digits: Any = None) -> int | float:
    number, places = number_of(value), whole(digits) or 0
    if abs(places) > _MOST_DIGITS:
        return number
    # Half is rounded away from nought, as everybody was taught; Python rounds to the even.
    rounded = Decimal(str(number)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return float(rounded) if places > 0 and not isinstance(number, int) else int(rounded)


def _slice(value: Any, start: Any, length: Any = 1) -> Any:
    begin, size = whole(start), 1 if length is None or is_undefined(length) else whole(length)
    if begin is None or size is None or size < 0:
        return None
    found = list(value) if isinstance(value, list | tuple | range) else text_of(value)
    begin = begin + len(found) if begin < 0 else begin
    return found[begin : begin + size] if begin >= 0 else found[:0]


_OWN: dict[str, Call] = {
    "compact": _compact,
    "join": _join,
    "round": _round,
    "slice": _slice,
    "sort": _sort,
    "sum": _sum,
}
