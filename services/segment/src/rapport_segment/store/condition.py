"""Rules in SQL: the same verdict as `domain.evaluate` gives, over the columns of `person`."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, assert_never

import msgspec

from rapport_common.events.contact import MAX_STATED_PHONE, SEPARATING
from rapport_segment.domain import values
from rapport_segment.domain.leaves import EQUALITY
from rapport_segment.domain.permissions import EVERY, EXPIRED, GRANTED
from rapport_segment.domain.sections import DEFINED, FORBIDDING
from rapport_segment.domain.subjects import (
    BUCKET_BITS,
    MARKETING,
    SERVICE,
    Bucket,
    Compared,
    Computed,
    Consent,
    ContactPoint,
    Defined,
    Identifier,
    Of,
    Reachable,
    Trait,
)
from rapport_segment.domain.tree import And, Leaf, Not, Or, Rule
from rapport_segment.domain.values import Scalar
from rapport_segment.store.instants import Instants

_ORDER = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
JUDGED = (
    "NOT COALESCE(p.restraints ?| "
    f"ARRAY[{', '.join(repr(one) for one in sorted(FORBIDDING))}], false)"
)
"""Whether row `p` may be judged at all, as `Facts.judged` has it."""
_json = msgspec.json.Encoder(decimal_format="number")


class Condition:
    """A boolean expression, never NULL, over a row `p` of `segment.person` as it is looked at now,
    and its parameters.
    """

    def __init__(self, rule: Rule, now: datetime) -> None:
        self.parameters: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._now = values.instant(now) or ""
        self._instants = Instants(now, self._text)
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
        if isinstance(leaf.subject, Bucket):
            return self._drawn(leaf.subject)
        if isinstance(leaf.subject, Reachable):
            return self._reachable(leaf.subject)
        x = self._read(leaf.subject)
        there = f"COALESCE(jsonb_typeof({x}), 'null') <> 'null'"
        if leaf.op == "exists":
            return f"({there})"
        if leaf.op == "not_exists":
            return f"(NOT {there})"
        if isinstance(leaf.subject, Consent):
            return self._consent(x, there, leaf)
        if leaf.of == "size":
            return self._size(x, leaf)
        if leaf.is_timed:
            test = partial(self._instants.test, leaf)
            return _quantified(x, there, leaf.of, test)
        if leaf.op == "ne":
            return f"({there} AND NOT {self._value(leaf.subject, x, 'eq', leaf.value)})"
        if leaf.of != "any":
            steady = partial(self._test, op=leaf.op, wanted=leaf.value)
            return _quantified(x, there, leaf.of, steady)
        return self._value(leaf.subject, x, leaf.op, leaf.value)

    def _size(self, x: str, leaf: Leaf) -> str:
        """Of a list how many elements it has; what is no list has no size."""
        size = f"(CASE jsonb_typeof({x}) WHEN 'array' THEN to_jsonb(jsonb_array_length({x})) END)"
        if leaf.op == "ne":
            equal = f"COALESCE({self._test(size, 'eq', leaf.value)}, false)"
            return f"({size} IS NOT NULL AND NOT {equal})"
        return f"COALESCE({self._test(size, leaf.op, leaf.value)}, false)"

    def _consent(self, x: str, there: str, leaf: Leaf) -> str:
        wanted = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
        fits = _some(x, f"{self._jsonb(wanted)} @> to_jsonb({self._state('one.value')})")
        return f"({there} AND NOT {fits})" if leaf.op == "ne" else fits

    def _state(self, word: str) -> str:
        """The state of a word on a consent now: a yes may have come to its end."""
        until = f"({word} ->> 'until') COLLATE \"C\""
        return (
            f"(CASE WHEN {until} <= {self._text(self._now)} THEN {self._text(EXPIRED)} "
            f"ELSE {word} ->> 'state' END)"
        )

    def _reachable(self, subject: Reachable) -> str:
        places = self._read(ContactPoint(subject.channel, verified=True))
        if subject.purpose == SERVICE:
            return f"COALESCE(jsonb_array_length({places}) > 0, false)"
        words = self._read(Consent(subject.channel, subject.purpose))
        permitted = (
            f"one.value ->> 'state' = {self._text(GRANTED)} "
            f"AND {self._state('one.value')} <> {self._text(EXPIRED)} "
            f"AND COALESCE({places} @> (one.value -> 'point'), false)"
        )
        objects = f"COALESCE(p.restraints ? {self._text(MARKETING)}, false)"
        return f"(NOT {objects} AND {_some(words, permitted)})"

    def _drawn(self, subject: Bucket) -> str:
        """The same number as `subjects.drawn`, out of the first bits of a hash."""
        first, behind = subject.bounds
        said = f"convert_to({self._text(subject.salt + '/')} || CAST(p.profile_id AS text), 'UTF8')"
        digits = f"substr(encode(sha256({said}), 'hex'), 1, {BUCKET_BITS // 4})"
        number = f"CAST(CAST('x' || {digits} AS bit({BUCKET_BITS})) AS bigint)"
        return f"({number} >= {first} AND {number} < {behind})"

    def _value(self, subject: Compared, x: str, op: str, wanted: Any) -> str:
        whole = f"COALESCE({self._test(x, op, wanted)}, false)"
        if isinstance(subject, Computed):
            return whole
        if op == "contains" and isinstance(subject, Trait | Defined):
            return f"({whole} OR {self._any(x, 'eq', wanted)})"
        if isinstance(subject, Identifier | ContactPoint):
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

    def _read(self, subject: Compared) -> str:
        if isinstance(subject, Trait):
            return self._trait(subject)
        if isinstance(subject, Identifier):
            return f"(p.identifiers -> {self._text(subject.kind)})"
        if isinstance(subject, ContactPoint):
            channel, some = subject.names
            found = f"p.contact_points -> {self._text(channel)} -> {self._text(some)}"
            # No such place is as no such channel.
            return f"(NULLIF({found}, CAST('[]' AS jsonb)))"
        if isinstance(subject, Consent):
            told = [
                f"p.consent -> {self._text(channel)} -> {self._text(subject.purpose)}"
                for channel in (subject.channel, EVERY)
            ]
            return f"COALESCE({', '.join(told)})"
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


def _quantified(x: str, there: str, of: Of, test: Callable[[str], str]) -> str:
    """Over the elements of a list; what is no list is one of its own."""
    each = f"COALESCE({test('one.value')}, false)"
    whole = f"COALESCE({test(x)}, false)"
    is_list = f"COALESCE(jsonb_typeof({x}) = 'array', false)"
    if of == "all":
        listed = f"{x} <> CAST('[]' AS jsonb) AND NOT {_some(x, f'NOT {each}')}"
        return f"(CASE WHEN {is_list} THEN {listed} ELSE {whole} END)"
    fits = f"(CASE WHEN {is_list} THEN {_some(x, each)} ELSE {whole} END)"
    return f"({there} AND NOT {fits})" if of == "none" else fits


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
