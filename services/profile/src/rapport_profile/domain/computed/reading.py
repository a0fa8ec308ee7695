"""What of an event a definition reads: values at a path, and whether conditions hold."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rapport_common.events.money import normal_amount
from rapport_common.paths import names_of
from rapport_profile.domain.computed.definition import MAX_TEXT, Condition

MAX_ELEMENTS = 200
"""Of the lists of one event."""
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d))?")
_TEXT_SCALARS = (str, int, Decimal)


def values_at(said: Any, path: str) -> list[Any]:
    """The values at a path, those of lists one by one; what is not there is not among them."""
    found = [said]
    for step in names_of(path):
        name = step.removesuffix("[]")
        found = [one[name] for one in found if isinstance(one, dict) and name in one]
        if step.endswith("[]"):
            found = [each for one in found if isinstance(one, list) for each in one]
        found = found[:MAX_ELEMENTS]
    return [one for one in found if one is not None]


def holds(said: Any, condition: Condition) -> bool:
    """Whether a condition holds of what an event says."""
    found = list(_scalars(values_at(said, condition.property)))
    if condition.op == "exists":
        return bool(found)
    if condition.op == "not_exists":
        return not found
    if condition.op == "ne":
        return not any(_is_equal(one, condition.value) for one in found)
    return any(_fits(one, condition) for one in found)


def _scalars(values: list[Any]) -> Iterator[Any]:
    for one in values:
        if isinstance(one, list):
            yield from one[:MAX_ELEMENTS]
        else:
            yield one


def _fits(value: Any, condition: Condition) -> bool:
    wanted = condition.value
    if condition.op == "eq":
        return _is_equal(value, wanted)
    if isinstance(wanted, tuple):
        return any(_is_equal(value, one) for one in wanted)
    number, limit = number_of(value), number_of(wanted)
    if number is not None and limit is not None:
        return _is_ordered(number, limit, condition.op)
    if isinstance(value, str) and isinstance(wanted, str):
        return _is_ordered(value, wanted, condition.op)
    return False


def _is_equal(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    number, other = number_of(value), number_of(wanted)
    if number is not None and other is not None:
        return number == other
    return isinstance(value, str) and isinstance(wanted, str) and _normal(value) == _normal(wanted)


def _is_ordered(one: Any, other: Any, op: str) -> bool:
    if op == "gt":
        return bool(one > other)
    if op == "gte":
        return bool(one >= other)
    return bool(one < other) if op == "lt" else bool(one <= other)


def number_of(value: Any) -> Decimal | None:
    """A number, or a text that is written as one; None for all else."""
    return normal_amount(value)


def text_of(value: Any) -> str | None:
    """A text as it is compared (NFC, trimmed), a number as it is written; None for all else."""
    if isinstance(value, bool) or not isinstance(value, _TEXT_SCALARS):
        return None
    text = _normal(value if isinstance(value, str) else str(value)).strip()
    # Neither can be stored as JSON.
    if not text or len(text) > MAX_TEXT or "\0" in text or not text.isprintable():
        return None
    return text


def time_of(value: Any) -> datetime | None:
    """An instant with its offset, or a date, which is its midnight; in UTC."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        found = datetime.fromisoformat(value.upper())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _normal(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)
