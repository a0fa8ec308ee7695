"""Words as they are searched for: one form for what people take for the same, and its keys.

For search only: identifiers are compared in their own normal forms, which keep apart what this
takes for the same.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence

LADDER = (1, 2, 3, 4, 5, 6, 8, 12)
"""The lengths of a word's beginnings that have a key. A longer one is found by the next shorter."""

SHORTEST_INSIDE = 3
"""Letters that are looked for inside of words; of Chinese, Japanese and Korean one is enough."""

SHORTEST_TYPO, LONGEST_TYPO = 4, 16
"""Letters of a word in which one may be wrong."""

# What looks like an accent, and is a letter of its own to Unicode.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"})
_ACCENTS = ((0x300, 0x36F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF))
_BY_CHARACTER = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF))
_BY_CHARACTER_BEYOND = (0x20000, 0x3FFFF)


_plain_words = re.compile(r"[a-z0-9]+").findall


def words_of(text: str) -> Sequence[str]:
    """The words of a text: letters, digits and signs such as emoji.

    Without case (ß is ss), accents, widths and characters that nobody sees.
    """
    if text.isascii():
        return _plain_words(text.lower())
    folded = unicodedata.normalize("NFKC", text).casefold()
    parts = unicodedata.normalize("NFKD", folded).translate(_LETTERS)
    bare = "".join(one for one in parts if one.isalnum() or not _is_unseen(one))
    plain = unicodedata.normalize("NFKC", bare).casefold()
    return "".join(one if _counts(one) else " " for one in plain).split()


def joined(words: Iterable[str]) -> str:
    """The words as one: what is looked for may be written with other spaces and hyphens."""
    return "".join(words)


def _is_unseen(one: str) -> bool:
    return _within(ord(one), _ACCENTS) or unicodedata.category(one) == "Cf"


def _counts(one: str) -> bool:
    return one.isalnum() or unicodedata.category(one) in {"Mn", "Mc", "So"}


def _within(point: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(first <= point <= last for first, last in ranges)


def by_character(one: str) -> bool:
    """Whether it is of a script in which a single character says something."""
    point = ord(one)
    first, last = _BY_CHARACTER_BEYOND
    return point > _BY_CHARACTER[0][0] and (_within(point, _BY_CHARACTER) or first <= point <= last)


def may_be_misspelt(word: str) -> bool:
    """Whether a letter of it may be wrong: not in short words, in numbers, in Chinese."""
    return SHORTEST_TYPO <= len(word) <= LONGEST_TYPO and all(
        one.isalpha() and not by_character(one) for one in word
    )


# --- keys: what a search goes by --------------------------------------------------------------
# A text and what is searched in it have such keys in common; what has them is looked at itself.


def whole(word: str) -> str:
    """The key of all of a word."""
    return f"={word}"


def beginnings(word: str) -> list[str]:
    """The keys of a word's beginnings."""
    return [f"^{word[:length]}" for length in LADDER if length <= len(word)]


def beginning(word: str) -> str:
    """The key that all words have that begin with this one."""
    return f"^{word[: max(one for one in LADDER if one <= len(word))]}"


def inside(word: str) -> list[str]:
    """The keys of what is in a word: three letters each, one and two of Chinese.

    A part of the word has a part of them. A word of one or two letters has none.
    """
    places = range(len(word))
    threes = [word[at : at + SHORTEST_INSIDE] for at in places[: 1 - SHORTEST_INSIDE]]
    if word.isascii():
        return threes
    dense = [by_character(one) for one in word]
    ones = [word[at] for at in places if dense[at]]
    twos = [word[at : at + 2] for at in places[:-1] if dense[at] and dense[at + 1]]
    # Three of Chinese have two twos.
    return ones + twos + [one for one in threes if not all(map(by_character, one))]


def misspellings(word: str) -> list[str]:
    """The keys of a word in which a letter may be wrong: each without one of its letters.

    Two words that differ by one letter (another one, one too many, two in the wrong order) have
    one of these in common.
    """
    return [f"~{word}", *(f"~{word[:at]}{word[at + 1 :]}" for at in range(len(word)))]


def differ_by_one(one: str, other: str) -> bool:
    """Whether two different words are the same but for one letter, or two in the wrong order."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1 or one == other:
        return False
    start = 0
    while start < len(one) and one[start] == other[start]:
        start += 1
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    if one[start + 1 :] == other[start + 1 :]:
        return True
    swapped = one[start : start + 2] == other[start : start + 2][::-1]
    return swapped and one[start + 2 :] == other[start + 2 :]


def numbers(workspace: str, keys: Iterable[str]) -> list[int]:
    """Keys as they are stored: a number of 32 bits each, another one in each workspace.

    Two keys may have one number; so what has the number is looked at, too.
    """
    salt = zlib.crc32(workspace.encode())
    crc = zlib.crc32
    return sorted({crc(one.encode(errors="surrogatepass"), salt) - 2**31 for one in keys})
