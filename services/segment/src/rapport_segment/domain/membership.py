"""Who enters and who leaves: a person held against definitions, and what comes of a merge."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha1
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from rapport_common.events.membership import Membership
from rapport_common.follower.domain import Versions
from rapport_segment.domain.explaining import MAX_REASON
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.sections import NO_FACTS, Facts, nobody

Cause = Literal["event", "definition", "merge"]
GONE = "nobody has this profile any more"
PASSED = "time passed: "
"""So begins the reason of a change that no record has brought about."""

INSTANT_STEP = timedelta(microseconds=1)


class Entry(msgspec.Struct, frozen=True):
    """One stay of a person in a segment; open while `exited_at` is None.

    `profile_version` and `reason` speak of its beginning: written once, not read for judging.
    `beside`: of a rule that is built beside the one in force; nobody is told of it. `since`: from
    then on it is the person's, where that is not from the beginning (None).
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
    beside: bool = False
    since: datetime | None = None


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
    check: datetime | None = None


class Moment(msgspec.Struct, frozen=True):
    """When and by what a change comes about; `by_time`: nothing has happened but that. `repeats`:
    no record has brought another state of the person, who may have entered in this one before.
    """

    at: datetime
    cause: Cause
    event_timestamp: datetime | None = None
    historic: bool = False
    restored: bool = False
    by_time: bool = False
    repeats: bool = False


class Change(msgspec.Struct, frozen=True):
    """An entry as it is now, and the record that tells the others."""

    entry: Entry
    record: Membership


def entry_id(person: Person, definition: Definition, moment: Moment) -> UUID:
    """The same for the same person, state and definition, however often it is worked out.

    The definition's version is in it: a rule that changes to and fro makes the same state
    enter twice. All of the state's versions are: what was missed may be told later. With a rule
    that moves with time the same state may enter again and again: so the instant is, but for who
    enters by a record, which brings a state once only. So a record that is applied again later,
    after a restore, gives the same id.
    """
    state = ".".join(map(str, person.versions))
    name = f"{person.workspace}/{person.profile_id}/{state}/{definition.version}"
    if definition.repeats and (moment.by_time or moment.repeats or moment.cause != "event"):
        name = f"{name}/{moment.at.isoformat()}"
    # As `uuid.uuid5` makes it, in half the time.
    digest = sha1(definition.segment_id.bytes + name.encode(), usedforsecurity=False).digest()
    return UUID(bytes=digest[:16], version=5)


def enter(person: Person, definition: Definition, reason: str, moment: Moment) -> Change:
    """The person's stay in the segment begins."""
    entry = Entry(
        workspace=person.workspace,
        segment_id=definition.segment_id,
        profile_id=person.profile_id,
        entry_id=entry_id(person, definition, moment),
        entered_at=moment.at,
        segment_version=definition.version,
        profile_version=person.version,
        reason=reason,
        beside=definition.beside,
    )
    return Change(
        entry, _record(entry, person, definition.version, moment, change="entered", reason=reason)
    )


def leave(
    person: Person, entry: Entry, segment_version: int, reason: str, moment: Moment
) -> Change:
    """The stay `entry` ends; told under the person's id, which an entry may outlive in a merge."""
    # Whoever came in is out later, whatever two clocks say.
    moment = replace(moment, at=max(moment.at, entry.entered_at))
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
        by_time=moment.by_time,
    )


def judge(
    person: Person,
    definitions: Sequence[Definition],
    moment: Moment,
    before: View | None = None,
) -> tuple[Person, list[Change]]:
    """Hold a person's facts against definitions; of who is not known there is no verdict.

    `before` are the facts before the record in hand, or the same a moment ago. Who was out of place
    by these already is put right because of the definition, as it would have been by the build;
    what has happened changes that then.
    """
    if not person.known:
        return person, []
    view = View(person.facts, moment.at, person.entries)
    changes: list[Change] = []
    check = person.check
    for definition in definitions:
        entry = person.entries.get(definition.segment_id)
        verdict, until = definition.judge(view)
        if until is not None and (check is None or until < check):
            check = until
        if definition.building and before is not None:
            before.members = view.members
            if definition.judge(before)[0] is not (entry is not None):
                late = _changed(person, definition, entry, before, Moment(moment.at, "definition"))
                view.moved(definition.segment_id, enters=entry is None)
                changes.append(late)
                entry = late.entry if entry is None else None
        if verdict is not (entry is not None):
            changes.append(_changed(person, definition, entry, view, moment))
            view.moved(definition.segment_id, enters=entry is None)
    if changes or check != person.check:
        person = replace(person, check=check, entries=_entries(person, changes))
    return person, changes


