"""The stays of people in segments, as one record after the other is told of them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from rapport_common.follower.domain import Ended, Key, Overlaid, Step
from rapport_segment.domain.happenings import (
    Anchor,
    Arrival,
    Copied,
    Happenings,
    Kept,
    Message,
    with_one,
    without,
)
from rapport_segment.domain.membership import (
    Cause,
    Change,
    Entry,
    Moment,
    Person,
    end,
    judge,
    lapse,
    merge,
    merged_into,
    settle,
)
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Rulebook
from rapport_segment.domain.sections import (
    ALL_SECTIONS,
    IDENTIFIERS,
    Facts,
    Section,
    UnreadSectionError,
)

NO_RULES = Rulebook()
EVERY_SECTION = ALL_SECTIONS.bit_count()


class Stays:
    """People in memory with their open entries; `overlaid` and `ended` take what is told of them.

    Whoever made it has put in everybody whom the records name, with the sections that are read.
    Afterwards it tells what to write: the `entries` by profile and entry id. One entry has several
    where a merge has it go on under another id. `loaded` says under which id those are that were
    there before.
    """

    def __init__(
        self,
        rulebooks: Mapping[str, Rulebook],
        people: dict[Key, Person],
        now: datetime,
        kept: Kept | None = None,
        copies: Mapping[Message, Copied] | None = None,
    ) -> None:
        """`kept` are the events that were read of all these people's anchors, `copies` those that
        are kept of the messages that are told.
        """
        self._rulebooks = rulebooks
        self.now = now
        self._kept: Kept = {} if kept is None else kept
        self._copies = {} if copies is None else copies
        self.arrivals: dict[Message, Arrival] = {}
        self.astray: set[tuple[str, Anchor]] = set()
        """Anchors under which something has changed that nobody here was judged by."""
        self._told: list[tuple[Key, Arrival, bool]] = []
        self.people = people
        for key, person in people.items():
            people[key] = replace(person, facts=self._with_events(key, person.facts))
        self.loaded = {
            one.entry_id: one.profile_id for who in people.values() for one in who.entries.values()
        }
        self.judged: set[Key] = set()
        self.entries: dict[tuple[UUID, UUID], Entry] = {}

    def _with_events(self, key: Key, facts: Facts) -> Facts:
        """The facts with the events of their identifiers, if any rule asks for events."""
        if not self._rulebook(key).event_names:
            return facts
        try:
            anchors = facts.sections[IDENTIFIERS].anchors
        except UnreadSectionError:
            return facts
        return facts.beside(Happenings([self._kept.get((key[0], one)) for one in anchors]))

    def happens(self, arrival: Arrival) -> bool:
        """Take an event in; False if a later copy of it is kept."""
        known = self.arrivals.get(arrival.message) or self._copies.get(arrival.message)
        if known is not None:
            if known.copy > arrival.copy:
                return False
            self._lose(arrival, known.anchor, known.name)
        self.arrivals[arrival.message] = arrival
        named = self._kept.get((arrival.workspace, arrival.anchor))
        if named is not None and arrival.name in named:
            news = {arrival.name: with_one(named[arrival.name], arrival.one)}
            self._kept[arrival.workspace, arrival.anchor] = {**named, **news}
        return True

    def told(self, key: Key, arrival: Arrival, *, judged: bool) -> None:
        """An event was told of somebody, who was `judged` then or not."""
        if self.reads(arrival):
            self._told.append((key, arrival, judged))

    def reads(self, arrival: Arrival) -> bool:
        """Whether any rule looks at events of its name."""
        return arrival.name in self.event_names(arrival.workspace)

    def event_names(self, workspace: str) -> frozenset[str]:
        """The names of the events that any rule of a workspace looks at."""
        return self._rulebook((workspace, "")).event_names

    def strays(self) -> set[tuple[str, Anchor]]:
        """The anchors whose owners have yet to be judged: by what was told under another's id, as
        before a merge or a split of which they were told first.
        """
        found = set(self.astray)
        for key, arrival, judged in self._told:
            person = self.people.get(key)
            if not judged or person is None or not person.known or not _has(person, arrival):
                found.add((arrival.workspace, arrival.anchor))
        return found

    def _lose(self, arrival: Arrival, anchor: Anchor, name: str) -> None:
        """Another copy of the event was told before, under this anchor and name."""
        if (anchor, name) == (arrival.anchor, arrival.name):
            return
        self.astray.add((arrival.workspace, anchor))
        named = self._kept.get((arrival.workspace, anchor))
        if named is not None and name in named:
            left = without(named[name], *arrival.one.message)
            self._kept[arrival.workspace, anchor] = {**named, name: left}

    def overlaid(
        self,
        turn: Overlaid,
        step: Step,
        told: Mapping[int, Section],
        event: str | None = None,
    ) -> list[Change]:
        """Take in sections, and judge who is known: by the rules that read what has changed, or
        the event of this name that was told.
        """
        before = self.people[turn.key]
        facts = before.facts.overlaid({place: told[place] for place in turn.taken})
        person = replace(
            before,
            version=turn.after.version,
            versions=turn.after.versions,
            facts=self._with_events(turn.key, facts),
            known=turn.after.known,
        )
        self.people[turn.key] = person
        if not person.known:
            return []
        self.judged.add(turn.key)
        rules, moment = self._rulebook(turn.key), self._moment(turn, step)
        if not turn.before.known:
            possible = rules.possible(person.facts, person.entries)
            return self._judged(turn.key, *judge(person, possible, moment), moment)
        touched = (
            rules.possible(person.facts, person.entries, with_building=True)
            if _is_told_anew(step)
            else rules.concerned(turn.taken, before.facts, person.facts, event)
        )
        just_before = View(before.facts, moment.at)
        return self._judged(turn.key, *judge(person, touched, moment, just_before), moment)

    def looked_at(self, key: Key) -> list[Change]:
        """Judge somebody by all rules that ask for events, as they are now.

        Had the records come the other way round, it would have been done with the merge or split.
        """
        person, rules = self.people[key], self._rulebook(key)
        moment = Moment(self.now, "merge")
        some = rules.reading_events(rules.event_names)
        just_before = View(person.facts, moment.at)
        self.judged.add(key)
        return self._judged(key, *judge(person, some, moment, just_before), moment)

    def scored(
        self, key: Key, news: Mapping[str, datetime], former: Mapping[str, Any]
    ) -> list[Change]:
        """Judge somebody by the rules that ask for these scores: since when they are others; all
        were the `former` ones before.
        """
        person, rules = self.people[key], self._rulebook(key)
        moment = Moment(self.now, "event", min(self.now, max(news.values())), repeats=True)
        just_before = View(person.facts.overlaid({}).scored(former), moment.at)
        self.judged.add(key)
        some = rules.asking_scores(news)
        return self._judged(key, *judge(person, some, moment, just_before), moment)

    def lapsed(self, key: Key, since: datetime) -> list[Change]:
        """What time has done with somebody from `since` on; their `check` is that of all rules."""
        rules = self._rulebook(key)
        return self._keep(key, *lapse(self.people[key], rules, since, self.now))

    def _judged(
        self, key: Key, person: Person, changes: list[Change], moment: Moment
    ) -> list[Change]:
        """Keep what judging has come to, and what rests on that."""
        return self._keep(key, *settle(person, changes, self._rulebook(key), moment))

    def _rulebook(self, key: Key) -> Rulebook:
        return self._rulebooks.get(key[0], NO_RULES)

    def _moment(self, turn: Overlaid, step: Step) -> Moment:
        """What this is caused by. Who was not known in full is put right: it is no news."""
        event = step.record.event
        if step.record.republished or turn.before.lacks is not None:
            # By an older reader it is taken for a merge of long ago, which nobody is told of.
            return Moment(self.now, "merge", historic=True, restored=True)
        # A state without an event: identifiers joined or left.
        cause: Cause = "merge" if event is None else "event"
        when = None if event is None else event.timestamp
        return Moment(self.now, cause, when, historic=event is not None and event.historic)

    def ended(self, turn: Ended) -> list[Change]:
        """All stays of an id end, or go on under its survivor."""
        gone = self.people[turn.key]
        after, changes = end(gone, turn.version, self.now)
        if turn.survivor is None:
            return self._keep(turn.key, after, changes)
        into = self.people[turn.survivor]
        gone = replace(gone, version=turn.version)
        rules, is_judged = self._rulebook(turn.key), turn.is_told and into.known
        segments = {**gone.entries, **into.entries}
        possible = rules.possible(into.facts, segments) if is_judged else ()
        survivor, changes = merge(gone, into, possible, self.now, is_told=is_judged)
        if is_judged:
            survivor, changes = settle(survivor, changes, rules, Moment(self.now, "merge"))
        for segment_id, entry in gone.entries.items():
            if segment_id not in into.entries:
                at = max(self.now, entry.since or entry.entered_at)
                self._put(replace(entry, exited_at=at, exit_reason=merged_into(survivor)))
        self._keep(turn.key, after, [])
        return self._keep(turn.survivor, survivor, changes)

    def _keep(self, key: Key, person: Person, changes: list[Change]) -> list[Change]:
        before = self.people[key].entries
        self.people[key] = person
        for change in changes:
            self._put(change.entry)
        for segment_id, entry in person.entries.items():
            if entry is not before.get(segment_id):
                self._put(entry)
        return changes

    def _put(self, entry: Entry) -> None:
        key = (entry.profile_id, entry.entry_id)
        former = self.entries.get(key)
        if former is not None and _first(former) < _first(entry):
            # It had gone on under another id, and has come back: it is one row.
            entry = replace(entry, since=_first(former))
        self.entries[key] = entry


def _first(entry: Entry) -> datetime:
    """From when on it is the person's."""
    return entry.since or entry.entered_at


def _has(person: Person, arrival: Arrival) -> bool:
    return arrival.anchor in person.facts.sections[IDENTIFIERS].anchors


def _is_told_anew(step: Step) -> bool:
    """Whether it is no step of one life alone: stays may have come from elsewhere."""
    return bool(step.ends) or step.record.republished or len(step.told) == EVERY_SECTION


def with_entries(people: Mapping[Key, Person], entries: Iterable[Entry]) -> dict[Key, Person]:
    """The people with their open entries."""
    held: dict[tuple[str, UUID], dict[UUID, Entry]] = {}
    for entry in entries:
        held.setdefault((entry.workspace, entry.profile_id), {})[entry.segment_id] = entry
    return {
        key: replace(person, entries=held.get((person.workspace, person.profile_id), {}))
        for key, person in people.items()
    }
