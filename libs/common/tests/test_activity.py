"""The former versions of the record on `profile.activity`, read as today's."""

from datetime import UTC, datetime

import msgspec
import pytest
from msgspec.structs import replace

from rapport_common.events.activity import (
    SECTIONS,
    ContactPoint,
    SectionVersions,
)
from rapport_common.events.activity_v2 import ProfileActivityV2, SectionVersionsV2, from_v1, from_v2
from rapport_common.events.envelope import EMPTY_OBJECT
from rapport_common.events.envelope_v1 import EventV1
from rapport_common.events.profile import (
    AbsorbedId,
    ComputedState,
    ConsentState,
    ContactPointState,
    IdentifierState,
    Omitted,
    ProfileActivityV1,
    ProfileState,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)
EVENT = EventV1(
    workspace="shop",
    source="web",
    message_id="1",
    type="identify",
    timestamp=AT,
    received_at=AT,
    user_id="42",
)
STATE = ProfileState(
    identifiers=[IdentifierState("email", "ada@example.com"), IdentifierState("user_id", "42")],
    traits=msgspec.Raw(b'{"name":"Ada"}'),
    computed=ComputedState(events=3),
    consent=[
        ConsentState(
            contact_point="ada@example.com",
            channel="email",
            purpose="promotion",
            state="granted",
            at=AT,
            source="web",
        )
    ],
    contact_points=[
        ContactPointState(channel="email", value="ada@example.com", at=AT, verified=False),
        ContactPointState(channel="sms", value="+4917012345", at=AT),
    ],
    omitted=Omitted(consent=2),
)
STEP = ProfileActivityV1(workspace="shop", profile_id="p", version=7)


def test_a_state_is_all_sections_from_the_records_version() -> None:
    told = replace(STEP, event=EVENT, state=STATE, absorbed=[AbsorbedId("q", 3)])
    assert from_v1(told) == ProfileActivityV2(
        workspace="shop",
        profile_id="p",
        version=7,
        event=EVENT,
        versions=SectionVersionsV2(7, 7, 7, 7, 7),
        identifiers=STATE.identifiers,
        contact_points=[
            ContactPoint(channel="email", value="ada@example.com", verified=False),
            ContactPoint(channel="sms", value="+4917012345"),
        ],
        traits=STATE.traits,
        computed=STATE.computed,
        consent=STATE.consent,
        omitted=STATE.omitted,
        absorbed=[AbsorbedId("q", 3)],
    )
    assert all(getattr(from_v1(told), one) is not None for one in SECTIONS if one != "restraints")
    assert from_v1(replace(told, event=None)).event is None


@pytest.mark.parametrize(
    "told",
    [
        {"event": EVENT},
        {"merged_into": "q"},
        {"merged_into": "q", "into_version": 9},
        {"gone": True},
    ],
    ids="+".join,
)
def test_what_tells_no_state_says_the_same(told: dict[str, object]) -> None:
    assert from_v1(replace(STEP, **told)) == ProfileActivityV2(
        workspace="shop",
        profile_id="p",
        version=7,
        **told,  # type: ignore[arg-type] # one of the fields above
    )


def test_a_state_of_nobody_says_that_the_id_is_gone() -> None:
    nobody = ProfileState(identifiers=[], traits=EMPTY_OBJECT, computed=ComputedState())
    gone = ProfileActivityV2(workspace="shop", profile_id="p", version=7, gone=True)
    assert from_v1(replace(STEP, state=nobody)) == gone
    shown = replace(nobody, omitted=Omitted(identifiers=1))
    assert from_v1(replace(STEP, state=shown)).identifiers == []
    assert from_v1(replace(STEP, state=nobody, event=EVENT)).identifiers == []


@pytest.mark.parametrize(
    ("traits", "addresses"),
    [
        (b'{"email":"Ada@Shop.example"}', ["ada@shop.example", "ada@example.com"]),
        (b'{"email":"ADA@example.com"}', ["ada@example.com"]),
        *((one, ["ada@example.com"]) for one in (b"{}", b"[]", b'{"email":null}', b'{"email":7}')),
        (b'{"email":""}', ["ada@example.com"]),
    ],
)
def test_before_there_were_contact_points_the_trait_and_then_the_identifiers_were_addresses(
    traits: bytes, addresses: list[str]
) -> None:
    state = replace(STATE, traits=msgspec.Raw(traits), contact_points=None)
    assert from_v1(replace(STEP, state=state)).contact_points == [
        ContactPoint(channel="email", value=one) for one in addresses
    ]
    assert from_v1(replace(STEP, state=replace(state, contact_points=[]))).contact_points == []


def test_of_the_second_version_only_the_events_names_become_a_list() -> None:
    told = from_v1(replace(STEP, event=EVENT, state=STATE, absorbed=[AbsorbedId("q", 3)]))
    told = replace(told, republished=True, merged_into="r", into_version=9, gone=True)
    found = from_v2(told)
    assert found.event is not None
    assert found.event.identifiers == [("user_id", "42")]
    for name in set(ProfileActivityV2.__struct_fields__) - {"event", "versions"}:
        assert getattr(found, name) == getattr(told, name) is not None
    # There were no restraints yet: nobody lacks any.
    assert (found.versions, found.restraints) == (SectionVersions(7, 7, 7, 7, 7, 0), None)
    assert from_v2(replace(told, event=None)).event is None
