"""How alike what two cases say is: for duplicates that are proposed, never decided."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

LEAST = 0.3
"""From so much on two texts are near each other."""

_WORDS = re.compile(r"[^\W_]+")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
MOST_LETTERS = 5000


@dataclass(frozen=True)
class Saying:
    """What a case says, and whose and about what it is; what is empty is not known."""

    text: str
    people: frozenset[tuple[str, str]] = frozenset()
    order_id: str = ""

    @cached_property
    def pieces(self) -> frozenset[str]:
        """Its words, worked out once for all that it is compared with."""
        return pieces(self.text)


@dataclass(frozen=True, slots=True)
class Likeness:
    """Why two cases may be one: `words` from 0 to 1, the same words."""

    words: float
    same_person: bool
    same_order: bool

    @property
    def is_proposed(self) -> bool:
        """The same order, or the same person with near words; who says to be somebody counts as
        them here: nothing is decided by it.
        """
        return self.same_order or (self.same_person and self.words >= LEAST)

    @property
    def score(self) -> float:
        """What proposals are sorted by, from 0 to 1."""
        return round(0.6 * self.words + 0.2 * self.same_person + 0.2 * self.same_order, 3)


def likeness(one: Saying, other: Saying) -> Likeness:
    """The same whichever comes first."""
    ours, theirs = one.pieces, other.pieces
    both = ours | theirs
    return Likeness(
        words=len(ours & theirs) / len(both) if both else 0.0,
        same_person=bool(one.people & other.people),
        same_order=bool(one.order_id) and one.order_id == other.order_id,
    )


def pieces(text: str) -> frozenset[str]:
    """The words of a text without case and accents; of Chinese and the like each two letters."""
    bare = unicodedata.normalize("NFKD", text[:MOST_LETTERS]).casefold()
    plain = unicodedata.normalize("NFC", "".join(c for c in bare if not unicodedata.combining(c)))
    found: set[str] = set()
    for word in _WORDS.findall(plain):
        for dense in _DENSE.findall(word):
            found.update(dense[at : at + 2] for at in range(max(1, len(dense) - 1)))
        found.update(filter(None, _DENSE.split(word)))
    return frozenset(found)
