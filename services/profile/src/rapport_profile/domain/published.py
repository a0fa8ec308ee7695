"""The published form of a profile."""

from collections.abc import Iterable

from rapport_common.events.profile import IdentifierState, ProfileState
from rapport_profile.domain.fold import Fold


def shown(identifiers: Iterable[tuple[str, str]]) -> list[IdentifierState]:
    """Identifiers in the order in which they are published."""
    return [IdentifierState(kind, value) for kind, value in sorted(identifiers)]


def state(identifiers: Iterable[tuple[str, str]], fold: Fold) -> ProfileState:
    """The published form of a profile."""
    return ProfileState(
        identifiers=shown(identifiers),
        traits=fold.visible_traits(),
        computed=fold.computed(),
        consent=fold.consent_states(),
    )
