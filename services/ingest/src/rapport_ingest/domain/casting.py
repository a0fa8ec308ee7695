"""JSON values of one type read as another, strictly: what is not meant so is an error."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from rapport_ingest.domain.moments import parse_moment

Cast = Literal["string", "number", "integer", "boolean", "datetime"]

MAX_INTEGER = 2**63 - 1
MAX_EXACT = 2**53
"""Up to this a JSON number is exact in every reader (RFC 8259, 6)."""

MILLISECONDS_FROM = 10**11
"""From here (the year 5138 in seconds) a number is taken as milliseconds since 1970."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}(?:\.0{1,9})?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_EPOCH = re.compile(r"[0-9]{9,13}")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def cast_to(value: Any, wanted: Cast) -> Any:
    """The value as that type; ValueError when it can't be read so. Casting twice changes nothing.

    Numbers may stand in strings with spaces around them. A boolean may be true, yes, 1, false, no
    or 0. A datetime is ISO 8601, or seconds or milliseconds since 1970; it becomes RFC 3339 in UTC.
    """
    try:
        return _CASTS[wanted](value)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return msgspec.json.encode(value).decode()
    raise ValueError(type(value).__name__)


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        text = value.strip()
        if _INTEGER.fullmatch(text) and "." not in text:
            return _bounded(int(text))
        if not _NUMBER.fullmatch(text):
            raise ValueError("no number")
        value = float(text)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value)
    raise ValueError("no number")


def _integer(value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        if not _INTEGER.fullmatch(text):
            raise ValueError("no whole number")
        return _bounded(int(text.partition(".")[0]))
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value)
    raise ValueError("no whole number")


def _bounded(value: int) -> int:
    if abs(value) > MAX_INTEGER:
        raise ValueError("too large")
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    found = _BOOLEANS.get(_string(value).strip().lower())
    if found is None:
        raise ValueError("neither true nor false")
    return found


def _datetime(value: Any) -> str:
    if isinstance(value, str) and not _EPOCH.fullmatch(value.strip()):
        moment = parse_moment(value.strip())
    else:
        seconds = _number(value)
        if abs(seconds) >= MILLISECONDS_FROM:
            seconds /= 1000
        try:
            moment = datetime.fromtimestamp(seconds, UTC)
        except OSError as error:
            raise ValueError("outside the years 1 to 9999") from error
    return moment.isoformat().replace("+00:00", "Z")


_CASTS: dict[Cast, Callable[[Any], Any]] = {
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "datetime": _datetime,
}
