"""What rules ask of one and the same group of a person: a company, a household, a team."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rapport_segment.domain.sections import GROUPS, TRAITS, Facts

if TYPE_CHECKING:
    from rapport_segment.domain.subjects import Field
    from rapport_segment.domain.tree import Leaf


@dataclass(frozen=True, slots=True)
class InGroup:
    """The person is in a group of a kind of which all of `where` holds, by its own traits.

    Its key and the person's role in it are asked for as its traits `id` and `role`.
    """

    kind: str
    where: "tuple[Leaf, ...]" = ()

    sections: ClassVar[int] = 1 << TRAITS

    @property
    def label(self) -> str:
        names = [one.subject.label.removeprefix("trait ") for one in self.where]
        return f"group {self.kind}{' with ' if names else ''}{', '.join(names)}"

    @property
    def fields(self) -> "frozenset[Field]":
        """The trait by which groups are told."""
        return frozenset({(TRAITS, GROUPS)})

    @property
    def moves(self) -> bool:
        """Whether the verdict may change while the groups stay as they are."""
        return any(one.is_timed for one in self.where)

    def read(self, facts: Facts) -> Sequence[Facts]:
        """The person's groups of the kind, each with its traits where a person's stand."""
        return facts.groups.get(self.kind, ())


def keys_of(groups: Sequence[Facts]) -> list[Any]:
    """What groups are called where the workspace keeps them."""
    return [one.traits.get("id") for one in groups]
