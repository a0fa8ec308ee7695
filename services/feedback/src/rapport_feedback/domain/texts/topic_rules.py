"""By which words a text is of a topic: a tree of phrases, per language.

A phrase is words in a row; a word that ends with `*` stands for all that begin so. In Chinese,
where words have no ends, a phrase is the characters as they stand.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from rapport_feedback.domain.texts.looking import HAN, Token

ANY_LANGUAGE = "any"
DEEPEST = 6
MOST = 300
"""Parts of a rule."""

LONGEST = 100
Operator = Literal["any", "all", "none", "words"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One of: `any`, `all` or `none` of some rules hold, or one of some phrases is there."""

    any: tuple["Rule", ...] = ()
    all: tuple["Rule", ...] = ()
    none: tuple["Rule", ...] = ()
    words: tuple[str, ...] = ()


class TopicDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A topic: its label, and a rule for each language; that under `any` is for all."""

    label: str
    rules: dict[str, Rule]


class TopicError(ValueError):
    """A rule that says nothing, with the path to what is wrong."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(why)
        self.where = where


@dataclass(frozen=True, slots=True)
class Hit:
    """What of a text spoke for a topic, and where in the looked-at text."""

    words: str
    start: int
    end: int


def check(topic: TopicDocument, languages: Sequence[str]) -> None:
    """Raise TopicError for what could never hold, or is too large to be looked through."""
    if not topic.rules:
        raise TopicError("rules", "give a rule for a language, or for any")
    for language, rule in topic.rules.items():
        if language not in {ANY_LANGUAGE, *languages}:
            known = ", ".join((ANY_LANGUAGE, *languages))
            raise TopicError(f"rules.{language}", f"is no language; there are {known}")
        parts = list(_checked(rule, f"rules.{language}", 1))
        if len(parts) > MOST:
            raise TopicError(f"rules.{language}", f"has {len(parts)} parts, at most {MOST}")


def _checked(rule: Rule, where: str, depth: int) -> Iterator[str]:
    given = [name for name in ("any", "all", "none", "words") if getattr(rule, name)]
    if len(given) != 1:
        raise TopicError(where, "give one of any, all, none and words, and something in it")
    if depth > DEEPEST:
        raise TopicError(where, f"is more than {DEEPEST} deep")
    yield where
    for index, phrase in enumerate(rule.words):
        at = f"{where}.words.{index}"
        if len(phrase) > LONGEST or not _said(phrase):
            raise TopicError(at, f"needs a word, and at most {LONGEST} characters")
        yield at
    for name in ("any", "all", "none"):
        for index, part in enumerate(getattr(rule, name)):
            yield from _checked(part, f"{where}.{name}.{index}", depth + 1)


def _said(phrase: str) -> list[str]:
    return [one for one in phrase.casefold().split() if one.strip("*")]


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as rules look at it."""

    text: str
    words: tuple[Token, ...]
    places: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, text: str, words: Sequence[Token]) -> "Reading":
        """Its words by what they are."""
        places: dict[str, list[int]] = {}
        for index, one in enumerate(words):
            places.setdefault(one.small, []).append(index)
        return cls(text.casefold(), tuple(words), places)


def hits(topic: TopicDocument, language: str, reading: Reading) -> list[Hit] | None:
    """What spoke for the topic; None when the text is not of it.

    A rule of nothing but `none` holds without a word that spoke for it.
    """
    found: list[Hit] | None = None
    for name in (language, ANY_LANGUAGE):
        rule = topic.rules.get(name)
        if rule is not None and (held := _held(rule, reading)) is not None:
            found = [*(found or []), *held]
    return None if found is None else sorted(set(found), key=lambda one: (one.start, one.end))


def _held(rule: Rule, reading: Reading) -> list[Hit] | None:
    if rule.words:
        found = [hit for phrase in rule.words for hit in _occurrences(phrase, reading)]
        return found or None
    if rule.none:
        return None if any(_held(part, reading) is not None for part in rule.none) else []
    parts = [_held(part, reading) for part in (*rule.any, *rule.all)]
    true = [one for one in parts if one is not None]
    if not true or (rule.all and len(true) < len(parts)):
        return None
    return [hit for one in true for hit in one]


def _occurrences(phrase: str, reading: Reading) -> Iterator[Hit]:
    said = _said(phrase)
    if any(_is_han(one) for one in phrase):
        whole = "".join(said)
        at = reading.text.find(whole)
        while at >= 0:
            yield Hit(whole, at, at + len(whole))
            at = reading.text.find(whole, at + 1)
        return
    for start in _starts(said[0], reading):
        words = reading.words[start : start + len(said)]
        if len(words) == len(said) and all(
            _is(wanted, one.small) for wanted, one in zip(said, words, strict=True)
        ):
            yield Hit(" ".join(one.small for one in words), words[0].start, words[-1].end)


def _starts(wanted: str, reading: Reading) -> Sequence[int]:
    if not wanted.endswith("*"):
        return reading.places.get(wanted, ())
    return [index for index, one in enumerate(reading.words) if _is(wanted, one.small)]


def _is(wanted: str, word: str) -> bool:
    return word.startswith(wanted[:-1]) if wanted.endswith("*") else word == wanted


def _is_han(one: str) -> bool:
    return any(low <= one <= high for low, high in _HAN)


_HAN = [(part[0], part[2]) for part in (HAN[i : i + 3] for i in range(0, len(HAN), 3))]
