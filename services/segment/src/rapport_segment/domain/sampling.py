"""What people who were drawn by chance make of everybody."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, assert_never

from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.funnel import SHOWN, TYPES, Counted, Tallied, parts, traits_of
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition
from rapport_segment.domain.sections import Facts
from rapport_segment.domain.subjects import Reachable, Trait
from rapport_segment.domain.tree import And, Leaf, Not, Or, Rule

Z = 1.959963984540054
"""Of a normal distribution 95 % lie no further than so many deviations from its middle."""

Verdicts = list[bool]
"""What each part of a rule comes to for somebody, in the order of `funnel.parts`."""

Look = Callable[[View, Verdicts], bool]


@dataclass(frozen=True, slots=True)
class Interval:
    """A number of people, in which with 95 % the true one lies."""

    low: int
    high: int


def wilson(fitting: int, sampled: int) -> tuple[float, float]:
    """Between which shares of everybody, 0 to 1, those lie whom a rule fits that fits so many of a
    sample: the 95 % score interval, which holds for shares near 0 and 1, too.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    JASA 22 (1927) 209-212.
    """
    if not sampled:
        return 0.0, 1.0
    share = fitting / sampled
    middle = share + Z**2 / (2 * sampled)
    half = Z * math.sqrt(share * (1 - share) / sampled + Z**2 / (4 * sampled**2))
    whole = 1 + Z**2 / sampled
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def population(found: int, share: float) -> Interval:
    """Of how many people so many were found when a share of them, above 0, was drawn, each by
    chance: Wilson's interval where the share is small.
    """
    middle = found + Z**2 / 2
    half = Z * math.sqrt(found + Z**2 / 4)
    return Interval(math.floor((middle - half) / share), math.ceil((middle + half) / share))


def fitting_of(fitting: int, sampled: int, everybody: Interval) -> Interval:
    """How many of everybody a rule fits that fits so many of a sample. Those who were judged are
    known: when that is everybody it is one number.
    """
    low, high = wilson(fitting, sampled)
    return Interval(
        max(fitting, math.floor(low * everybody.low)),
        max(fitting, min(everybody.high - (sampled - fitting), math.ceil(high * everybody.high))),
    )


def scaled(one: Tallied, everybody: int) -> Tallied:
    """What a sample, of one person at the least, makes of so many."""
    factor = everybody / one.everybody

    def whole(count: int) -> int:
        return round(count * factor)

    return replace(
        one,
        fitting=whole(one.fitting),
        everybody=everybody,
        funnel=[
            replace(
                each,
                count=whole(each.count),
                left=None if each.left is None else whole(each.left),
            )
            for each in one.funnel
        ],
        reach={channel: whole(count) for channel, count in one.reach.items()},
        types={
            trait: {name: whole(count) for name, count in found.items()}
            for trait, found in one.types.items()
        },
    )


class Trial:
    """A rule that people are held against one by one, and what it comes to by and by."""

    def __init__(self, definition: Definition, channels: Sequence[str], purpose: str) -> None:
        """`channels` are those by which it is asked who is reached, for a purpose."""
        rule = definition.rule
        judges = Judges()
        self.definition = definition
        self.sampled = 0
        self.shown: list[View] = []
        self._look = _looking(rule, judges)
        self._parts = list(parts(rule))
        places = {one.path: number for number, one in enumerate(self._parts)}
        self._joined = [
            [places[f"{one.path}.and[{at}]" if one.path else f"and[{at}]"] for at in _children(one)]
            for one in self._parts
            if isinstance(one.rule, And)
        ]
        reaching = [Leaf("", Reachable(one, purpose), "is", None) for one in channels]
        self._reach = dict(zip(channels, map(judges.of, reaching), strict=True))
        self.reads = definition.reads
        for leaf in reaching:
            self.reads |= leaf.sections
        self._counts = Counter[int]()
        self._left = Counter[int]()
        self._reached = Counter[str]()
        self._types = {one: Counter[str]() for one in traits_of(rule)}

    def add(self, view: View) -> None:
        """Hold somebody against it."""
        self.sampled += 1
        for trait, found in self._types.items():
            found[_type_of(trait, view.facts)] += 1
        if not view.facts.judged:
            return
        verdicts: Verdicts = []
        fits = self._look(view, verdicts)
        self._counts.update(number for number, one in enumerate(verdicts) if one)
        for children in self._joined:
            for number in children:
                if not verdicts[number]:
                    break
                self._left[number] += 1
        if not fits:
            return
        self._reached.update(one for one, judge in self._reach.items() if judge(view)[0])
        if len(self.shown) < SHOWN:
            self.shown.append(view)

    @property
    def tallied(self) -> Tallied:
        """What it has come to, of those who were held against it."""
        joined = {number for children in self._joined for number in children}
        return Tallied(
            self._counts[0],
            self.sampled,
            [
                Counted(one, self._counts[number], self._left[number] if number in joined else None)
                for number, one in enumerate(self._parts)
            ],
            {one: self._reached[one] for one in self._reach},
            {trait: {name: found[name] for name in TYPES} for trait, found in self._types.items()},
            [],
        )


def _children(part: Any) -> range:
    return range(len(part.rule.children))


def _looking(rule: Rule, judges: Judges) -> Look:
    """A function that notes what each part comes to: each is looked at once."""
    match rule:
        case Leaf():
            judge = judges.of(rule)
            return _noting(lambda view, _found: judge(view)[0])
        case Not():
            child = _looking(rule.child, judges)
            return _noting(lambda view, found: not child(view, found))
        case And():
            every = [_looking(one, judges) for one in rule.children]
            # Each of them, also behind one that settles it.
            return _noting(lambda view, found: min([one(view, found) for one in every]))
        case Or():
            some = [_looking(one, judges) for one in rule.children]
            return _noting(lambda view, found: max([one(view, found) for one in some]))
        case _:
            assert_never(rule)


def _noting(look: Look) -> Look:
    """The same, which notes its verdict before those of its parts."""

    def noted(view: View, found: Verdicts) -> bool:
        place = len(found)
        found.append(False)
        found[place] = look(view, found)
        return found[place]

    return noted


def _type_of(trait: Trait, facts: Facts) -> str:
    """One of `TYPES`."""
    match trait.read(facts):
        case None:
            return "missing"
        case bool():
            return "boolean"
        case str():
            return "text"
        case dict():
            return "object"
        case int() | float() | Decimal():
            return "number"
        case _:
            return "list"
