"""The values of a batch's people, told with each of its steps; and the states to be written.

A state is kept for each identifier, of the events that have it as their strongest, and one for
each profile of which several have events: what a person's value is must not need all that a large
one has. Of a profile whose only identifier with events is `sole`, the identifier's is it.

What is added or merged is added to what was kept. A profile whose members have gone, or come with
what they knew, is worked out anew from them; all steps of the batch tell of it what it is then.
Here is no I/O: what is needed of the store is asked for first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_profile.domain.computed.book import TraitBook
from rapport_profile.domain.computed.states import State, joined, joined_by_trait
from rapport_profile.domain.computed.values import Valued, next_change, valued, with_values
from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.naming import Id
from rapport_profile.domain.people import Profile

Owner = tuple[str, Id]
"""(workspace, identifier or profile)"""
States = dict[int, State]
"""By trait."""


class Added(NamedTuple):
    """What an event adds, and to whom: its strongest identifier."""

    hub: Id
    states: States


EventKey = tuple[str, str, str]


def key_of(event: Event) -> EventKey:
    """By which an event is known among those of a batch."""
    return (event.workspace, event.source, event.message_id)


@dataclass(slots=True)
class Needed:
    """What is to be read: states of single traits, all states of owners, members of profiles."""

    single: set[tuple[str, Id, int]] = field(default_factory=set)
    whole: set[Owner] = field(default_factory=set)
    regrouped: set[Owner] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.single or self.whole or self.regrouped)


class Totals:
    """What a batch does to the computed traits of the people in it."""

    def __init__(
        self,
        working: Loaded,
        book: TraitBook,
        now: datetime,
        *,
        added: Mapping[EventKey, Added],
        anew: Collection[Id] = (),
        lapsed: Mapping[Id, Collection[int]] = {},
    ) -> None:
        """`added`: by event, of those that add something; `anew`: profiles to be worked out.

        `lapsed`: traits of profiles of which time alone changes the values.
        """
        self._working = working
        self._book = book
        self._now = now
        self._added = added
        self._anew = set(anew)
        self._lapsed = lapsed
        self._stored: dict[Owner, States] = {}
        self._rows: dict[Id, States] = {}
        self._totals: dict[Id, States] = {}
        self._values: dict[Id, dict[int, Valued]] = {}
        self.written: dict[Owner, States] = {}
        """States that are not as they are stored."""
        self.cleared: set[Owner] = set()
        """Owners of which nothing that is stored holds any more; before `written`."""
        self.due: dict[Owner, datetime] = {}
        """When time changes the values of profiles next, where that is not as it was."""

    # --- what is needed ----------------------------------------------------------------------

    def needed(self, steps: Sequence[ProfileActivity]) -> Needed:
        """What is to be read before anything is told."""
        self._anew |= {one.id for one in self._alive() if one.regrouped}
        found = Needed()
        for profile_id, traits in self._lapsed.items():
            workspace = self._working.profiles[profile_id].workspace
            found.single.update((workspace, self._owner(profile_id), one) for one in traits)
        for step in steps:
            added = None if step.event is None else self._added.get(key_of(step.event))
            if added is not None:
                self._need_for(found, step, added)
            if step.merged_into is not None and step.workspace in self._book:
                self._need_both(found, step, step.merged_into)
        for profile in self._alive():
            if profile.id in self._anew:
                found.regrouped.add((profile.workspace, profile.id))
            elif self._is_parted(profile):
                found.whole.add((profile.workspace, self._owner(profile.id)))
        return found

    def _need_for(self, found: Needed, step: ProfileActivity, added: Added) -> None:
        owner = self._owner(step.profile_id)
        for trait in added.states:
            found.single.add((step.workspace, added.hub, trait))
            found.single.add((step.workspace, owner, trait))
        if self._is_untold(step.profile_id, added.states):
            self._anew.add(step.profile_id)

    def _need_both(self, found: Needed, step: ProfileActivity, heir: Id) -> None:
        for one in (step.profile_id, heir):
            found.whole.add((step.workspace, self._owner(one)))
        traits = self._book.of(step.workspace).by_id.values()
        if any(one.stage == "telling" for one in traits):
            # Of one of the two it may not be known yet.
            self._anew.add(heir)

    def _is_untold(self, profile_id: Id, traits: Iterable[int]) -> bool:
        """Whether people are being told of one of these traits, and this one was not yet."""
        profile = self._working.profiles[profile_id]
        known = {one.trait for one in profile.all_values}
        by_id = self._book.of(profile.workspace).by_id
        return any(by_id[one].stage == "telling" and one not in known for one in traits)

    def _alive(self) -> list[Profile]:
        changed = self._working.changed_profiles.values()
        return [one for one in changed if one.count and one.workspace in self._book]

    def _owner(self, profile_id: Id) -> Id:
        """Whose states are those of a profile as it was loaded."""
        return self._working.soles.get(profile_id) or profile_id

    def _is_parted(self, profile: Profile) -> bool:
        """Whether several identifiers have events now, and one had before."""
        return profile.sole is None and self._working.soles.get(profile.id) is not None

    # --- telling -----------------------------------------------------------------------------

    def take(self, stored: Mapping[Owner, States], members: Mapping[Id, Collection[Id]]) -> None:
        """What was asked for: states as they are stored, the members of those worked out anew."""
        self._stored = dict(stored)
        added = self._by_hub() if members else {}
        for profile_id, some in members.items():
            profile = self._working.profiles[profile_id]
            total: States = {}
            for one in sorted(some):
                held = self._stored.get((profile.workspace, one), {})
                total = joined_by_trait(total, joined_by_trait(held, added.get(one, {})))
            self._totals[profile_id] = self._told_of(profile.workspace, total)
            self._values[profile_id] = self._all_values(profile.workspace, total)

    def _by_hub(self) -> dict[Id, States]:
        by_hub: dict[Id, States] = {}
        for one in self._added.values():
            by_hub[one.hub] = joined_by_trait(by_hub.get(one.hub, {}), one.states)
        return by_hub

    def lapse(self) -> None:
        """Before the steps: the values that time alone has changed."""
        for profile_id, traits in self._lapsed.items():
            workspace = self._working.profiles[profile_id].workspace
            for one in self._total(workspace, profile_id).keys() & set(traits):
                self._value(workspace, profile_id, one)

    def told(self, step: ProfileActivity) -> ProfileActivity:
        """The next step, with the values after it."""
        return self._told(step) if step.workspace in self._book else step

    def finish(self) -> None:
        """After the steps: the profiles have their values, and it is known what to write."""
        for profile in self._working.changed_profiles.values():
            if profile.workspace in self._book:
                self._finish(profile)

    def _told(self, step: ProfileActivity) -> ProfileActivity:
        if step.merged_into is not None:
            self._merge(step.workspace, step.profile_id, step.merged_into)
            return step
        added = None if step.event is None else self._added.get(key_of(step.event))
        if added is not None:
            self._add(step.workspace, step.profile_id, added)
        if step.computed is None:
            return step
        traits = self._book.of(step.workspace)
        shown = traits.shown(self._values_of(step.profile_id).values())
        computed = with_values(step.computed, shown)
        return msgspec.structs.replace(step, computed=computed)

    def _add(self, workspace: str, profile_id: Id, added: Added) -> None:
        rows = self._rows.setdefault(added.hub, {})
        stored = self._stored.get((workspace, added.hub), {})
        total = None if profile_id in self._anew else self._total(workspace, profile_id)
        told = self._told_of(workspace, added.states)
        for trait, state in added.states.items():
            known = rows.get(trait) or stored.get(trait)
            rows[trait] = state if known is None else joined(known, state)
            if total is None or trait not in told:
                continue
            held = total.get(trait)
            if held is known:
                # Of most people one identifier has all: it is the same state.
                total[trait] = rows[trait]
            else:
                total[trait] = state if held is None else joined(held, state)
            self._value(workspace, profile_id, trait)

    def _merge(self, workspace: str, gone: Id, heir: Id) -> None:
        if heir not in self._anew:
            total = joined_by_trait(self._total(workspace, heir), self._total(workspace, gone))
            self._totals[heir] = total
            self._values[heir] = self._all_values(workspace, total)

    def _total(self, workspace: str, profile_id: Id) -> States:
        if profile_id not in self._totals:
            stored = self._stored.get((workspace, self._owner(profile_id)), {})
            self._totals[profile_id] = self._told_of(workspace, stored)
        return self._totals[profile_id]

    def _told_of(self, workspace: str, states: Mapping[int, State]) -> States:
        """Those of traits that people are told of."""
        return {one: state for one, state in states.items() if self._is_told(workspace, one)}

    def _is_told(self, workspace: str, trait: int) -> bool:
        """Whether people are told of a trait: not while it is being filled, nor when it is gone."""
        found = self._book.of(workspace).by_id.get(trait)
        return found is not None and found.stage != "filling"

    def _all_values(self, workspace: str, total: Mapping[int, State]) -> dict[int, Valued]:
        by_id = self._book.of(workspace).by_id
        return {
            one: valued(one, by_id[one].definition, state, self._now)
            for one, state in self._told_of(workspace, total).items()
        }

    def _value(self, workspace: str, profile_id: Id, trait: int) -> None:
        one = self._book.of(workspace).by_id[trait]
        state = self._totals[profile_id][trait]
        # A copy: what was told with a step stays as it was.
        known = self._values_of(profile_id)
        self._values[profile_id] = {
            **known,
            trait: valued(trait, one.definition, state, self._now),
        }

    def _values_of(self, profile_id: Id) -> dict[int, Valued]:
        """The values so far, without those that nobody is told of any more, or for now."""
        if profile_id not in self._values:
            profile = self._working.profiles[profile_id]
            self._values[profile_id] = {
                one.trait: one
                for one in profile.all_values
                if self._is_told(profile.workspace, one.trait)
            }
        return self._values[profile_id]

    # --- what is to be written ---------------------------------------------------------------

    def _finish(self, profile: Profile) -> None:
        before = next_change(profile.all_values)
        self._hold(profile, self._values_of(profile.id) if profile.count else {})
        self._keep(profile)
        after = next_change(profile.all_values)
        if after is not None and after != before:
            self.due[(profile.workspace, profile.id)] = after

    def _hold(self, profile: Profile, values: Mapping[int, Valued]) -> None:
        """A profile has these values: some are shown, others will be."""
        traits = self._book.of(profile.workspace)
        profile.values = traits.shown(values.values())
        there = {one.trait for one in profile.values.values()}
        profile.coming = {
            traits.by_id[trait].name: one for trait, one in values.items() if trait not in there
        }

    def _keep(self, profile: Profile) -> None:
        """Which states of a profile are to be written: those of its own, if it has any."""
        owner = (profile.workspace, profile.id)
        is_kept_apart = self._working.soles.get(profile.id) is None
        if is_kept_apart and (not profile.count or profile.id in self._anew):
            self.cleared.add(owner)
        if not profile.count or profile.sole is not None:
            return
        if self._is_parted(profile):
            # What the one had who was alone is the profile's from now on, whatever came for it.
            self._total(profile.workspace, profile.id)
        stored = {} if owner in self.cleared else self._stored.get(owner, {})
        changed = {
            trait: state
            for trait, state in self._totals.get(profile.id, {}).items()
            if stored.get(trait) is not state
        }
        if changed:
            self.written[owner] = changed

    def rows(self) -> dict[Owner, States]:
        """All states to be written, of identifiers and profiles."""
        hubs = {
            (self._working.nodes[hub].workspace, hub): states for hub, states in self._rows.items()
        }
        return {**hubs, **self.written}
