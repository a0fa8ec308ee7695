"""Texts as they are compared: one script, one case, one width; what was written stays as it is."""

import re
import unicodedata
from functools import lru_cache

from rapidfuzz.distance import OSA, JaroWinkler

from rapport_common.events.identifiers import is_placeholder
from rapport_profile.domain.pinyin import readings

MAX_TEXT = 200
"""Characters of a name or a line of an address that are looked at."""

_LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ı": "i",
        "'": None,
        "’": None,
        "`": None,
    }
)
"""Letters that no normal form takes apart, and the signs inside of names."""
_MARKS = re.compile(r"[\u0300-\u036f]")
_BETWEEN = re.compile(r"[\W_]+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002fa1f]+")


@lru_cache(maxsize=65_536)
def plain(text: str) -> str:
    """A text as words in small letters without accents: `Ｚoë  O'Brien-Łoś` is `zoe obrien los`.

    A word for nothing (`null`, `n/a`) is none.
    """
    if is_placeholder(text):
        return ""
    folded = unicodedata.normalize("NFKC", text[:MAX_TEXT]).casefold()
    bare = _MARKS.sub("", unicodedata.normalize("NFD", folded))
    return _BETWEEN.sub(" ", unicodedata.normalize("NFC", bare).translate(_LETTERS)).strip()


def is_chinese(text: str) -> bool:
    """Whether a text in plain form is written in Chinese characters alone."""
    return _HAN.fullmatch(text.replace(" ", "")) is not None


@lru_cache(maxsize=65_536)
def pinyin(text: str) -> str:
    """How Chinese characters are read, without tones and in one word; other letters as they are."""
    if _HAN.search(text) is None:
        return text
    # ü is typed as u, too.
    return "".join((readings(one) or [one])[0] for one in text).replace("v", "u")


def alike(one: str, other: str) -> float:
    """How much two texts are alike, from 0 to 1 (Jaro–Winkler), whichever comes first."""
    return JaroWinkler.similarity(*sorted((one, other)))


def is_slip(one: str, other: str) -> bool:
    """Whether one letter or digit of two is wrong, missing, or swapped with the next."""
    return abs(len(one) - len(other)) <= 1 and OSA.distance(one, other, score_cutoff=1) == 1


def is_swap(one: str, other: str) -> bool:
    """Whether two differ by two letters or digits beside each other that are swapped."""
    return is_slip(one, other) and sorted(one) == sorted(other)


def skeleton(word: str) -> str:
    """What of a word stays through most slips: its first letter and three consonants after it."""
    rest = re.sub(r"[aeiouyhw ]", "", word[1:])
    return word[:1] + re.sub(r"(.)\1+", r"\1", rest)[:3]
