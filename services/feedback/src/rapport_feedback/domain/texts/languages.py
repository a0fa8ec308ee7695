"""In which language a text is: by its script, and in Latin letters by what is frequent in each.

Words that only bind others are few, the same in any text, and short texts have some; where there
are none, groups of letters that one language has and others hardly do decide.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapport_feedback.domain.texts.language_marks import COMMON, ENDINGS, LETTERS
from rapport_feedback.domain.texts.looking import HAN

KNOWN = ("ar", "de", "en", "es", "fr", "zh")
OTHER, UNKNOWN = "other", "und"
LANGUAGES = (*KNOWN, OTHER, UNKNOWN)
SHORTEST = 2
"""Letters without which a text is in no language: a number, an emoji, "k"."""

_SCRIPTS = {
    "han": re.compile(f"[{HAN}]"),
    "kana": re.compile("[\u3040-\u30ff]"),
    "arabic": re.compile("[\u0600-\u06ff\u0750-\u077f]"),
    "latin": re.compile("[A-Za-z\u00c0-\u024f]"),
}
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_NOT_ARABIC = re.compile("[\u067e\u0686\u0698\u06af\u06a9\u06cc\u0679\u0688\u06ba\u06d2]")
"""Letters of Persian and Urdu, which Arabic is written without."""

_HAN_WEIGHT = 3
"""A Chinese character says about as much as three letters."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A language, and how sure that is: 0 to 1."""

    language: str
    sure: float


def language_of(text: str) -> Spoken:
    """The language of a text; `und` if there is too little of it, `other` for what is not known."""
    letters = len(_LETTER.findall(text))
    counts = {name: len(script.findall(text)) for name, script in _SCRIPTS.items()}
    if letters < SHORTEST:
        return Spoken(UNKNOWN, 0.0)
    weights = {**counts, "han": counts["han"] * _HAN_WEIGHT}
    weights["else"] = letters - sum(counts.values())
    script = max(weights, key=lambda name: weights[name])
    share = round(weights[script] / sum(weights.values()), 2)
    if script == "han":
        # Japanese is hardly ever without kana.
        is_japanese = counts["kana"] * 10 > counts["han"]
        return Spoken(OTHER if is_japanese else "zh", share)
    if script == "arabic":
        return Spoken(OTHER if _NOT_ARABIC.search(text) else "ar", share)
    if script == "latin":
        return _latin(text)
    return Spoken(OTHER, share)


def _latin(text: str) -> Spoken:
    words = [one.casefold().replace("\u2019", "'") for one in _WORD.findall(text)]
    points = _points(words, text.casefold())
    if not points:
        return Spoken(UNKNOWN, 0.0)
    (most, best), *rest = points
    second = rest[0][0] if rest else 0.0
    sure = round((most - second) / most, 2)
    return Spoken(best if best in KNOWN else OTHER, sure)


def _points(words: Sequence[str], text: str) -> list[tuple[float, str]]:
    """How much speaks for which language, the most first: what several have in common says less."""
    points: dict[str, float] = dict.fromkeys((*COMMON, *LETTERS), 0.0)
    for word in words:
        having = [one for one, common in COMMON.items() if word in common]
        for language in having:
            points[language] += 1 / len(having)
        if not having:
            for language, ending in ENDINGS.items():
                if ending.search(word):
                    points[language] += 0.3
    for language, letters in LETTERS.items():
        points[language] += 0.5 * sum(text.count(one) for one in letters)
    # As much for one that is known as for another: rather the one that is known.
    found = [(most, one) for one, most in points.items() if most]
    return sorted(found, key=lambda each: (-each[0], each[1] not in KNOWN, each[1]))
