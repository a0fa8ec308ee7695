"""What somebody has to have so that a rule can be true of them.

Of somebody of whom nothing is known but that nothing has happened most rules are false, whatever
the time, and stay so until something is known that they read. Of what they read a part is enough:
of an `and` what one comparison reads that is false then. So whoever comes, with a few facts, is
held against the rules that these facts may make true, and against no others.
"""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from rapport_common.events.profile import ComputedState
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.happenings import NOTHING
from rapport_segment.domain.outlook import View
from rapport_segment.domain.sections import (
    COMPUTED,
    CONSENT,
    CONTACT_POINTS,
    HAPPENED,
    IDENTIFIERS,
    LISTS,
    SCORES,
    SEGMENTS,
    TRAITS,
    Facts,
    Section,
    UnreadSectionError,
    spread,
)
from rapport_segment.domain.subjects import Bucket, Field, InList
from rapport_segment.domain.tree import Leaf, Not, Or, Rule
from rapport_segment.domain.windows import EVER

Guard = frozenset[Field]
"""While somebody has none of these other than the blank, a rule is false of them by any clock."""

BLANK = Facts((Section(IDENTIFIERS), Section(TRAITS), Section(COMPUTED, ComputedState())))
"""Of somebody to whom nothing has happened: counts are 0, and all else is missing."""

_BLANK = BLANK.beside(NOTHING)
_COUNTS = spread(BLANK.computed)
_COMMON = {COMPUTED: 3, IDENTIFIERS: 2, CONTACT_POINTS: 1, CONSENT: 1}
"""What most people have; a guard is better of what few have."""


def guard_of(rule: Rule, judges: Judges) -> Guard | None:
    """Of which fields one has to be there for the rule to be true; None: it may be true of who has
    nothing.
    """
    return _settled(rule, judges, by=False)


def _settled(rule: Rule, judges: Judges, *, by: bool) -> Guard | None:
    """Without which fields the rule is `by`, for ever; None: that is not certain."""
    match rule:
        case Leaf():
            return _of_leaf(rule, judges, by=by)
        case Not():
            return _settled(rule.child, judges, by=not by)
        case _:
            found = [_settled(one, judges, by=by) for one in rule.children]
            certain = [one for one in found if one is not None]
            if isinstance(rule, Or) is by:
                # One part settles it.
                return min(certain, key=_commonness, default=None)
            return Guard().union(*certain) if len(certain) == len(found) else None


def _of_leaf(leaf: Leaf, judges: Judges, *, by: bool) -> Guard | None:
    if isinstance(leaf.subject, Bucket):
        # It is drawn by an id, which everybody has.
        return None
    if judges.of(leaf)(View(_BLANK, EVER)) != (by, None):
        return None
    if isinstance(leaf.subject, InList):
        return frozenset({(LISTS, leaf.subject.id)})
    # Not the zone of an anniversary: of what is missing it says nothing.
    return leaf.subject.fields


def _commonness(guard: Guard) -> tuple[int, int]:
    return max((_COMMON.get(place, 0) for place, _name in guard), default=0), len(guard)


class Guards:
    """Rules by what has to be there for them to be true, each by its number."""

    def __init__(self, guards: Sequence[Guard | None]) -> None:
        self._always = [number for number, one in enumerate(guards) if one is None]
        self._by_field = numbers_by_field(one or () for one in guards)
        named: dict[int, set[str]] = {}
        for place, name in self._by_field:
            named.setdefault(place, set()).add(name)
        self._sections = sorted(named.keys() - {SEGMENTS, LISTS, SCORES, HAPPENED})
        self._events = frozenset(named.get(HAPPENED, ()))
        self._has_lists = LISTS in named

    def possible(self, facts: Facts, segments: Iterable[UUID]) -> set[int]:
        """Those that may be true of somebody of whom this is known, who is in these segments; all
        others are false, and time alone makes none of them true.

        UnreadSectionError if what they ask for was not read.
        """
        found = set(self._always)
        for field in self._held(facts):
            found.update(self._by_field.get(field, ()))
        for one in segments:
            found.update(self._by_field.get((SEGMENTS, str(one)), ()))
        return found

    def _held(self, facts: Facts) -> Iterator[Field]:
        """What is known of somebody, and not of everybody, as far as any guard asks for it."""
        for place in self._sections:
            value = facts.sections[place].value
            if place == COMPUTED:
                yield from ((COMPUTED, name) for name in _counted(spread(value)))
            else:
                yield from ((place, name) for name in value)
        yield from ((SCORES, name) for name in facts.scores)
        if self._has_lists:
            yield from ((LISTS, one) for one in facts.roll.having(facts.identifiers))
        if self._events:
            if facts.happened is None:
                raise UnreadSectionError
            yield from ((HAPPENED, name) for name in facts.happened.among(self._events))


def _counted(computed: dict[str, object]) -> Iterator[str]:
    """Aggregates that are not as those of who did nothing; there may be none of these at all."""
    yield from (name for name, value in computed.items() if _COUNTS.get(name) != value)
    yield from (name for name in _COUNTS if name not in computed)


def numbers_by_field(some: Iterable[Iterable[Field]]) -> dict[Field, list[int]]:
    """The numbers of rules by what they have to do with; these cost less to hash than ids."""
    found: dict[Field, list[int]] = {}
    for number, fields in enumerate(some):
        for part in fields:
            found.setdefault(part, []).append(number)
    return found
