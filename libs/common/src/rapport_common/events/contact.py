"""The one form of what a person is reached at, and of what they say about it.

Everybody compares these: the door that takes them, the profile that keeps them, the rule that
asks for them, the sender that obeys them. Two spellings of one thing are one thing; two things
are never one.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import idna
import phonenumbers

ConsentWord = Literal["granted", "denied", "withdrawn"]

_PLAIN = re.compile(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]+@[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+")
_XN = "xn--"
_WORD = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SEPARATORS = re.compile(r"[\s\-_]+")
_ADDRESS = re.compile(
    r"[^@\s\x00-\x1f\x7f\"(),:;<>\[\]\\]+"
    r"@[^@\s\x00-\x1f\x7f\"(),:;<>\[\]\\.]+(?:\.[^@\s\x00-\x1f\x7f\"(),:;<>\[\]\\.]+)+"
)
_PHONE = re.compile(r"(?:tel:)?\s*(?:\+|00)\s*([0-9\s().\-/]+)", re.IGNORECASE)
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")
MAX_EMAIL = 254
"""RFC 5321, 4.5.3.1.3: a path has 256 characters, two of them the brackets."""
MAX_STATED_EMAIL = 1024
"""Before blanks and invisible characters are taken away."""
MAX_STATED_PHONE = 64
MAX_POINT = 1024
"""Characters of a contact point: the longest are the addresses of web push."""
_JOINERS = "\u200c\u200d"
"""Format characters that IDNA 2008 allows between some letters (RFC 5892, appendix A)."""

EMAIL_CHANNEL = "email"
BY_PHONE = frozenset({"sms", "phone", "call", "whatsapp"})
"""The channels whose contact points are phone numbers."""
_CHANNELS = {
    **{one: one for one in BY_PHONE},
    "e_mail": EMAIL_CHANNEL,
    "emails": EMAIL_CHANNEL,
    "e_mails": EMAIL_CHANNEL,
    "mail": EMAIL_CHANNEL,
    "mails": EMAIL_CHANNEL,
    "newsletter": EMAIL_CHANNEL,
    "text": "sms",
    "texts": "sms",
    "telephone": "phone",
    "calls": "call",
    "phone_call": "call",
    "phone_calls": "call",
    "whats_app": "whatsapp",
    "push_notification": "push",
    "push_notifications": "push",
}
_PURPOSES = {
    "marketing": "promotion",
    "promotional": "promotion",
    "promotions": "promotion",
    "promo": "promotion",
    "promos": "promotion",
    "advertising": "promotion",
    "advertisement": "promotion",
    "advertisements": "promotion",
    "ads": "promotion",
    "transactional": "service",
}
_AROUND_A_CHANNEL = {
    *("marketing", "message", "messages", "messaging", "communication", "communications"),
    *("channel", "address", "number"),
}
_AROUND_A_PURPOSE = {
    *("e", "email", "emails", "mail", "mails", "sms", "message", "messages", "messaging"),
    *("communication", "communications", "consent", "purpose", "purposes", "offers"),
}
"""What says nothing more beside the word that counts: `Marketing Emails`, `Email Address`."""
_EVERYTHING = {"all", "any", "each", "every", "everything", "everywhere", "both", "global"}
"""Words for more than one channel or purpose: each is told by itself."""
_CLEAR_CHANNELS = {"email", "emails", "sms", "whatsapp"}
_CLEAR_PURPOSES = {"promotion", *_PURPOSES} - {"transactional"}
"""Words that a name of something else does not have in it: `product_marketing` may mean either."""
_STATES: dict[str, ConsentWord] = {
    "granted": "granted",
    "denied": "denied",
    "refused": "denied",
    "rejected": "denied",
    "declined": "denied",
    "withdrawn": "withdrawn",
    "revoked": "withdrawn",
    "unsubscribed": "withdrawn",
    "opted_out": "withdrawn",
    "opt_out": "withdrawn",
}
"""Many words take a permission away; one gives it."""


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
    if len(text) > MAX_STATED_EMAIL:
        return None
    address = normal_email(text)
    return address if len(address) <= MAX_EMAIL and _ADDRESS.fullmatch(address) else None


@lru_cache(maxsize=16_384)
def phone_number(text: str) -> str | None:
    """The number that a text is, as E.164 writes it; None when it is none.

    It begins with `+` or `00` and the country's code (in a `tel:` of RFC 3966 too); a prefix that
    is for calls within the country, as in `+49 (0)170 …`, is left out where that country has one.
    Without the country's code it is nobody's in particular; with an extension no single phone.
    """
    if len(text) > MAX_STATED_PHONE:
        return None
    plain = _DASHES.sub("-", unicodedata.normalize("NFKC", _bare(_visible(text))))
    match = _PHONE.fullmatch(plain)
    if match is None or not match[1].isascii():
        return None
    try:
        found = phonenumbers.parse(f"+{match[1]}")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(found):
        return None
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def contact_point(channel: str, text: str) -> str | None:
    """Where somebody is reached, in its one form; None for what is no such place.

    `channel` is in normal form. By e-mail an address, by phone a number as E.164 writes it; what
    the places of other channels look like is not known here.
    """
    if channel == EMAIL_CHANNEL:
        return email_address(text)
    if channel in BY_PHONE:
        return phone_number(text)
    point = _plain(text)
    return point if 0 < len(point) <= MAX_POINT else None


def normal_contact_point(channel: str, point: str) -> str:
    """A contact point as it is compared, for any text; `channel` is in normal form."""
    if channel == EMAIL_CHANNEL:
        return normal_email(point)
    return (channel in BY_PHONE and phone_number(point)) or _plain(point)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", _bare(_visible(text)))


def _word(text: str) -> str | None:
    plain = unicodedata.normalize("NFKC", _bare(_visible(text))).lower()
    word = _SEPARATORS.sub("_", plain).strip("_")
    return word if _WORD.fullmatch(word) else None


def normal_channel(text: str) -> str | None:
    """A channel (`email`, `sms`, `push` …) in its one form.

    None when it is no word, or not one of one channel: `all`, `email_and_sms`.
    """
    return _meaning(_word(text), _CHANNELS, _AROUND_A_CHANNEL, _CLEAR_CHANNELS)


def normal_purpose(text: str) -> str | None:
    """A purpose (`promotion`, `service` …) in its one form.

    None when it is no word, or may mean promotion or something else: `all`, `product_marketing`.
    """
    return _meaning(_word(text), _PURPOSES, _AROUND_A_PURPOSE, _CLEAR_PURPOSES)


def _meaning(
    word: str | None, known: Mapping[str, str], around: set[str], clear: set[str]
) -> str | None:
    """What a word stands for: itself, if it is nobody's word for something that is known."""
    if word is None or word in known or "_" not in word:
        return None if word is None or word in _EVERYTHING else known.get(word, word)
    parts = word.split("_")
    bare = "_".join(one for one in parts if one not in around)
    if bare in clear or bare in known:
        return known.get(bare, bare)
    return None if (clear | _EVERYTHING) & set(parts) else word


def normal_state(text: str) -> ConsentWord | None:
    """A consent's state; None when it is none of the known words."""
    word = _word(text)
    return _STATES.get(word) if word else None