def _changed(
    person: Person, definition: Definition, entry: Entry | None, view: View, moment: Moment
) -> Change:
    """Whoever is out comes in, and the reverse."""
    # Nobody reads why somebody fits a rule that is not in force yet.
    why = "" if definition.beside else definition.why(view)
    if moment.by_time:
        why = f"{PASSED}{why}"[:MAX_REASON]
    if entry is None:
        return enter(person, definition, why, moment)
    return leave(person, entry, definition.version, why, moment)


def settle(
    person: Person, changes: Sequence[Change], rules: Rulebook, moment: Moment
) -> tuple[Person, list[Change]]:
    """Judge by the segments that rest on those which somebody has just entered or left, and by
    those that rest on these; the changes, those that were given among them.
    """
    found = list(changes)
    waiting = {
        one.segment_id: one for one in rules.resting_on(one.entry.segment_id for one in found)
    }
    while waiting:
        first = rules.first(waiting.values())
        del waiting[first.segment_id]
        person, more = judge(person, [first], moment)
        found += more
        for one in rules.resting_on(change.entry.segment_id for change in more):
            waiting[one.segment_id] = one
    return person, found


MOST_STEPS = 1000
"""So many times one after the other at which somebody's verdicts may change are gone through at
once; the rest is due at once again.
"""


def lapse(
    person: Person, rules: Rulebook, since: datetime, now: datetime
) -> tuple[Person, list[Change]]:
    """What time has done from `since` on till `now`, each change at its own instant.

    `check` is then the first instant that is to come, of all rules that move with time.
    """
    definitions = rules.moving(person.facts) if person.known else []
    at, found = since, list[Change]()
    for _ in range(MOST_STEPS):
        # A version counts from when it was made.
        ripe = [one for one in definitions if one.since is None or one.since <= at]
        younger = [one.since for one in definitions if one.since is not None and one.since > at]
        just_before = View(person.facts, at - INSTANT_STEP)
        moment = Moment(at, "event", by_time=True)
        judged = judge(replace(person, check=None), ripe, moment, just_before)
        person, changes = settle(*judged, rules, moment)
        found += changes
        ahead = [*younger, *(() if person.check is None else (person.check,))]
        person = replace(person, check=min(ahead, default=None))
        if person.check is None or person.check > now:
            break
        at = person.check
    return person, found


def _entries(person: Person, changes: Sequence[Change]) -> Mapping[UUID, Entry]:
    if not changes:
        return person.entries
    entries = dict(person.entries)
    for change in changes:
        if change.entry.exited_at is None:
            entries[change.entry.segment_id] = change.entry
        else:
            del entries[change.entry.segment_id]
    return entries


def end(person: Person, version: int, now: datetime) -> tuple[Person, list[Change]]:
    """All stays end: nobody is this person any more. Only the id and its version are kept."""
    moment = Moment(now, "merge")
    changes = [
        leave(replace(person, version=version), entry, entry.segment_version, GONE, moment)
        # In a fixed order: entries come from memory or from the database, as batches fall.
        for _, entry in sorted(person.entries.items())
    ]
    was = person.facts
    facts = nobody(str(person.profile_id), was.roll).scored(was.scores)
    return Person(person.workspace, person.profile_id, version, facts=facts), changes


def merged_into(survivor: Person) -> str:
    """Why stays end under an id that is gone."""
    return f"merged into {survivor.profile_id}"


def merge(
    gone: Person,
    survivor: Person,
    definitions: Sequence[Definition],
    now: datetime,
    *,
    is_told: bool = True,
) -> tuple[Person, list[Change]]:
    """The survivor with the entries of the id that is gone, and what became of them.

    A stay that only the gone id had goes on under the survivor, from now on. Where both had one,
    the gone id's ends, and the survivor's counts from the earlier beginning. Then the survivor's
    facts decide, if they tell of both already (`is_told`): the facts of one half would end a stay
    only for the whole's to begin another.
    """
    moment, reason = Moment(now, "merge"), merged_into(survivor)
    entries, changes = dict(survivor.entries), []
    # In a fixed order: entries come from memory or from the database, as batches fall.
    for segment_id, entry in sorted(gone.entries.items()):
        own = entries.get(segment_id)
        if own is None:
            entries[segment_id] = replace(entry, profile_id=survivor.profile_id, since=now)
        else:
            if entry.entered_at < own.entered_at:
                since = own.since or own.entered_at
                entries[segment_id] = replace(own, entered_at=entry.entered_at, since=since)
            changes.append(leave(gone, entry, entry.segment_version, reason, moment))
    survivor = replace(survivor, entries=entries)
    if not is_told:
        return survivor, changes
    judged, more = judge(survivor, definitions, moment)
    return judged, changes + more
