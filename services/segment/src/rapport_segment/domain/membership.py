"""Who enters and who leaves: a person held against definitions, and what comes of a merge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from rapport_common.events.membership import Membership
from rapport_common.follower.domain import Versions
from rapport_segment.domain import evaluate
from rapport_segment.domain.rules import Rule, sections_read
from rapport_segment.domain.sections import NO_FACTS, RESTRAINTS, Facts

Cause = Literal["event", "definition", "merge"]
GONE = "nobody has this profile any more"
RESTRAINED = "the person's data may not be processed, or not for profiling"


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a segment; `matches` is its rule as a function, `reads` its sections as bits.

    Nobody is in it who may not be judged, see `Facts.judged`: each definition reads that, too.
    `why` tells in words what its rule comes to.

    `building`: not everybody has been held against it yet, so somebody may be out of place since
    before the record in hand.
    """

    segment_id: UUID
    version: int
    name: str
    rule: Rule
    matches: Callable[[Facts], bool]
    why: Callable[[Facts], str]
    reads: int
    building: bool = False

    @classmethod
    def of(
        cls, segment_id: UUID, version: int, name: str, rule: Rule, *, building: bool = False
    ) -> "Definition":
        fits, comes_to = evaluate.predicate(rule), evaluate.reasoning(rule)
        return cls(
            segment_id,
            version,
            name,
            rule,
            lambda facts: facts.judged and fits(facts),
            lambda facts: comes_to(facts) if facts.judged else RESTRAINED,
            sections_read(rule) | 1 << RESTRAINTS,
            building,
        )


class Rulebook:
    """The definitions in force of a workspace, in a fixed order, and who of them reads what."""

    def __init__(self, definitions: Sequence[Definition] = ()) -> None:
        self.definitions = definitions
        self._reading: dict[int, list[Definition]] = {}
        self._asked: dict[int, int] = {}

    def reading(self, sections: int) -> list[Definition]:
        """Those that read at least one of these sections (bits)."""
        found = self._reading.get(sections)
        if found is None:
            found = [one for one in self.definitions if one.reads & sections]
            self._reading[sections] = found
        return found

    def asked(self, told: int) -> int:
        """What is asked of who is told of these sections, besides what is told (bits).

        Whether somebody was out of place before is asked only while a build goes on.
        """
        found = self._asked.get(told)
        if found is None:
            found = 0
            for one in self.reading(told):
                found |= one.reads if one.building else one.reads & ~told
            self._asked[told] = found
        return found


class Entry(msgspec.Struct, frozen=True):
    """One stay of a person in a segment; open while `exited_at` is None.

    `profile_version` and `reason` speak of its beginning: written once, not read for judging.
    """

    workspace: str
    segment_id: UUID
    profile_id: UUID
    entry_id: UUID
    entered_at: datetime
    segment_version: int
    profile_version: int = 0
    reason: str = ""
    exited_at: datetime | None = None
    exit_reason: str | None = None


class Person(msgspec.Struct, frozen=True):
    """What is known of one profile id; `entries` are the open ones by segment.

    `version` is the newest that is known of the id, `versions` those of its sections. `known`: it
    is somebody, and all that was told of them is here; nobody else is judged.
    """

    workspace: str
    profile_id: UUID
    version: int = 0
    versions: Versions = ()
    facts: Facts = NO_FACTS
    known: bool = False
    entries: Mapping[UUID, Entry] = msgspec.field(default_factory=dict)


class Moment(msgspec.Struct, frozen=True):
    """When and by what a change comes about."""

    at: datetime
    cause: Cause
    event_timestamp: datetime | None = None
    historic: bool = False
    restored: bool = False


class Change(msgspec.Struct, frozen=True):
    """An entry as it is now, and the record that tells the others."""

    entry: Entry
    record: Membership


def entry_id(person: Person, definition: Definition) -> UUID:
    """The same for the same person, state and definition, however often it is worked out.

    The definition's version is in it: a rule that changes to and fro makes the same state
    enter twice. All of the state's versions are: what was missed may be told later.
    """
    state = ".".join(map(str, person.versions))
    name = f"{person.workspace}/{person.profile_id}/{state}/{definition.version}"
    # As `uuid.uuid5` makes it, in half the time.
    digest = sha1(definition.segment_id.bytes + name.encode(), usedforsecurity=False).digest()
    return UUID(bytes=digest[:16], version=5)


