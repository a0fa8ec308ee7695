"""Rules as one line that people read and write; `reading` reads it back to the same rule."""

import json
import re
from decimal import Decimal
from typing import Any, assert_never

from rapport_segment.domain.event_subjects import (
    Answer,
    Between,
    Cased,
    Events,
    EventWindow,
    Nth,
    OfEvents,
    Performed,
    Sequence,
    Told,
    Total,
)
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.leaves import COUNTS, INSTANTS
from rapport_segment.domain.sections import REVENUE
from rapport_segment.domain.subjects import (
    Bucket,
    Compared,
    Computed,
    Consent,
    ContactPoint,
    Defined,
    Identifier,
    InList,
    InSegment,
    Plain,
    Reachable,
    Score,
    Trait,
)
from rapport_segment.domain.tree import IS, And, Leaf, Not, Or, Rule
from rapport_segment.domain.values import instant
from rapport_segment.domain.windows import Anniversary, Calendar

SYMBOLS = {"eq": "=", "ne": "!=", "gte": ">=", "lte": "<=", "gt": ">", "lt": "<"}
PRESENCE = {"exists": "exists", "not_exists": "missing"}
RESERVED = frozenset(
    {"and", "or", "not", "trait", "identifier", "defined", REVENUE, *COUNTS, *INSTANTS}
    | {"contact_point", "consent", "reachable", "bucket", "segment", "list", "score", "answer"}
    | {"any", "all", "none", "size"}
)
"""Words that a trait can't be called by without quotes."""

WORD = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
_WORD = re.compile(WORD)


def line(rule: Rule) -> str:
    """The rule as one line."""
    match rule:
        case Leaf():
            return _leaf(rule)
        case Not():
            return f"not {_part(rule.child)}"
        case And():
            return _joined("and", rule.children)
        case Or():
            return _joined("or", rule.children)
        case _:
            assert_never(rule)


def _joined(word: str, children: tuple[Rule, ...]) -> str:
    if len(children) == 1:
        return f"{word} ({line(children[0])})"
    return f" {word} ".join(map(_part, children))


def _part(rule: Rule) -> str:
    is_joined = isinstance(rule, And | Or) and len(rule.children) > 1
    return f"({line(rule)})" if is_joined else line(rule)


def _leaf(leaf: Leaf) -> str:
    if isinstance(leaf.subject, OfEvents):
        return _compared(leaf, _of_events(leaf.subject))
    if isinstance(leaf.subject, Plain):
        return _plain(leaf.subject)
    return _compared(leaf, _subject(leaf.subject))


def _compared(leaf: Leaf, subject: str) -> str:
    if leaf.op == IS:
        return subject
    if leaf.of != "any":
        subject = f"{leaf.of} of {subject}"
    if leaf.op in PRESENCE:
        return f"{subject} {PRESENCE[leaf.op]}"
    return f"{subject} {SYMBOLS.get(leaf.op, leaf.op)} {_value(leaf)}"


def _of_events(subject: OfEvents) -> str:
    match subject:
        case Performed():
            return f"performed({_events(subject.events)}{_window(subject.events.window)}"
        case Total():
            of = f"{_property(subject.of)} of " if subject.of else ""
            events = _events(subject.events)
            return f"{subject.amount}({of}{events}{_window(subject.events.window)}"
        case Nth():
            of = f"{subject.number} of " if subject.which == "nth" else ""
            return f"{subject.which}({of}{_events(subject.events)}"
        case Told():
            of = f"{subject.number} of " if subject.which == "nth" else ""
            events = f"{_property(subject.of)} of {_events(subject.events)}"
            return f"{subject.which}({of}{events}{_window(subject.events.window)}"
        case Answer():
            survey = f" of {_quoted(subject.survey)}" if subject.survey else ""
            return f"answer {subject.kind}{survey}"
        case Cased():
            return f"case({', '.join([_quoted(subject.state), *map(_condition, subject.where)])})"
        case Sequence():
            return _sequence(subject)
        case _:
            assert_never(subject)


def _events(events: Events) -> str:
    return f"{', '.join([_quoted(events.name), *map(_condition, events.where)])})"


def _condition(leaf: Leaf) -> str:
    subject: Any = leaf.subject
    return _compared(leaf, _property(subject))


def _property(of: Trait) -> str:
    is_plain = _WORD.fullmatch(of.name) and of.name not in RESERVED | {"property"}
    return of.name if is_plain else f"property {_quoted(of.name)}"


def _window(window: EventWindow | None) -> str:
    if isinstance(window, Between):
        sides = (("after", window.after), ("before", window.before))
        return "".join(f" {side} {_quoted(str(instant(one)))}" for side, one in sides if one)
    zone = f" in {_quoted(window.zone)}" if isinstance(window, Calendar) else ""
    return f" within {window}{zone}" if window else ""


def _sequence(subject: Sequence) -> str:
    steps = [_step(subject.first)]
    for one in subject.then:
        within = f" within {one.within}" if one.within else ""
        steps.append(f"{'not ' if one.absent else ''}{_step(one.events)}{within}")
    same = f" same {', '.join(map(_property, subject.same))}" if subject.same else ""
    return f"sequence({' then '.join(steps)}{same}){_window(subject.first.window)}"


def _step(events: Events) -> str:
    where = f"({', '.join(map(_condition, events.where))})" if events.where else ""
    return f"{_quoted(events.name)}{where}"


def _subject(subject: Compared) -> str:
    match subject:
        case Trait():
            is_plain = _WORD.fullmatch(subject.name) and subject.name not in RESERVED
            return subject.name if is_plain else f"trait {_quoted(subject.name)}"
        case Computed():
            return " ".join(filter(None, [subject.name, subject.currency]))
        case Defined():
            return " ".join(["defined", subject.name, *filter(None, [subject.currency])])
        case Identifier():
            return f"identifier {_quoted(subject.kind)}"
        case Score():
            return f"score {subject.name}"
        case ContactPoint():
            return f"contact_point {subject.channel}{' verified' if subject.verified else ''}"
        case Consent():
            return f"consent {subject.channel} for {subject.purpose}"
        case _:
            assert_never(subject)


def _plain(subject: Plain) -> str:
    match subject:
        case Reachable():
            return f"reachable by {subject.channel} for {subject.purpose}"
        case InSegment() | InList():
            word = "segment" if isinstance(subject, InSegment) else "list"
            return f"{word} {_quoted(subject.id)}"
        case InGroup():
            return f"group({', '.join([_quoted(subject.kind), *map(_condition, subject.where)])})"
        case Bucket():
            first, behind = (_number(Decimal(one) / 100) for one in (subject.first, subject.behind))
            return f"bucket {_quoted(subject.salt)} from {first} to {behind}"
        case _:
            assert_never(subject)


def _value(leaf: Leaf) -> str:
    value = leaf.value
    if isinstance(value, tuple):
        return f"({', '.join(map(_scalar, value))})"
    if isinstance(value, Calendar | Anniversary):
        return f"{value} in {_quoted(value.zone)}"
    return str(value) if leaf.is_timed else _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quoted(value) if isinstance(value, str) else _number(value)


def _number(value: int | Decimal) -> str:
    return format(Decimal(value), "f")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
