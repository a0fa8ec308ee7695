"""JSON that can't be kept or shown again: found in the body of a request, with its place.

Readers of JSON take more than RFC 8259 has and Postgres keeps: half a surrogate pair, the character
NUL, `NaN` and numbers beyond a double. What is written of them somewhere else is an error, or
silently null. So no API takes them.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|NaN|Infinity|[eE]\+?[0-9]{3}|[0-9]{309}")
_HALF = re.compile("[\ud800-\udfff]")

Place = tuple[str | int, ...]
Found = tuple[Place, str]


def unstorable(body: bytes) -> Found | None:
    """A value or name of a JSON text that can't be kept: its place, and why; None where all can.

    What is no JSON at all is for its reader to say. Most bodies are only searched, not read.
    """
    if not _SUSPECT.search(body):
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    waiting: list[tuple[Place, Any]] = [((), value)]
    while waiting:
        place, one = waiting.pop()
        why = _why(one)
        if why is not None:
            return place, why
        for name, inner in _inside(one):
            why = _why(name)
            if why is not None:
                return place, f"its names {why}"
            waiting.append(((*place, _short(name)), inner))
    return None


def _inside(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _why(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if isinstance(value, str):
        if "\0" in value:
            return "must not contain the NUL character"
        if _HALF.search(value):
            return "must not contain half a surrogate pair, which is no character"
    return None


def _short(name: str | int) -> str | int:
    return name[:64] if isinstance(name, str) else name
