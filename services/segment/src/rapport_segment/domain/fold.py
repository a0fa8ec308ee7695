"""The fold over the records of a batch: the people in memory, and what to write of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from rapport_segment.domain.membership import (
    Activity,
    Change,
    Definition,
    Entry,
    Key,
    Person,
    end,
    merge,
    step,
)


class Fold:
    """The people of some records, in memory; `apply` takes the records one by one.

    Whoever made it has put in every person the records name, the survivors of those that are
    merged away (with their facts), and all open entries. Afterwards it tells what to write:
    the people `written`; the `entries` (new unless in `loaded`, with the id that
    their rows are under); the `moves` of stored rows
    from an id to another; the `aliases` of the ids that `joined`, and none for the `revived`.
    """

    def __init__(
        self,
        definitions: Mapping[str, Sequence[Definition]],
        people: dict[Key, Person],
        aliases: dict[Key, UUID],
        now: datetime,
    ) -> None:
        self._definitions = definitions
        self._now = now
        self.people = people
        self.aliases = aliases
        self.loaded = {
            one.entry_id: one.profile_id for who in people.values() for one in who.entries.values()
        }
        self.written: set[Key] = set()
        self.entries: dict[UUID, Entry] = {}
        self.moves: dict[Key, UUID] = {}
        self.joined: set[Key] = set()
        self.revived: set[Key] = set()

    def apply(self, activity: Activity) -> list[Change]:
        """Carry out one record; what it changes for the others to know."""
        if activity.merged_into is not None:
            return self._merge(self.people[activity.key], activity, activity.merged_into)
        if activity.gone:
            return self._end(self.people[activity.key], activity)
        absorbed = self._absorb(activity)
        person = self.people[activity.key]
        after, changes = step(
            person, activity, self._definitions.get(activity.workspace, ()), self._now
        )
        if after is not person:
            self._revive(activity.key)
            self._keep(after, changes)
        return absorbed + changes

    def _end(self, person: Person, activity: Activity) -> list[Change]:
        """Nobody has this id any more, and nobody is its heir."""
        if activity.version <= person.version:
            return []
        after, changes = end(person, activity.version, self._now)
        self._revive(activity.key)
        self._keep(after, changes)
        return changes

    def _absorb(self, activity: Activity) -> list[Change]:
        """The ends that a state tells of, unless their own records were here first."""
        changes: list[Change] = []
        for gone, version in activity.absorbed:
            ending = Activity(
                activity.workspace,
                gone,
                version,
                merged_into=activity.profile_id,
                into_version=activity.version,
            )
            changes += self._merge(self.people[ending.key], ending, activity.profile_id)
        return changes

    def _merge(self, gone: Person, activity: Activity, into: UUID) -> list[Change]:
        known = activity.key in self.aliases
        stale = activity.version < gone.version or (known and activity.version == gone.version)
        if stale or into == gone.profile_id:
            return []
        survivor = self.people[activity.workspace, self._survivor(activity, into)]
        gone = replace(gone, version=activity.version)
        is_told = survivor.profile_id != into or survivor.version >= activity.into_version
        definitions = self._definitions.get(activity.workspace, ())
        after, changes = merge(gone, survivor, definitions, self._now, is_told=is_told)
        self._move(activity.key, survivor.profile_id)
        self._keep(replace(gone, facts=None, stored=None, entries={}), [])
        self._keep(after, changes)
        return changes

    def _survivor(self, activity: Activity, into: UUID) -> UUID:
        workspace, survivor = activity.workspace, into
        while (target := self.aliases.get((workspace, survivor))) is not None:
            survivor = target
        if survivor != activity.profile_id:
            return survivor
        # It had been merged into the id that is now merged into it: the newer word holds.
        self._revive((workspace, into))
        return into

    def _move(self, key: Key, survivor: UUID) -> None:
        """Everything of `key`, and of those merged into it before, is the survivor's now."""
        workspace, gone = key
        for held in (self.moves, self.aliases):
            for old, target in held.items():
                if old[0] == workspace and target == gone:
                    held[old] = survivor
        self.aliases[key] = survivor
        self.joined.add(key)
        # Rows move once: what an id gets after it was revived is only in memory yet.
        self.moves.setdefault(key, survivor)
        mine = [one for one in self.entries.values() if (one.workspace, one.profile_id) == key]
        for one in mine:
            self.entries[one.entry_id] = replace(one, profile_id=survivor)

    def _revive(self, key: Key) -> None:
        """A state that is newer than the id's end in a merge: the id lives again."""
        if self.aliases.pop(key, None) is not None:
            self.revived.add(key)

    def _keep(self, person: Person, changes: Sequence[Change]) -> None:
        key = person.workspace, person.profile_id
        before = self.people[key].entries
        self.people[key] = person
        self.written.add(key)
        for change in changes:
            self.entries[change.entry.entry_id] = change.entry
        for segment_id, entry in person.entries.items():
            if entry is not before.get(segment_id):
                self.entries[entry.entry_id] = entry
