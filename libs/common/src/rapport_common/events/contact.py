"""The one form of what a person is reached at, and of what they say about it.

Everybody compares these: the door that takes them, the profile that keeps them, the rule that
asks for them, the sender that obeys them. Two spellings of one thing are one thing; two things
are never one.
"""

import re
import unicodedata
from functools import lru_cache

import idna
import phonenumbers

_PLAIN = re.compile(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]+@[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+")
_XN = "xn--"
_ADDRESS = re.compile(
    r"[^@\s\x00-\x1f\x7f\"(),:;<>\[\]\\]+"
    r"@[^@\s\x00-\x1f\x7f\"(),:;<>\[\]\\.]+(?:\.[^@\s\x00-\x1f\x7f\"(),:;<>\[\]\\.]+)+"
)
_PHONE = re.compile(r"(?:tel:)?\s*(?:\+|00)\s*([0-9\s().\-/]+)", re.IGNORECASE)
_NATIONAL = re.compile(r"(?:tel:)?\s*([0-9\s().\-/]+)", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9\s().\-/+]*")
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")
MAX_EMAIL = 254
"""RFC 5321, 4.5.3.1.3: a path has 256 characters, two of them the brackets."""
MAX_STATED_EMAIL = 1024
"""Before blanks and invisible characters are taken away."""
MAX_STATED_PHONE = 64
MAX_READINGS = 5
MAX_POINT = 1024
"""Characters of a contact point: the longest are the addresses of web push."""
_JOINERS = "\u200c\u200d"
"""Format characters that IDNA 2008 allows between some letters (RFC 5892, appendix A)."""

EMAIL_CHANNEL = "email"
ANY_CHANNEL = "all"
"""Every channel that leads to a contact point."""
BY_PHONE = frozenset({"sms", "phone", "call", "whatsapp"})
"""The channels whose contact points are phone numbers."""


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


def email_address(text: str) -> str | None:
    """The one address that a text is, in normal form; None when it is none, or more than one.

    `Ada <ada@example.com>`, `mailto:…`, lists and anything with blanks inside are no address.
    """
    return _address(text) if len(text) <= MAX_STATED_EMAIL else None


@lru_cache(maxsize=16_384)
def _address(text: str) -> str | None:
    address = normal_email(text)
    return address if len(address) <= MAX_EMAIL and _ADDRESS.fullmatch(address) else None


def phone_number(text: str, country: str | None = None) -> str | None:
    """The number that a text is, as E.164 writes it; None when it is none.

    It begins with `+` or `00` and the country's code (in a `tel:` of RFC 3966 too); a prefix that
    is for calls within the country, as in `+49 (0)170 …`, is left out where that country has one.
    Without the country's code it is one of `country` (ISO 3166-1 alpha-2), else nobody's in
    particular; with an extension no single phone.
    """
    # What is kept for the next time is bounded, so the length is looked at before.
    return _e164(text, country) if len(text) <= MAX_STATED_PHONE else None


def is_country(code: str) -> bool:
    """Whether numbers without a country's code can be read as of this one."""
    return code in phonenumbers.SUPPORTED_REGIONS


@lru_cache(maxsize=16_384)
def _e164(text: str, country: str | None) -> str | None:
    plain = _DASHES.sub("-", plain_text(text))
    if not plain.isascii():
        return None
    if (match := _PHONE.fullmatch(plain)) is not None:
        stated, country = f"+{match[1]}", None
    elif country is not None and (match := _NATIONAL.fullmatch(plain)) is not None:
        stated = match[1]
    else:
        return None
    found = _parsed(stated, country)
    if found is None:
        return None
    if country is None:
        if not phonenumbers.is_possible_number(found):
            return None
    elif not phonenumbers.is_valid_number(found) or _has_its_code(stated, found):
        # Where the country is only assumed, a `12` from a form is nobody's number.
        return None
    return _settled(_written(found))


def _settled(number: str) -> str | None:
    """The number that is read of it again and again; None where there is no end to it.

    Of `+49 (0)030 …` a reader takes one zero at a time, as if each were the one before an area.
    """
    for _ in range(MAX_READINGS):
        again = _parsed(number, None)
        told = None if again is None else _written(again)
        if told is None or told == number:
            return told
        number = told
    return None


def _parsed(stated: str, country: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(stated, country)
    except phonenumbers.NumberParseException:
        return None


def _written(found: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def is_valid_phone(number: str) -> bool:
    """Whether a number (E.164) can be somebody's, by its country's plan of numbers."""
    return phonenumbers.is_valid_number(phonenumbers.parse(number))


def _has_its_code(stated: str, found: phonenumbers.PhoneNumber) -> bool:
    """Whether a number that seems to have no country's code may begin with just that, without `+`.

    Then nobody knows which of the two it is.
    """
    digits = "".join(filter(str.isdigit, stated))
    if not digits.startswith(str(found.country_code)):
        return False
    number = phone_number(f"+{digits}")
    return number is not None and is_valid_phone(number)


def phone_spellings(number: str) -> frozenset[str]:
    """How a number (E.164) is written in full, without what separates its digits.

    Each is that number for `phone_number`, also with the prefix for calls within the country, which
    many leave in: `+49 (0)170 …`.
    """
    found = phonenumbers.parse(number)
    region = phonenumbers.region_code_for_number(found)
    within = (region and phonenumbers.ndd_prefix_for_region(region, True)) or ""
    significant = phonenumbers.national_significant_number(found)
    digits = {f"{found.country_code}{prefix}{significant}" for prefix in ("", within)}
    return frozenset(
        f"{scheme}{sign}{one}"
        for one in digits
        if phone_number(f"+{one}") == number
        for scheme in ("", "tel:")
        for sign in ("+", "00")
    )


_SEPARATORS = " \t().-/\u00a0\u2009\u202f\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
SEPARATING = ("TEL", "tel", _SEPARATORS)
"""From, to, and what is left out: of `str.maketrans`, and of `translate` in SQL."""
_TABLE = str.maketrans(*SEPARATING)


def without_separators(text: str) -> str:
    """A text as `phone_spellings` are written."""
    return text.translate(_TABLE)


def contact_point(channel: str, text: str) -> str | None:
    """Where somebody is reached, in its one form; None for what is no such place.

    `channel` is in normal form. By e-mail an address, by phone a number as E.164 writes it; of
    every channel, what has an `@` is an address and what has digits only a number. What the
    places of other channels look like is not known here.
    """
    if channel == EMAIL_CHANNEL or (channel == ANY_CHANNEL and "@" in text):
        return email_address(text)
    number = phone_number(text) if channel in BY_PHONE or channel == ANY_CHANNEL else None
    if number is not None or channel in BY_PHONE:
        return number
    point = _plain(text)
    if channel == ANY_CHANNEL and _DIGITS.fullmatch(point):
        return None
    return point if 0 < len(point) <= MAX_POINT else None


def normal_contact_point(channel: str, point: str) -> str:
    """A contact point as it is compared, for any text; `channel` is in normal form."""
    if channel == EMAIL_CHANNEL or (channel == ANY_CHANNEL and "@" in point):
        return normal_email(point)
    return (channel in {*BY_PHONE, ANY_CHANNEL} and phone_number(point)) or _plain(point)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", _bare(_visible(text)))


def plain_text(text: str) -> str:
    """A text in its compatibility form (NFKC), without blanks and invisible characters around."""
    return unicodedata.normalize("NFKC", _bare(_visible(text)))
