"""What is on the lists that rules name, as far as somebody is asked for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rapport_common.events.envelope import Identifier

NO_LISTS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Roll:
    """Lists of one workspace: `names` by their ids, and the ids of the lists that have an
    identifier.

    It has all identifiers of the people who are judged by it, and no others.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[Identifier, frozenset[str]] = field(default_factory=dict)

    def name_of(self, list_id: str) -> str:
        """What a list is called; its id, if it is not known here."""
        return self.names.get(list_id, list_id)

    def found(self, list_id: str, identifiers: Mapping[str, Iterable[str]]) -> list[Identifier]:
        """Those of somebody's identifiers, by kind, that are on a list."""
        if not self.lists:
            return []
        return [
            (kind, value)
            for kind, values in identifiers.items()
            for value in values
            if list_id in self.lists.get((kind, value), NO_LISTS)
        ]

    def having(self, identifiers: Mapping[str, Iterable[str]]) -> set[str]:
        """The ids of all lists that have one of somebody's identifiers."""
        if not self.lists:
            return set()
        some = ((kind, value) for kind, values in identifiers.items() for value in values)
        return set().union(*(self.lists.get(one, NO_LISTS) for one in some))


NO_ROLL = Roll()
