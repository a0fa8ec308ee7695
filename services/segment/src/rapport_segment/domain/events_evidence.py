"""What a comparison with events rests on: what they come to, and which of them decide."""

from typing import Any

from rapport_segment.domain import values
from rapport_segment.domain.cases import deciding
from rapport_segment.domain.evaluate import judge_of, predicate_of
from rapport_segment.domain.event_subjects import (
    Answer,
    Cased,
    Nth,
    OfEvents,
    Performed,
    Told,
    Total,
    events_of,
)
from rapport_segment.domain.events_judging import amounting, chains_of, counting_of, nth_of
from rapport_segment.domain.happenings import Happening
from rapport_segment.domain.outlook import View

MOST_SHOWN = 10
"""So many of them are named, the newest."""

Evidence = tuple[Any, tuple[Happening, ...]]
"""What is compared, None where it is true or false by itself; and the events, the oldest first."""


def evidence(subject: OfEvents, view: View) -> Evidence:
    """What decides a comparison now."""
    if isinstance(subject, Answer):
        meant: Any = subject.meant.subject
        return evidence(meant, view)
    if isinstance(subject, Cased):
        return None, tuple(deciding(subject, view, judge_of)[-MOST_SHOWN:])
    countings = [counting_of(one, predicate_of) for one in events_of(subject)]
    match subject:
        case Performed():
            return None, tuple(countings[0].now(view)[-1:])
        case Total():
            some = countings[0].now(view)
            return amounting(subject)(some), tuple(some[-MOST_SHOWN:])
        case Nth():
            found = nth_of(countings[0].now(view), subject)
            return (None, ()) if found is None else (values.instant(found.at), (found,))
        case Told():
            found = nth_of(countings[0].now(view), subject)
            return (None, ()) if found is None else (subject.of.read(found.facts), (found,))
        case _:
            chains = chains_of(subject, countings, view)
            paths = [path for first, behind, path in chains if first <= view.now < behind]
            return None, paths[-1] if paths else ()
