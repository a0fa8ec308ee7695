"""Events in Python: what a comparison with them comes to now, and until when.

An event counts from its instant on, until its window lets it go. So what they come to changes at
known instants only; the next of them at which the verdict is another one is looked for.
"""

import operator
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Context, Decimal
from typing import Any

from rapport_segment.domain import values
from rapport_segment.domain.event_subjects import (
    Answer,
    Events,
    Nth,
    OneByOne,
    Performed,
    Then,
    Told,
    Total,
    events_of,
)
from rapport_segment.domain.event_subjects import Sequence as InOrder
from rapport_segment.domain.happenings import Happening, happened
from rapport_segment.domain.outlook import Judge, Outlook, View, in_span
from rapport_segment.domain.sections import Facts
from rapport_segment.domain.subjects import Trait
from rapport_segment.domain.tree import Leaf
from rapport_segment.domain.windows import NEVER, BesideNow, Span

Fits = Callable[[Happening], bool]
"""Whether the properties of an event fit."""

Counted = tuple[datetime, datetime, Happening]
"""From when on and until when an event counts."""

Path = tuple[Happening, ...]
Reached = tuple[datetime, Path, Any]
"""Until when the first event counts of those that came one after the other; what is alike in all.
"""
Chain = tuple[datetime, datetime, Path]
"""For which times of looking events are a sequence."""

MOST_STEPS = 5000
"""So many events are looked at, all together, to find when a verdict changes; else it is looked
again when the next one comes or goes.
"""

_EXACT = Context(prec=2000)
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


PredicateOf = Callable[[Leaf], Callable[[Facts], bool]]
"""Makes a comparison with a property into a function of where the properties stand."""


def judge_of_events(leaf: Leaf, subject: OneByOne, predicate_of: PredicateOf) -> Judge:
    """A comparison with events as a function."""
    if isinstance(subject, Answer):
        meant: Any = subject.meant
        return judge_of_events(meant, meant.subject, predicate_of)
    countings = [counting_of(one, predicate_of) for one in events_of(subject)]
    match subject:
        case Performed():
            return performed(countings[0])
        case Total():
            return total(leaf, subject, countings[0])
        case Nth():
            return nth(leaf, subject, countings[0])
        case Told():
            return told(leaf, subject, countings[0], predicate_of)
        case _:
            return in_order(subject, countings)


def counting_of(events: Events, predicate_of: PredicateOf) -> "Counting":
    """Such events of a person, as a function of how they are looked at."""
    tests = [predicate_of(one) for one in events.where]
    return Counting(events, lambda one: all(fits(one.facts) for fits in tests))


class Counting:
    """Such events of a person, with the times for which each counts."""

    def __init__(self, events: Events, fits: Fits) -> None:
        self._events = events
        self._fits = fits

    def __call__(self, view: View) -> list[Counted]:
        """The oldest first; those that never count are left out."""
        found = []
        for one in happened(view.facts, self._events.name):
            first, behind = self._events.span(one.at)
            if first < behind and self._fits(one):
                found.append((first, behind, one))
        return found

    def now(self, view: View) -> list[Happening]:
        """Those that count now."""
        return [one for first, behind, one in self(view) if first <= view.now < behind]


def performed(counting: Counting) -> Judge:
    """Whether one of them counts."""

    def judge(view: View) -> Outlook:
        return covered([(first, behind) for first, behind, _one in counting(view)], view.now)

    return judge


def covered(spans: Sequence[Span], now: datetime) -> Outlook:
    """Whether now is in one of these spans, and when it is in none, or in one, the first time."""
    ahead = sorted(span for span in spans if span[0] < span[1] and now < span[1])
    at = now
    for first, behind in ahead:
        if first > at:
            break
        at = max(at, behind)
    if at > now:
        return True, None if at == NEVER else at
    return False, ahead[0][0] if ahead else None


