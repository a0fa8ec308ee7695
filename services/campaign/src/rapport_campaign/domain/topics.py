"""What a workspace lets people choose among on their page of preferences, as data."""

import re
from collections.abc import Mapping

import msgspec

from rapport_campaign.domain.model import PROMOTION
from rapport_common.events.consent import (
    ANY_PURPOSE,
    CHANNELS,
    is_channel,
    is_purpose,
    normal_channel,
    normal_purpose,
)
from rapport_common.events.contact import ANY_CHANNEL, EMAIL_CHANNEL

MAX_TOPICS, MAX_NAME, MAX_DESCRIPTION, MAX_LANGUAGES = 50, 80, 400, 40
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z][a-z]{3})?(_[A-Z]{2})?")


class TopicsError(ValueError):
    """Topics that can't be; `where` is the path in them."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people may want or not: it stands for a purpose on a channel.

    `names` and `descriptions` by language (`en`, `de`, `zh_Hans`), the first one for all others.
    """

    id: str
    purpose: str
    channel: str = EMAIL_CHANNEL
    names: dict[str, str]
    descriptions: dict[str, str] = {}


USUAL = (Topic(id="promotion", purpose=PROMOTION, names={}),)
"""Of a workspace that has declared none; its name is in the catalogue of the pages."""


def checked(topics: list[Topic]) -> list[Topic]:
    """The topics in their order, words in normal form; TopicsError says what can't be."""
    if len(topics) > MAX_TOPICS:
        raise TopicsError("topics", f"at most {MAX_TOPICS}")
    found: list[Topic] = []
    for place, one in enumerate(topics):
        where = f"topics.{place}"
        if _ID.fullmatch(one.id) is None:
            raise TopicsError(f"{where}.id", "a-z, 0-9, '-' and '_'")
        channel, purpose = normal_channel(one.channel) or "", normal_purpose(one.purpose) or ""
        if channel == ANY_CHANNEL or not is_channel(channel):
            raise TopicsError(f"{where}.channel", f"one of {', '.join(CHANNELS)}")
        if purpose == ANY_PURPOSE or not is_purpose(purpose):
            message = "a purpose that is known, or your own, which begins with x_"
            raise TopicsError(f"{where}.purpose", message)
        _require_texts(f"{where}.names", one.names, MAX_NAME)
        _require_texts(f"{where}.descriptions", one.descriptions, MAX_DESCRIPTION)
        if not one.names:
            raise TopicsError(f"{where}.names", "a name in one language at least")
        found.append(msgspec.structs.replace(one, channel=channel, purpose=purpose))
    for what in (lambda one: one.id, lambda one: (one.channel, one.purpose)):
        if len(set(map(what, found))) < len(found):
            message = "an id, and a purpose on a channel, stands there once"
            raise TopicsError("topics", message)
    return found


def _require_texts(where: str, texts: Mapping[str, str], longest: int) -> None:
    if len(texts) > MAX_LANGUAGES:
        raise TopicsError(where, f"at most {MAX_LANGUAGES} languages")
    for language, text in texts.items():
        if _LANGUAGE.fullmatch(language) is None:
            raise TopicsError(where, f"'{language}' is no language such as en, de or zh_Hans")
        if not text.strip() or len(text) > longest or not text.isprintable():
            message = f"one line of visible text, at most {longest} characters"
            raise TopicsError(f"{where}.{language}", message)


def in_language(texts: Mapping[str, str], language: str) -> str:
    """The text in a language, in one that is like it, or the first; empty where there is none."""
    plain = language.partition("_")[0]
    like = (one for one in texts if one.partition("_")[0] == plain)
    for one in (language, *like, *texts):
        if one in texts:
            return texts[one]
    return ""


def of_channel(topics: list[Topic], channel: str) -> list[Topic]:
    """Those that an address of a channel can be asked about."""
    return [one for one in topics if one.channel == channel]
