"""E-mail addresses, phone numbers, gender words as they are compared."""

import re

from rapport_common.events.contact import email_address, phone_number
from rapport_common.events.envelope import EMAIL
from rapport_common.events.kinds import PHONE, is_nobodys
from rapport_profile.domain.duplicates.words import plain

SHORTEST_PHONE = 7
_LEAST_KINDS = 3
"""Different digits of a number that is not typed at random."""
_MALE_WORDS = """
m male man boy mr herr mannlich homme monsieur hombre masculino 男 男性 先生
"""
_FEMALE_WORDS = """
f w female woman girl mrs ms miss frau weiblich femme madame mujer femenino 女 女性 女士 小姐
"""
_MALE, _FEMALE = (frozenset(words.split()) for words in (_MALE_WORDS, _FEMALE_WORDS))


def email_of(text: str) -> str:
    """An address in normal form; empty for what is none, or nobody's."""
    address = email_address(text)
    return "" if address is None or is_nobodys(EMAIL, address) else address


def mailbox(address: str) -> str:
    """An address without what some providers leave out of it: a tag behind `+`, and dots.

    Not everywhere is this the same mailbox, so it is a weaker likeness.
    """
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0].replace('.', '')}@{domain}"


def local_part(address: str) -> str:
    """What stands before the `@`, as it is compared."""
    return mailbox(address).rpartition("@")[0]


def phone_of(text: str) -> str:
    """The digits of a number: with `+` where the country is known; empty for nobody's."""
    number = phone_number(text)
    if number is None:
        digits = re.sub(r"\D", "", text).lstrip("0")
        number = digits if len(digits) >= SHORTEST_PHONE else ""
    bare = number.lstrip("+")
    if not number or len(set(bare)) < _LEAST_KINDS or is_nobodys(PHONE, number):
        return ""
    return number


def gender_of(text: str) -> str:
    """`m`, `f`, or empty where it is not told in a word that is known."""
    word = plain(text)
    return "m" if word in _MALE else "f" if word in _FEMALE else ""