def total(leaf: Leaf, subject: Total, counting: Counting) -> Judge:
    """What they amount to, compared with a number."""
    amount = amounting(subject)
    compare: Any = COMPARE[leaf.op]
    wanted: Any = leaf.value

    def fits(value: Any) -> bool:
        return value is not None and bool(compare(value, wanted))

    if subject.amount == "average":
        amount = _sum_and_number(subject)

        def fits(value: Any) -> bool:
            # Not divided: so it is exact, and the same in SQL.
            return value is not None and bool(
                compare(value[0], _EXACT.multiply(Decimal(wanted), Decimal(value[1])))
            )

    return _watched(counting, lambda some: fits(amount(some)))


def told(leaf: Leaf, subject: Told, counting: Counting, predicate_of: PredicateOf) -> Judge:
    """What a property of one of them is, compared; of no event it is missing."""
    fits = predicate_of(told_test(leaf, subject))
    of_none = leaf.op == "not_exists"

    def verdict(some: Sequence[Happening]) -> bool:
        found = nth_of(some, subject)
        return of_none if found is None else fits(found.facts)

    return _watched(counting, verdict)


def told_test(leaf: Leaf, subject: Told) -> Leaf:
    """What is asked of the event: a comparison as with a trait."""
    return Leaf("", subject.of, leaf.op, leaf.value)


def _watched(counting: Counting, fits: Callable[[Sequence[Happening]], bool]) -> Judge:
    """Whether those that count now fit together, and when those that count then do not so."""

    def judge(view: View) -> Outlook:
        counted = counting(view)
        verdict = fits(_at(counted, view.now))
        bounds = sorted(
            {bound for span in counted for bound in span[:2] if view.now < bound < NEVER}
        )
        for number, bound in enumerate(bounds, 1):
            if number * len(counted) > MOST_STEPS:
                return verdict, bound
            if fits(_at(counted, bound)) is not verdict:
                return verdict, bound
        return verdict, None

    return judge


def _at(counted: Sequence[Counted], now: datetime) -> list[Happening]:
    return [one for first, behind, one in counted if first <= now < behind]


def amounting(subject: Total) -> Callable[[Sequence[Happening]], Any]:
    """What some events come to; None where there is nothing to say, as of the least of none."""
    if subject.amount == "count" or subject.of is None:
        return len
    numbers, of = _numbers(subject.of), subject.of
    match subject.amount:
        case "sum":
            return lambda some: _sum(numbers(some))
        case "average":
            return lambda some: _average(numbers(some))
        case "min":
            return lambda some: min(numbers(some), default=None)
        case "max":
            return lambda some: max(numbers(some), default=None)
        case _:
            return lambda some: len({one for each in some if (one := alike(each, of)) is not None})


def _sum_and_number(subject: Total) -> Callable[[Sequence[Happening]], Any]:
    assert subject.of is not None  # noqa: S101 - an average has a property
    numbers = _numbers(subject.of)

    def both(some: Sequence[Happening]) -> tuple[Decimal, int] | None:
        found = numbers(some)
        return (_sum(found), len(found)) if found else None

    return both


def _numbers(of: Trait) -> Callable[[Iterable[Happening]], list[int | Decimal]]:
    def read(some: Iterable[Happening]) -> list[int | Decimal]:
        found = (values.number(of.read(one.facts)) for one in some)
        return [one for one in found if one is not None]

    return read


def _sum(numbers: Iterable[int | Decimal]) -> Decimal:
    found = Decimal(0)
    for one in numbers:
        found = _EXACT.add(found, Decimal(one))
    return found


def _average(numbers: Sequence[int | Decimal]) -> Decimal | None:
    return _sum(numbers) / len(numbers) if numbers else None


def alike(one: Happening, of: Trait) -> Any:
    """A property as it is told apart from others; None for none, a list or an object."""
    value = of.read(one.facts)
    if isinstance(value, bool):
        return "boolean", value
    number = values.number(value)
    if number is not None:
        return "number", number
    return ("string", value) if isinstance(value, str) else None


