"""Rules as one line that people read and write; `reading` reads it back to the same rule."""

import json
import re
from decimal import Decimal
from typing import Any, assert_never

from rapport_segment.domain.leaves import COUNTS, INSTANTS
from rapport_segment.domain.sections import REVENUE
from rapport_segment.domain.subjects import (
    Bucket,
    Computed,
    Consent,
    ContactPoint,
    Defined,
    Identifier,
    InList,
    InSegment,
    Reachable,
    Subject,
    Trait,
)
from rapport_segment.domain.tree import IS, And, Leaf, Not, Or, Rule
from rapport_segment.domain.windows import Anniversary, Calendar

SYMBOLS = {"eq": "=", "ne": "!=", "gte": ">=", "lte": "<=", "gt": ">", "lt": "<"}
PRESENCE = {"exists": "exists", "not_exists": "missing"}
RESERVED = frozenset(
    {"and", "or", "not", "trait", "identifier", "defined", REVENUE, *COUNTS, *INSTANTS}
    | {"contact_point", "consent", "reachable", "bucket", "segment", "list"}
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
    subject = _subject(leaf.subject)
    if leaf.op == IS:
        return subject
    if leaf.of != "any":
        subject = f"{leaf.of} of {subject}"
    if leaf.op in PRESENCE:
        return f"{subject} {PRESENCE[leaf.op]}"
    return f"{subject} {SYMBOLS.get(leaf.op, leaf.op)} {_value(leaf)}"


def _subject(subject: Subject) -> str:
    match subject:
        case Trait():
            is_plain = _WORD.fullmatch(subject.name) and subject.name not in RESERVED
            return subject.name if is_plain else f"trait {_quoted(subject.name)}"
        case Computed():
            return f"{subject.name} {subject.currency}" if subject.currency else subject.name
        case Defined():
            return " ".join(["defined", subject.name, *filter(None, [subject.currency])])
        case Identifier():
            return f"identifier {_quoted(subject.kind)}"
        case ContactPoint():
            return f"contact_point {subject.channel}{' verified' if subject.verified else ''}"
        case Consent():
            return f"consent {subject.channel} for {subject.purpose}"
        case Reachable():
            return f"reachable by {subject.channel} for {subject.purpose}"
        case InSegment() | InList():
            word = "segment" if isinstance(subject, InSegment) else "list"
            return f"{word} {_quoted(subject.id)}"
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
