"""What is known of languages, from the packages that ship it: read when it is first needed."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources

from rapport_feedback.domain.texts import chinese_words, english_words, signs
from rapport_feedback.domain.texts.sentiment import Lexicon, doubled


@cache
def cutter() -> Callable[[str], list[str]]:
    """What cuts Chinese into words: its dictionary takes a quarter of a second and 30 MB."""
    import rjieba  # noqa: PLC0415 - in this process only, and only for Chinese

    return rjieba.cut


def cut(run: str) -> list[str]:
    """The words of a run of Chinese."""
    return cutter()(run)


@cache
def lexicons() -> Mapping[str, Lexicon]:
    """By language."""
    chinese = Lexicon(
        weights={**signs.WEIGHTS, **chinese_words.WEIGHTS},
        degrees=chinese_words.DEGREES,
        denying=chinese_words.DENYING,
        but=chinese_words.BUT,
        reach=5,
    )
    english = Lexicon(
        weights={**_vader(), **signs.WEIGHTS, **english_words.OF_SHOPS},
        degrees=english_words.DEGREES,
        denying=english_words.DENYING,
        but=english_words.BUT,
        phrases=doubled(english_words.TOGETHER),
    )
    return {"en": english, "zh": chinese}


def _vader() -> dict[str, float]:
    """VADER's words and their mean weights: its lines are word, mean, deviation, ratings."""
    shipped = resources.files("vaderSentiment").joinpath("vader_lexicon.txt")
    lines = shipped.read_text(encoding="utf-8").splitlines()
    parts = (line.split("\t") for line in lines if line.strip())
    return {word: float(mean) for word, mean, *_ in parts if word[:1].isalpha()}
