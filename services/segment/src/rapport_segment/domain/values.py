"""One form for values that are written in several: of the facts and of what rules compare with.

JSON has texts, numbers and booleans; what sends it often has only texts. So a text that is a plain
number equals that number, and "true" equals true. Two texts are equal only as they are: "1.10"
is another version than "1.1".
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from rapport_common.events.contact import (
    MAX_STATED_PHONE,
    normal_email,
    phone_number,
    phone_spellings,
    without_separators,
)

Scalar = str | bool | int | Decimal

EMAIL = "email"
"""The identifiers of this kind, and the trait of this name, are addresses."""

PLAIN_NUMBER = r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,18})?"
"""A text that counts as a number, for both evaluators: no leading zeros, which codes have."""

_DAY = (
    r"(?!0000)([0-9]{4}-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|"
    r"[0-9]{4}-(0[469]|11)-(0[1-9]|[12][0-9]|30)|[0-9]{4}-02-(0[1-9]|1[0-9]|2[0-8])|"
    r"([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
MOMENT = rf"{_DAY}(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}Z)?"
"""A text that counts as an instant, for both evaluators: in the form in which facts are kept, and a
day that there is.
"""

_NUMBER = re.compile(PLAIN_NUMBER)
_MOMENT = re.compile(MOMENT)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d(:?\d\d)?)?", re.ASCII
)
_BEGINNING = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d[\d:.]*", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_encoder = msgspec.json.Encoder()
_WITH_MICROSECONDS = len('"2026-01-31T12:00:00.000000Z"')
_MIDNIGHT = "T00:00:00.000000Z"
_WORDS: dict[Scalar, bool] = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Alike:
    """All that equals one of some values.

    Beside what is in `listed`: texts that are written numbers among `numbers`, and texts that
    without their separators are among `phones`.
    """

    listed: list[Scalar]
    numbers: set[int | Decimal]
    phones: frozenset[str]

    def has_phone(self, text: str) -> bool:
        """Whether a text is one of the phone numbers. Asked only where there are some."""
        return len(text) <= MAX_STATED_PHONE and without_separators(text) in self.phones


def number(value: Any) -> int | Decimal | None:
    """The number a value is, or is written as; None when it is none."""
    kind = type(value)
    if kind is int or kind is Decimal:
        return value  # type: ignore[no-any-return] # it is one of the two
    return Decimal(value) if kind is str and _NUMBER.fullmatch(value) else None


def alike(wanted: Iterable[Scalar]) -> Alike:
    """What equals one of these: worked out once for a rule, not for each person."""
    listed: list[Scalar] = []
    numbers: set[int | Decimal] = set()
    phones: set[str] = set()
    for one in wanted:
        listed.append(one)
        if isinstance(one, bool):
            listed.append(str(one).lower())
        elif not isinstance(one, str):
            numbers.add(one)
        elif one in _WORDS:
            listed.append(_WORDS[one])
        elif (plain := number(one)) is not None:
            listed.append(plain)
        elif (midnight := _spelled_midnight(one)) is not None:
            listed += [other for other in midnight if other != one]
        elif one.startswith("+") and (phone := phone_number(one)) is not None:
            phones |= phone_spellings(phone)
    return Alike(listed, numbers, frozenset(phones))


def limit(op: str, wanted: str) -> str:
    """The text to compare texts with by code point, so that a date is its midnight, too.

    A date comes right before all instants of its day, so each comparison has one that tells both.
    """
    midnight = _spelled_midnight(wanted)
    if midnight is None:
        return wanted
    day, instant_of_it = midnight
    return day if op in {"gte", "lt"} else instant_of_it


def _spelled_midnight(text: str) -> tuple[str, str] | None:
    """A date, and the instant that it is, when a text is one of the two."""
    day = text.removesuffix(_MIDNIGHT)
    if not _DATE.fullmatch(day):
        return None
    try:
        date.fromisoformat(day)
    except ValueError:
        return None
    return day, day + _MIDNIGHT


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


def normal_beginning(text: str) -> str:
    """How a text in normal form begins that begins so: the first digits of a time are no time."""
    if _BEGINNING.fullmatch(text):
        return f"{text[:10]}T{text[11:]}"
    return normal_text(text)


def instant(moment: datetime | None) -> str | None:
    """Fixed-width UTC text, so that the order of texts is the order of times.

    A time without a zone counts as UTC.
    """
    if moment is None:
        return None
    if moment.tzinfo is UTC:
        return _fixed(moment)
    try:
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None
    return _fixed(aware)


def moment(value: Any) -> datetime | None:
    """The instant that a fact is, a date its midnight in UTC; None when it is none."""
    if type(value) is not str or not _MOMENT.fullmatch(value):
        return None
    found = datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _fixed(utc: datetime) -> str:
    # `isoformat` takes ten times as long; without microseconds this leaves them out.
    written = _encoder.encode(utc)
    if len(written) == _WITH_MICROSECONDS:
        return written[1:-1].decode()
    return f"{written[1:-2].decode()}.000000Z"


def normal_address(text: str) -> str:
    """An e-mail address, or a part of one, as addresses are kept."""
    return normal_email(text) if "@" in text else unicodedata.normalize("NFC", text).lower()
