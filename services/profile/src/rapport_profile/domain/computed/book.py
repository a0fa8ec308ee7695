"""The computed traits of workspaces as they are applied."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from rapport_common.events.envelope import Event
from rapport_profile.domain.computed.contributions import contribution
from rapport_profile.domain.computed.definition import Definition
from rapport_profile.domain.computed.states import State, joined_by_trait
from rapport_profile.domain.computed.values import Valued
from rapport_profile.domain.content import properties_of

Stage = Literal["filling", "telling", "live", "dropping"]
"""Of a version: its states are being made of the stored events; the values of people are, one by
one; all is there; it is no more, and people are told so."""


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
        self._shown = _shown(self.by_id.values())
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

    def shown(self, values: Iterable[Valued]) -> dict[str, Valued]:
        """Of a person's values those that are shown, by name; others are not yet, or not any more.

        Of a name one version is: the one that is live, or the first that people are told of. While
        the values of its successor are made they are kept beside, and all at once they are shown.
        """
        found = {}
        for one in values:
            name = self._shown.get(one.trait)
            if name is not None:
                found[name] = one
        return found

    def is_shown(self, trait: int) -> bool:
        """Whether people have the values of a version: see `shown`."""
        return trait in self._shown


def _shown(traits: Iterable[Trait]) -> dict[int, str]:
    first: dict[str, int] = {}
    for one in sorted(traits, key=lambda one: (one.stage != "live", one.id)):
        if one.stage in {"live", "telling"}:
            first.setdefault(one.name, one.id)
    return {trait: name for name, trait in first.items()}


NO_TRAITS = Traits()


class TraitBook(dict[str, Traits]):
    """The computed traits of workspaces, by their names; of those that ever had some."""

    def of(self, workspace: str) -> Traits:
        """Those of a workspace."""
        return self.get(workspace, NO_TRAITS)
