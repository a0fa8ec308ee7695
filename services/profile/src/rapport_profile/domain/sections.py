"""The sections of a profile, in which it is told: sets of them, and from which version each is.

A set is a number with a bit for each section: every event has one, and most are `COMPUTED`.
"""

from typing import Final

from rapport_common.events.activity import SectionVersions

IDENTIFIERS: Final = 1
CONTACT_POINTS: Final = 2
TRAITS: Final = 4
COMPUTED: Final = 8
CONSENT: Final = 16
RESTRAINTS: Final = 32
ALL: Final = 63

SHORT: Final = CONTACT_POINTS | COMPUTED
"""Told with each event, however much is known of the person."""
LONG: Final = ALL - SHORT
SEARCHED: Final = IDENTIFIERS | CONTACT_POINTS | TRAITS
"""By which people are found."""

NEVER_TOLD: Final = SectionVersions()
"""Left out of what is stored only where it is this very object."""


def renewed(versions: SectionVersions, sections: int, version: int) -> SectionVersions:
    """The versions after a record that tells `sections`."""
    if sections == COMPUTED:
        return SectionVersions(
            versions.identifiers,
            versions.contact_points,
            versions.traits,
            version,
            versions.consent,
            versions.restraints,
        )
    return SectionVersions(
        version if sections & IDENTIFIERS else versions.identifiers,
        version if sections & CONTACT_POINTS else versions.contact_points,
        version if sections & TRAITS else versions.traits,
        version if sections & COMPUTED else versions.computed,
        version if sections & CONSENT else versions.consent,
        version if sections & RESTRAINTS else versions.restraints,
    )
