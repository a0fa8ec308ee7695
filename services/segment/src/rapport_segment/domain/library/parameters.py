"""What may be said otherwise in a shipped segment: each value checked, and written into a line."""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from rapport_common.errors import InvalidRequestError
from rapport_common.events.money import normal_currency
from rapport_common.numbers import plain_number
from rapport_segment.domain.operands import MAX_DIGITS, RuleError
from rapport_segment.domain.windows import LONGEST_DAYS
from rapport_segment.domain.zones import zone_name

Kind = Literal["days", "hours", "count", "amount", "currency", "text", "zone"]
Given = int | Decimal | str
"""A value as it is given: a number, or anything as a text."""

_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_MOST = {"days": LONGEST_DAYS, "hours": 24 * LONGEST_DAYS, "count": 1000}
"""The greatest of whole numbers; of each event's name a thousand are looked at."""

MAX_TEXT = 200


class ParameterError(InvalidRequestError):
    """A parameter that a shipped segment does not have, or that can't have this value."""

    code = "invalid_parameter"

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}", details={"parameter": name})


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a rule that may be said otherwise.

    `default` is what holds if nothing is said; without one it has to be, and `example` is a value
    that it might have. `most`: the greatest one, if that is less than with others of the kind.
    """

    name: str
    kind: Kind
    default: int | str | None = None
    example: int | str | None = None
    most: int | None = None

    def value(self, given: Given) -> int | str:
        """What is given in normal form; ParameterError says what is wrong with it."""
        return _VALUES[self.kind](self, str(given).strip())


def _whole(one: Parameter, written: str) -> int:
    most = one.most or _MOST[one.kind]
    if not _WHOLE.fullmatch(written) or not 1 <= int(written) <= most:
        raise ParameterError(one.name, f"must be a whole number from 1 to {most}")
    return int(written)


def _amount(one: Parameter, written: str) -> str:
    amount = plain_number(written)
    if amount is None or amount < 0 or abs(amount.adjusted()) > MAX_DIGITS // 2:
        raise ParameterError(one.name, 'must be an amount, such as 500 or "49.90"')
    return format(amount, "f")


def _currency(one: Parameter, written: str) -> str:
    code = normal_currency(written)
    if code is None:
        raise ParameterError(one.name, "must be a currency of ISO 4217, such as EUR")
    return code


def _text(one: Parameter, written: str) -> str:
    if not written or len(written) > MAX_TEXT or "\0" in written:
        raise ParameterError(one.name, f"must be a text of 1 to {MAX_TEXT} characters")
    return written


def _zone(one: Parameter, written: str) -> str:
    try:
        return zone_name(written, one.name)
    except RuleError as error:
        message = error.message.removeprefix(f"{one.name}: ")
        raise ParameterError(one.name, message) from error


_VALUES: Mapping[Kind, Callable[[Parameter, str], int | str]] = {
    "days": _whole,
    "hours": _whole,
    "count": _whole,
    "amount": _amount,
    "currency": _currency,
    "text": _text,
    "zone": _zone,
}
_QUOTED = frozenset({"text", "zone"})
"""Kinds of which a line has the value in quotes."""


def written(one: Parameter, value: int | str) -> str:
    """A value as it stands in a line."""
    return json.dumps(value, ensure_ascii=False) if one.kind in _QUOTED else str(value)
