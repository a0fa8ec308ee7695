"""The record on `profile.activity`: an event as applied, and what it changed of its person."""


import msgspec

from rapport_common.events.envelope import Event
from rapport_common.events.profile import (
    NONE_OMITTED,
    AbsorbedId,
    ComputedState,
    ConsentState,
    IdentifierState,
    Omitted,
)


class ContactPoint(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An address at which the person can be reached now; former ones are identifiers only.

    `verified`: a trusted source said so. An unverified one gets nothing that holds the person's
    data.
    """

    channel: str
    value: str
    verified: bool = True


class SectionVersions(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """For each section the profile's version in which it became what it is; 0: never told."""

    identifiers: int = 0
    contact_points: int = 0
    traits: int = 0
    computed: int = 0
    consent: int = 0


SECTIONS = SectionVersions.__struct_fields__


class ProfileActivity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step in a profile's life, with the sections of it that are not as they were.

    What is set tells the forms apart:

    - `event` with `versions` and sections: an event was applied.
    - `event` alone: the same, of a profile of which much is to be told: a later record of the
      same batch tells it once for many events, with all `absorbed` till then.
    - `versions` with sections, without an event: identifiers joined or left, or, if
      `republished`, nothing happened, and all is told again for who has lost or never had it.
    - `merged_into` alone: this id is history, its rows now belong to that one.
    - `gone` alone: nobody has this id any more (what counted was taken back), without an heir.

    A section that is None is as it was. `versions` speaks of all sections, so a reader sees when
    it has missed one: it holds an older version of a section that the record does not tell. A
    reader overlays sections, each where it is newer than what it holds; the event it applies
    always, once per (source, message_id). All are bounded; `omitted` counts, of the sections that
    are told, what is kept and not shown.

    A merge is told twice, since the two ids may be in different partitions: by the `merged_into`
    record, and by `absorbed` in the survivor's record, whose version is `into_version`, and which
    tells all sections. A reader that acts on states applies both in one step: from that record
    on, not before, the survivor's state speaks for both.
    """

    workspace: str
    profile_id: str
    version: int
    event: Event | None = None
    versions: SectionVersions | None = None
    identifiers: list[IdentifierState] | None = None
    contact_points: list[ContactPoint] | None = None
    traits: msgspec.Raw | None = None
    computed: ComputedState | None = None
    consent: list[ConsentState] | None = None
    omitted: Omitted = NONE_OMITTED
    republished: bool = False
    merged_into: str | None = None
    into_version: int = 0
    absorbed: list[AbsorbedId] = []
    gone: bool = False
