"""Rules in SQL: the same verdict as `domain.evaluate` gives, over the columns of `person`."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, assert_never

from rapport_common.events.contact import MAX_STATED_PHONE, SEPARATING
from rapport_segment.domain import values
from rapport_segment.domain.asked_patterns import key_of
from rapport_segment.domain.event_subjects import OfEvents
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.leaves import EQUALITY
from rapport_segment.domain.permissions import EXPIRED, GRANTED
from rapport_segment.domain.sections import FORBIDDING
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
    InList,
    InSegment,
    Of,
    Plain,
    Reachable,
    Trait,
)
from rapport_segment.domain.tree import And, Leaf, Not, Or, Rule
from rapport_segment.domain.values import Scalar
from rapport_segment.store.events_condition import EventsCondition
from rapport_segment.store.instants import Instants
from rapport_segment.store.matching import Matched
from rapport_segment.store.places import Places, elements, inside, number_of, text_of

_ORDER = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
JUDGED = (
    "NOT COALESCE(p.restraints ?| "
    f"ARRAY[{', '.join(repr(one) for one in sorted(FORBIDDING))}], false)"
)
"""Whether row `p` may be judged at all, as `Facts.judged` has it."""
NOTHING: Matched = {}


class Condition(Places):
    """A boolean expression, never NULL, over a row `p` of `segment.person` as it is looked at now,
    and its parameters.
    """

    def __init__(self, rule: Rule, now: datetime, matched: Matched = NOTHING) -> None:
        """`matched` are the texts that fit the patterns of the rule, see `store.matching`."""
        super().__init__()
        self._matched = matched
        self._now = values.instant(now) or ""
        self._instants = Instants(now, self.text)
        self._events = EventsCondition(self, self._instants, self._verdict)
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
        return self._verdict(leaf)

    def _verdict(self, leaf: Leaf) -> str:
        if isinstance(leaf.subject, Plain):
            return self._plain(leaf.subject)
        if isinstance(leaf.subject, OfEvents):
            return self._events.test(leaf, leaf.subject)
        return self._comparison(leaf, leaf.subject)

    def _comparison(self, leaf: Leaf, subject: Compared) -> str:
        x = self.read(subject)
        there = f"COALESCE(jsonb_typeof({x}), 'null') <> 'null'"
        if leaf.op == "exists":
            return f"({there})"
        if leaf.op == "not_exists":
            return f"(NOT {there})"
        if isinstance(subject, Consent):
            return self._consent(x, there, leaf)
        if leaf.of == "size":
            return self._size(x, leaf)
        test = self._element(leaf)
        if test is not None:
            return _quantified(x, there, leaf.of, test)
        if leaf.op == "ne":
            return f"({there} AND NOT {self._value(subject, x, 'eq', leaf.value)})"
        return self._value(subject, x, leaf.op, leaf.value)

    def _plain(self, subject: Plain) -> str:
        """What is true or false by itself."""
        match subject:
            case Bucket():
                return self._drawn(subject)
            case Reachable():
                return self._reachable(subject)
            case InSegment():
                return self._in_segment(subject)
            case InList():
                return self._in_list(subject)
            case InGroup():
                tests = ["true", *(inside(self._verdict(one), "g") for one in subject.where)]
                groups = self.groups(subject.kind, "g")
                return f"EXISTS (SELECT FROM {groups} WHERE {' AND '.join(tests)})"
            case _:
                assert_never(subject)

    def _element(self, leaf: Leaf) -> Callable[[str], str] | None:
        """What is asked of each element of a list; None where a list may be asked as a whole."""
        if leaf.is_timed:
            return partial(self._instants.test, leaf)
        if (pattern := key_of(leaf)) is not None:
            return partial(_among_texts, self.texts(self._matched[pattern]))
        if leaf.of != "any":
            return partial(self._test, op=leaf.op, wanted=leaf.value)
        return None

    def _size(self, x: str, leaf: Leaf) -> str:
        """Of a list how many elements it has; what is no list has no size."""
        size = f"(CASE jsonb_typeof({x}) WHEN 'array' THEN to_jsonb(jsonb_array_length({x})) END)"
        if leaf.op == "ne":
            equal = f"COALESCE({self._test(size, 'eq', leaf.value)}, false)"
            return f"({size} IS NOT NULL AND NOT {equal})"
        return f"COALESCE({self._test(size, leaf.op, leaf.value)}, false)"

    def _consent(self, x: str, there: str, leaf: Leaf) -> str:
        wanted = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
        fits = _some(x, f"{self.jsonb(wanted)} @> to_jsonb({self._state('one.value')})")
        return f"({there} AND NOT {fits})" if leaf.op == "ne" else fits

    def _state(self, word: str) -> str:
        """The state of a word on a consent now: a yes may have come to its end."""
        until = f"({word} ->> 'until') COLLATE \"C\""
        return (
            f"(CASE WHEN {until} <= {self.text(self._now)} THEN {self.text(EXPIRED)} "
            f"ELSE {word} ->> 'state' END)"
        )

    def _reachable(self, subject: Reachable) -> str:
        places = self.read(ContactPoint(subject.channel, verified=True))
        if subject.purpose == SERVICE:
            return f"COALESCE(jsonb_array_length({places}) > 0, false)"
        words = self.read(Consent(subject.channel, subject.purpose))
        permitted = (
            f"one.value ->> 'state' = {self.text(GRANTED)} "
            f"AND {self._state('one.value')} <> {self.text(EXPIRED)} "
            f"AND COALESCE({places} @> (one.value -> 'point'), false)"
        )
        objects = f"COALESCE(p.restraints ? {self.text(MARKETING)}, false)"
        return f"(NOT {objects} AND {_some(words, permitted)})"

    def _in_segment(self, subject: InSegment) -> str:
        return (
            "EXISTS (SELECT FROM segment.membership s WHERE s.workspace = p.workspace "
            "AND s.profile_id = p.profile_id AND s.exited_at IS NULL "
            f"AND s.segment_id = CAST({self.text(subject.id)} AS uuid))"
        )

    def _in_list(self, subject: InList) -> str:
        ids = "COALESCE(p.identifiers, CAST('{}' AS jsonb))"
        # OFFSET 0 keeps it a look for each identifier. As a join the planner would go through
        # the whole list for each person: it takes everybody for somebody of thousands of ids.
        return (
            f"EXISTS (SELECT FROM jsonb_each({ids}) AS k "
            f"CROSS JOIN LATERAL {elements('k.value')} AS v "
            "WHERE EXISTS (SELECT FROM segment.list_member l WHERE l.workspace = p.workspace "
            f"AND l.list_id = CAST({self.text(subject.id)} AS uuid) "
            "AND l.kind = k.key AND l.value = v.value #>> '{}' OFFSET 0))"
        )

    def _drawn(self, subject: Bucket) -> str:
        """The same number as `subjects.drawn`, out of the first bits of a hash."""
        first, behind = subject.bounds
        said = f"convert_to({self.text(subject.salt + '/')} || CAST(p.profile_id AS text), 'UTF8')"
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
                ids = self.jsonb([wanted] if op == "eq" else wanted)
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
        inside = f"strpos({text_of(x)}, {self.text(wanted)}) > 0" if isinstance(wanted, str) else ""
        if op == "starts_with":
            inside = f"starts_with({text_of(x)}, {self.text(wanted)})"
        return f"(jsonb_typeof({x}) = 'string' AND {inside or 'false'})"

    def _among(self, x: str, wanted: Sequence[Scalar]) -> str:
        alike = values.alike(wanted)
        scalar = f"jsonb_typeof({x}) IN ('string', 'number', 'boolean')"
        found = [f"({scalar} AND {self.jsonb(alike.listed)} @> {x})"]
        if alike.numbers:
            written = f"{self.jsonb(sorted(alike.numbers))} @> to_jsonb({number_of(x)})"
            found.append(f"COALESCE({written}, false)")
        if alike.phones:
            found.append(self._phone(x, alike.phones))
        return f"({' OR '.join(found)})"

    def _phone(self, x: str, phones: Collection[str]) -> str:
        """Whether it is a text that without its separators is one of these."""
        said, meant, parting = SEPARATING
        bare = f"translate({text_of(x)}, {self.text(said + parting)}, {self.text(meant)})"
        return (
            f"(jsonb_typeof({x}) = 'string' AND length({text_of(x)}) <= {MAX_STATED_PHONE} "
            f"AND {self.jsonb(sorted(phones))} @> to_jsonb({bare}))"
        )

    def _ordered(self, x: str, op: str, wanted: Any) -> str:
        operator = _ORDER[op]
        limit = values.number(wanted)
        # By code point, as Python compares, whatever the database's locale is.
        texts = (
            f"(jsonb_typeof({x}) = 'string' AND {text_of(x)} COLLATE \"C\" {operator} "
            f"{self.text(values.limit(op, wanted))})"
            if isinstance(wanted, str)
            else "false"
        )
        if limit is None:
            return texts
        compared = f"{number_of(x)} {operator} CAST({self.text(format(limit, 'f'))} AS numeric)"
        return f"COALESCE({compared}, {texts})"


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
    return f"EXISTS (SELECT 1 FROM {elements(x)} AS one WHERE {test})"


def _among_texts(texts: str, x: str) -> str:
    return f"(jsonb_typeof({x}) = 'string' AND {text_of(x)} = ANY({texts}))"
