"""Rules in Python: predicates for the live path, and the words that explain a verdict."""

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any, assert_never

import msgspec

from rapport_segment.domain import values
from rapport_segment.domain.elements import Elements, kinds_of
from rapport_segment.domain.rules import (
    EQUALITY,
    And,
    Defined,
    Identifier,
    Leaf,
    Not,
    Or,
    Rule,
    Trait,
)
from rapport_segment.domain.sections import Facts
from rapport_segment.domain.values import Scalar

Predicate = Callable[[Facts], bool]
Test = Callable[[Any], bool]
"""Asks one value, which is not missing."""

Decisive = Callable[[Facts], "tuple[bool, list[Verdict]]"]
"""What a rule comes to for somebody, with the comparisons that settle it."""

MAX_REASON = 500
MAX_SHOWN = 80
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_SYMBOLS = {
    "eq": "=",
    "ne": "!=",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "in": "in",
    "contains": "contains",
    "starts_with": "starts with",
}
_shown = msgspec.json.Encoder(decimal_format="number")


def predicate(rule: Rule) -> Predicate:
    """The rule as one function; made once per version of a definition."""
    match rule:
        case Leaf():
            return _leaf(rule)
        case Not():
            inner = predicate(rule.child)
            return lambda facts: not inner(facts)
        case And():
            return _every([predicate(one) for one in rule.children])
        case Or():
            return _some([predicate(one) for one in rule.children])
        case _:
            assert_never(rule)


def _every(parts: list[Predicate]) -> Predicate:
    def holds(facts: Facts) -> bool:
        for part in parts:  # noqa: SIM110 - a generator costs more than the comparisons
            if not part(facts):
                return False
        return True

    return holds


def _some(parts: list[Predicate]) -> Predicate:
    def holds(facts: Facts) -> bool:
        for part in parts:  # noqa: SIM110 - as above
            if part(facts):
                return True
        return False

    return holds


def _leaf(leaf: Leaf) -> Predicate:
    read = leaf.subject.read
    if leaf.op == "exists":
        return lambda facts: read(facts) is not None
    if leaf.op == "not_exists":
        return lambda facts: read(facts) is None
    if isinstance(leaf.subject, Identifier):
        return _any_value(leaf)
    if leaf.op == "ne":
        equal = _each(_test("eq", leaf.value))
        return lambda facts: (value := read(facts)) is not None and not equal(value)
    test = _test(leaf.op, leaf.value)
    if leaf.op != "contains" and isinstance(leaf.subject, Trait | Defined):
        test = _each(test)

    def holds(facts: Facts) -> bool:
        value = read(facts)
        return value is not None and test(value)

    return holds


def _each(test: Test) -> Test:
    """Over a list: one element that fits is enough."""

    def holds(value: Any) -> bool:
        if type(value) is list:
            return any(test(one) for one in value)
        return test(value)  # of an index it asks all at once

    return holds


def _any_value(leaf: Leaf) -> Predicate:
    """Over a list: one value that fits is enough, and `ne` means that none is equal."""
    read = leaf.subject.read
    if leaf.op == "ne":
        return lambda facts: leaf.value not in (read(facts) or [leaf.value])
    if leaf.op in EQUALITY:
        # Ids are texts, alike only as they are: one that looks like a number or a date is none.
        wanted = {leaf.value} if leaf.op == "eq" else set(leaf.value)  # type: ignore[arg-type] # of "in" a tuple
        return lambda facts: not wanted.isdisjoint(read(facts) or ())
    test = _test(leaf.op, leaf.value)
    return lambda facts: any(test(one) for one in read(facts) or ())


def _test(op: str, wanted: Any) -> Test:
    if op in _COMPARE:
        return _ordered(op, wanted)
    if op == "in":
        return _among(wanted)
    if op == "contains":
        return _contains(wanted)
    if op == "starts_with":
        return _begins(wanted)
    return _among((wanted,))


def _among(wanted: tuple[Scalar, ...]) -> Test:
    """Equal to one of these: see `values.alike` for what is equal across types."""
    alike = values.alike(wanted)
    kinds, numbers, phones = kinds_of(alike.listed), alike.numbers, alike.phones
    if len(alike.listed) == 1 and not numbers and not phones:
        [only] = alike.listed  # a text, equal to nothing else
        return lambda value: (
            value.is_among(kinds, alike) if type(value) is Elements else bool(value == only)
        )
    by_type = {**kinds, Decimal: kinds[int]}

    def holds(value: Any) -> bool:
        among = by_type.get(type(value))
        if among is None:
            return type(value) is Elements and value.is_among(kinds, alike)
        if value in among or (bool(numbers) and values.number(value) in numbers):
            return True
        return bool(phones) and type(value) is str and alike.has_phone(value)

    return holds


