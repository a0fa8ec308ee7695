"""Rules in Python: what they come to for somebody now, and until when."""

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any, assert_never
from uuid import UUID

from rapport_common.zones import zones
from rapport_segment.domain import anniversaries, values
from rapport_segment.domain.cases import judge_of_cases
from rapport_segment.domain.consents_judging import judge_of_consent, judge_of_reachable
from rapport_segment.domain.elements import Elements, indexed, kinds_of
from rapport_segment.domain.event_subjects import Cased, OfEvents
from rapport_segment.domain.events_judging import judge_of_events
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.groups_judging import judge_of_groups
from rapport_segment.domain.leaves import EQUALITY, MATCHES, PRESENCE
from rapport_segment.domain.outlook import (
    NO,
    YES,
    Judge,
    Outlook,
    View,
    contrary,
    every,
    in_span,
    of_all,
    some,
)
from rapport_segment.domain.patterns import matches
from rapport_segment.domain.sections import Facts
from rapport_segment.domain.subjects import (
    Bucket,
    Consent,
    ContactPoint,
    Defined,
    Identifier,
    InList,
    InSegment,
    Of,
    Reachable,
    Trait,
)
from rapport_segment.domain.tree import And, Leaf, Not, Or, Rule
from rapport_segment.domain.values import Scalar
from rapport_segment.domain.windows import Anniversary, BesideNow, Calendar, Rolling
from rapport_segment.domain.zones import TIMEZONE

Predicate = Callable[[Facts], bool]
Test = Callable[[Any], bool]
"""Asks one value, which is not missing."""

Look = Callable[[Any, View], Outlook]
"""Looks at one value, which is not missing."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


class Judges:
    """Makes rules into functions. Equal comparisons of all its rules are one, and are remembered
    while somebody is looked at.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Judge] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, rule: Rule) -> Judge:
        """The rule as one function; made once per version of a definition."""
        match rule:
            case Leaf():
                return self._leaf(rule)
            case Not():
                return contrary(self.of(rule.child))
            case And():
                return every([self.of(child) for child in rule.children])
            case Or():
                return some([self.of(child) for child in rule.children])
            case _:
                assert_never(rule)

    def _leaf(self, leaf: Leaf) -> Judge:
        # True equals 1 in Python, and not in rules.
        kinds = tuple(map(type, leaf.value)) if isinstance(leaf.value, tuple) else type(leaf.value)
        # So it is in what is asked of properties of events, and of groups.
        has_inner = isinstance(leaf.subject, OfEvents | InGroup)
        subject = repr(leaf.subject) if has_inner else leaf.subject
        key = (subject, leaf.op, leaf.value, kinds, leaf.of)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = judge_of(leaf)
        return found


def remembered(judge: Judge) -> Judge:
    """The same, worked out once for each view."""

    def look(view: View) -> Outlook:
        found = view.memo.get(judge)
        if found is None:
            found = view.memo[judge] = judge(view)
        return found

    return look


def judge_of(leaf: Leaf) -> Judge:
    """One comparison as a function."""
    if isinstance(leaf.subject, InSegment):
        # Not remembered: who is in what may change while somebody is looked at.
        wanted = UUID(leaf.subject.id)
        return lambda view: YES if wanted in view.members else NO
    if isinstance(leaf.subject, Cased):
        return remembered(judge_of_cases(leaf.subject, judge_of))
    if isinstance(leaf.subject, OfEvents):
        return remembered(judge_of_events(leaf, leaf.subject, predicate_of))
    if isinstance(leaf.subject, InGroup):
        return remembered(judge_of_groups(leaf.subject, judge_of))
    if isinstance(leaf.subject, Reachable):
        return remembered(judge_of_reachable(leaf.subject))
    if isinstance(leaf.subject, Bucket):
        return _remembering(_drawn(leaf.subject))
    if isinstance(leaf.subject, InList):
        read = leaf.subject.read
        return _remembering(lambda facts: bool(read(facts)))
    if isinstance(leaf.subject, Consent) and leaf.op not in PRESENCE:
        return remembered(judge_of_consent(leaf))
    return remembered(_timed(leaf)) if leaf.is_timed else _remembering(predicate_of(leaf))


def predicate_of(leaf: Leaf) -> Predicate:
    """A comparison whose verdict changes with the facts only, as of a property of an event."""
    return _present(leaf) if leaf.op in PRESENCE else _steady(leaf)


def _remembering(holds: Predicate) -> Judge:
    """`remembered`, in one step, of what changes with the facts only."""

    def look(view: View) -> Outlook:
        found = view.memo.get(holds)
        if found is None:
            found = view.memo[holds] = YES if holds(view.facts) else NO
        return found

    return look


