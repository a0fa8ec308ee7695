"""The sections of a profile as the API shows them, and as they are exported."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from rapport_profile.domain.computed.values import with_values
from rapport_profile.domain.published import Summary, omitted, shown
from rapport_profile.domain.restraints import standing

Section = Literal["identifiers", "traits", "computed", "consent", "contact_points", "restraints"]
SECTIONS: Final[tuple[Section, ...]] = get_args(Section)

_SECTION: Final[Mapping[Section, Callable[[Summary], Any]]] = {
    "identifiers": lambda summary: shown((kind, value) for kind, value, _ in summary.named),
    "traits": lambda summary: summary.fold.visible_traits(),
    "computed": lambda summary: with_values(summary.fold.computed(), summary.values),
    "consent": lambda summary: summary.fold.consent_states(),
    "contact_points": lambda summary: summary.fold.contact_points(),
    "restraints": lambda summary: standing(summary.fold.restraints),
}


class Shown(msgspec.Struct):
    """A profile as it is shown: what is published, see `omitted` for how much is not.

    The lists beside it (`…/identifiers`, `…/traits`, `…/consents`) have everything.
    """

    id: str
    version: int
    identifiers: Any = msgspec.UNSET
    traits: Any = msgspec.UNSET
    computed: Any = msgspec.UNSET
    consent: Any = msgspec.UNSET
    contact_points: Any = msgspec.UNSET
    restraints: Any = msgspec.UNSET
    omitted: Any = msgspec.UNSET


def shown_profile(
    id_: str, version: int, summary: Summary, sections: Collection[Section] = SECTIONS
) -> Shown:
    """A profile with these of its sections."""
    left_out = omitted(summary.fold, summary.members, len(summary.named))
    made: dict[str, Any] = {one: _SECTION[one](summary) for one in sections}
    return Shown(id_, version, **made, omitted=left_out)
