"""The columns of an export: what they are called, of which kind they are, and what they say."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

Row = TypeVar("Row")

_text = msgspec.json.Decoder(str)


class UnknownColumnError(ValueError):
    """There is no such column; its text says which there are."""


class Kind(Enum):
    """What a column's values are: they are the same in all rows."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    TEXTS = "texts"
    JSON = "json"


class Column(NamedTuple, Generic[Row]):
    """A column with its values: text, int, datetime (UTC), list of texts, or what JSON can say."""

    name: str
    kind: Kind
    of: Callable[[Row], Any]


def text_of(value: Any) -> str | None:
    """A value as text: texts as they are, times in UTC, what has parts as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    encoded = bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)
    return _text.decode(encoded) if encoded.startswith(b'"') else encoded.decode()
