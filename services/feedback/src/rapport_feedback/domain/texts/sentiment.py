"""How somebody speaks of something: a number from -1 to 1, and the words that carried it.

After VADER (Hutto and Gilbert 2014): words have a weight, which what stands before them turns,
raises or lowers; what follows a "but" counts more than what stands before it. The rules are the
same for English and Chinese, the words are each language's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rapport_feedback.domain.texts.looking import Token

LABELS = ("negative", "neutral", "positive")
NEUTRAL = 0.05
"""A score no farther from nought is neutral."""

_SPREAD = 15.0
"""VADER's: a sum of weights of 4 is a score of about 0.7."""

_BEFORE = 0.5
_AFTER = 1.5
_LOUD = 0.733
_EXCLAIMED = 0.292
_MOST_EXCLAIMED = 4
_FADING = (1.0, 0.95, 0.9)
"""What a word one, two, three before still does."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of a language. `weights` of -4 to 4; `degrees` are added to a weight, in its
    direction; `turned`: what a weight is times after a word that denies.
    """

    weights: Mapping[str, float]
    degrees: Mapping[str, float]
    denying: frozenset[str]
    but: frozenset[str]
    turned: float = -0.74
    reach: int = 3
    phrases: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    """Words that say together what they don't alone."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A word that carried the score, by how much, and where it stands in the looked-at text."""

    word: str
    weight: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mood:
    """A score, its label, and what carried it, the heaviest first."""

    score: float
    label: str
    carried: tuple[Carried, ...]


def mood_of(text: str, words: Sequence[Token], lexicon: Lexicon) -> Mood:
    """What is said, by a lexicon."""
    carried = _by_but(_weighed(text, words, lexicon), words, lexicon)
    total = sum(one.weight for one in carried)
    marks = min(text.count("!") + text.count("！"), _MOST_EXCLAIMED)
    if total:
        total += math.copysign(_EXCLAIMED * marks, total)
    score = round(total / math.sqrt(total * total + _SPREAD), 4)
    carried.sort(key=lambda one: (-abs(one.weight), one.start))
    return Mood(score, label_of(score), tuple(carried))


def label_of(score: float) -> str:
    """The label of a score."""
    if score > NEUTRAL:
        return "positive"
    return "negative" if score < -NEUTRAL else "neutral"


def _weighed(text: str, words: Sequence[Token], lexicon: Lexicon) -> list[Carried]:
    shouts = _shouts(words)
    found, index = [], 0
    while index < len(words):
        size, weight = _entry(words, index, lexicon)
        token, last = words[index], words[index + size - 1]
        if weight and not _is_degree(words, index, lexicon):
            if shouts and token.word.isupper() and len(token.word) > 1:
                weight += math.copysign(_LOUD, weight)
            weight, first = _modified(text, words, index, weight, lexicon)
            word = text[words[first].start : last.end]
            found.append(Carried(word, round(weight, 3), words[first].start, last.end))
        index += size
    return found


def _shouts(words: Sequence[Token]) -> bool:
    """Whether some words, but not all, are in capitals."""
    cased = [one.word.isupper() for one in words if len(one.word) > 1 and one.word.isascii()]
    return any(cased) and not all(cased)


def _entry(words: Sequence[Token], index: int, lexicon: Lexicon) -> tuple[int, float]:
    """How many words an entry of the lexicon has here, and its weight; (1, 0): none."""
    for size in (3, 2):
        given = tuple(one.small for one in words[index : index + size])
        if len(given) == size and given in lexicon.phrases:
            return size, lexicon.phrases[given]
    return 1, lexicon.weights.get(words[index].small, 0.0)


def _is_degree(words: Sequence[Token], index: int, lexicon: Lexicon) -> bool:
    """Whether a word is there for the next one only: "pretty awful"."""
    if words[index].small not in lexicon.degrees or index + 1 == len(words):
        return False
    return words[index + 1].small in lexicon.weights


def _modified(
    text: str, words: Sequence[Token], index: int, weight: float, lexicon: Lexicon
) -> tuple[float, int]:
    """The weight after what stands before the word, and where that begins."""
    first, denied = index, 0
    for back in range(1, lexicon.reach + 1):
        at = index - back
        if at < 0 or _apart(text, words[at], words[at + 1]):
            break
        small = words[at].small
        if small in lexicon.denying:
            denied, first = denied + 1, at
        elif small in lexicon.degrees:
            weight += (
                math.copysign(1, weight)
                * lexicon.degrees[small]
                * _FADING[min(back, len(_FADING)) - 1]
            )
            first = at
    if denied % 2:
        weight *= lexicon.turned
    return weight, first


def _apart(text: str, one: Token, other: Token) -> bool:
    """Whether a sign between two words ends what the first can do to the second."""
    return any(sign in text[one.end : other.start] for sign in ",.;:!?，。；！？、：\n")


def _by_but(carried: Sequence[Carried], words: Sequence[Token], lexicon: Lexicon) -> list[Carried]:
    """What stands before a "but" of the same sentence counts less, what follows it more."""
    buts = [one.start for one in words if one.small in lexicon.but]
    if not buts:
        return list(carried)
    last = buts[-1]
    return [
        Carried(one.word, round(one.weight * factor, 3), one.start, one.end)
        for one in carried
        for factor in [_BEFORE if one.start < last else _AFTER]
    ]


def doubled(given: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """The entries of more than one word, as `phrases` have them."""
    return {tuple(key.split()): value for key, value in given.items() if " " in key}
