"""Casts: a cell, a field or a device's reading as the type an operator asked for."""

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Literal

from rapport_ingest.domain.moments import NEVER, parse_moment

Cast = Literal["string", "number", "integer", "boolean", "datetime", "excel_day"]
Decimals = Literal[".", ","]
"""The character between a number and its fraction."""

MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)
MAX_EXACT_FLOAT = 2**53
EXCEL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - placed in the zone of the file
"""Day 0 of the 1900 date system, for all days behind the 29 February 1900 that never was."""

MAX_EXCEL_DAY = 2_958_466
"""The day after 9999-12-31."""

TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE = frozenset({"false", "f", "no", "n", "off", "0"})

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)?(,\d*)?")
_DAY_NUMBER = re.compile(r"([2-7]\d{4})(\.\d+)?")
_SHOWN = 40
_SHAPES: dict[type, str] = {dict: "{…}", list: "[…]", type(None): "null"}


def cast(
    value: Any,
    kind: Cast,
    *,
    decimals: Decimals = ".",
    zone: tzinfo = UTC,
    layout: str | None = None,
) -> Any:
    """`value` as `kind`; ValueError says why it can't be.

    string: numbers as their digits (12.0 as "12"), booleans as "true" and "false".
    number, integer: within 64 bits, finite; `decimals` "," reads "1.234,50" as 1234.5.
    boolean: true/false, t/f, yes/no, y/n, on/off, 1/0 in any case.
    datetime: an ISO 8601 time, a Unix time in any unit (`moments.epoch_moment`), or a text in
    `layout` (strptime's), as ISO 8601 in UTC. A time without an offset is of `zone`; of the two
    times that one reading of the clock means in autumn, it is the first.
    excel_day: the same, but a number is a spreadsheet's day (46053.5 is 2026-01-31 at noon).
    """
    if kind == "string":
        return _string(value)
    if kind in {"number", "integer"}:
        return _number(value, decimals, whole=kind == "integer")
    if kind == "boolean":
        return _boolean(value)
    if kind == "excel_day":
        return _iso(_excel_day(value, zone))
    return _iso(_moment(value, zone, layout))


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, float) and math.isfinite(value):
        whole = value.is_integer() and abs(value) < MAX_EXACT_FLOAT
        return str(int(value)) if whole else repr(value)
    raise _wrong(value, "text")


def exact(value: Any, decimals: Decimals = ".") -> Decimal:
    """A number without the rounding of floats, for sums of money; ValueError as in `cast`."""
    if isinstance(value, Decimal) and value.is_finite():
        return value
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(repr(value))
    if isinstance(value, int) and not isinstance(value, bool):
        # Of 308 digits and more no float is asked; ValueError from 4,300 on.
        return Decimal(repr(value))
    if not isinstance(value, str):
        raise _wrong(value, "a number")
    text = value.strip()
    if decimals == ",":
        if not _COMMA.fullmatch(text):
            raise _wrong(value, "a number with a decimal comma")
        text = text.replace(".", "").replace(",", ".")
    if text.isascii() and _PLAIN.fullmatch(text):
        return Decimal(text)
    raise _wrong(value, "a number")


def number(exactly: Decimal) -> int | float:
    """A JSON number for a decimal: whole ones as integers; ValueError beyond 64 bits, and for a
    fraction of what is so large that a reader's double would not even have the units.
    """
    if exactly == exactly.to_integral_value():
        if not MIN_INTEGER <= exactly <= MAX_INTEGER:
            message = "a number beyond 64 bits; keep it as a string"
            raise ValueError(message)
        return int(exactly)
    if abs(exactly) > MAX_EXACT_FLOAT:
        message = "a number with more digits than can be kept; keep it as a string"
        raise ValueError(message)
    return float(exactly)


def _number(value: Any, decimals: Decimals, *, whole: bool) -> int | float | Decimal:
    if isinstance(value, float) and math.isfinite(value) and not whole:
        return value
    exactly = exact(value, decimals)
    if not whole and isinstance(value, Decimal):
        return value if value != value.to_integral_value() else int(value)
    exponent = exactly.as_tuple().exponent
    if not whole and isinstance(exponent, int) and exponent > 0:
        found_float = float(exactly)
        if math.isinf(found_float):
            raise _wrong(value, "a number")
        return found_float
    found = number(exactly)
    if whole and not isinstance(found, int):
        raise _wrong(value, "a whole number")
    # What is written with a point stays a fraction, as long as that loses nothing.
    is_exact = whole or exponent == 0 or abs(found) > MAX_EXACT_FLOAT
    return found if is_exact else float(found)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if text not in TRUE | FALSE:
        raise _wrong(value, "true or false")
    return text in TRUE


def _moment(value: Any, zone: tzinfo, layout: str | None) -> datetime:
    try:
        if layout is not None:
            return _placed(datetime.strptime(_string(value).strip(), layout), zone)  # noqa: DTZ007 - placed in its zone
        if isinstance(value, str) and (day := day_number(value)) is not None:
            return _placed(day, zone)
        found = parse_moment(value.strip() if isinstance(value, str) else value, zone)
        if found is NEVER:
            raise _wrong(value, "within the years 1 to 9999")
    except (TypeError, ValueError, OverflowError) as error:
        wanted = f"a time like {layout}" if layout else "a time such as 2026-01-31T09:30:00Z"
        raise _wrong(value, wanted) from error
    return found


def _excel_day(value: Any, zone: tzinfo) -> datetime:
    """A cell that a spreadsheet shows as a date; one that holds a text is read as a text."""
    try:
        days = exact(value)
    except ValueError:
        return _moment(value, zone, None)
    if not 1 <= days < MAX_EXCEL_DAY:
        raise _wrong(value, "a day number of a spreadsheet, such as 46053")
    seconds = round(days * 86_400)  # a day has no exact fraction for most times of it
    try:
        return _placed(EXCEL_ZERO + timedelta(seconds=seconds), zone)
    except OverflowError:
        raise _wrong(value, "within the years 1 to 9999") from None


def day_number(text: str) -> datetime | None:
    """The local time, without a zone, that a spreadsheet has written as days since 1899.

    20000 to 79999 are the years 1954 to 2119; as seconds since 1970 they would all be its first
    day, on which nothing of anybody's has happened.
    """
    found = _DAY_NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    seconds = round(float(found[2] or 0) * 86_400)
    return EXCEL_ZERO + timedelta(days=int(found[1]), seconds=seconds)


def _placed(found: datetime, zone: tzinfo) -> datetime:
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone)
    return found.astimezone(UTC)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _wrong(value: Any, wanted: str) -> ValueError:
    shown = (
        value if isinstance(value, (str, int, float)) else _SHAPES.get(type(value), "This value")
    )
    text = str(shown)[:_SHOWN].replace("\0", "\ufffd")
    return ValueError(f"'{text}' is not {wanted}")
