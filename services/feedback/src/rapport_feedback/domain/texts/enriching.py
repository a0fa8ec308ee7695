"""All that is read of one text, and what says by which version of the reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from rapport_feedback.domain.texts import languages, resemblance
from rapport_feedback.domain.texts.looking import Cut, Looked, Token, look, sentences, tokens
from rapport_feedback.domain.texts.phrases import key_phrases
from rapport_feedback.domain.texts.redaction import Redacted, redacted
from rapport_feedback.domain.texts.sentiment import Lexicon, Mood, mood_of
from rapport_feedback.domain.texts.topic_models import Example, Model, features_of, predicted
from rapport_feedback.domain.texts.topic_rules import Reading, TopicDocument, hits

VERSION = "1"
"""Of the reading: a text that was read by another one is read anew when somebody asks for it."""

MOST_WORDS = 20
"""Reasons that are kept of each thing."""

RULES, MODEL, PEOPLE = "rules", "model", "people"


class Word(msgspec.Struct, frozen=True):
    """A word that carried the sentiment, by how much, and its place in the text as written."""

    word: str
    weight: float
    place: tuple[int, int]


class Topic(msgspec.Struct, frozen=True):
    """A topic of the text: by `rules`, `model` or `people`, how sure (0 to 1), and why."""

    topic: str
    by: str
    sure: float
    because: tuple[str, ...] = ()
    places: tuple[tuple[int, int], ...] = ()


class Named(msgspec.Struct, frozen=True):
    """What names somebody, and where it stands."""

    kind: str
    place: tuple[int, int]


class Enrichment(msgspec.Struct, frozen=True):
    """What was read of a text. `sentiment` is None where no lexicon is of its language."""

    language: str
    sure: float
    sentiment: float | None
    label: str | None
    words: tuple[Word, ...]
    topics: tuple[Topic, ...]
    phrases: tuple[str, ...]
    redacted: str
    personal: tuple[Named, ...]
    signature: tuple[int, ...]
    bands: tuple[int, ...]
    sentences: int
    cut_off: bool


@dataclass(frozen=True)
class Knowledge:
    """By what texts are read: lexicons by language, and what cuts Chinese."""

    lexicons: Mapping[str, Lexicon]
    cut: Cut


@dataclass(frozen=True, slots=True)
class Taught:
    """What a workspace has taught: its topics by name, and the models that hold, by language."""

    topics: Mapping[str, TopicDocument]
    models: Mapping[str, Model]


def enriched(text: str, knowledge: Knowledge, taught: Taught) -> Enrichment:
    """Read a text."""
    looked = look(text)
    spoken = languages.language_of(looked.text)
    words = tokens(looked.text, knowledge.cut)
    lexicon = knowledge.lexicons.get(spoken.language)
    mood = mood_of(looked.text, words, lexicon) if lexicon is not None else None
    hidden = redacted(text, looked)
    plain = nameless(looked, words, hidden)
    signed = resemblance.signature(words)
    return Enrichment(
        language=spoken.language,
        sure=spoken.sure,
        sentiment=mood.score if mood else None,
        label=mood.label if mood else None,
        words=_carried(looked, mood),
        topics=tuple(topics_of(looked, words, plain, spoken.language, taught)),
        phrases=tuple(key_phrases(looked.text, plain, spoken.language)),
        redacted=hidden.text,
        personal=tuple(Named(one.kind, one.place) for one in hidden.personal),
        signature=signed,
        bands=tuple(resemblance.bands(signed)),
        sentences=len(sentences(looked.text)),
        cut_off=looked.cut_off,
    )


def _carried(looked: Looked, mood: Mood | None) -> tuple[Word, ...]:
    if mood is None:
        return ()
    kept = mood.carried[:MOST_WORDS]
    return tuple(Word(one.word, one.weight, looked.place(one.start, one.end)) for one in kept)


def nameless(looked: Looked, words: Sequence[Token], hidden: Redacted) -> list[Token]:
    """The words without those that name somebody: what is kept of many texts has none of these."""
    places = [one.place for one in hidden.personal]
    return [
        one
        for one in words
        if not any(sign.isdigit() for sign in one.small)
        and not any(
            looked.origins[one.start] < place.end and looked.origins[one.end - 1] >= place.start
            for place in places
        )
    ]


def topics_of(
    looked: Looked,
    words: Sequence[Token],
    plain: Sequence[Token],
    language: str,
    taught: Taught,
) -> list[Topic]:
    """By the model of the language, where one holds, for what it has learned; else by the rules."""
    model = taught.models.get(language)
    by_model = set(model.topics) if model is not None else set()
    reading = Reading.of(looked.text, words)
    found = []
    for name, topic in sorted(taught.topics.items()):
        if name in by_model or (held := hits(topic, language, reading)) is None:
            continue
        places = tuple(looked.place(one.start, one.end) for one in held[:MOST_WORDS])
        because = tuple(dict.fromkeys(one.words for one in held[:MOST_WORDS]))
        found.append(Topic(name, RULES, 1.0, because, places))
    if model is not None:
        found += [
            Topic(one.topic, MODEL, one.sure, one.because)
            for one in predicted(model, features_of(plain))
            if one.topic in taught.topics
        ]
    return found


def as_example(text: str, knowledge: Knowledge, topics: frozenset[str]) -> Example:
    """What models learn a text by, and of which topics it is."""
    looked = look(text)
    words = tokens(looked.text, knowledge.cut)
    return Example(features_of(nameless(looked, words, redacted(text, looked))), topics)


def by_rules(text: str, knowledge: Knowledge, language: str, taught: Taught) -> frozenset[str]:
    """The topics that rules find in a text."""
    looked = look(text)
    words = tokens(looked.text, knowledge.cut)
    found = topics_of(looked, words, (), language, Taught(taught.topics, {}))
    return frozenset(one.topic for one in found)
