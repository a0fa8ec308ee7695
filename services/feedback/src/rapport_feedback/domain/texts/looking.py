"""The form in which texts are looked at: the text itself stays as it was written.

Unicode's NFKC makes one form of full-width letters, ligatures and composed accents. Every
character of it knows which one of the text it is from, so what is found can be shown in the text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

MOST = 8000
"""Characters of a text that are read: nobody says more in an answer, and reading stays quick."""

Cut = Callable[[str], list[str]]
"""Cuts a run of Chinese into its words, which together are the run."""

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_EMOJI = "\u2600-\u27bf\U0001f300-\U0001faff"
_WORDS = re.compile(
    rf"(?P<han>[{HAN}]+)|(?P<emoji>[{_EMOJI}])|(?P<word>[^\W_{HAN}]+(?:['\u2019][^\W_{HAN}]+)*)"
)
_ENDS = re.compile(r"[.!?。！？…;；\n]+")


class Place(NamedTuple):
    """From where to where in the text as it was written, in characters; the end is not in it."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Looked:
    """A text in the form in which it is looked at; `origins` has a place more than characters.

    `cut_off`: it was longer, and only its beginning is here.
    """

    text: str
    origins: tuple[int, ...]
    cut_off: bool

    def place(self, start: int, end: int) -> Place:
        """Where that part stands in the text as it was written."""
        last = self.origins[end - 1]
        # To the next character with an origin of its own: marks belong to what they are on.
        until = next(one for one in self.origins[end:] if one > last)
        return Place(self.origins[start], until)


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it stands, in small letters, and where in the looked-at text."""

    word: str
    small: str
    start: int
    end: int


def look(text: str) -> Looked:
    """The beginning of a text, in one form."""
    parts: list[str] = []
    origins: list[int] = []
    for start, cluster in _clusters(text[:MOST]):
        shown = unicodedata.normalize("NFKC", cluster)
        parts.append(shown)
        origins += [start] * len(shown)
    return Looked("".join(parts), (*origins, min(len(text), MOST)), len(text) > MOST)


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """Each character with the marks that follow it."""
    start = 0
    for index, one in enumerate(text):
        if index > start and not unicodedata.combining(one):
            yield start, text[start:index]
            start = index
    if text:
        yield start, text[start:]


def tokens(text: str, cut: Cut) -> list[Token]:
    """The words and emoji of a text in their order."""
    found: list[Token] = []
    for match in _WORDS.finditer(text):
        if match.lastgroup == "han":
            at = match.start()
            for word in cut(match.group()):
                found.append(Token(word, word, at, at + len(word)))
                at += len(word)
        else:
            word = match.group().replace("\u2019", "'")
            found.append(Token(word, word.casefold(), match.start(), match.end()))
    return found


def sentences(text: str) -> list[Place]:
    """Where the sentences stand, without what ends them."""
    found, start = [], 0
    for match in _ENDS.finditer(text):
        found.append(Place(start, match.start()))
        start = match.end()
    found.append(Place(start, len(text)))
    return [one for one in found if text[one.start : one.end].strip()]
