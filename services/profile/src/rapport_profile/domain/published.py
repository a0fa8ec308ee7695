"""The published form of a profile: bounded, the strongest and the newest of everything."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from rapport_common.events.activity import SectionVersions
from rapport_common.events.envelope import EMAIL, USER_ID, Identifier
from rapport_common.events.kinds import PHONE, rank
from rapport_common.events.profile import NONE_OMITTED, IdentifierState, Omitted
from rapport_profile.domain.bounds import MAX_SHOWN
from rapport_profile.domain.computed.values import Valued
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.reach import as_told
from rapport_profile.domain.restraints import standing
from rapport_profile.domain.sections import (
    ALL,
    CONSENT,
    CONTACT_POINTS,
    IDENTIFIERS,
    NEVER_TOLD,
    RESTRAINTS,
    TRAITS,
)


class Summary(msgspec.Struct, omit_defaults=True):
    """A profile as a whole: how many identifiers, the user id among them, what is known of it.

    `sole` is the id of the only identifier with events, if there is just one: it has no fold of
    its own, that is `fold`.
    `named` are the identifiers that are shown, (kind, value, when an event named it last);
    `counts` how many there are of each kind, where that is not all. `values` are those of computed
    traits as they were told, by name; `coming` those of versions that are to take their places.
    All of it is kept up to date without looking at the members, so that an event of a large
    profile costs no more than one of a small profile. `versions` are those of the sections as
    they were told last; of a profile stored before they were kept all is to be told once.
    """

    members: int = 0
    user: str | None = None
    sole: str | None = None
    named: list[tuple[str, str, datetime]] = []
    fold: Fold = msgspec.field(default_factory=Fold)
    versions: SectionVersions = NEVER_TOLD
    counts: dict[str, int] = {}
    values: dict[str, Valued] = {}
    coming: dict[str, Valued] = {}

    @property
    def all_values(self) -> list[Valued]:
        """Those of computed traits, shown or not yet."""
        return [*self.values.values(), *self.coming.values()]


def strongest(
    named: dict[Identifier, datetime], fold: Fold, most: int = MAX_SHOWN
) -> dict[Identifier, datetime]:
    """The identifiers that are shown: the user id, current addresses, e-mails, the last named."""
    points = {one.value for one in fold.contact_points()}

    def weight(one: Identifier) -> tuple[bool, float, datetime, Identifier]:
        kind, value = one
        current = kind in {USER_ID, EMAIL, PHONE} and (kind == USER_ID or value in points)
        return (current, -rank(kind)[0], named[one], one)

    if len(named) == most + 1:
        weakest = min(named, key=weight)
        return {one: at for one, at in named.items() if one != weakest}
    return {one: named[one] for one in sorted(named, key=weight, reverse=True)[:most]}


def shown(identifiers: Iterable[Identifier]) -> list[IdentifierState]:
    """Identifiers in the order in which they are published."""
    return [IdentifierState(kind, value) for kind, value in sorted(identifiers)]


def told_by_fold(fold: Fold, sections: int) -> dict[str, Any]:
    """Of these sections those that only what was said makes up, as fields of a record."""
    found: dict[str, Any] = {}
    if sections & CONTACT_POINTS:
        found["contact_points"] = as_told(fold.contact_points())
    if sections & TRAITS:
        found["traits"] = fold.visible_traits()
    if sections & CONSENT:
        found["consent"] = fold.consent_states()
    if sections & RESTRAINTS:
        found["restraints"] = standing(fold.restraints)
    return found


def omitted(fold: Fold, members: int, listed: int, sections: int = ALL) -> Omitted:
    """How much of these sections of a profile is not in their published form."""
    if members <= listed and fold.hides_nothing:
        return NONE_OMITTED
    found = Omitted(
        identifiers=max(members - listed, 0) if sections & IDENTIFIERS else 0,
        traits=len(fold.hidden_traits) if sections & TRAITS else 0,
        consent=len(fold.hidden_consents) if sections & CONSENT else 0,
    )
    return NONE_OMITTED if found == NONE_OMITTED else found
