"""What somebody last answered in surveys: `answer nps = "detractor"`, said in events."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rapport_segment.domain import operands
from rapport_segment.domain.event_subjects import Answer, Events, Nth, Told
from rapport_segment.domain.leaves import (
    EQUALITY,
    MAX_LIST,
    ORDER,
    PRESENCE,
    Document,
    refuse_others,
)
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.subjects import Trait
from rapport_segment.domain.tree import Leaf, Operand
from rapport_segment.domain.values import Scalar, number
from rapport_segment.domain.windows import beside_now, window

ANSWERED = "Survey Answered"
"""The event of feedback; each change of an answer is another one."""

KINDS = ("nps",)
SCORE = Trait("score", ("score",))
DETRACTOR, PASSIVE, PROMOTER = "detractor", "passive", "promoter"
CATEGORIES: Mapping[str, tuple[int, ...]] = {
    DETRACTOR: (0, 1, 2, 3, 4, 5, 6),
    PASSIVE: (7, 8),
    PROMOTER: (9, 10),
}
"""Bain's: which scores are called what."""

SCORES = frozenset(score for some in CATEGORIES.values() for score in some)
_OPS = PRESENCE | EQUALITY | ORDER | {"within"}


def answer_leaf(document: Document, path: str, key: str) -> Leaf:
    """A comparison with the last answer: its score, what such a score is called, or its instant."""
    refuse_others(document, path, {key, "survey", "op", "value"})
    kind = operands.text(document[key], _below(path, key))
    if kind not in KINDS:
        raise RuleError(_below(path, key), f"is none of: {', '.join(KINDS)}")
    survey = _survey(document, path)
    op, place = document.get("op"), _below(path, "value")
    if not isinstance(op, str) or op not in _OPS:
        raise RuleError(_below(path, "op"), f"must be one of {', '.join(sorted(_OPS))}")
    if (op in PRESENCE) is ("value" in document):
        raise RuleError(place, f"{op} {'takes no' if op in PRESENCE else 'needs a'} value")
    events = Events(ANSWERED, tuple(_tests(kind, survey)))
    value = _operand(document.get("value"), place, op)
    return Leaf(path, Answer(kind, survey, _meant(events, op, value)), op, value)


def _survey(document: Document, path: str) -> str | None:
    if "survey" not in document:
        return None
    place = _below(path, "survey")
    try:
        return str(UUID(operands.text(document["survey"], place)))
    except ValueError:
        raise RuleError(place, "must be the id of a survey") from None


def _tests(kind: str, survey: str | None) -> list[Leaf]:
    said = {"kind": kind, **({} if survey is None else {"survey_id": survey})}
    return [Leaf("", Trait(name, (name,)), "eq", value) for name, value in said.items()]


def _operand(value: object, path: str, op: str) -> Operand | None:
    if op in PRESENCE:
        return None
    if op == "within":
        return window(value, path)
    if op in ORDER:
        if isinstance(value, Mapping):
            return beside_now(value, path)
        is_instant = isinstance(value, str) and number(value) is None
        return operands.moment(value, path) if is_instant else operands.count(value, path)
    if op != "in":
        return _score(value, path)
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_LIST:
        raise RuleError(path, f"must be a list of 1 to {MAX_LIST} scores, or words for them")
    return tuple(_score(one, f"{path}[{place}]") for place, one in enumerate(value))


def _score(value: object, path: str) -> Scalar:
    told = operands.scalar(value, path)
    if isinstance(told, str) and told in CATEGORIES:
        return told
    found = number(told)
    if found is None or found not in SCORES:
        raise RuleError(path, f"must be a score from 0 to 10, or one of {', '.join(CATEGORIES)}")
    return int(found)


def _meant(events: Events, op: str, value: Any) -> Leaf:
    """The same as a comparison with events."""
    last = Told("last", events, SCORE)
    if op in PRESENCE:
        return Leaf("", last, op, None)
    if op in EQUALITY:
        wanted = {score for one in _listed(value) for score in CATEGORIES.get(one, (one,))}
        among = wanted if op != "ne" else SCORES - wanted
        return Leaf("", last, "in", tuple(sorted(among)))
    if op in ORDER and number(value) is not None:
        return Leaf("", last, op, value)
    return Leaf("", Nth("last", events), op, value)


def _listed(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
