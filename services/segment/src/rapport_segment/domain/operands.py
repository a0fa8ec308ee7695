"""What a rule compares with: each operand in the form in which the facts are kept, or refused."""

import math
import re
import unicodedata
from datetime import datetime
from decimal import Decimal

from rapport_common.errors import InvalidRequestError
from rapport_common.events.contact import phone_number
from rapport_common.events.identifiers import normal_identifier
from rapport_segment.domain.values import Scalar, instant, normal_address, normal_text

MAX_TEXT = 1000
MAX_DIGITS = 38
_DECIMAL = re.compile(r"-?\d{1,30}(\.\d{1,18})?", re.ASCII)


class RuleError(InvalidRequestError):
    """A rule that can't be understood; `details.path` is the place, for example `and[1].op`."""

    code = "invalid_rule"

    def __init__(self, path: str, message: str) -> None:
        where = path or "rule"
        super().__init__(f"{where}: {message}", details={"path": where})


def id_text(value: object, path: str) -> str:
    """An id in the form in which it is kept."""
    written = normal_identifier(as_written(value, path))
    if not written:
        raise RuleError(path, "must be an id, not blank")
    return written


def part_of_id(value: object, path: str) -> str:
    """What an id contains or begins with."""
    return unicodedata.normalize("NFC", as_written(value, path))


def address(value: object, path: str) -> str:
    """An e-mail address as it is kept."""
    written = text(value, path)
    if "@" not in written:
        raise RuleError(path, "must be an e-mail address, such as ada@example.com")
    return normal_address(written)


def part_of_address(value: object, path: str) -> str:
    """What an address contains or begins with."""
    return normal_address(text(value, path))


def number_of_phone(value: object, path: str) -> str:
    """A phone number as E.164 writes it."""
    found = phone_number(text(value, path))
    if found is None:
        message = "must be a phone number with its country's code, such as +49 170 12345678"
        raise RuleError(path, message)
    return found


def address_like(value: Scalar) -> Scalar:
    """A text as an address is kept; all else as it is."""
    return normal_address(value) if isinstance(value, str) else value


def phone_like(value: Scalar) -> Scalar:
    """A text as a phone number is kept, if it is one; all else as it is."""
    return (phone_number(value) or value) if isinstance(value, str) else value


def scalar(value: object, path: str) -> Scalar:
    """A truth value, a text or a number."""
    if isinstance(value, bool):
        return value
    return text(value, path) if isinstance(value, str) else number(value, path)


def text(value: object, path: str) -> str:
    """A text as it is compared."""
    return normal_text(as_written(value, path))


def as_written(value: object, path: str) -> str:
    """A text that can be stored."""
    if not isinstance(value, str):
        raise RuleError(path, "must be a string")
    if len(value) > MAX_TEXT:
        raise RuleError(path, f"is longer than {MAX_TEXT} characters")
    # Neither can be in a stored fact: the database's JSON has no place for them.
    if "\0" in value or any("\ud800" <= one <= "\udfff" for one in value):
        raise RuleError(path, "holds a NUL or half a surrogate pair")
    return value


def number(value: object, path: str) -> int | Decimal:
    """A finite number of a bounded size."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise RuleError(path, "must be a string, a number, true or false, as the subject has it")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RuleError(path, "must be a finite number")
        value = Decimal(repr(value))
    if abs(Decimal(value).adjusted()) > MAX_DIGITS:
        raise RuleError(path, f"must have at most {MAX_DIGITS} digits")
    return value


def money(value: object, path: str) -> int | Decimal:
    """An amount, as a number or a plain decimal."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise RuleError(path, 'must be an amount such as "500" or "12.30"')
        return Decimal(value)
    return number(value, path)


def count(value: object, path: str) -> int | Decimal:
    """A number, also one written as a text."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise RuleError(path, "must be a number, such as 3")
        return Decimal(value)
    return number(value, path)


def moment(value: object, path: str) -> str:
    """An instant in UTC, as it is compared."""
    written = as_written(value, path)
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        found = None
    day = len(written) == len("2026-01-01")
    told = instant(found) if found is not None and (day or found.tzinfo) else None
    if told is None:
        raise RuleError(path, "must be an instant with its offset, or a date: 2026-01-31T09:00:00Z")
    return told
