"""The second version of the record on `profile.activity`, made of the first and into the third."""

import msgspec

from rapport_common.events import envelope_v1
from rapport_common.events.activity import (
    ContactPoint,
    ProfileActivity,
    RawOrNone,
    SectionVersions,
)
from rapport_common.events.codec import UNREADABLE
from rapport_common.events.contact import EMAIL_CHANNEL, normal_email
from rapport_common.events.envelope import EMAIL
from rapport_common.events.envelope_v1 import EventV1
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


class SectionVersionsV2(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """For each section the version of the record that told it last; 0: none has."""

    identifiers: int = 0
    contact_points: int = 0
    traits: int = 0
    computed: int = 0
    consent: int = 0


_SECTIONS = SectionVersionsV2.__struct_fields__


class ProfileActivityV2(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step in a profile's life, as `ProfileActivity` tells it; the event has three names.

    `event` alone is only in what was read from the first version: an event was applied, and a
    later record tells of what became of the profile.
    """

    workspace: str
    profile_id: str
    version: int
    event: EventV1 | None = None
    versions: SectionVersionsV2 | None = None
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


def from_v2(record: ProfileActivityV2) -> ProfileActivity:
    """The same record, whose event has its identifiers in a list."""
    return ProfileActivity(
        workspace=record.workspace,
        profile_id=record.profile_id,
        version=record.version,
        event=None if record.event is None else envelope_v1.from_v1(record.event),
        versions=_versions(record.versions),
        identifiers=record.identifiers,
        contact_points=record.contact_points,
        traits=record.traits,
        computed=record.computed,
        consent=record.consent,
        omitted=record.omitted,
        republished=record.republished,
        merged_into=record.merged_into,
        into_version=record.into_version,
        absorbed=record.absorbed,
        gone=record.gone,
    )


def _versions(told: SectionVersionsV2 | None) -> SectionVersions | None:
    """The same; there were no restraints yet."""
    return None if told is None else SectionVersions(*msgspec.structs.astuple(told))


def from_v1(record: ProfileActivityV1) -> ProfileActivityV2:
    """The same record in sections: a state is all sections, from the record's version.

    A state without any identifier, as was told once of who is nobody, is `gone`.
    """
    state = record.state
    if state is None or _is_nobody(record):
        return ProfileActivityV2(
            workspace=record.workspace,
            profile_id=record.profile_id,
            version=record.version,
            event=record.event,
            merged_into=record.merged_into,
            into_version=record.into_version,
            absorbed=record.absorbed,
            gone=record.gone or state is not None,
        )
    return ProfileActivityV2(
        workspace=record.workspace,
        profile_id=record.profile_id,
        version=record.version,
        event=record.event,
        versions=SectionVersionsV2(*[record.version] * len(_SECTIONS)),
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
    except UNREADABLE:
        return None