def _ordered(op: str, wanted: Any) -> Test:
    compare = _COMPARE[op]
    limit = values.number(wanted)
    text = values.limit(op, wanted) if type(wanted) is str else None

    def holds(value: Any) -> bool:
        kind = type(value)
        if kind is int or kind is Decimal:
            return limit is not None and compare(value, limit)
        if kind is not str:
            return kind is Elements and value.is_beyond(compare, limit, text)
        if limit is not None and (found := values.number(value)) is not None:
            return compare(found, limit)
        return text is not None and compare(value, text)

    return holds


def _begins(prefix: str) -> Test:
    def holds(value: Any) -> bool:
        if type(value) is Elements:
            return value.has_prefix(prefix)
        return type(value) is str and value.startswith(prefix)

    return holds


def _contains(wanted: Scalar) -> Test:
    equal = _among((wanted,))

    def holds(value: Any) -> bool:
        if type(value) is list:
            return any(equal(one) for one in value)
        if type(value) is Elements:
            return equal(value)
        return type(value) is str and isinstance(wanted, str) and wanted in value

    return holds


class Verdict(msgspec.Struct, frozen=True):
    """One comparison of a rule, with what was found."""

    leaf: Leaf
    actual: Any
    result: bool

    def words(self) -> str:
        """For example `revenue USD 512.30 >= 500`."""
        label, op = self.leaf.subject.label, self.leaf.op
        missing = self.actual is None
        if self.leaf.value is None:
            return f"{label} {'missing' if missing else 'exists'}"
        wanted = f"{_SYMBOLS[op]} {_show(self.leaf.value)}"
        if missing:
            return f"{label} missing, wanted {wanted}"
        # An address does not belong into a text that travels and is kept.
        hidden = isinstance(self.leaf.subject, Identifier)
        found = label if hidden else f"{label} {_show(self.actual)}"
        return f"{found} {wanted}" if self.result else f"{found} not {wanted}"


def explain(rule: Rule, facts: Facts) -> list[Verdict]:
    """Every comparison of the rule, in its order."""
    match rule:
        case Leaf():
            return [Verdict(rule, rule.subject.read(facts), _leaf(rule)(facts))]
        case Not():
            return explain(rule.child, facts)
        case And() | Or():
            return [verdict for one in rule.children for verdict in explain(one, facts)]
        case _:
            assert_never(rule)


def reason(rule: Rule, facts: Facts) -> str:
    """Why the rule holds or does not, in at most 500 characters."""
    return reasoning(rule)(facts)


def reasoning(rule: Rule) -> Callable[[Facts], str]:
    """The rule as a function that says why; made once per version of a definition."""
    decisive = _decisive(rule)

    def why(facts: Facts) -> str:
        words = " and ".join([one.words() for one in decisive(facts)[1]])
        return words if len(words) <= MAX_REASON else f"{words[: MAX_REASON - 1]}…"

    return why


def _decisive(rule: Rule) -> Decisive:
    """The result, and the comparisons that settle it: all of them, or the first of its kind."""
    match rule:
        case Leaf():
            return _compared(rule)
        case Not():
            return _contrary(_decisive(rule.child))
        case And() | Or():
            parts = [_decisive(one) for one in rule.children]
            return _settled(parts, by=isinstance(rule, Or))
        case _:
            assert_never(rule)


def _compared(leaf: Leaf) -> Decisive:
    read, holds = leaf.subject.read, _leaf(leaf)

    def decide(facts: Facts) -> tuple[bool, list[Verdict]]:
        result = holds(facts)
        return result, [Verdict(leaf, read(facts), result)]

    return decide


def _contrary(part: Decisive) -> Decisive:
    def decide(facts: Facts) -> tuple[bool, list[Verdict]]:
        result, verdicts = part(facts)
        return not result, verdicts

    return decide


def _settled(parts: list[Decisive], *, by: bool) -> Decisive:
    def decide(facts: Facts) -> tuple[bool, list[Verdict]]:
        collected: list[Verdict] = []
        for part in parts:
            result, verdicts = part(facts)
            if result is by:
                return by, verdicts
            collected += verdicts
        return not by, collected

    return decide


def _show(value: Any) -> str:
    text = _shown.encode(value).decode()
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
