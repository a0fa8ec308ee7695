"""Events in SQL: the same verdicts as `domain.events_judging` gives.

In each part `e` is a row of one of the person's events. Its properties are asked as traits are: as
those of a row `p` that hides the person's.
"""

from collections.abc import Callable
from typing import Any, assert_never

from rapport_segment.domain.event_subjects import (
    ANY,
    CASE_EVENTS,
    CLOSED_BY,
    OPEN,
    SINCE,
    Answer,
    Cased,
    Events,
    Nth,
    OfEvents,
    Performed,
    Sequence,
    Then,
    Told,
    Total,
)
from rapport_segment.domain.events_judging import told_test
from rapport_segment.domain.happenings import MOST
from rapport_segment.domain.subjects import Trait
from rapport_segment.domain.tree import Leaf
from rapport_segment.store.happenings import NEWEST
from rapport_segment.store.instants import Instants, later
from rapport_segment.store.places import Places, inside, number_of, text_of

_COMPARE = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_OLDEST = 'e.at, e.source COLLATE "C", e.message_id COLLATE "C"'
_WRITTEN = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
"""An instant as facts have it."""
_NEWEST = 'e.at DESC, e.source COLLATE "C" DESC, e.message_id COLLATE "C" DESC'


class EventsCondition:
    """Comparisons with events, for a row `p` of `segment.person`."""

    def __init__(self, places: Places, instants: Instants, test: Callable[[Leaf], str]) -> None:
        """`test` is a comparison with a row `p`."""
        self._places = places
        self._instants = instants
        self._test = test

    def test(self, leaf: Leaf, subject: OfEvents) -> str:
        """A comparison, never NULL."""
        match subject:
            case Performed():
                return f"EXISTS (SELECT FROM {self._counted(subject.events)})"
            case Total():
                return self._total(leaf, subject)
            case Nth():
                return self._nth(leaf, subject)
            case Told():
                return self._told(leaf, subject)
            case Answer():
                meant: Any = subject.meant
                return self.test(meant, meant.subject)
            case Sequence():
                return self._sequence(subject)
            case Cased():
                return self._cased(subject)
            case _:
                assert_never(subject)

    def _source(self, name: str, row: str = "e") -> str:
        """The person's events of a name: of each anchor the newest."""
        return (
            "(SELECT h.at AT TIME ZONE 'UTC' AS at, h.source, h.message_id, "
            "h.properties AS traits FROM segment.anchor a, LATERAL (SELECT * "
            "FROM segment.happening h WHERE h.workspace = a.workspace "
            f"AND h.name = {self._places.text(name)} AND h.anchor = a.anchor "
            f"{NEWEST} LIMIT {MOST}) AS h "
            f"WHERE a.workspace = p.workspace AND a.profile_id = p.profile_id) AS {row}"
        )

    def _counted(self, events: Events) -> str:
        """Those that count now, as what stands behind FROM."""
        tests = [self._instants.counts("e.at", events.window), *self._fitting(events)]
        return f"{self._source(events.name)} WHERE {' AND '.join(tests)}"

    def _fitting(self, events: Events, row: str = "e") -> list[str]:
        return [inside(self._test(leaf), row) for leaf in events.where]

    def _total(self, leaf: Leaf, subject: Total) -> str:
        wanted: Any = leaf.value
        op = _COMPARE[leaf.op]
        limit = f"CAST({self._places.text(format(wanted, 'f'))} AS numeric)"
        rows = self._counted(subject.events)
        if subject.of is None:
            return f"((SELECT count(*) FROM {rows}) {op} {limit})"
        if subject.amount == "distinct":
            return f"((SELECT count(DISTINCT {self._key(subject.of)}) FROM {rows}) {op} {limit})"
        number = inside(number_of(self._places.read(subject.of)))
        numbers = f"FROM (SELECT {number} AS n FROM {rows}) AS v"
        if subject.amount == "sum":
            return f"(SELECT COALESCE(sum(v.n), 0) {op} {limit} {numbers})"
        if subject.amount == "average":
            return f"(SELECT COALESCE(sum(v.n) {op} {limit} * count(v.n), false) {numbers})"
        return f"(SELECT COALESCE({subject.amount}(v.n) {op} {limit}, false) {numbers})"

    def _key(self, of: Trait, row: str = "e") -> str:
        """What tells values of a property apart; NULL for none, a list or an object."""
        x = self._places.read(of)
        return inside(
            f"CASE WHEN {number_of(x)} IS NOT NULL "
            f"THEN 'n' || CAST(trim_scale({number_of(x)}) AS text) "
            f"WHEN jsonb_typeof({x}) = 'string' THEN 's' || {text_of(x)} "
            f"WHEN jsonb_typeof({x}) = 'boolean' THEN 'b' || {text_of(x)} END",
            row,
        )

    def _nth(self, leaf: Leaf, subject: Nth) -> str:
        compared = self._instants.compared("v.at", leaf)
        return f"COALESCE((SELECT {compared} FROM {self._one(subject)}), false)"

    def _told(self, leaf: Leaf, subject: Told) -> str:
        """Of no event a property is missing."""
        test = inside(self._test(told_test(leaf, subject)), "v")
        of_none = "true" if leaf.op == "not_exists" else "false"
        return f"COALESCE((SELECT {test} FROM {self._one(subject)}), {of_none})"

    def _one(self, subject: Nth | Told) -> str:
        """The event that is asked for, as a row `v`."""
        order = _NEWEST if subject.which == "last" else _OLDEST
        return (
            f"(SELECT e.at, e.traits FROM {self._counted(subject.events)} "
            f"ORDER BY {order} LIMIT 1 OFFSET {subject.number - 1}) AS v"
        )

    def _cased(self, subject: Cased) -> str:
        """Rows `c`: the last step of each case, with its instant among the `traits`."""
        steps = " UNION ALL ".join(
            f"SELECT e.*, {'false' if name == CLOSED_BY else 'true'} AS is_open "
            f"FROM {self._source(name)}"
            for name in CASE_EVENTS
        )
        case_id = f'(e.traits ->> {self._places.text("case_id")}) COLLATE "C"'
        step = f"e.traits -> {self._places.text('step')}"
        number = f"CASE jsonb_typeof({step}) WHEN 'number' THEN CAST({step} AS numeric) ELSE 0 END"
        since = f"{self._places.text(SINCE)}, to_char(e.at, {self._places.text(_WRITTEN)})"
        lasts = (
            f"SELECT DISTINCT ON ({case_id}) e.is_open, e.traits || jsonb_build_object({since}) "
            f"AS traits FROM ({steps}) AS e WHERE {self._instants.has_come('e.at')} "
            "AND jsonb_typeof(e.traits -> 'case_id') = 'string' "
            f"ORDER BY {case_id}, {number} DESC, {_NEWEST}"
        )
        tests = [inside(self._test(one), "c") for one in subject.where]
        if subject.state != ANY:
            tests.append("c.is_open" if subject.state == OPEN else "NOT c.is_open")
        return f"EXISTS (SELECT FROM ({lasts}) AS c WHERE {' AND '.join(['true', *tests])})"

    def _sequence(self, subject: Sequence) -> str:
        """Rows `e0`, `e1` …, one after the other."""
        sources = [self._source(subject.first.name, "e0")]
        tests = [self._instants.counts("e0.at", subject.first.window)]
        tests += self._fitting(subject.first, "e0")
        tests += [f"{self._key(of, 'e0')} IS NOT NULL" for of in subject.same]
        for number, step in enumerate(subject.then):
            before, row = f"e{number}.at", f"e{number + 1}"
            source = self._source(step.events.name, row)
            follows = self._following(subject, step, before, row)
            if step.absent and step.within is not None:
                tests.append(self._instants.has_come(later(before, step.within)))
                tests.append(f"NOT EXISTS (SELECT FROM {source} WHERE {' AND '.join(follows)})")
            else:
                sources.append(source)
                tests += [*follows, self._instants.has_come(f"{row}.at")]
        return f"EXISTS (SELECT FROM {', '.join(sources)} WHERE {' AND '.join(tests)})"

    def _following(self, subject: Sequence, step: Then, before: str, row: str) -> list[str]:
        tests = [f"{row}.at > {before}"]
        if step.within is not None:
            tests.append(f"{row}.at < {later(before, step.within)}")
        tests += [f"{self._key(of, row)} = {self._key(of, 'e0')}" for of in subject.same]
        return tests + self._fitting(step.events, row)
