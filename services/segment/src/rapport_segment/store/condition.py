"""Rules in SQL: the same verdict as `domain.evaluate` gives, over `person.state`."""

from collections.abc import Sequence
from typing import Any, assert_never

import msgspec

from rapport_segment.domain.rules import And, Identifier, Leaf, Not, Or, Rule, Subject, Trait

_ORDER = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_json = msgspec.json.Encoder(decimal_format="number")


class Condition:
    """A boolean expression, never NULL, over a row `p` of `segment.person`, and its parameters."""

    def __init__(self, rule: Rule) -> None:
        self.parameters: dict[str, Any] = {}
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
        if not isinstance(subject, Identifier):
            return f"COALESCE({self._test(x, op, wanted)}, false)"
        listed = f"COALESCE({x}, CAST('[]' AS jsonb))"
        test = self._test("one.value", op, wanted)
        return f"EXISTS (SELECT 1 FROM jsonb_array_elements({listed}) AS one WHERE {test})"

    def _test(self, x: str, op: str, wanted: Any) -> str:
        if op in _ORDER:
            return self._ordered(x, _ORDER[op], wanted)
        if op == "eq":
            return f"({x} = {self._jsonb(wanted)})"
        if op == "in":
            scalar = f"jsonb_typeof({x}) IN ('string', 'number', 'boolean')"
            return f"({scalar} AND {self._jsonb(wanted)} @> {x})"
        if op == "starts_with":
            return (
                f"(jsonb_typeof({x}) = 'string' AND starts_with({_text(x)}, {self._text(wanted)}))"
            )
        return self._contains(x, wanted)

    def _ordered(self, x: str, operator: str, wanted: Any) -> str:
        if isinstance(wanted, str):
            # By code point, as Python compares, whatever the database's locale is.
            compared = f'{_text(x)} COLLATE "C" {operator} {self._text(wanted)}'
            return f"(jsonb_typeof({x}) = 'string' AND {compared})"
        return f"(jsonb_typeof({x}) = 'number' AND {x} {operator} {self._jsonb(wanted)})"

    def _contains(self, x: str, wanted: Any) -> str:
        listed = f"(jsonb_typeof({x}) = 'array' AND {x} @> {self._jsonb(wanted)})"
        if not isinstance(wanted, str):
            return listed
        inside = f"strpos({_text(x)}, {self._text(wanted)}) > 0"
        return f"({listed} OR (jsonb_typeof({x}) = 'string' AND {inside}))"

    def _read(self, subject: Subject) -> str:
        if isinstance(subject, Trait):
            return f"(p.state -> 'traits' -> {self._text(subject.name)})"
        if isinstance(subject, Identifier):
            return f"(p.state -> 'identifiers' -> {self._text(subject.kind)})"
        computed = f"p.state -> 'computed' -> {self._text(subject.name)}"
        if subject.currency is None:
            return f"({computed})"
        return f"({computed} -> {self._text(subject.currency)})"

    def _jsonb(self, value: Any) -> str:
        return f"CAST({self._text(_json.encode(value).decode())} AS jsonb)"

    def _text(self, value: str) -> str:
        name = f"r{len(self.parameters)}"
        self.parameters[name] = value
        return f"CAST(:{name} AS text)"


def _text(x: str) -> str:
    return f"({x} #>> '{{}}')"
