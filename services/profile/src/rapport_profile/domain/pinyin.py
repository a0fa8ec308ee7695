"""Chinese names as they are typed in Latin letters: `zhangsan`, and by their initials `zs`."""

import unicodedata
from collections.abc import Mapping
from functools import cache

MOST_READINGS = 3
"""Of the first character, the surname: 曾 is Zeng, and ceng in other words."""

LONGEST = 8
"""Characters of a name; what is longer is a sentence."""

Words = tuple[str, ...]


def pinyin_of(text: str) -> list[Words]:
    """The ways to spell a Chinese name, a word for a syllable; none of what is no such name."""
    name = "".join(text.split()).replace("·", "")
    if not 0 < len(name) <= LONGEST:
        return []
    known = [readings(one) for one in name]
    if not all(known):
        return []
    first, rest = known[0][:MOST_READINGS], [one[0] for one in known[1:]]
    spelt = [(one, *rest) for one in first]
    # ü is typed as v, or as u.
    typed = [tuple(one.replace("v", "u") for one in words) for words in spelt]
    return list(dict.fromkeys([*spelt, *typed]))


def initials(words: Words) -> str:
    """The first letters of a name's syllables; of one syllable alone they say nothing."""
    return "".join(one[0] for one in words) if len(words) > 1 else ""


def readings(character: str) -> list[str]:
    """How a character is read, the usual way first, without tones; nothing of other scripts."""
    told = _dictionary().get(ord(character), "")
    return list(dict.fromkeys(_without_tone(one) for one in told.split(",") if one))


def _without_tone(syllable: str) -> str:
    parts = unicodedata.normalize("NFD", syllable.replace("ü", "v"))
    for tone in "ǖǘǚǜ":
        parts = parts.replace(unicodedata.normalize("NFD", tone), "v")
    return "".join(one for one in parts if one.isascii())


@cache
def _dictionary() -> Mapping[int, str]:
    """Read when the first Chinese name comes: it is 12 MB of memory."""
    from pypinyin.pinyin_dict import pinyin_dict  # noqa: PLC0415 - see above

    found: Mapping[int, str] = pinyin_dict
    return found
