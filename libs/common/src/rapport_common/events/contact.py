"""The one form of what a person is reached at, and of what they say about it.

Everybody compares these: the door that takes them, the profile that keeps them, the rule that
asks for them, the sender that obeys them. Two spellings of one thing are one thing; two things
are never one.
"""

import re
import unicodedata
from functools import lru_cache

import idna

_PLAIN = re.compile(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]+@[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+")
_XN = "xn--"
_PHONE_NOISE = re.compile(r"[\s().\-/]+")
_PHONE = re.compile(r"\+?[0-9]{5,15}")
_JOINERS = "\u200c\u200d"
"""Format characters that IDNA 2008 allows between some letters (RFC 5892, appendix A)."""

EMAIL_CHANNEL = "email"
ANY_CHANNEL = "all"
"""Every channel that leads to a contact point."""
_BY_PHONE = {"sms", "phone", "call", "whatsapp"}


@lru_cache(maxsize=16_384)
def normal_email(address: str) -> str:
    """The form under which an address is compared and mailed: for any text, and idempotent.

    The local part is lower-cased without folding (`ß` stays), the domain is the Unicode form of
    IDNA 2008 after UTS 46 mapping, non-transitional. Blanks around it and invisible characters
    are no part of an address. What is no domain name stays as it is, in lower case.
    """
    if _PLAIN.fullmatch(address) and _XN not in (lowered := address.lower()):
        return lowered
    local, at, domain = _bare(address).rpartition("@")
    return f"{_lower(_visible(local))}{at}{_domain(domain)}"


def _domain(text: str) -> str:
    text = _visible(text, but=_JOINERS).rstrip(".")
    try:
        ascii_form = idna.encode(text, uts46=True, std3_rules=False, transitional=False)
        return idna.decode(ascii_form)
    except (idna.IDNAError, UnicodeError):
        return _lower(text)


def _lower(text: str) -> str:
    # Lower case can leave a letter and its mark apart, and composing can make a capital.
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    return unicodedata.normalize("NFC", lowered.lower())


def _visible(text: str, but: str = "") -> str:
    """Without format characters: zero-width blanks, byte-order marks, direction marks."""
    if text.isascii():
        return text
    return "".join(one for one in text if one in but or unicodedata.category(one) != "Cf")


def _bare(text: str) -> str:
    """Without blanks and invisible characters at either end."""
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_blank(one: str) -> bool:
    return one.isspace() or unicodedata.category(one) in {"Cf", "Cc"}


def normal_contact_point(channel: str, point: str) -> str:
    """A contact point as it is compared; `channel` is in normal form.

    Of every channel, what looks like an address is one, and what looks like a number is one.
    """
    if channel == EMAIL_CHANNEL or (channel == ANY_CHANNEL and "@" in point):
        return normal_email(point)
    bare = unicodedata.normalize("NFC", _bare(_visible(point)))
    if channel in _BY_PHONE or channel == ANY_CHANNEL:
        digits = _PHONE_NOISE.sub("", unicodedata.normalize("NFKC", bare))
        digits = "+" + digits[2:] if digits.startswith("00") else digits
        return digits if _PHONE.fullmatch(digits) else bare
    return bare


def plain_text(text: str) -> str:
    """A text in its compatibility form (NFKC), without blanks and invisible characters around."""
    return unicodedata.normalize("NFKC", _bare(_visible(text)))
