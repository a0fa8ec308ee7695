"""The record on `profile.activity`: an event as applied, and what it changed of its person."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from rapport_common.events.envelope import Event, Identifier
from rapport_common.events.profile import (
    NONE_OMITTED,
    AbsorbedId,
    ComputedState,
    ConsentState,
    IdentifierState,
    Omitted,
)

if TYPE_CHECKING:
    RawOrNone = msgspec.Raw | None
else:
    # msgspec reads no union that has Raw in it; what is absent is the default all the same.
    RawOrNone = msgspec.Raw


PointState = Literal["ok", "bounced", "complained"]
"""`bounced`: nothing arrives there any more; `complained`: the owner has called a message spam."""


class ContactPoint(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An address at which the person can be reached now; former ones are identifiers only.

    `verified`: a trusted source said so. An unverified one gets nothing that holds the person's
    data. Of a channel's points the newest stands first. `state`: how it takes what is sent there,
    since `state_at`, as an event of `state_by` (its message id) has shown.
    """

    channel: str
    value: str
    verified: bool = True
    state: PointState = "ok"
    state_at: datetime | None = None
    state_by: str | None = None


class SectionVersions(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """For each section the version of the record that told it last; 0: none has."""

    identifiers: int = 0
    contact_points: int = 0
    traits: int = 0
    computed: int = 0
    consent: int = 0
    restraints: int = 0


Restraint = Literal["processing", "marketing", "profiling"]
"""What is not to be done with a person's data, for the person has said so.

`processing`: nothing but keeping them (Article 18 GDPR); `marketing` and `profiling`: that
(Article 21).
"""

SECTIONS = SectionVersions.__struct_fields__


class ProfileActivity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step in a profile's life, with the sections of it that are not as they were.

    What is set tells the forms apart:

    - `event` with `versions`: an event was applied; with the sections that it changed.
    - `versions` without an event: identifiers joined or left, or something was taken back; or, if
      `republished`, nothing happened, and all is told again for who has lost or never had it.
    - `merged_into` alone: this id is history, its rows now belong to that one.
    - `gone` alone: nobody has this id any more (what counted was taken back), without an heir.
    - `event` alone: in what was read from the first version. An event was applied, and a later
      record tells of what became of the profile. If `republished`, the event was applied long ago,
      and is told again for who has lost or never had it; nothing is to be done for it.

    A section that is None is as it was told last. `versions` speaks of all sections, those of this
    record included, so a reader sees when it has missed one: it holds an older version of a
    section that the record does not tell. A reader overlays sections, each where it is newer than
    what it holds; the event it applies always, once per (source, message_id). Whoever holds one
    section of a profile holds all of them: the first record that tells any tells all. Only
    `restraints` came later: of who was told as a whole before, there are none until they are told.

    Of a profile of which much is to be told, the long sections that change are told once for many
    events, by a later record of the same batch; `computed` and `contact_points` with each event.
    Where all is to be told, as after a merge, all waits for that record, with all `absorbed` till
    then: the events before it have `versions` and no section. All sections are bounded: `omitted`
    counts, of those that are told, what is kept and not shown.

    A merge is told twice, since the two ids may be in different partitions: by the `merged_into`
    record, and by `absorbed` in the survivor's record, whose version is `into_version`, and which
    tells all sections. A reader that acts on states applies both in one step: from that record
    on, not before, the survivor's state speaks for both. A `republished` record of a merged id has
    an `into_version` of 0: that is long past, and whatever is told of the survivor speaks for both.

    Whose an event is, is told by the identifiers: it is of whoever has its `hub`, by which it was
    applied, the first of its identifiers where none is told. `replaced`: so many forms of its
    message were told before this one, and count no longer: other copies, or the same under another
    `hub`.
    """

    workspace: str
    profile_id: str
    version: int
    event: Event | None = None
    hub: Identifier | None = None
    replaced: int = 0
    versions: SectionVersions | None = None
    identifiers: list[IdentifierState] | None = None
    contact_points: list[ContactPoint] | None = None
    traits: RawOrNone = None
    computed: ComputedState | None = None
    consent: list[ConsentState] | None = None
    restraints: list[Restraint] | None = None
    omitted: Omitted = NONE_OMITTED
    republished: bool = False
    merged_into: str | None = None
    into_version: int = 0
    absorbed: list[AbsorbedId] = []
    gone: bool = False
