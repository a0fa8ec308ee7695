"""The process that reads texts: a text can cost itself, and nobody else anything.

It has the dictionaries, so that the service's own processes need not hold them.
"""

import signal
import sys
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from rapport_feedback.domain.texts import topic_models
from rapport_feedback.domain.texts.enriching import (
    Knowledge,
    Taught,
    as_example,
    by_rules,
    enriched,
)
from rapport_feedback.understanding.lexicons import cut, lexicons
from rapport_feedback.understanding.wire import ASKED, Batch, Failed, Learned, Lesson, Read


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Answer line by line until the other side closes."""
    # Who asks decides about our end: by closing the pipe, or by ending us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    knowledge = Knowledge(lexicons(), cut)
    for line in incoming:
        for answer in answers(ASKED.decode(line), knowledge):
            outgoing.write(msgspec.json.encode(answer) + b"\n")
            outgoing.flush()


def answers(asked: Batch | Lesson, knowledge: Knowledge) -> Iterator[Read | Learned | Failed]:
    """A line for each text, or one for a lesson."""
    if isinstance(asked, Lesson):
        yield _learned(asked, knowledge)
        return
    taught = Taught(asked.topics, asked.models)
    for text in asked.texts:
        try:
            yield Read(enriched(text, knowledge, taught))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this text's
            yield Failed(type(error).__name__)


def _learned(lesson: Lesson, knowledge: Knowledge) -> Learned:
    examples = [
        as_example(one.text, knowledge, frozenset(one.topics) & lesson.topics.keys())
        for one in lesson.texts
    ]
    model = topic_models.learned(examples)
    if not model.topics:
        return Learned()
    # Of what it has not learned the rules go on to speak, so that is nothing to compare.
    learned = frozenset(model.topics)
    taught = Taught({name: lesson.topics[name] for name in learned}, {})
    comparison = topic_models.compared(
        [one.topics & learned for one in examples],
        [one & learned for one in topic_models.cross_predicted(examples)],
        [by_rules(one.text, knowledge, lesson.language, taught) for one in lesson.texts],
    )
    return Learned(model, comparison)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