def _present(leaf: Leaf) -> Predicate:
    read = leaf.read
    if leaf.op == "exists":
        return lambda facts: read(facts) is not None
    return lambda facts: read(facts) is None


def _steady(leaf: Leaf) -> Predicate:
    """A comparison whose verdict changes with the facts only."""
    read = leaf.read
    if isinstance(leaf.subject, Identifier | ContactPoint):
        return _any_value(leaf)
    if leaf.of == "size":
        return _size(leaf)
    if leaf.op == "ne":
        equal = _each(_test("eq", leaf.value))
        return lambda facts: (value := read(facts)) is not None and not equal(value)
    test = _test(leaf.op, leaf.value)
    if leaf.op != "contains" and isinstance(leaf.subject, Trait | Defined):
        test = _quantified(test, leaf.of)

    def holds(facts: Facts) -> bool:
        value = read(facts)
        return value is not None and test(value)

    return holds


def _quantified(test: Test, of: Of) -> Test:
    """Over the elements of a list; what is no list is one of its own."""
    if of == "none":
        fits = _each(test)
        return lambda value: not fits(value)
    if of != "all":
        return _each(test)

    def all_do(value: Any) -> bool:
        if isinstance(value, list):
            return bool(value) and all(test(element) for element in value)
        return test(value)

    return all_do


def _each(test: Test) -> Test:
    """Over a list: one element that fits is enough."""

    def holds(value: Any) -> bool:
        if type(value) is list:
            return any(test(one) for one in value)
        return test(value)  # of an index it asks all at once

    return holds


def _size(leaf: Leaf) -> Predicate:
    read = leaf.read
    equal = leaf.op == "ne"
    test = _test("eq" if equal else leaf.op, leaf.value)

    def holds(facts: Facts) -> bool:
        value = read(facts)
        return isinstance(value, list) and test(len(value)) is not equal

    return holds


def _any_value(leaf: Leaf) -> Predicate:
    """Over a list: one value that fits is enough, and `ne` means that none is equal."""
    read = leaf.read
    if leaf.op == "ne":
        return lambda facts: leaf.value not in (read(facts) or [leaf.value])
    if leaf.op in EQUALITY:
        # Ids are texts, alike only as they are: one that looks like a number or a date is none.
        wanted = {leaf.value} if leaf.op == "eq" else set(leaf.value)  # type: ignore[arg-type] # of "in" a tuple
        return lambda facts: not wanted.isdisjoint(read(facts) or ())
    test = _test(leaf.op, leaf.value)
    return lambda facts: any(test(one) for one in read(facts) or ())


def _timed(leaf: Leaf) -> Judge:
    read, look = leaf.read, _look(leaf)
    of = leaf.of

    def judge(view: View) -> Outlook:
        value = read(view.facts)
        if value is None:
            return NO
        if not isinstance(value, list):
            verdict, until = look(value, view)
            return (not verdict, until) if of == "none" else (verdict, until)
        if of == "all":
            return of_all([look(one, view) for one in value], by=False) if value else NO
        verdict, until = of_all([look(one, view) for one in value], by=True)
        return (not verdict, until) if of == "none" else (verdict, until)

    return judge


def _look(leaf: Leaf) -> Look:
    """What one value comes to; what is no instant never fits."""
    window: Any = leaf.value
    op = leaf.op

    def look(value: Any, view: View) -> Outlook:
        moment = values.moment(value)
        if moment is None:
            return NO
        match window:
            case BesideNow():
                return in_span(window.span(op, moment), view.now)
            case Rolling() | Calendar():
                return in_span(window.span(moment), view.now)
            case _:
                return anniversaries.outlook(window, moment, _zone(view.facts, window), view.now)

    return look


def _zone(facts: Facts, kind: Anniversary) -> str:
    """The zone in which somebody lives, as far as it is known."""
    said = indexed(facts.traits, TIMEZONE, (TIMEZONE,))
    return said if type(said) is str and said in zones() else kind.zone


def _drawn(subject: Bucket) -> Predicate:
    first, behind = subject.bounds
    return lambda facts: first <= subject.read(facts) < behind


def _test(op: str, wanted: Any) -> Test:
    if op in _COMPARE:
        return _ordered(op, wanted)
    if op == "in":
        return _among(wanted)
    if op == "contains":
        return _contains(wanted)
    if op == "starts_with":
        return _begins(wanted)
    if op == MATCHES:
        return _matches(wanted)
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


def _matches(pattern: str) -> Test:
    def holds(value: Any) -> bool:
        if type(value) is Elements:
            return any(holds(element) for element in value)
        return type(value) is str and matches(pattern, value)

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
