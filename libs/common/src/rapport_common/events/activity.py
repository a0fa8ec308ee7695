"""The record on `profile.activity`: an event as applied, and what it changed of its person."""

from typing import TYPE_CHECKING

import msgspec

from rapport_common.events.contact import EMAIL_CHANNEL, normal_email
from rapport_common.events.envelope import EMAIL, Event
from rapport_common.events.profile import (
    NONE_OMITTED,
    AbsorbedId,
    ComputedState,
    ConsentState,
    IdentifierState,
    Omitted,
    ProfileActivityV1,
    ProfileState,
)

if TYPE_CHECKING:
    RawOrNone = msgspec.Raw | None
else:
    # msgspec reads no union that has Raw in it; what is absent is the default all the same.
    RawOrNone = msgspec.Raw


class ContactPoint(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An address at which the person can be reached now; former ones are identifiers only.

    `verified`: a trusted source said so. An unverified one gets nothing that holds the person's
    data. Of a channel's points the newest stands first.
    """

    channel: str
    value: str
    verified: bool = True


class SectionVersions(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """For each section the version of the record that told it last; 0: none has."""

    identifiers: int = 0
    contact_points: int = 0
    traits: int = 0
    computed: int = 0
    consent: int = 0


SECTIONS = SectionVersions.__struct_fields__


class ProfileActivity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step in a profile's life, with the sections of it that are not as they were.

    What is set tells the forms apart:

    - `event` with `versions`: an event was applied; with the sections that it changed.
    - `versions` without an event: identifiers joined or left, or something was taken back; or, if
      `republished`, nothing happened, and all is told again for who has lost or never had it.
    - `merged_into` alone: this id is history, its rows now belong to that one.
    - `gone` alone: nobody has this id any more (what counted was taken back), without an heir.
    - `event` alone: only in what was read from the first version. An event was applied, and a
      later record tells of what became of the profile.

    A section that is None is as it was told last. `versions` speaks of all sections, those of this
    record included, so a reader sees when it has missed one: it holds an older version of a
    section that the record does not tell. A reader overlays sections, each where it is newer than
    what it holds; the event it applies always, once per (source, message_id). Whoever holds one
    section of a profile holds all of them: the first record that tells any tells all.

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
    """

    workspace: str
    profile_id: str
    version: int
    event: Event | None = None
    versions: SectionVersions | None = None
    identifiers: list[IdentifierState] | None = None
    contact_points: list[ContactPoint] | None = None
    traits: RawOrNone = None
    computed: ComputedState | None = None
    consent: list[ConsentState] | None = None
    omitted: Omitted = NONE_OMITTED
    republished: bool = False
    merged_into: str | None = None
    into_version: int = 0
    absorbed: list[AbsorbedId] = []
    gone: bool = False


def from_v1(record: ProfileActivityV1) -> ProfileActivity:
    """The same record in today's form: a state is all sections, from the record's version.

    A state without any identifier, as was told once of who is nobody, is `gone`.
    """
    state = record.state
    if state is None or _is_nobody(record):
        return ProfileActivity(
            workspace=record.workspace,
            profile_id=record.profile_id,
            version=record.version,
            event=record.event,
            merged_into=record.merged_into,
            into_version=record.into_version,
            absorbed=record.absorbed,
            gone=record.gone or state is not None,
        )
    return ProfileActivity(
        workspace=record.workspace,
        profile_id=record.profile_id,
        version=record.version,
        event=record.event,
        versions=SectionVersions(*[record.version] * len(SECTIONS)),
        identifiers=state.identifiers,
        contact_points=_contact_points(state),
        traits=state.traits,
        computed=state.computed,
        consent=state.consent,
        omitted=state.omitted,
        absorbed=record.absorbed,
    )


def _is_nobody(record: ProfileActivityV1) -> bool:
    state = record.state
    if state is None or record.event is not None:
        return False
    return not state.identifiers and not state.omitted.identifiers


def _contact_points(state: ProfileState) -> list[ContactPoint]:
    """Those of a state; before there were any, the e-mail trait and the e-mail identifiers."""
    if state.contact_points is not None:
        return [
            ContactPoint(channel=one.channel, value=one.value, verified=one.verified)
            for one in state.contact_points
        ]
    told = [one for one in (_email_trait(state.traits), *state.values(EMAIL)) if one]
    addresses = dict.fromkeys(normal_email(one) for one in told)
    return [ContactPoint(channel=EMAIL_CHANNEL, value=one) for one in addresses]


def _email_trait(traits: msgspec.Raw) -> str | None:
    try:
        found = msgspec.json.decode(traits, type=dict[str, msgspec.Raw]).get(EMAIL)
        return None if found is None else msgspec.json.decode(found, type=str)
    except msgspec.MsgspecError:
        return None
