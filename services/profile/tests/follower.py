"""A reader of `profile.activity`, as simple as one can be, and what it has to know in the end."""

from collections.abc import Iterable
from typing import Any

import msgspec

from rapport_common.events.activity import (
    SECTIONS,
    ContactPoint,
    ProfileActivity,
    Restraint,
    SectionVersions,
)
from rapport_common.events.envelope import Identifier
from rapport_common.events.profile import (
    NONE_OMITTED,
    ComputedState,
    ConsentState,
    IdentifierState,
    Omitted,
)
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.published import omitted, shown
from rapport_profile.domain.reach import as_told
from rapport_profile.domain.restraints import standing


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """All sections of a person."""

    identifiers: list[IdentifierState]
    contact_points: list[ContactPoint]
    traits: msgspec.Raw
    computed: ComputedState
    consent: list[ConsentState]
    restraints: list[Restraint]
    omitted: Omitted = NONE_OMITTED


def state(named: Iterable[Identifier], fold: Fold, members: int = 0) -> Known:
    """What is to be told of a profile; `members`: of how many identifiers these are some."""
    listed = shown(named)
    return Known(
        listed,
        as_told(fold.contact_points()),
        fold.visible_traits(),
        fold.computed(),
        fold.consent_states(),
        standing(fold.restraints),
        omitted(fold, members, len(listed)),
    )


class Follower:
    """Overlays sections, each where it is newer than what it holds; lets go of who is gone."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, tuple[int, Any, int]]] = {}
        """By profile and section: the version, what was told, and how much was omitted."""
        self._ended: set[str] = set()

    def read(self, record: ProfileActivity) -> None:
        """Take a record in; in any order, and as often as one likes."""
        if record.merged_into is not None or record.gone:
            self._ended.add(record.profile_id)
            return
        held = self._held.setdefault(record.profile_id, {})
        for name, version in zip(SECTIONS, _versions(record), strict=True):
            told = getattr(record, name)
            if told is not None and version > held.get(name, (0,))[0]:
                held[name] = (version, told, getattr(record.omitted, name, 0))

    def follow(self, record: ProfileActivity) -> None:
        """Take the next record of all that there are in: nothing is missing."""
        if record.republished and record.event is not None:
            return  # it was applied long ago
        self.read(record)
        if record.versions is None:
            assert record.merged_into is not None or record.gone
            return
        held = self._held[record.profile_id]
        assert len(held) in {0, len(SECTIONS)}, "a person is known as a whole, or not at all"
        assert [held.get(name, (0,))[0] for name in SECTIONS] == _versions(record), record
        for name, version in zip(SECTIONS, _versions(record), strict=True):
            is_told = getattr(record, name) is not None
            assert is_told == (record.republished or version == record.version), name

    def states(self) -> list[Known]:
        """Who there is, and what is known of them."""
        return [_known(held) for one, held in self._held.items() if held and one not in self._ended]


def _versions(record: ProfileActivity) -> list[int]:
    return list(msgspec.structs.astuple(record.versions or SectionVersions()))


def _known(held: dict[str, tuple[int, Any, int]]) -> Known:
    counts = {name: held[name][2] for name in ("identifiers", "traits", "consent") if held[name][2]}
    told = {name: held[name][1] for name in SECTIONS}
    return Known(**told, omitted=Omitted(**counts) if counts else NONE_OMITTED)


def followed(records: Iterable[ProfileActivity]) -> Follower:
    """A reader who has read everything in its order."""
    reader = Follower()
    for one in records:
        reader.follow(one)
    return reader