def nth(leaf: Leaf, subject: Nth, counting: Counting) -> Judge:
    """When one of them was, compared with an instant or a window."""
    test = _instant_test(leaf)

    def judge(view: View) -> Outlook:
        counted = [one for _first, _behind, one in counting(view)]
        past = bisect_right(counted, view.now, key=lambda one: one.at)
        ahead = counted[past].at if past < len(counted) else None
        found = nth_of(counted[:past], subject)
        if found is None:
            return False, ahead
        verdict, until = test(found.at, view.now)
        return verdict, min((one for one in (until, ahead) if one is not None), default=None)

    return judge


def nth_of(some: Sequence[Happening], subject: Nth | Told) -> Happening | None:
    """The one that is asked for."""
    place = -1 if subject.which == "last" else subject.number - 1
    return some[place] if -1 <= place < len(some) and some else None


def _instant_test(leaf: Leaf) -> Callable[[datetime, datetime], Outlook]:
    wanted: Any = leaf.value
    if isinstance(wanted, str):
        compare = COMPARE[leaf.op]
        return lambda at, _now: (compare(values.instant(at), wanted), None)
    if isinstance(wanted, BesideNow):
        return lambda at, now: in_span(wanted.span(leaf.op, at), now)
    return lambda at, now: in_span(wanted.span(at), now)


def in_order(subject: InOrder, countings: Sequence[Counting]) -> Judge:
    """Whether such events came one after the other."""

    def judge(view: View) -> Outlook:
        spans = [(first, behind) for first, behind, _path in chains_of(subject, countings, view)]
        return covered(spans, view.now)

    return judge


def chains_of(subject: InOrder, countings: Sequence[Counting], view: View) -> list[Chain]:
    """All such sequences: of those with one end, the one that counts longest."""
    first, *others = countings
    reached: list[Reached] = [
        (behind, (one,), key)
        for _first, behind, one in first(view)
        if (key := _key(one, subject.same)) is not None
    ]
    for step, counting in zip(subject.then, others, strict=True):
        following = [
            (one, key)
            for _first, _behind, one in counting(view)
            if (key := _key(one, subject.same)) is not None
        ]
        if step.absent:
            return _alone(reached, following, step)
        reached = _followed(reached, following, step)
    return [(path[-1].at, behind, path) for behind, path, _key in reached if path[-1].at < behind]


def _key(one: Happening, same: Sequence[Trait]) -> Any:
    found = tuple(alike(one, of) for of in same)
    return None if None in found else found


def _followed(
    reached: Sequence[Reached], following: Sequence[tuple[Happening, Any]], step: Then
) -> list[Reached]:
    """Where the step leads to: each event with the longest that one before it counts."""
    found: list[Reached] = []
    waiting = deque(reached)
    open_ones: dict[Any, deque[Reached]] = {}
    for one, key in following:
        while waiting and waiting[0][1][-1].at < one.at:
            before = waiting.popleft()
            mine = open_ones.setdefault(before[2], deque())
            # Who counts shorter and began before is never the longest again.
            while mine and mine[-1][0] <= before[0]:
                mine.pop()
            mine.append(before)
        mine = open_ones.get(key, deque())
        while mine and _end(mine[0][1][-1].at, step) <= one.at:
            mine.popleft()
        if mine:
            found.append((mine[0][0], (*mine[0][1], one), key))
    return found


def _alone(
    reached: Sequence[Reached], following: Sequence[tuple[Happening, Any]], step: Then
) -> list[Chain]:
    """When it is known of those reached that nothing followed."""
    moments: dict[Any, list[datetime]] = {}
    for one, key in following:
        moments.setdefault(key, []).append(one.at)
    found = []
    for behind, path, key in reached:
        last = path[-1].at
        ends = _end(last, step)
        later = moments.get(key, [])
        at = bisect_right(later, last)
        is_alone = at == len(later) or later[at] >= ends
        if is_alone and ends < behind:
            found.append((ends, behind, path))
    return found


def _end(at: datetime, step: Then) -> datetime:
    return NEVER if step.within is None else step.within.after(at)
