"""What somebody searches for: which keys it has, who fits, and in which order they are shown."""

from collections.abc import Iterable, Sequence

import msgspec

from rapport_profile.domain import search_words as words
from rapport_profile.domain.searchable import Entry

MOST_WORDS = 8
WHOLE, BEGINNING, INSIDE, LOOSE = range(4)
"""How well somebody fits: by whole words, by beginnings of words, by parts of what is written,
or but for one letter of a word."""

LEVELS = (WHOLE, BEGINNING, INSIDE, LOOSE)
SHORTEST_NUMBER = 6

Key = tuple[int, int, int, str]
"""Where somebody stands in the list: how well they fit, by what, how long that is, the id."""


class Search(msgspec.Struct, frozen=True):
    """The words that are searched for, in each way in which they may be meant.

    `plain` are the words themselves; the others are all of them as one, as an id with spaces in it
    is, and a number without the zero that it has inside a country.
    """

    plain: tuple[str, ...]
    others: tuple[tuple[str, ...], ...]

    @property
    def ways(self) -> tuple[tuple[str, ...], ...]:
        """All of them: what is found by one of its entries is found by that."""
        return (*self.others, self.plain)

    def keys(self, level: int) -> list[list[list[str]]]:
        """What who fits at a level has in common with this: any of the ways.

        Of a way all parts, of a part any of the keys.
        """
        if level == LOOSE:
            return [[_loose_keys(word) for word in self.plain]]
        return [[[key] for word in way for key in _keys(word, level)] for way in self.ways]


class Hit(msgspec.Struct, frozen=True):
    """Somebody who fits: how, and by which of their entries."""

    level: int
    entries: tuple[Entry, ...]

    def key(self, profile_id: str) -> Key:
        """Where they stand in the list."""
        group = min(one.group for one in self.entries)
        letters = sum(len(one.value) for one in self.entries)
        return (self.level, group, letters, profile_id)


def search_for(text: str) -> Search | None:
    """What a text asks for; None where there is not a letter in it, or more than MOST_WORDS."""
    plain = tuple(words.words_of(text))
    if not 0 < len(plain) <= MOST_WORDS:
        return None
    together = words.joined(plain)
    others = [(together,)] if len(plain) > 1 else []
    bare = together.lstrip("0")
    if together.isdigit() and bare != together and len(bare) >= SHORTEST_NUMBER:
        others.append((bare,))
    return Search(plain, tuple(others))


def hit(search: Search, entries: Sequence[Entry], loosest: int = LOOSE) -> Hit | None:
    """How somebody with these entries fits best, up to a level; None: they don't."""
    for level in LEVELS[: loosest + 1]:
        for way in search.ways if level != LOOSE else (search.plain,):
            found = [_first(word, entries, level) for word in way]
            fitting = [one for one in found if one is not None]
            if len(fitting) == len(found):
                return Hit(level, tuple({one.field: one for one in fitting}.values()))
    return None


def _first(word: str, entries: Iterable[Entry], level: int) -> Entry | None:
    return next((one for one in entries if _fits(word, one, level)), None)


def _fits(word: str, entry: Entry, level: int) -> bool:
    if level == INSIDE:
        if not words.inside(word):
            return any(_begins(word, text) for text in entry.spelt)
        return any(word in text.replace(" ", "") for text in entry.spelt)
    if level == WHOLE:
        return word in entry.short or any(_is_in(word, text) for text in entry.spelt)
    if any(one.startswith(word) for one in entry.short):
        return True
    if any(_begins(word, text) for text in entry.spelt):
        return True
    return level == LOOSE and entry.loose and _is_misspelt(word, entry)


def _is_in(word: str, text: str) -> bool:
    return f" {word} " in f" {text} " or word == text.replace(" ", "")


def _begins(word: str, text: str) -> bool:
    return f" {word}" in f" {text}" or text.replace(" ", "").startswith(word)


def _is_misspelt(word: str, entry: Entry) -> bool:
    if not words.may_be_misspelt(word):
        return False
    return any(
        words.may_be_misspelt(one) and words.differ_by_one(word, one)
        for text in entry.spelt
        for one in text.split()
    )


def _keys(word: str, level: int) -> list[str]:
    if level == WHOLE:
        return [words.whole(word)]
    parts = words.inside(word) if level == INSIDE else []
    return parts or [words.beginning(word)]


def _loose_keys(word: str) -> list[str]:
    wrong = words.misspellings(word) if words.may_be_misspelt(word) else []
    return [words.beginning(word), *wrong]
