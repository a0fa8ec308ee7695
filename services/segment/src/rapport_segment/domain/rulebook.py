"""The definitions in force of a workspace, and which of them a change concerns."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec

from rapport_segment.domain import event_needs
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.event_needs import Windows, windows_of
from rapport_segment.domain.event_subjects import OfEvents
from rapport_segment.domain.explaining import Why, reasoning
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.guards import Guard, Guards, guard_of, numbers_by_field
from rapport_segment.domain.outlook import NO, Judge, Outlook, View
from rapport_segment.domain.sections import (
    ANY_KIND,
    COMPUTED,
    FORBIDDING,
    HAPPENED,
    IDENTIFIERS,
    LISTS,
    RESTRAINTS,
    SCORES,
    SEGMENTS,
    Facts,
    spread,
)
from rapport_segment.domain.subjects import Consent, Field, Reachable
from rapport_segment.domain.tree import Leaf, Rule, leaves

RESTRAINED = "the person's data may not be processed, or not for profiling"
FORBIDS = frozenset((RESTRAINTS, word) for word in FORBIDDING)
MANY = 16
"""If more definitions than that read a section, then what it was before is read, too, to see which
of them are concerned."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a segment; `judge` is its rule as a function, `reads` its sections as bits.

    Nobody is in it who may not be judged, see `Facts.judged`: each definition reads that, too.
    `why` tells in words what its rule comes to. `fields` are the parts of the sections that it
    reads, `timed` those of them by which it moves with time. It counts from `since` on.

    `guard`: what somebody has to have for it to be true of them (`domain.guards`).

    `moves`: a verdict may change while nothing happens, if only to somebody who is nobody yet.

    `building`: not everybody has been held against it yet, so somebody may be out of place since
    before the record in hand.

    `beside`: it is built beside the version in force, under an id of its own. Who fits it is kept,
    and nobody is told.
    """

    segment_id: UUID
    version: int
    name: str
    rule: Rule
    judge: Judge
    why: Why
    reads: int
    fields: frozenset[Field]
    timed: frozenset[Field] = frozenset()
    building: bool = False
    since: datetime | None = None
    beside: bool = False
    windows: Windows = field(default_factory=dict)
    moves: bool = False
    guard: Guard | None = None

    @property
    def named(self) -> list[str]:
        """The ids of the segments that its rule names."""
        return [name for place, name in self.fields if place == SEGMENTS]

    @property
    def repeats(self) -> bool:
        """Whether somebody may enter again while nothing of theirs has changed."""
        return bool(self.timed or self.named or self.lists or self.asks_scores)

    @property
    def asks_scores(self) -> bool:
        """Whether its rule asks for scores."""
        return any(place == SCORES for place, _name in self.fields)

    @property
    def lists(self) -> list[str]:
        """The ids of the lists that its rule names."""
        return [name for place, name in self.fields if place == LISTS]

    @property
    def leaves(self) -> list[Leaf]:
        """All its comparisons."""
        return list(leaves(self.rule))

    @classmethod
    def of(
        cls,
        segment_id: UUID,
        version: int,
        name: str,
        rule: Rule,
        *,
        building: bool = False,
        since: datetime | None = None,
        beside: bool = False,
        judges: Judges | None = None,
    ) -> "Definition":
        """`judges` are those of the others that somebody is held against together with it."""
        made = Judges() if judges is None else judges
        fits, comes_to = made.of(rule), reasoning(rule)

        def judge(view: View) -> Outlook:
            return fits(view) if view.facts.judged else NO

        def why(view: View) -> str:
            return comes_to(view) if view.facts.judged else RESTRAINED

        reads, fields, timed = 1 << RESTRAINTS, set(FORBIDS), set[Field]()
        moves = False
        for leaf in leaves(rule):
            reads |= leaf.sections
            fields |= leaf.fields
            is_timed = leaf.is_timed or isinstance(leaf.subject, Consent | Reachable)
            is_timed |= isinstance(leaf.subject, InGroup) and leaf.subject.moves
            if is_timed or isinstance(leaf.subject, OfEvents):
                # Also of those without a window: by another clock an event may be yet to come.
                timed |= leaf.subject.fields
            moves |= is_timed or event_needs.moves(leaf)
        return cls(
            segment_id,
            version,
            name,
            rule,
            judge,
            why,
            reads,
            frozenset(fields),
            frozenset(timed),
            building,
            since,
            beside=beside,
            windows=windows_of(leaves(rule)),
            moves=moves,
            guard=guard_of(rule, made),
        )


class Rulebook:
    """The definitions in force of a workspace, and who of them reads what.

    In a fixed order: a segment comes behind those that its rule names.
    """

    def __init__(self, definitions: Sequence[Definition] = ()) -> None:
        self.definitions = definitions = in_order(definitions)
        self._order = {one.segment_id: number for number, one in enumerate(definitions)}
        self._asked: dict[tuple[int, str | None], int] = {}
        self._events_asked: dict[tuple[int, str | None], frozenset[str]] = {}
        self._readers = numbers_by_field(one.fields - FORBIDS for one in definitions)
        self._timed = numbers_by_field(one.timed for one in definitions)
        self._guards = Guards([one.guard for one in definitions])
        self._building = [number for number, one in enumerate(definitions) if one.building]
        self._names: dict[int, set[str]] = {}
        for place, name in self._readers:
            self._names.setdefault(place, set()).add(name)
        self._by_section: dict[int, list[int]] = {}
        self.event_names = frozenset(self._names.get(HAPPENED, ()))
        self.windows = _joined(one.windows for one in definitions)

    def _reading(self, place: int) -> list[int]:
        """The numbers of those that read a section."""
        found = self._by_section.get(place)
        if found is None:
            every = enumerate(self.definitions)
            found = [number for number, one in every if one.reads & 1 << place]
            self._by_section[place] = found
        return found

    def concerned(
        self, taken: Iterable[int], before: Facts, after: Facts, event: str | None = None
    ) -> Sequence[Definition]:
        """Those that read something that is not as it was in the sections `taken`, or events of
        the name of the one that was told.
        """
        found = set(self._readers.get((HAPPENED, event), ())) if event else set[int]()
        for place in taken:
            readers = self._reading(place)
            if len(readers) <= MANY:
                found.update(readers)
                continue
            old, new = before.sections[place].value, after.sections[place].value
            changed = [(place, name) for name in self._changed(place, old, new)]
            if place == IDENTIFIERS and self.event_names:
                changed += [(HAPPENED, name) for name in self._with_events(before, after)]
            if not FORBIDS.isdisjoint(changed):
                return self.definitions
            found.update(number for field in changed for number in self._readers.get(field, ()))
        return self._numbered(found)

    def possible(
        self, facts: Facts, segments: Collection[UUID] = (), *, with_building: bool = False
    ) -> list[Definition]:
        """Those that may be true of somebody, and those of the segments that they are in; what
        rests on what they enter or leave is to be judged behind that.

        `with_building`: and those against which not everybody has been held yet.
        """
        found = self._guards.possible(facts, segments) if facts.judged else set[int]()
        found.update(self._order[one] for one in segments if one in self._order)
        if with_building:
            found.update(self._building)
        return self._numbered(found)

    def _with_events(self, *some: Facts) -> list[str]:
        """The names of events that anybody of these has: they come and go with identifiers."""
        held = [one.happened for one in some if one.happened is not None]
        return [name for name in self.event_names if any(one.has(name) for one in held)]

    def reading_events(self, names: Iterable[str]) -> list[Definition]:
        """Those that look at events of these names."""
        some = (self._readers.get((HAPPENED, name), ()) for name in names)
        return self._numbered({number for readers in some for number in readers})

    def resting_on(self, segments: Iterable[UUID]) -> list[Definition]:
        """Those whose rules name one of these segments."""
        if SEGMENTS not in self._names:
            return []
        some = (self._readers.get((SEGMENTS, str(one)), ()) for one in segments)
        return self._numbered({number for readers in some for number in readers})

    @cached_property
    def lists(self) -> frozenset[str]:
        """The ids of all lists that rules name."""
        return frozenset(self._names.get(LISTS, ()))

    @property
    def asks_scores(self) -> bool:
        """Whether any rule asks for scores."""
        return SCORES in self._names

    @property
    def scores(self) -> Collection[str]:
        """The names of the scores that rules ask for."""
        return self._names.get(SCORES, set())

    def asking_scores(self, names: Iterable[str]) -> list[Definition]:
        """Those that ask for one of these scores."""
        some = (self._readers.get((SCORES, name), ()) for name in names)
        return self._numbered({number for readers in some for number in readers})

    def naming(self, list_id: UUID) -> list[Definition]:
        """Those whose rules name a list."""
        return self._numbered(self._readers.get((LISTS, str(list_id)), ()))

    def with_resting(self, some: Iterable[Definition]) -> list[Definition]:
        """These, and all that rest on them, however far."""
        found: dict[UUID, Definition] = {}
        waiting = list(some)
        while waiting:
            one = waiting.pop()
            if one.segment_id not in found:
                found[one.segment_id] = one
                waiting += self.resting_on([one.segment_id])
        return list(found.values())

    def first(self, some: Iterable[Definition]) -> Definition:
        """The one that comes before the others."""
        return min(some, key=lambda one: self._order[one.segment_id])

    def _numbered(self, numbers: Iterable[int]) -> list[Definition]:
        return [self.definitions[number] for number in sorted(numbers)]

    def _changed(self, place: int, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        names = self._names.get(place, set())
        if place == COMPUTED:
            old, new = spread(old), spread(new)
        elif place == RESTRAINTS:
            names = names | FORBIDDING
        elif place == IDENTIFIERS and ANY_KIND in names and old != new:
            return [ANY_KIND, *(one for one in names if old.get(one) != new.get(one))]
        found = [name for name, value in new.items() if name in names and _differ(old, name, value)]
        return found + [name for name in old if name in names and name not in new]

    def moving(self, facts: Facts) -> list[Definition]:
        """Those that may change by time for somebody of whom this is known."""
        found: set[int] = set()
        there: dict[int, Mapping[str, Any]] = {}
        for (place, name), some in self._timed.items():
            if place == HAPPENED:
                if facts.happened is not None and facts.happened.has(name):
                    found.update(some)
                continue
            if place not in there:
                value = facts.sections[place].value
                there[place] = spread(value) if place == COMPUTED else value
            if name in there[place]:
                found.update(some)
        return self._numbered(found)

    @cached_property
    def moved_by(self) -> int:
        """The sections that those read which move with time, and what rests on them (bits).

        0: none does.
        """
        found = 0
        for one in self.with_resting([one for one in self.definitions if one.timed]):
            found |= one.reads
        return found

    def asked(self, told: int, event: str | None = None) -> int:
        """What is asked of who is told of these sections, and of an event of that name, besides
        what is told (bits).

        Whether somebody was out of place before is asked only while a build goes on; what the
        told sections were, only where it saves work.
        """
        key = (told, event if event in self.event_names else None)
        found = self._asked.get(key)
        if found is None:
            found = 0
            for place in _places(told):
                found |= 1 << place if len(self._reading(place)) > MANY else 0
            for one in self._judged(*key):
                found |= one.reads if one.building else one.reads & ~told
            self._asked[key] = found
        return found

    def events_asked(self, told: int, event: str | None = None) -> frozenset[str]:
        """The names of the events that are looked at for who is told of these sections, and of an
        event of that name.
        """
        key = (told, event if event in self.event_names else None)
        found = self._events_asked.get(key)
        if found is None:
            some = self.event_names if told & 1 << IDENTIFIERS else ()
            found = frozenset(some).union(*(one.windows for one in self._judged(*key)))
            self._events_asked[key] = found
        return found

    def _judged(self, told: int, event: str | None) -> list[Definition]:
        """By which somebody may be judged of whom this is told."""
        numbers = set(self._readers.get((HAPPENED, event), ())) if event else set[int]()
        numbers.update(number for place in _places(told) for number in self._reading(place))
        return self.with_resting(self._numbered(numbers))


def _places(sections: int) -> list[int]:
    return [place for place in range(sections.bit_length()) if sections & 1 << place]


def _joined(some: Iterable[Windows]) -> Windows:
    found: dict[str, frozenset[Any]] = {}
    for windows in some:
        for name, ways in windows.items():
            found[name] = found.get(name, frozenset()) | ways
    return found


def in_order(definitions: Sequence[Definition]) -> list[Definition]:
    """Each behind those that its rule names; otherwise as they are given."""
    known = {str(one.segment_id): one for one in definitions}
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            depths[name] = 0  # should there be a circle, it ends here
            below = [one for one in known[name].named if one in known]
            depths[name] = 1 + max(map(depth, below), default=0)
        return depths[name]

    return sorted(definitions, key=lambda one: depth(str(one.segment_id)))


_SAME = (str, int, bool, type(None))
_encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def _differ(old: Mapping[str, Any], name: str, value: Any) -> bool:
    """Whether a rule may see a difference: true is not 1, though Python takes them for equal."""
    if name not in old:
        return True
    was = old[name]
    if was != value:
        return True
    if type(was) is type(value) and type(value) in _SAME:
        return False
    return _encoder.encode(was) != _encoder.encode(value)
