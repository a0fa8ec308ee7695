"""Amounts and currencies as events carry them: read exactly or not at all, never guessed."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

MAX_DIGITS: Final = 15
"""Digits before the point: more is no price."""

SCALE: Final = 6
"""Digits behind the point that are kept."""

_AMOUNT = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_MINOR_UNIT = re.compile(r"[A-Z]{2}[a-z]")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_LONGEST = 90

_CODES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN
BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN
ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD
JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG
QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF
XPF YER ZAR ZMW ZWG HRK CUC LTL LVL EEK SKK SIT MTL CYP ZWL SLL
"""
CURRENCIES: Final = frozenset(_CODES.split())
"""ISO 4217: the currencies of today, and at the end those that histories still speak of."""


def normal_currency(value: object) -> str | None:
    """The ISO 4217 code, whatever its case and the blanks around it; None when it is none.

    `GBp`, `ZAc` and the like are the hundredth part of a currency in markets' notation, not it.
    """
    if not isinstance(value, str):
        return None
    written = value.strip()
    if _MINOR_UNIT.fullmatch(written):
        return None
    code = written.upper()
    return code if code in CURRENCIES else None


def normal_amount(value: object) -> Decimal | None:
    """A JSON number, or a text in the same plain notation (`1299.00`), as a decimal.

    None for everything else: grouping (`1,299.00`), underscores, other digits, infinities, and
    what has more than 15 digits before the point. Behind it 6 are kept.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    if isinstance(value, int) and value.bit_length() > 8 * MAX_DIGITS:
        return None
    text, form = (value.strip(), _AMOUNT) if isinstance(value, str) else (str(value), _NUMBER)
    # What is kept for the next time is bounded, so the length is looked at before.
    return _amount(text, form) if len(text) <= _LONGEST else None


@lru_cache(maxsize=16_384)
def _amount(text: str, form: re.Pattern[str]) -> Decimal | None:
    if not form.fullmatch(text):
        return None
    amount = Decimal(text)
    if amount and amount.adjusted() >= MAX_DIGITS:
        return None
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and not -SCALE <= exponent <= 0:
        amount = amount.quantize(Decimal(1) if exponent > 0 else Decimal(1).scaleb(-SCALE))
    return amount
