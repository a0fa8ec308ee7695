"""What a data feed answers, read as JSON: whole and plain, or it is no answer.

Bodies are others' and may be anything; each thing that can be wrong with one has words of its own.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

MOST_DEPTH = 16
MOST_VALUES = 20_000
_TOO_MUCH = f"has more than {MOST_VALUES} values"


class AnswerError(ValueError):
    """No answer that can be used; the text says why, without any of its words."""


def read(body: bytes, headers: Mapping[str, str]) -> Any:
    """The object or list in a body; AnswerError. `headers` by their names in small letters."""
    packing = headers.get("content-encoding", "identity").strip().lower()
    if packing not in {"", "identity"}:
        message = "it is packed, which nobody has asked for"
        raise AnswerError(message)
    try:
        found = msgspec.json.decode(body)
        json.loads(body, object_pairs_hook=_once)
    except RecursionError as error:
        message = f"its JSON is deeper than {MOST_DEPTH}"
        raise AnswerError(message) from error
    except _TwiceError as error:
        message = "an object of its JSON has one name twice"
        raise AnswerError(message) from error
    except (msgspec.MsgspecError, ValueError) as error:
        message = "it is no JSON"
        raise AnswerError(message) from error
    if not isinstance(found, dict | list):
        message = "its JSON is neither an object nor a list"
        raise AnswerError(message)
    require_small(found)
    return found


def require_small(value: Any) -> None:
    """AnswerError for JSON that is too deep, or has too many values."""
    level: list[Any] = [value]
    seen = depth = 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            message = f"its JSON is deeper than {MOST_DEPTH}"
            raise AnswerError(message)
        seen += len(level)
        if seen > MOST_VALUES:
            message = f"its JSON {_TOO_MUCH}"
            raise AnswerError(message)
        if any(_has_nul(one) for one in level):
            message = "its JSON has a character that can't be kept (U+0000)"
            raise AnswerError(message)
        level = [below for one in level for below in _below(one)]


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in name for name in value)
    return isinstance(value, str) and "\0" in value


def _below(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class _TwiceError(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _TwiceError
