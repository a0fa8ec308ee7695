"""What is not to be done with a person's data: each restraint holds until it is lifted itself.

They are kept by id. So of two people who are one, the restraints of both hold, whoever had some
lifted; and each identifier has them, so both parts have them of who comes apart.
"""

from collections.abc import Mapping

import msgspec

from rapport_common.events.activity import Restraint
from rapport_common.events.codec import UNREADABLE
from rapport_common.events.envelope import Event
from rapport_profile.domain.bounds import oldest_beyond
from rapport_profile.domain.own_events import RELEASED, RESTRAINED, SOURCE, RestraintSaid
from rapport_profile.domain.sections import RESTRAINTS
from rapport_profile.domain.stamps import Stamp, stamp_of

MAX_RESTRAINTS = 200
"""Those that hold outlive those that are lifted."""
_said = msgspec.json.Decoder(RestraintSaid)


class Restrained(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest word about one restraint."""

    what: Restraint
    holds: bool
    stamp: Stamp


def restraint_said(event: Event) -> tuple[str, Restrained] | None:
    """(id, word) of an event of this service; None when it is about no restraint."""
    if event.source != SOURCE or event.name not in {RESTRAINED, RELEASED}:
        return None
    try:
        said = _said.decode(event.properties)
    except UNREADABLE:
        return None
    word = Restrained(said.restraint, event.name == RESTRAINED, stamp_of(event))
    return said.restraint_id, word


def hear(known: dict[str, Restrained], said: Mapping[str, Restrained]) -> int:
    """Take words in; the sections that are not as they were by them."""
    before = standing(known)
    for name, one in said.items():
        present = known.get(name)
        if present is None or one.stamp.after(present.stamp):
            known[name] = one
    return 0 if standing(known) == before else RESTRAINTS


def keep_newest(known: dict[str, Restrained]) -> None:
    """Keep the bound."""
    for name in oldest_beyond(
        known, MAX_RESTRAINTS, lambda name: (known[name].holds, known[name].stamp.at, name)
    ):
        del known[name]


def standing(known: Mapping[str, Restrained]) -> list[Restraint]:
    """What holds, in a fixed order."""
    return sorted({one.what for one in known.values() if one.holds})


def is_only_kept(known: Mapping[str, Restrained]) -> bool:
    """Whether nothing is to be done with a person's data but keeping them."""
    return "processing" in standing(known)
