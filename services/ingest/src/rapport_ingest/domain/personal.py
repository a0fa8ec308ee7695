"""Guesses what of an event is personal data, by the name of a field and by its value.

A help for those who keep the catalogue, not a proof: a name or a birth date is only found by the
name of its field, a telephone number by that or by its leading plus, and one order number of ten
passes the check of a card's. What is guessed wrongly is masked in an example, and that is all.
"""

import re
from functools import lru_cache
from typing import Any

from rapport_ingest.domain.client import anonymised

MAX_NAME = 40
MAX_LOOKED_AT = 200
"""Characters of a text that are searched."""

_NAMES = {
    "email": "email mail emailaddress mailaddress useremail",
    "phone": "phone phonenumber mobile mobilenumber mobilephone telephone tel fax msisdn cellphone",
    "name": "firstname lastname fullname surname givenname familyname middlename maidenname "
    "cardholder username",
    "address": "address street streetaddress address1 address2 addressline1 addressline2 "
    "billingaddress shippingaddress zip zipcode postalcode postcode",
    "birth_date": "birthday birthdate dateofbirth dob birthyear yearofbirth",
    "card": "cardnumber creditcard creditcardnumber ccnumber pan",
    "iban": "iban bankaccount accountnumber",
    "ip": "ip ipaddress remoteaddr clientip",
}
_BY_NAME = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_NO_LETTER = re.compile(r"[^a-z0-9]")
_EMAIL = re.compile(r"[^\s@<>\"(),:;]{1,64}@[^\s@<>\"(),:;.]{1,63}\.[^\s@<>\"(),:;]{2,63}")
_DIGIT = re.compile(r"[0-9:]")
_PHONE = re.compile(r"\+[0-9][0-9 ()/.-]{6,20}[0-9]")
_CARD = re.compile(r"[0-9](?:[ -]?[0-9]){12,18}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}")
_ADDRESS = re.compile(r"[0-9a-fA-F.:]{3,45}")


def by_name(name: str, root: str = "") -> str | None:
    """What a field of this name holds of a person; a bare `name` is one only among traits."""
    return _by_name(name, root) if len(name) <= MAX_NAME else None


@lru_cache(4096)
def _by_name(name: str, root: str) -> str | None:
    letters = _NO_LETTER.sub("", name.lower())
    return "name" if letters == "name" and root == "traits" else _BY_NAME.get(letters)


def by_value(value: Any) -> str | None:
    """What of a person this text or number is or has in it."""
    if isinstance(value, int):
        value = str(value) if value >= 10**12 else ""
    if not isinstance(value, str) or len(value) < 3:  # noqa: PLR2004 - nothing of all that is shorter
        return None
    text = value[:MAX_LOOKED_AT].strip()
    if "@" in text and _EMAIL.search(text):
        return "email"
    return _of_digits(text) if _DIGIT.search(text) else None


def _of_digits(text: str) -> str | None:
    if text.startswith("+") and _PHONE.fullmatch(text):
        return "phone"
    if _CARD.fullmatch(text) and luhn(text):
        return "card"
    if _IBAN.fullmatch(text) and iban(text):
        return "iban"
    if _ADDRESS.fullmatch(text) and (text.count(".") == 3 or text.count(":") > 1):  # noqa: PLR2004
        return "ip" if anonymised(text, "keep") is not None else None
    return None


def luhn(text: str) -> bool:
    """Whether the last digit is that of ISO/IEC 7812-1, Annex B."""
    digits = [int(one) for one in text if one.isdigit()][::-1]
    doubled = [one * 2 - 9 * (one > 4) for one in digits[1::2]]  # noqa: PLR2004
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def iban(text: str) -> bool:
    """Whether the check digits are those of ISO 13616: modulo 97 it is 1."""
    letters = text.replace(" ", "")
    moved = letters[4:] + letters[:4]
    return int("".join(str(int(one, 36)) for one in moved)) % 97 == 1
