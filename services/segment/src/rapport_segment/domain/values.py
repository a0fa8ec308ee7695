"""One form for values that are written in several: of the facts and of what rules compare with.

JSON has texts, numbers and booleans; what sends it often has only texts. So a text that is a plain
number equals that number, and "true" equals true. Two texts are equal only as they are: "1.10"
is another version than "1.1".
"""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rapport_common.events.contact import normal_email

Scalar = str | bool | int | Decimal

EMAIL = "email"
"""The identifiers of this kind, and the trait of this name, are addresses."""

PLAIN_NUMBER = r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,18})?"
"""A text that counts as a number, for both evaluators: no leading zeros, which codes have."""

# A time without a zone counts as UTC.
_UTC = (UTC, None)
_NUMBER = re.compile(PLAIN_NUMBER)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d(:?\d\d)?)?", re.ASCII
)
_WORDS: dict[Scalar, bool] = {"true": True, "false": False}


def number(value: Any) -> int | Decimal | None:
    """The number a value is, or is written as; None when it is none."""
    kind = type(value)
    if kind is int or kind is Decimal:
        return value  # type: ignore[no-any-return] # it is one of the two
    return Decimal(value) if kind is str and _NUMBER.fullmatch(value) else None


def alike(wanted: Iterable[Scalar]) -> tuple[list[Scalar], set[int | Decimal]]:
    """(all that equals one of these, numbers that also a text may be written as)."""
    found: list[Scalar] = []
    numbers: set[int | Decimal] = set()
    for one in wanted:
        found.append(one)
        if isinstance(one, bool):
            found.append(str(one).lower())
        elif not isinstance(one, str):
            numbers.add(one)
        elif one in _WORDS:
            found.append(_WORDS[one])
        elif (plain := number(one)) is not None:
            found.append(plain)
    return found, numbers


def normal_text(text: str) -> str:
    """Composed (NFC); an instant (RFC 3339, also with a blank) in UTC and of fixed width."""
    if not text.isascii():
        return unicodedata.normalize("NFC", text)
    if not _INSTANT.fullmatch(text):
        return text
    try:
        told = instant(datetime.fromisoformat(text.upper()))
    except ValueError:
        return text
    return told or text


def instant(moment: datetime | None) -> str | None:
    """Fixed-width UTC text, so that the order of texts is the order of times."""
    if moment is None:
        return None
    try:
        aware = moment if moment.tzinfo in _UTC else moment.astimezone(UTC)
    except OverflowError:
        return None
    return f"{aware.isoformat(timespec='microseconds')[:26]}Z"


def normal_address(text: str) -> str:
    """An e-mail address, or a part of one, as addresses are kept."""
    return normal_email(text) if "@" in text else unicodedata.normalize("NFC", text).lower()
