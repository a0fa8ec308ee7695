"""The kinds of identifiers, how strongly each names a person, and the one form of its values."""

import re
from collections.abc import Set as AbstractSet

from rapport_common.events.contact import email_address, is_valid_phone, phone_number
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, USER_ID
from rapport_common.events.identifiers import (
    NONE_MORE,
    is_placeholder,
    is_placeholder_email,
    normal_identifier,
    plain_identifier,
)

PHONE = "phone"
KINDS = (
    USER_ID,
    EMAIL,
    PHONE,
    "wechat_unionid",
    "wechat_openid",
    "loyalty_card",
    "device_id",
    ANONYMOUS_ID,
)
"""The kinds that are known everywhere, strongest first. Any other is a workspace's own."""

_RANK = {kind: rank for rank, kind in enumerate(KINDS)}
_OWN = _RANK["loyalty_card"] + 0.5
"""A workspace's own kinds stand behind what a person carries, before what one device knows."""

_typed_at_random = re.compile(r"(\d)\1{6}$|0{6}$|(?:123456|012345)\d?\d?\d?\d?$|987654321")
"""What is typed where a form insists on a phone: one digit again and again, digits in order."""

_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")


def is_kind(text: str) -> bool:
    """Whether a kind may be called so: lower case, digits and `_`, up to 64 characters."""
    return _KIND.fullmatch(text) is not None


def rank(kind: str) -> tuple[float, str]:
    """A sort key: the strongest kind first, a workspace's own by name."""
    return _RANK.get(kind, _OWN), kind


def normal_value(kind: str, text: str, country: str | None = None) -> str | None:
    """A value of a kind as it is compared and kept; None for what is no such value.

    An e-mail address in lower case; a phone number as E.164 writes it, without a country's code
    as one of `country` (ISO 3166-1 alpha-2), and valid there; all others in NFC, without blanks
    around.
    """
    if kind == EMAIL:
        return email_address(text)
    if kind == PHONE:
        number = phone_number(text, country)
        return number if number is not None and is_valid_phone(number) else None
    return normal_identifier(text) or None


def is_nobodys(kind: str, value: str, more: AbstractSet[str] = NONE_MORE) -> bool:
    """Whether a value in normal form names nobody; `more` are a workspace's own placeholders.

    Those of phones are in normal form, too.
    """
    if kind == EMAIL:
        return is_placeholder_email(value, more)
    if kind == PHONE:
        return value in more or _typed_at_random.search(value) is not None
    return is_placeholder(value) or (bool(more) and plain_identifier(value) in more)
