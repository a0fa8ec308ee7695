"""Rules in SQL: the same verdict as `domain.evaluate` gives, over the columns of `person`."""

from collections.abc import Collection, Sequence
from typing import Any, assert_never

import msgspec

from rapport_common.events.contact import MAX_STATED_PHONE, SEPARATING
from rapport_segment.domain import values
from rapport_segment.domain.rules import (
    EQUALITY,
    And,
    Computed,
    Defined,
    Identifier,
    Leaf,
    Not,
    Or,
    Rule,
    Subject,
    Trait,
)
from rapport_segment.domain.sections import DEFINED, FORBIDDING
from rapport_segment.domain.values import Scalar

_ORDER = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
JUDGED = (
    "NOT COALESCE(p.restraints ?| "
    f"ARRAY[{', '.join(repr(one) for one in sorted(FORBIDDING))}], false)"
)
"""Whether row `p` may be judged at all, as `Facts.judged` has it."""
_json = msgspec.json.Encoder(decimal_format="number")


class Condition:
    """A boolean expression, never NULL, over a row `p` of `segment.person`, and its parameters."""

    def __init__(self, rule: Rule) -> None:
        self.parameters: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self.sql = self._of(rule)

    def _of(self, rule: Rule) -> str:
        match rule:
            case Leaf():
                return self._leaf(rule)
            case Not():
                return f"(NOT {self._of(rule.child)})"
            case And():
                return self._joined(" AND ", rule.children)
            case Or():
                return self._joined(" OR ", rule.children)
            case _:
                assert_never(rule)

    def _joined(self, word: str, rules: Sequence[Rule]) -> str:
        return f"({word.join(self._of(one) for one in rules)})"

    def _leaf(self, leaf: Leaf) -> str:
        x = self._read(leaf.subject)
        there = f"COALESCE(jsonb_typeof({x}), 'null') <> 'null'"
        if leaf.op == "exists":
            return f"({there})"
        if leaf.op == "not_exists":
            return f"(NOT {there})"
        if leaf.op == "ne":
            return f"({there} AND NOT {self._value(leaf.subject, x, 'eq', leaf.value)})"
        return self._value(leaf.subject, x, leaf.op, leaf.value)

    def _value(self, subject: Subject, x: str, op: str, wanted: Any) -> str:
        whole = f"COALESCE({self._test(x, op, wanted)}, false)"
        if isinstance(subject, Computed):
            return whole
        if op == "contains" and isinstance(subject, Trait | Defined):
            return f"({whole} OR {self._any(x, 'eq', wanted)})"
        if isinstance(subject, Identifier):
            if op in EQUALITY:
                ids = self._jsonb([wanted] if op == "eq" else wanted)
                return _some(x, f"{ids} @> one.value")
            return self._any(x, op, wanted)
        return f"({whole} OR {self._any(x, op, wanted)})"

    def _any(self, x: str, op: str, wanted: Any) -> str:
        """Whether an element of a list fits."""
        return _some(x, self._test("one.value", op, wanted))

    def _test(self, x: str, op: str, wanted: Any) -> str:
        if op in _ORDER:
            return self._ordered(x, op, wanted)
        if op == "eq":
            return self._among(x, (wanted,))
        if op == "in":
            return self._among(x, wanted)
        inside = f"strpos({_text(x)}, {self._text(wanted)}) > 0" if isinstance(wanted, str) else ""
        if op == "starts_with":
            inside = f"starts_with({_text(x)}, {self._text(wanted)})"
        return f"(jsonb_typeof({x}) = 'string' AND {inside or 'false'})"

    def _among(self, x: str, wanted: Sequence[Scalar]) -> str:
        alike = values.alike(wanted)
        scalar = f"jsonb_typeof({x}) IN ('string', 'number', 'boolean')"
        found = [f"({scalar} AND {self._jsonb(alike.listed)} @> {x})"]
        if alike.numbers:
            written = f"{self._jsonb(sorted(alike.numbers))} @> to_jsonb({_number(x)})"
            found.append(f"COALESCE({written}, false)")
        if alike.phones:
            found.append(self._phone(x, alike.phones))
        return f"({' OR '.join(found)})"

    def _phone(self, x: str, phones: Collection[str]) -> str:
        """Whether it is a text that without its separators is one of these."""
        said, meant, parting = SEPARATING
        bare = f"translate({_text(x)}, {self._text(said + parting)}, {self._text(meant)})"
        return (
            f"(jsonb_typeof({x}) = 'string' AND length({_text(x)}) <= {MAX_STATED_PHONE} "
            f"AND {self._jsonb(sorted(phones))} @> to_jsonb({bare}))"
        )

    def _ordered(self, x: str, op: str, wanted: Any) -> str:
        operator = _ORDER[op]
        limit = values.number(wanted)
        # By code point, as Python compares, whatever the database's locale is.
        texts = (
            f"(jsonb_typeof({x}) = 'string' AND {_text(x)} COLLATE \"C\" {operator} "
            f"{self._text(values.limit(op, wanted))})"
            if isinstance(wanted, str)
            else "false"
        )
        if limit is None:
            return texts
        compared = f"{_number(x)} {operator} CAST({self._text(format(limit, 'f'))} AS numeric)"
        return f"COALESCE({compared}, {texts})"

    def _read(self, subject: Subject) -> str:
        if isinstance(subject, Trait):
            return self._trait(subject)
        if isinstance(subject, Identifier):
            return f"(p.identifiers -> {self._text(subject.kind)})"
        place = (
            f"p.computed -> {self._text(DEFINED)}"
            if isinstance(subject, Defined)
            else ("p.computed")
        )
        computed = f"{place} -> {self._text(subject.name)}"
        if subject.currency is None:
            return f"({computed})"
        return f"({computed} -> {self._text(subject.currency)})"

    def _trait(self, subject: Trait) -> str:
        """A trait of that name, else what is in one under the names behind it."""
        whole = f"p.traits -> {self._text(subject.name)}"
        if subject.names == (subject.name,):
            return f"({whole})"
        inner = " -> ".join(["p.traits", *map(self._text, subject.names)])
        return f"(CASE WHEN p.traits ? {self._text(subject.name)} THEN {whole} ELSE {inner} END)"

    def _jsonb(self, value: Any) -> str:
        return f"CAST({self._text(_json.encode(value).decode())} AS jsonb)"

    def _text(self, value: str) -> str:
        name = self._names.setdefault(value, f"r{len(self._names)}")
        self.parameters[name] = value
        return f"CAST(:{name} AS text)"


def _some(x: str, test: str) -> str:
    """Whether of a list some `one.value` passes a test; what is no list has none."""
    listed = f"CASE jsonb_typeof({x}) WHEN 'array' THEN {x} ELSE CAST('[]' AS jsonb) END"
    return f"EXISTS (SELECT 1 FROM jsonb_array_elements({listed}) AS one WHERE {test})"


def _text(x: str) -> str:
    return f"({x} #>> '{{}}')"


def _number(x: str) -> str:
    """The number a value is, or is written as, else NULL."""
    return (
        f"CASE jsonb_typeof({x}) WHEN 'number' THEN CAST({x} AS numeric) WHEN 'string' THEN "
        f"CASE WHEN {_text(x)} ~ '^{values.PLAIN_NUMBER}$' THEN CAST({_text(x)} AS numeric) END END"
    )
