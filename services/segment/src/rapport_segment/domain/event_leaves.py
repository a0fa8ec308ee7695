"""Reads the comparisons of a rule that ask of events."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from rapport_common.paths import names_of
from rapport_segment.domain import operands
from rapport_segment.domain.answers import answer_leaf
from rapport_segment.domain.event_subjects import (
    AMOUNTS,
    CASE_STATES,
    PLACES,
    SINCE,
    Between,
    Cased,
    Events,
    EventWindow,
    Nth,
    OfEvents,
    Performed,
    Sequence,
    Then,
    Told,
    Total,
)
from rapport_segment.domain.happenings import MAX_NAME, MOST
from rapport_segment.domain.leaves import MATCHES, ORDER, Document, leaf, refuse_others
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.subjects import Trait
from rapport_segment.domain.tree import IS, Leaf
from rapport_segment.domain.values import normal_text
from rapport_segment.domain.windows import Anniversary, Duration, beside_now, duration, window

FEWEST_STEPS, MOST_STEPS = 2, 5
"""Events of a sequence."""

MOST_CONDITIONS = 20
MOST_SAME = 5
NUMERIC = ORDER | {"eq", "ne"}

CALLED = ("performed", "count", *AMOUNTS, *PLACES, "sequence")
"""Behind these stands a bracket in a line."""

CASE = "case"
EVENT_KEYS = (*CALLED, "answer", CASE)
"""By these a comparison with events is known."""


def asks_of_events(document: Document) -> bool:
    """Whether a comparison is one with events."""
    return any(key in document for key in EVENT_KEYS)


def event_leaf(document: Document, path: str) -> Leaf:
    """A comparison with events; RuleError says what is wrong and where."""
    named = [key for key in EVENT_KEYS if key in document]
    if len(named) != 1:
        raise RuleError(path, f"has {' and '.join(named)}; a comparison asks one thing")
    return _READ[named[0]](document, path, named[0])


def _performed(document: Document, path: str, key: str) -> Leaf:
    refuse_others(document, path, {key, "where", "within"})
    return Leaf(path, Performed(_events(document, path, key)), IS, None)


def _total(document: Document, path: str, key: str) -> Leaf:
    beside = set() if key == "count" else {"property"}
    refuse_others(document, path, {key, "where", "within", "op", "value", *beside})
    of = None if key == "count" else _property(document.get("property"), _below(path, "property"))
    subject = Total(key, _events(document, path, key), of)  # type: ignore[arg-type] # one of them
    op = _op(document, path, NUMERIC, subject)
    place = _below(path, "value")
    wanted = operands.count(document["value"], place)
    if key in {"count", "distinct"} and wanted > MOST:
        raise RuleError(place, f"must be {MOST} at most: so many events of a name are counted")
    return Leaf(path, subject, op, wanted)


def _place(document: Document, path: str, key: str) -> Leaf:
    beside = {"n"} if key == "nth" else set()
    number = 1
    if key == "nth":
        number, place = document.get("n", 0), _below(path, "n")
        if type(number) is not int or not 1 <= number <= MOST:
            raise RuleError(place, f"must be a whole number from 1 to {MOST}")
    if "property" in document:
        beside |= {"property", "within"}
    refuse_others(document, path, {key, "where", "op", "value", *beside})
    if "property" in document:
        asked = {name: document[name] for name in ("property", "op", "value") if name in document}
        test: Any = _condition(asked, path)
        events = _events(document, path, key)
        told = Told(key, events, test.subject, number)  # type: ignore[arg-type] # one of them
        return Leaf(path, told, test.op, test.value)
    return _nth(document, path, key, number)


def _nth(document: Document, path: str, key: str, number: int) -> Leaf:
    subject = Nth(key, _events(document, path, key), number)  # type: ignore[arg-type] # one of them
    op = _op(document, path, ORDER | {"within"}, subject)
    place, told = _below(path, "value"), document["value"]
    if op == "within":
        return Leaf(path, subject, op, window(told, place))
    if isinstance(told, Mapping):
        return Leaf(path, subject, op, beside_now(told, place))
    return Leaf(path, subject, op, operands.moment(told, place))


def _case(document: Document, path: str, key: str) -> Leaf:
    refuse_others(document, path, {key, "where"})
    state = document[key]
    if state not in CASE_STATES:
        raise RuleError(_below(path, key), f"must be one of {', '.join(CASE_STATES)}")
    where = where_of(document, path, may_move=True)
    for number, one in enumerate(where):
        of_since = one.subject == Trait(SINCE, (SINCE,)) and one.op == MATCHES
        if of_since or isinstance(one.value, Anniversary):
            place = _below(path, f"where[{number}].op")
            raise RuleError(place, f"can't be {one.op} here: use within, or < now - 7d")
    return Leaf(path, Cased(state, where), IS, None)


def _op(document: Document, path: str, allowed: frozenset[str], subject: OfEvents) -> str:
    op = document.get("op")
    if not isinstance(op, str) or op not in allowed:
        listed = ", ".join(sorted(allowed))
        raise RuleError(_below(path, "op"), f"must be one of {listed} for {subject.label}")
    if "value" not in document:
        raise RuleError(_below(path, "value"), f"{op} needs a value")
    return op


def _sequence(document: Document, path: str, key: str) -> Leaf:
    refuse_others(document, path, {key, "same", "within"})
    place, listed = _below(path, key), document[key]
    if not isinstance(listed, list) or not FEWEST_STEPS <= len(listed) <= MOST_STEPS:
        raise RuleError(place, f"must be a list of {FEWEST_STEPS} to {MOST_STEPS} steps")
    steps = [_step(one, f"{place}[{number}]", number) for number, one in enumerate(listed)]
    for number, one in enumerate(steps[:-1]):
        if one.absent:
            raise RuleError(f"{place}[{number}]", "not_performed is for the last step only")
    first = replace(steps[0].events, window=_window(document, path))
    same = _same(document.get("same", []), _below(path, "same"))
    return Leaf(path, Sequence(first, tuple(steps[1:]), same), IS, None)


def _step(document: object, path: str, number: int) -> Then:
    if not isinstance(document, Mapping):
        raise RuleError(path, "must be an object with performed or not_performed")
    key = "not_performed" if "not_performed" in document else "performed"
    if key not in document or (number == 0 and key != "performed"):
        raise RuleError(path, "needs performed, and not the first step not_performed")
    refuse_others(document, path, {key, "where"} if number == 0 else {key, "where", "within"})
    absent = key == "not_performed"
    within: Duration | None = None
    if "within" in document:
        place = _below(path, "within")
        within = duration(document["within"], place)
        if within.months:
            raise RuleError(place, "must be in min, h, d or w: months are of different lengths")
    if absent and within is None:
        raise RuleError(path, "not_performed needs within: how long nothing follows")
    events = Events(_name(document, path, key), where_of(document, path))
    return Then(events, within, absent)


def _same(listed: object, path: str) -> tuple[Trait, ...]:
    listed = [listed] if isinstance(listed, str) else listed
    if not isinstance(listed, list) or len(listed) > MOST_SAME:
        raise RuleError(path, f"must be a property, or a list of {MOST_SAME} at most")
    return tuple(_property(one, f"{path}[{number}]") for number, one in enumerate(listed))


def _events(document: Document, path: str, key: str) -> Events:
    return Events(_name(document, path, key), where_of(document, path), _window(document, path))


def _name(document: Document, path: str, key: str) -> str:
    place = _below(path, key)
    name = operands.text(document[key], place)
    if not 0 < len(name) <= MAX_NAME:
        raise RuleError(place, f"must be the name of an event, of {MAX_NAME} characters at most")
    return name


def _property(value: object, path: str) -> Trait:
    name = operands.text(value, path)
    if not name:
        raise RuleError(path, "must be the name of a property, or its path")
    return Trait(name, tuple(map(normal_text, names_of(name))))


def where_of(document: Document, path: str, *, may_move: bool = False) -> tuple[Leaf, ...]:
    """Comparisons with properties, all of which hold; with time they change if they `may_move`."""
    place, listed = _below(path, "where"), document.get("where", [])
    if not isinstance(listed, list) or len(listed) > MOST_CONDITIONS:
        raise RuleError(place, f"must be a list of {MOST_CONDITIONS} conditions at most")
    return tuple(
        _condition(one, f"{place}[{number}]", may_move=may_move)
        for number, one in enumerate(listed)
    )


def _condition(document: object, path: str, *, may_move: bool = False) -> Leaf:
    """A comparison with a property: as one with a trait of a person, but for what moves."""
    if not isinstance(document, Mapping) or "property" not in document:
        raise RuleError(path, "must be an object with property, op and mostly value")
    refuse_others(document, path, {"property", "of", "op", "value"})
    beside = {key: value for key, value in document.items() if key != "property"}
    try:
        found = leaf({"trait": document["property"], **beside}, path)
    except RuleError as error:
        where = error.details["path"]
        message = error.message.removeprefix(f"{where}: ").replace("a trait", "a property")
        if where.split(".")[-1] == "trait":
            where = _below(path, "property")
        raise RuleError(where, message) from error
    if found.is_timed and not may_move:
        message = "can't move with time: the window of the events does"
        raise RuleError(_below(path, "value"), message)
    return replace(found, path="")


def _window(document: Document, path: str) -> EventWindow | None:
    if "within" not in document:
        return None
    told, place = document["within"], _below(path, "within")
    if isinstance(told, Mapping) and {"after", "before"} & set(told):
        refuse_others(told, place, {"after", "before"})
        after, before = (_moment(told, place, side) for side in ("after", "before"))
        if after is not None and before is not None and after >= before:
            raise RuleError(f"{place}.before", "must be later than after")
        return Between(after, before)
    found = window(told, place)
    if getattr(found, "side", "last") != "last":
        raise RuleError(f"{place}.next", "events lie in the past: use last")
    return found


def _moment(told: Mapping[str, Any], path: str, side: str) -> datetime | None:
    if side not in told:
        return None
    return datetime.fromisoformat(operands.moment(told[side], f"{path}.{side}"))


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


_READ: dict[str, Callable[[Document, str, str], Leaf]] = {
    "performed": _performed,
    "sequence": _sequence,
    **dict.fromkeys(("count", *AMOUNTS), _total),
    **dict.fromkeys(PLACES, _place),
    "answer": answer_leaf,
    CASE: _case,
}
