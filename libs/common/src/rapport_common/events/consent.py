"""The words of a consent: by which channel, for what, and whether yes or no.

People and programs write each of them in many ways. Here stands what Rapport understands, once
for the door that refuses the rest, the profile that keeps it and the sender that obeys it.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import msgspec

from rapport_common.events.contact import ANY_CHANNEL, EMAIL_CHANNEL, plain_text

ConsentWord = Literal["granted", "denied", "withdrawn"]

PROMOTION = "promotion"
ANY_PURPOSE = "all"
"""Everything that somebody could agree to."""

LEGAL_BASES = (
    "consent",
    "contract",
    "legitimate_interest",
    "legal_obligation",
    "vital_interest",
    "public_task",
)
"""The grounds for using personal data (Article 6(1) GDPR)."""

EXPIRES_AT = "expires_at"
"""The property that says when a yes ends."""

Lacks = Literal["double_opt_in", "proof", "wording_version"]
"""What a yes has not that the rules of its workspace ask for, so that it does not count.

`double_opt_in`: it was said on a page or form, and its address is to be asked by a mail; `proof`:
the same of one that came otherwise, of whom nobody is asked by itself; `wording_version`: to what.
"""

CONFIRMED_BY_MAIL = frozenset({"double_opt_in", "preferences"})
"""Methods of words that came by a link which was sent to the address alone."""

IP_OF_A_WORD = "ip of a word"
"""What an address on the internet is hashed as: `identifier_digest(key, workspace, (this, ip))`."""

OWN = "x_"
"""With it begin the channels and purposes that a workspace has given names itself."""

CHANNELS = {
    EMAIL_CHANNEL: ("e_mail", "mail"),
    "sms": ("text", "mms", "rcs"),
    "phone": ("call", "telephone", "voice", "telemarketing"),
    "whatsapp": ("whats_app",),
    "push": ("web_push", "mobile_push", "app_push", "browser_push"),
    "in_app": ("app", "inapp", "on_site"),
    "post": ("postal", "letter", "paper", "direct_mail", "postal_mail", "snail_mail"),
    "fax": ("telefax",),
    "messenger": ("facebook_messenger",),
    "instagram": (),
    "telegram": (),
    "viber": (),
    "line": (),
    "wechat": ("weixin",),
    "kakaotalk": ("kakao",),
}
"""Every channel, with the other words for it."""

PURPOSES = {
    PROMOTION: (
        "promotional",
        "promo",
        "marketing",
        "advertising",
        "advertisement",
        "advert",
        "ad",
        "newsletter",
        "offer",
        "deal",
        "commercial",
        "campaign",
        "mailing",
        "mailing_list",
    ),
    "service": ("transactional", "transaction", "operational"),
    "survey": ("feedback", "questionnaire"),
    "research": ("market_research",),
    "analytics": ("statistics", "measurement"),
    "personalization": ("personalisation", "profiling"),
    "third_party": ("sharing", "data_sharing"),
}
"""Every purpose, with the other words for it."""

DAY = len("2026-01-31")
_ANY = frozenset({"all", "any", "every", "everything", "anything", "each", "both", "global"})
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

# What people add to a word without meaning another thing: "Marketing Emails", "email address".
_FILLING = frozenset({"and", "or", "of", "the", "for", "by", "via", "our", "your"})
_FILLING_A_CHANNEL = _FILLING | frozenset(
    {"address", "number", "mobile", "message", "notification", "channel"}
)
_FILLING_A_PURPOSE = _FILLING_A_CHANNEL | frozenset(
    {"email", "mail", "e", "sms", "text", "push", "direct", "communication", "subscription"}
    | {"consent", "permission", "list", "material", "content", "purpose"}
)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SEPARATORS = re.compile(r"[\s\-_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _names(known: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {word: name for name, others in known.items() for word in (name, *others)}


_CHANNEL_NAMES, _PURPOSE_NAMES = _names(CHANNELS), _names(PURPOSES)


@lru_cache(maxsize=1024)
def normal_channel(text: str) -> str | None:
    """A channel in its one form, `all` for every one; None when it is no word."""
    return _normal(text, _CHANNEL_NAMES, _FILLING_A_CHANNEL, ANY_CHANNEL)


@lru_cache(maxsize=1024)
def normal_purpose(text: str) -> str | None:
    """A purpose in its one form, `all` for every one; None when it is no word."""
    return _normal(text, _PURPOSE_NAMES, _FILLING_A_PURPOSE, ANY_PURPOSE)


def normal_state(text: str) -> ConsentWord | None:
    """A consent's state; None when it is none of the known words."""
    plain = plain_text(text)
    for one in (plain, _HUMP.sub("_", plain)):
        if (state := _STATES.get(_snake(one))) is not None:
            return state
    return None


def instant_of(value: object) -> datetime | None:
    """A time (RFC 3339, or a day: its beginning) in UTC; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        at = msgspec.convert(f"{value}T00:00:00Z" if len(value) == DAY else value, datetime)
    except msgspec.ValidationError:
        return None
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None


def is_channel(word: str) -> bool:
    """Whether a word in normal form is a channel that is known, or a workspace's own."""
    return word == ANY_CHANNEL or word in CHANNELS or _is_own(word)


def is_purpose(word: str) -> bool:
    """Whether a word in normal form is a purpose that is known, or a workspace's own."""
    return word == ANY_PURPOSE or word in PURPOSES or _is_own(word)


def _is_own(word: str) -> bool:
    return word.startswith(OWN) and len(word) > len(OWN)


def _normal(text: str, names: Mapping[str, str], filling: frozenset[str], every: str) -> str | None:
    plain = plain_text(text)
    if plain == "*":
        return every
    written = (plain, _HUMP.sub("_", plain))
    for one in written:
        if (found := _meant(_snake(one), names, filling, every)) is not None:
            return found
    word = _snake(written[0])
    return word if _WORD.fullmatch(word) else None


def _meant(word: str, names: Mapping[str, str], filling: frozenset[str], every: str) -> str | None:
    """The name of what a word means, also in the plural, and with words around that say nothing."""
    if word.startswith(OWN):
        return None
    if (found := _name(word, names)) is not None:
        return found
    parts = word.split("_")
    telling = [one for one in parts if not {one, one.removesuffix("s")} & (filling | _ANY)]
    if not telling:
        return every if _ANY.intersection(parts) else None
    if telling != parts and (found := _name("_".join(telling), names)) is not None:
        return found
    meant = {_name(one, names) for one in telling}
    return meant.pop() if len(meant) == 1 else None


def _name(word: str, names: Mapping[str, str]) -> str | None:
    return names.get(word) or names.get(word.removesuffix("s"))


def _snake(text: str) -> str:
    return _SEPARATORS.sub("_", text.lower()).strip("_")
