"""What is said between the process that reads texts and who asks it: a line of JSON each."""

import msgspec

from rapport_feedback.domain.texts.enriching import Enrichment
from rapport_feedback.domain.texts.topic_models import Comparison, Model
from rapport_feedback.domain.texts.topic_rules import TopicDocument


class Batch(msgspec.Struct, frozen=True, tag="read"):
    """Texts of one workspace, by what it has taught; a line answers each."""

    texts: list[str]
    topics: dict[str, TopicDocument] = {}
    models: dict[str, Model] = {}


class Labelled(msgspec.Struct, frozen=True):
    """A text, and the topics that people say it is of."""

    text: str
    topics: list[str]


class Lesson(msgspec.Struct, frozen=True, tag="learn"):
    """Texts of one language to learn topics from; one line answers all."""

    language: str
    texts: list[Labelled]
    topics: dict[str, TopicDocument]


class Read(msgspec.Struct, frozen=True, tag="read"):
    """What was read of a text."""

    enrichment: Enrichment


class Learned(msgspec.Struct, frozen=True, tag="learned"):
    """What was learned, beside the rules; None: there are too few examples of any topic."""

    model: Model | None = None
    comparison: Comparison | None = None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A text that can't be read, and the kind of mistake: never a word of the text."""

    reason: str


ASKED = msgspec.json.Decoder(Batch | Lesson)
ANSWERED = msgspec.json.Decoder(Read | Learned | Failed)
