"""People with computed traits, in memory: of the states they are given what Postgres gives."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from services.profile.tests.people import IDS
from services.profile.tests.stored import People, W
from typing_extensions import override

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.events.profile import DefinedValue
from rapport_profile.domain.computed.book import TraitBook, Traits
from rapport_profile.domain.computed.states import State
from rapport_profile.domain.computed.totals import Added, Owner, States, Totals, key_of
from rapport_profile.domain.computed.values import Valued, valued
from rapport_profile.domain.loaded import end_of
from rapport_profile.domain.merge_rules import NO_RULES, Rules
from rapport_profile.domain.naming import Id
from rapport_profile.domain.revising import Revising
from rapport_profile.domain.sections import COMPUTED
from rapport_profile.domain.working_set import WorkingSet

Values = dict[str, DefinedValue]


class Computed(People):
    """As `People`, with the states of computed traits, kept as JSON."""

    def __init__(self, traits: Traits, now: datetime, rules: Rules = NO_RULES) -> None:
        """`now`: at which values are told."""
        super().__init__(None, rules)
        self.traits = traits
        self.now = now
        self.states_of: dict[Owner, dict[int, bytes]] = {}
        self.last: dict[Id, Values] = {}
        self._turn: set[Id] = set()
        self._lapsed: dict[Id, set[int]] = {}

    @override
    def _tell(
        self,
        working: WorkingSet,
        steps: Sequence[ProfileActivity],
        batch: Sequence[Event] = (),
        *,
        recounted: Collection[Id] = (),
    ) -> None:
        book = TraitBook({W: self.traits})
        steps, anew = self._put_right(working, steps, recounted)
        anew |= self._turn
        events = [(one, IDS.of(W, self.names_of(one).hub)) for one in batch]
        added = {
            key_of(one): Added(hub, states)
            for one, hub in events
            if (states := self.traits.of_event(one))
        }
        totals = Totals(working, book, self.now, added=added, anew=anew, lapsed=self._lapsed)
        needed = totals.needed(steps)
        assert bool(needed) == bool(needed.single or needed.whole or needed.regrouped)
        members = {who: self._now(working, who) for _workspace, who in needed.regrouped}
        stored: dict[Owner, States] = {}
        for workspace, owner, trait in needed.single:
            for found, state in self._read((workspace, owner)).items():
                if found == trait:
                    stored.setdefault((workspace, owner), {})[trait] = state
        whole = needed.whole | {(W, one) for some in members.values() for one in some}
        stored.update({owner: self._read(owner) for owner in whole})
        totals.take(stored, members)
        totals.lapse()
        told = [totals.told(step) for step in steps]
        totals.finish()
        for whose in totals.cleared:
            self.states_of.pop(whose, None)
        for whose, states in totals.rows().items():
            kept = self.states_of.setdefault(whose, {})
            kept.update({trait: msgspec.json.encode(one) for trait, one in states.items()})
        self.published += told
        for step in told:
            if step.computed is not None:
                self.last[step.profile_id] = step.computed.defined or {}

    def _put_right(
        self, working: WorkingSet, steps: Sequence[ProfileActivity], recounted: Collection[Id]
    ) -> tuple[list[ProfileActivity], set[Id]]:
        anew = set()
        for hub in recounted:
            right = self.traits.of_events(self.timeline(hub))
            if self._read((W, hub)) == right:
                continue
            kept = {trait: msgspec.json.encode(one) for trait, one in right.items()}
            self.states_of[W, hub] = kept
            profile_id = working.nodes[hub].profile_id
            if profile_id is not None and working.profiles[profile_id].count:
                anew.add(profile_id)
        more = []
        for one in sorted(anew - {step.profile_id for step in steps}):
            working.profiles[one].due |= COMPUTED
            more.append(working.step(working.profiles[one]))
        return [*steps, *more], anew

    def fill(self, hubs: Collection[Id]) -> None:
        """A job makes the states of identifiers what their events amount to."""
        for hub in hubs:
            right = self.traits.of_events(self.timeline(hub))
            self.states_of[W, hub] = {
                trait: msgspec.json.encode(one) for trait, one in right.items()
            }

    def tell_again(self, profiles: Collection[Id]) -> None:
        """It is the turn of these profiles to be told what they have."""
        self._turn = set(profiles) & {row.profile for row in self.rows.values()}
        self._step(self._turn)
        self._turn = set()

    def prepare(self, profiles: Collection[Id]) -> None:
        """It is the turn of these profiles to have what they will be told later."""
        self._turn = set(profiles) & {row.profile for row in self.rows.values()}
        working = Revising(IDS, self._new_id, self.names.book)
        self._load_members(working, self._turn)
        working.changed_profiles.update({one: working.profiles[one] for one in self._turn})
        self._tell(working, [])
        self._save(working)
        self._turn = set()

    def lapse(self, now: datetime) -> None:
        """Time goes on: who has values that hold no longer is told the new ones."""
        self.now = now
        for id_ in self.profiles:
            values = self.profile(id_).values.values()
            traits = {one.trait for one in values if one.until is not None and one.until <= now}
            if traits:
                self._lapsed[id_] = traits
        self._step(self._lapsed)
        self._lapsed = {}

    def _step(self, profiles: Collection[Id]) -> None:
        working = Revising(IDS, self._new_id, self.names.book)
        self._load_members(working, profiles)
        steps = []
        for one in sorted(profiles):
            working.profiles[one].due |= COMPUTED
            steps.append(working.step(working.profiles[one]))
        self._tell(working, steps)
        self._save(working)

    def _now(self, working: WorkingSet, profile_id: Id) -> set[Id]:
        found = set()
        for one, row in self.rows.items():
            stored = None if row.profile is None else end_of(working.merged, row.profile)
            node = working.nodes.get(one)
            if (stored if node is None else node.profile_id) == profile_id:
                found.add(one)
        return found

    def _read(self, owner: Owner) -> States:
        stored: dict[int, Any] = self.states_of.get(owner, {})
        return {trait: msgspec.json.decode(one, type=State) for trait, one in stored.items()}

    # --- asking ------------------------------------------------------------------------------

    def check_values(self, *, some: bool = False) -> None:
        """Everybody's values are those of all their events, as they were told last.

        `some`: those that they have are.
        """
        for id_ in self.profiles:
            person = self.profile(id_)
            if person.merged_into is not None or not person.count:
                assert not person.values
                continue
            members = [one for one, row in self.rows.items() if row.profile == id_]
            events = [event for one in members for event in self.timeline(one)]
            wanted = {
                self.traits.by_id[trait].name: valued(
                    trait, self.traits.by_id[trait].definition, state, self.now
                )
                for trait, state in self.traits.of_events(events).items()
            }
            if some:
                wanted = {name: one for name, one in wanted.items() if name in person.values}
            assert person.values == wanted
            assert self.last.get(id_, {}) == {name: one.value for name, one in wanted.items()}

    def shown(self) -> dict[Id, dict[str, Valued]]:
        """What is read of everybody now."""
        people = {id_: self.profile(id_) for id_ in self.profiles}
        return {
            id_: self.traits.shown(one.all_values)
            for id_, one in people.items()
            if one.merged_into is None and one.count
        }

    def wanted(self, trait: int) -> dict[Id, dict[str, Valued]]:
        """Everybody's value of one version, of all their events."""
        found: dict[Id, dict[str, Valued]] = {}
        for id_ in self.shown():
            members = [one for one, row in self.rows.items() if row.profile == id_]
            events = [event for one in members for event in self.timeline(one)]
            state, one = self.traits.of_events(events).get(trait), self.traits.by_id[trait]
            found[id_] = {}
            if state is not None:
                found[id_][one.name] = valued(trait, one.definition, state, self.now)
        return found
