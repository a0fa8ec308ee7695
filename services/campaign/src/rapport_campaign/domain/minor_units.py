"""Amounts of money in the smallest units of their currency: whole numbers, never floats."""

import re
from typing import Final

from rapport_common.events.money import CURRENCIES

_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,4})?")
_PERCENT = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,4})?")
_USUAL: Final = 2
_OTHERS: Final = {
    **dict.fromkeys(re.findall("...", "BIFCLPDJFGNFISKJPYKMFKRWPYGRWFUGXUYIVNDVUVXAFXOFXPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
MOST: Final = 10**15
"""More of the smallest units is no price; it is exact in JSON, too."""

WHOLE: Final = 10**6
"""A hundred percent: shares are kept in ten thousandths of a percent."""


def digits_of(currency: str) -> int | None:
    """How many digits a currency of ISO 4217 has behind the point; None for what is none."""
    return _OTHERS.get(currency, _USUAL) if currency in CURRENCIES else None


def units(text: str, digits: int) -> int | None:
    """An amount such as `12.90` in smallest units; None for what is no amount of so many digits.

    Zeros behind the digits that a currency has say nothing: `100.00` are 100 yen.
    """
    if not _AMOUNT.fullmatch(text):
        return None
    before, _, behind = text.partition(".")
    if behind[digits:].strip("0"):
        return None
    found = int(before + behind[:digits].ljust(digits, "0"))
    return found if found < MOST else None


def amount(units: int, digits: int) -> str:
    """Smallest units as a decimal text with all the digits of the currency: `12.90`."""
    if not digits:
        return str(units)
    text = str(abs(units)).rjust(digits + 1, "0")
    return f"{'-' if units < 0 else ''}{text[:-digits]}.{text[-digits:]}"


def share(text: str) -> int | None:
    """A percentage such as `12.5` in ten thousandths of a percent; None for what is none."""
    if not _PERCENT.fullmatch(text):
        return None
    before, _, behind = text.partition(".")
    return int(before + behind.ljust(4, "0"))


def part(units: int, share: int) -> int:
    """A share of an amount, rounded half up to the smallest unit."""
    return (2 * units * share + WHOLE) // (2 * WHOLE)


def part_up(units: int, share: int) -> int:
    """A share of an amount, rounded up: what is not to be gone below."""
    return -(-units * share // WHOLE)


def part_down(units: int, share: int) -> int:
    """A share of an amount, rounded down: what is not to be gone above."""
    return units * share // WHOLE