def enter(person: Person, definition: Definition, reason: str, moment: Moment) -> Change:
    """The person's stay in the segment begins."""
    entry = Entry(
        workspace=person.workspace,
        segment_id=definition.segment_id,
        profile_id=person.profile_id,
        entry_id=entry_id(person, definition),
        entered_at=moment.at,
        segment_version=definition.version,
        profile_version=person.version,
        reason=reason,
    )
    return Change(
        entry, _record(entry, person, definition.version, moment, change="entered", reason=reason)
    )


def leave(
    person: Person, entry: Entry, segment_version: int, reason: str, moment: Moment
) -> Change:
    """The stay `entry` ends; told under the person's id, which an entry may outlive in a merge."""
    ended = replace(entry, exited_at=moment.at, exit_reason=reason)
    return Change(
        ended, _record(entry, person, segment_version, moment, change="exited", reason=reason)
    )


def _record(
    entry: Entry,
    person: Person,
    segment_version: int,
    moment: Moment,
    *,
    change: Literal["entered", "exited"],
    reason: str,
) -> Membership:
    return Membership(
        workspace=person.workspace,
        profile_id=str(person.profile_id),
        profile_version=person.version,
        segment_id=str(entry.segment_id),
        segment_version=segment_version,
        entry_id=str(entry.entry_id),
        change=change,
        at=moment.at,
        cause=moment.cause,
        reason=reason,
        event_timestamp=moment.event_timestamp,
        historic=moment.historic,
        restored=moment.restored,
    )


def judge(
    person: Person,
    definitions: Sequence[Definition],
    moment: Moment,
    before: Facts | None = None,
) -> tuple[Person, list[Change]]:
    """Hold a person's facts against definitions; of who is not known there is no verdict.

    `before` are the facts before the record in hand. Who was out of place by these already is
    put right because of the definition, not because of the record: it only came before the build.
    """
    if not person.known:
        return person, []
    facts = person.facts
    changes: list[Change] = []
    for definition in definitions:
        entry = person.entries.get(definition.segment_id)
        if definition.matches(facts) is (entry is not None):
            continue
        why = definition.why(facts)
        when = moment
        if (
            definition.building
            and before is not None
            and definition.matches(before) is not (entry is not None)
        ):
            when = Moment(moment.at, "definition")
        if entry is None:
            changes.append(enter(person, definition, why, when))
        else:
            changes.append(leave(person, entry, definition.version, why, when))
    return (_with(person, changes), changes) if changes else (person, changes)


def _with(person: Person, changes: Sequence[Change]) -> Person:
    entries = dict(person.entries)
    for change in changes:
        if change.entry.exited_at is None:
            entries[change.entry.segment_id] = change.entry
        else:
            del entries[change.entry.segment_id]
    return replace(person, entries=entries)


def end(person: Person, version: int, now: datetime) -> tuple[Person, list[Change]]:
    """All stays end: nobody is this person any more. Only the id and its version are kept."""
    moment = Moment(now, "merge")
    changes = [
        leave(replace(person, version=version), entry, entry.segment_version, GONE, moment)
        # In a fixed order: entries come from memory or from the database, as batches fall.
        for _, entry in sorted(person.entries.items())
    ]
    return Person(person.workspace, person.profile_id, version), changes


def merge(
    gone: Person,
    survivor: Person,
    definitions: Sequence[Definition],
    now: datetime,
    *,
    is_told: bool = True,
) -> tuple[Person, list[Change]]:
    """The survivor with the entries of the id that is gone, and what became of them.

    A stay that only the gone id had goes on under the survivor. Where both had one, the gone
    id's ends, and the survivor's counts from the earlier beginning. Then the survivor's facts
    decide, if they tell of both already (`is_told`): the facts of one half would end a stay only
    for the whole's to begin another.
    """
    moment = Moment(now, "merge")
    reason = f"merged into {survivor.profile_id}"
    entries, changes = dict(survivor.entries), []
    # In a fixed order: entries come from memory or from the database, as batches fall.
    for segment_id, entry in sorted(gone.entries.items()):
        own = entries.get(segment_id)
        moved = replace(entry, profile_id=survivor.profile_id)
        if own is None:
            entries[segment_id] = moved
        else:
            since = min(own.entered_at, entry.entered_at)
            entries[segment_id] = replace(own, entered_at=since)
            changes.append(leave(gone, moved, entry.segment_version, reason, moment))
    survivor = replace(survivor, entries=entries)
    if not is_told:
        return survivor, changes
    judged, more = judge(survivor, definitions, moment)
    return judged, changes + more
