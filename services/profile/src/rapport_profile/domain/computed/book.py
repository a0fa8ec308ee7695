"""The computed traits of workspaces as they are applied."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from rapport_common.events.envelope import Event
from rapport_profile.domain.computed.contributions import contribution
from rapport_profile.domain.computed.definition import Definition, type_of
from rapport_profile.domain.computed.states import State, joined_by_trait
from rapport_profile.domain.content import properties_of

Stage = Literal["filling", "telling", "live", "dropping"]
"""Of a version: its states are being made of the stored events; people are told of it, one by one;
all is there; it is no more, and people are told so."""


class Trait(msgspec.Struct, frozen=True):
    """A version of a computed trait. `id` numbers the versions of all traits of a workspace."""

    id: int
    name: str
    version: int
    stage: Stage
    definition: Definition


class Traits:
    """The computed traits of a workspace, those apart that are dropped."""

    def __init__(self, traits: Iterable[Trait] = ()) -> None:
        self.by_id = {one.id: one for one in traits}
        self._by_event: dict[str, list[Trait]] = {}
        for one in self.by_id.values():
            for name in {selector.event for selector in one.definition.events}:
                self._by_event.setdefault(name, []).append(one)

    def of_event(self, event: Event) -> dict[int, State]:
        """What an event adds, by trait; of most it is nothing, and costs one look."""
        if event.type != "track" or event.name not in self._by_event:
            return {}
        said = properties_of(event)
        found = {
            one.id: contribution(one.definition, event, said) for one in self._by_event[event.name]
        }
        return {trait: state for trait, state in found.items() if state is not None}

    def of_events(self, events: Iterable[Event]) -> dict[int, State]:
        """What distinct events amount to, by trait."""
        total: dict[int, State] = {}
        for one in events:
            total = joined_by_trait(total, self.of_event(one))
        return total

    def types(self) -> dict[str, str]:
        """What the values of each are."""
        return {one.name: type_of(one.definition) for one in self.by_id.values()}


NO_TRAITS = Traits()


class TraitBook(dict[str, Traits]):
    """The computed traits of workspaces, by their names; of those that ever had some."""

    def of(self, workspace: str) -> Traits:
        """Those of a workspace."""
        return self.get(workspace, NO_TRAITS)
