"""Conditions on the answers so far, in the shape of segments' rules.

`{"answer": "q1", "op": "lte", "value": 6}`, joined by `and`, `or`, `not`. A comparison with what
was not answered does not hold; `missing` does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from rapport_feedback.domain.questions import (
    Choice,
    Date,
    Matrix,
    Multiple,
    Question,
    Scale,
    Value,
    kind_of,
    options_of,
)

MAX_DEPTH = 8
MAX_NODES = 50
MAX_LIST = 100

Document = Mapping[str, Any]
Known = Mapping[str, Question]
_BRANCHES = ("and", "or", "not")
_PRESENCE = frozenset({"exists", "missing"})
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {"lt": lt, "lte": le, "gt": gt, "gte": ge}
_EQUALITY: Mapping[str, Callable[[Any, Any], bool]] = {"eq": eq, "ne": ne}
_COMPARE = {**_ORDER, **_EQUALITY}


class ConditionError(ValueError):
    """What is wrong with a condition, and where in it."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path or 'the condition'} {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison with one answer; `row` is of a matrix."""

    answer: str
    op: str
    value: Any = None
    row: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """`and`, `or`, or `not` of one."""

    how: str
    parts: tuple["Condition", ...]


Condition = Test | Joined


def read(document: object, known: Known) -> Condition:
    """A condition from decoded JSON; ConditionError says what is wrong and where.

    `known` are the questions that may be asked about by id.
    """
    budget = [MAX_NODES]
    return _node(document, "", 1, known, budget)


def holds(condition: Condition, answers: Mapping[str, Value]) -> bool:
    """Whether the answers so far are such."""
    if isinstance(condition, Test):
        return _is_so(condition, answers.get(condition.answer))
    found = (holds(part, answers) for part in condition.parts)
    if condition.how == "and":
        return all(found)
    return any(found) if condition.how == "or" else not next(found)


def asked_of(condition: Condition) -> frozenset[str]:
    """The questions whose answers it looks at."""
    if isinstance(condition, Test):
        return frozenset({condition.answer})
    return frozenset[str]().union(*(asked_of(part) for part in condition.parts))


def _is_so(test: Test, given: Value) -> bool:
    if test.row is not None:
        given = given.get(test.row) if isinstance(given, Mapping) else None
    if test.op in _PRESENCE:
        return (given is None) is (test.op == "missing")
    if given is None:
        return False
    if test.op == "in":
        return given in test.value
    if test.op == "contains":
        return test.value in given
    return bool(_COMPARE[test.op](given, test.value))


def _node(document: object, path: str, depth: int, known: Known, budget: list[int]) -> Condition:
    if not isinstance(document, Mapping):
        raise ConditionError(path, "must be an object: and, or, not, or answer")
    budget[0] -= 1
    if budget[0] < 0:
        raise ConditionError(path, f"is too long: a condition has at most {MAX_NODES} parts")
    if depth > MAX_DEPTH:
        raise ConditionError(path, f"is too deep: a condition has at most {MAX_DEPTH} levels")
    how = next((one for one in _BRANCHES if one in document), None)
    if how is None:
        return _test(document, path, known)
    _refuse_others(document, path, {how})
    below = _below(path, how)
    if how == "not":
        return Joined(how, (_node(document[how], below, depth + 1, known, budget),))
    listed = document[how]
    if not isinstance(listed, list) or not listed:
        raise ConditionError(below, "must be a list with at least one condition")
    parts = (
        _node(one, f"{below}[{at}]", depth + 1, known, budget) for at, one in enumerate(listed)
    )
    return Joined(how, tuple(parts))


def _test(document: Document, path: str, known: Known) -> Test:
    _refuse_others(document, path, {"answer", "op", "value", "row"})
    question = known.get(str(document.get("answer")))
    if question is None:
        told = ", ".join(known) or "none yet"
        raise ConditionError(_below(path, "answer"), f"names no question asked before ({told})")
    row, ops = _row(document, path, question), _ops(question)
    op = document.get("op")
    if not isinstance(op, str) or op not in ops:
        said = f"must be one of {', '.join(sorted(ops))} for a {kind_of(question)}"
        raise ConditionError(_below(path, "op"), said)
    if (op in _PRESENCE) is ("value" in document):
        said = f"{op} {'takes no' if op in _PRESENCE else 'needs a'} value"
        raise ConditionError(_below(path, "value"), said)
    if op in _PRESENCE:
        return Test(question.id, op, None, row)
    return Test(question.id, op, _operand(document, path, op, question), row)


def _row(document: Document, path: str, question: Question) -> str | None:
    if not isinstance(question, Matrix):
        if "row" in document:
            raise ConditionError(_below(path, "row"), "is for a matrix only")
        return None
    rows = [one.id for one in question.rows]
    if document.get("row") not in rows:
        raise ConditionError(_below(path, "row"), f"must be one of {', '.join(rows)}")
    return str(document["row"])


def _ops(question: Question) -> frozenset[str]:
    if isinstance(question, Scale):
        return _PRESENCE | _EQUALITY.keys() | _ORDER.keys() | {"in"}
    if isinstance(question, Date):
        return _PRESENCE | _EQUALITY.keys() | _ORDER.keys()
    if isinstance(question, Choice | Matrix):
        return _PRESENCE | _EQUALITY.keys() | {"in"}
    return _PRESENCE | {"contains"} if isinstance(question, Multiple) else _PRESENCE


def _operand(document: Document, path: str, op: str, question: Question) -> Any:
    value, place = document["value"], _below(path, "value")
    if op != "in":
        return _scalar(value, place, question)
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_LIST:
        raise ConditionError(place, f"must be a list of 1 to {MAX_LIST} values")
    return tuple(_scalar(one, f"{place}[{at}]", question) for at, one in enumerate(value))


def _scalar(value: object, place: str, question: Question) -> Any:
    """What never could be an answer is refused: such a condition would be always, or never, so."""
    if isinstance(question, Scale):
        if type(value) is not int or not question.lowest <= value <= question.highest:
            said = f"must be a number from {question.lowest} to {question.highest}"
            raise ConditionError(place, said)
        return value
    if isinstance(question, Date):
        try:
            return date.fromisoformat(str(value)).isoformat()
        except ValueError:
            raise ConditionError(place, "must be a day, such as 2026-01-31") from None
    if value not in options_of(question):
        raise ConditionError(place, f"must be one of {', '.join(options_of(question))}")
    return value


def _refuse_others(document: Document, path: str, allowed: set[str]) -> None:
    others = sorted(str(one) for one in document.keys() - allowed)
    if others:
        raise ConditionError(_below(path, others[0]), f"is not known beside {min(allowed)}")


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
