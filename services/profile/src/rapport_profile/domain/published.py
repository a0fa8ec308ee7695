"""The published form of a profile: bounded, the strongest and the newest of everything."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from rapport_common.events.envelope import EMAIL, USER_ID, Identifier
from rapport_common.events.profile import NONE_OMITTED, IdentifierState, Omitted, ProfileState
from rapport_profile.domain.bounds import MAX_SHOWN
from rapport_profile.domain.fold import Fold

_STRENGTH = {USER_ID: 2, EMAIL: 1}


class Summary(msgspec.Struct, omit_defaults=True):
    """A profile as a whole: how many identifiers, the user id among them, what is known of it.

    `sole` is the id of the only identifier with events, if there is just one: it has no fold of
    its own, that is `fold`.
    `named` are the identifiers that are shown, (kind, value, when an event named it last).
    All of it is kept up to date without looking at the members, so that an event of a large
    profile costs no more than one of a small profile.
    """

    members: int = 0
    user: str | None = None
    sole: str | None = None
    named: list[tuple[str, str, datetime]] = []
    fold: Fold = msgspec.field(default_factory=Fold)


def strongest(
    named: dict[Identifier, datetime], fold: Fold, most: int = MAX_SHOWN
) -> dict[Identifier, datetime]:
    """The identifiers that are shown: the user id, current addresses, e-mails, the last named."""
    points = {one.value for one in fold.contact_points()}

    def weight(one: Identifier) -> tuple[int, datetime, Identifier]:
        kind, value = one
        current = kind == EMAIL and value in points
        return (_STRENGTH.get(kind, 0) + current, named[one], one)

    if len(named) == most + 1:
        weakest = min(named, key=weight)
        return {one: at for one, at in named.items() if one != weakest}
    return {one: named[one] for one in sorted(named, key=weight, reverse=True)[:most]}


def shown(identifiers: Iterable[Identifier]) -> list[IdentifierState]:
    """Identifiers in the order in which they are published."""
    return [IdentifierState(kind, value) for kind, value in sorted(identifiers)]


def omitted(fold: Fold, members: int, listed: int) -> Omitted:
    """How much of a profile is not in its published form."""
    if members <= listed and not fold.hidden_traits and not fold.hidden_consents:
        return NONE_OMITTED
    return Omitted(
        identifiers=max(members - listed, 0),
        traits=len(fold.hidden_traits),
        consent=len(fold.hidden_consents),
    )


def state(identifiers: Iterable[Identifier], fold: Fold, members: int = 0) -> ProfileState:
    """The published form of a profile; `members`: of how many identifiers these are some."""
    listed = shown(identifiers)
    return ProfileState(
        identifiers=listed,
        traits=fold.visible_traits(),
        computed=fold.computed(),
        consent=fold.consent_states(),
        contact_points=fold.contact_points(),
        omitted=omitted(fold, members, len(listed)),
    )
