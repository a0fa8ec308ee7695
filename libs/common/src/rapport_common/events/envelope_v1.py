"""The first version of the record on `events`: it knew three kinds of identifiers."""

from datetime import datetime

import msgspec

from rapport_common.events.envelope import (
    ANONYMOUS_ID,
    EMAIL,
    USER_ID,
    Client,
    Event,
    EventType,
    Identifier,
    Provenance,
    Trust,
    empty_object,
)


class EventV1(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A validated event, named by a user id, an e-mail address, an anonymous id; see `Event`."""

    workspace: str
    source: str
    message_id: str
    type: EventType
    timestamp: datetime
    received_at: datetime
    name: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    email: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    properties: msgspec.Raw = msgspec.field(default_factory=empty_object)
    traits: msgspec.Raw = msgspec.field(default_factory=empty_object)
    context: msgspec.Raw = msgspec.field(default_factory=empty_object)
    client: Client | None = None
    provenance: Provenance | None = None
    sequence: int = 0
    trust: Trust = "trusted"
    currency: str | None = None
    historic: bool = False
    implausible_time: bool = False


def from_v1(record: EventV1) -> Event:
    """The same event with its names as a list, strongest first."""
    return Event(
        workspace=record.workspace,
        source=record.source,
        message_id=record.message_id,
        type=record.type,
        timestamp=record.timestamp,
        received_at=record.received_at,
        identifiers=named(record.user_id, record.email, record.anonymous_id),
        name=record.name,
        previous_id=record.previous_id,
        group_id=record.group_id,
        properties=record.properties,
        traits=record.traits,
        context=record.context,
        client=record.client,
        provenance=record.provenance,
        sequence=record.sequence,
        trust=record.trust,
        currency=record.currency,
        historic=record.historic,
        implausible_time=record.implausible_time,
    )


def named(user_id: str | None, email: str | None, anonymous_id: str | None) -> list[Identifier]:
    """These as identifiers, in the order of their strength; empty ones are none."""
    told = ((USER_ID, user_id), (EMAIL, email), (ANONYMOUS_ID, anonymous_id))
    return [(kind, value) for kind, value in told if value]
