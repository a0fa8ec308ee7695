"""Liquid out of the way of what reads HTML, XML or CSS, and back into its place.

Each `{{ … }}` and `{% … %}` becomes a word of letters and digits, which is at home in a text, an
attribute, a name and a style.
"""

import re
from dataclasses import dataclass

_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_STEM = "lqd"


@dataclass(frozen=True, slots=True)
class Hidden:
    """A text without Liquid: `pieces` are what stands behind its words, by their numbers."""

    text: str
    stem: str
    pieces: tuple[str, ...]

    @property
    def word(self) -> re.Pattern[str]:
        """What stands for a piece; its number is the first group."""
        return re.compile(rf"{self.stem}(\d+)x")

    def restored(self, text: str) -> str:
        """A text that was made of this one, with its Liquid back."""
        return self.word.sub(lambda found: self.pieces[int(found[1])], text)

    def line(self, place: int) -> int:
        """The line of a character of the hidden text, as the author counts them."""
        return self.restored(self.text[:place]).count("\n") + 1

    def lost(self, text: str) -> int | None:
        """The first piece that is not in a text any more."""
        there = {int(number) for number in self.word.findall(text)}
        return next((one for one in range(len(self.pieces)) if one not in there), None)

    def place(self, number: int) -> int:
        """Where a piece's word stands."""
        return self.text.index(f"{self.stem}{number}x")


def hidden(source: str) -> Hidden:
    """A template without its Liquid."""
    stem = _STEM
    while re.search(rf"{stem}\d", source):
        stem += "q"
    pieces: list[str] = []

    def word(found: re.Match[str]) -> str:
        pieces.append(found[0])
        return f"{stem}{len(pieces) - 1}x"

    return Hidden(_LIQUID.sub(word, source), stem, tuple(pieces))
