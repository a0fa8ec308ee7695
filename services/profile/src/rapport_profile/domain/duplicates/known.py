"""What of a person is compared with others: comparable forms of traits and identifiers.

What is stored stays as it was sent; these forms are made of it each time.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

import msgspec

from rapport_common.events.envelope import EMAIL, Identifier
from rapport_common.events.identifiers import is_placeholder
from rapport_common.events.kinds import PHONE
from rapport_profile.domain.duplicates.addresses import FIELDS, Address, address_in, address_of
from rapport_profile.domain.duplicates.birthdays import birthday_of
from rapport_profile.domain.duplicates.contacts import email_of, gender_of, phone_of
from rapport_profile.domain.duplicates.names import Name, distinct, name_of
from rapport_profile.domain.duplicates.words import plain

MOST = 5
"""Values of a kind that are compared: who has more is no single person, or has all in one place."""
MAX_VALUE = 500
MAX_NAME = 64

_FULL = ("name", "fullname", "displayname", "姓名", "名字")
_GIVEN = ("firstname", "givenname", "forename", "名")
_FAMILY = ("lastname", "familyname", "surname", "姓")
_BIRTHDAY = ("birthday", "dateofbirth", "birthdate", "dob", "bday", "生日", "出生日期")
_GENDER = ("gender", "sex", "性别")
_EMAIL = ("email", "emailaddress", "邮箱")
_PHONE = (
    "phone",
    "phonenumber",
    "mobile",
    "mobilephone",
    "telephone",
    "tel",
    "手机",
    "手机号",
    "电话",
)
_ADDRESS = ("address", "shippingaddress", "billingaddress", "地址")
_NUMBERS = (
    "nationalid",
    "identitycard",
    "passport",
    "taxid",
    "ssn",
    "socsecid",
    "身份证",
    "身份证号",
)


FIELD_OF = {
    name: field
    for field, names in {
        "name": (*_FULL, *_GIVEN, *_FAMILY),
        "birthday": _BIRTHDAY,
        "gender": _GENDER,
        "e-mail": _EMAIL,
        "phone": _PHONE,
        "address": (*_ADDRESS, *FIELDS),
        "number": _NUMBERS,
    }.items()
    for name in names
}
"""What each trait tells of, by its name in small letters and one word."""


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person as others are compared with them; `numbers` are of papers, by kind.

    Cards and devices are not: somebody may have several, and numbers of cards follow each other.
    """

    names: tuple[Name, ...] = ()
    birthday: date | None = None
    gender: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    numbers: tuple[tuple[str, str], ...] = ()
    addresses: tuple[Address, ...] = ()


def known_of(traits: Mapping[str, Any], identifiers: Iterable[Identifier]) -> Known:
    """What is compared of a person: `traits` are JSON values by name.

    Of several spellings of one name the last by the alphabet counts, in whatever order they came.
    """
    read = (
        (bare, value)
        for name, value in sorted(traits.items())
        if (bare := bare_name(name)) in FIELD_OF
    )
    texts = {bare: one for bare, value in read if (one := _text(value))}
    named = sorted(identifiers)
    full, given, family = (_first(texts, names) for names in (_FULL, _GIVEN, _FAMILY))
    emails = [value for kind, value in named if kind == EMAIL] + _all(texts, _EMAIL)
    phones = [value for kind, value in named if kind == PHONE] + _all(texts, _PHONE)
    numbers = [(name, texts[name]) for name in _NUMBERS if name in texts]
    return Known(
        names=distinct((name_of(full), name_of("", given, family))),
        birthday=birthday_of(_first(texts, _BIRTHDAY)),
        gender=gender_of(_first(texts, _GENDER)),
        emails=_some(map(email_of, emails)),
        phones=_some(map(phone_of, phones)),
        numbers=tuple(sorted({one for one in map(_number, numbers) if one[1]})[:MOST]),
        addresses=_addresses(traits, texts),
    )


def _number(number: tuple[str, str]) -> tuple[str, str]:
    return number[0], plain(number[1]).replace(" ", "")


def _addresses(traits: Mapping[str, Any], texts: Mapping[str, str]) -> tuple[Address, ...]:
    found = [] if FIELDS.isdisjoint(texts) else [address_of(texts)]
    for name, value in traits.items():
        if bare_name(name) not in _ADDRESS:
            continue
        if isinstance(value, str):
            found.append(address_in(_text(value)))
        elif isinstance(value, dict):
            read = (
                (bare, some) for part, some in value.items() if (bare := bare_name(part)) in FIELDS
            )
            found.append(address_of({bare: one for bare, some in read if (one := _text(some))}))
    distinct_ones = {one for one in found if not one.is_empty}
    return tuple(sorted(distinct_ones, key=msgspec.structs.astuple)[:MOST])


def bare_name(name: str) -> str:
    """A trait's name in small letters and one word: `first_name`, `firstName`, `First name`."""
    return _spelt(name) if len(name) <= MAX_NAME else ""


@lru_cache(maxsize=4_096)
def _spelt(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "").replace("-", "")


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()[:MAX_VALUE]
    return "" if is_placeholder(text) else text


def _first(texts: Mapping[str, str], names: Iterable[str]) -> str:
    return next((texts[one] for one in names if one in texts), "")


def _all(texts: Mapping[str, str], names: Iterable[str]) -> list[str]:
    return [texts[one] for one in names if one in texts]


def _some(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({one for one in values if one})[:MOST])
