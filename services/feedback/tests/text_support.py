"""What the tests of texts have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapport_feedback.domain.texts.enriching import Knowledge
from rapport_feedback.domain.texts.looking import Token, look, tokens
from rapport_feedback.domain.texts.topic_rules import Rule, TopicDocument
from rapport_feedback.understanding.lexicons import cut, lexicons

if TYPE_CHECKING:
    from rapport_feedback.domain.texts.sentiment import Mood

DELIVERY = TopicDocument(
    "Delivery",
    {
        "en": Rule(
            all=(
                Rule(words=("deliver*", "parcel never arrived")),
                Rule(none=(Rule(words=("free delivery",)),)),
            )
        ),
        "zh": Rule(words=("快递",)),
    },
)


def knowledge() -> Knowledge:
    return Knowledge(lexicons(), cut)


def words(text: str) -> list[Token]:
    return tokens(look(text).text, cut)


def mood(text: str, language: str = "en") -> Mood:
    from rapport_feedback.domain.texts.sentiment import mood_of  # noqa: PLC0415 - by name above

    return mood_of(look(text).text, words(text), lexicons()[language])
