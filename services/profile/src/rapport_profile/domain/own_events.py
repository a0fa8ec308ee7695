"""The events by which profile itself tells what happened to a person."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

import msgspec

from rapport_common.events.consent import EXPIRES_AT
from rapport_common.events.envelope import Event, Identifier
from rapport_common.events.reserved import CONSENT_UPDATED
from rapport_profile.domain.consent_facts import Fact

SOURCE = "profile"
EXPIRED = "Consent Expired"


def noted(
    workspace: str,
    who: Identifier,
    message_id: str,
    at: datetime,
    said: Mapping[str, str | None],
) -> Event:
    """A word that an operator has noted; what has no value is left out."""
    told = {name: value for name, value in said.items() if value is not None}
    return _event(workspace, who, (CONSENT_UPDATED, message_id), at, told)


def expired(workspace: str, who: Identifier, fact: Fact, ended: datetime, now: datetime) -> Event:
    """The instant at which a yes ends has passed: one event, however often it is told."""
    said = {
        "channel": fact.channel,
        "purpose": fact.purpose,
        "contact_point": fact.contact_point,
        EXPIRES_AT: ended.isoformat(),
    }
    about = msgspec.json.encode([*fact.subject, ended, *who])
    message_id = f"expired-{sha256(about).hexdigest()[:32]}"
    event = _event(workspace, who, (EXPIRED, message_id), now, said)
    return msgspec.structs.replace(event, timestamp=ended)


def _event(
    workspace: str,
    who: Identifier,
    named: tuple[str, str],
    at: datetime,
    properties: Mapping[str, str],
) -> Event:
    name, message_id = named
    return Event(
        workspace=workspace,
        source=SOURCE,
        message_id=message_id,
        type="track",
        timestamp=at,
        received_at=at,
        identifiers=[who],
        name=name,
        properties=msgspec.Raw(msgspec.json.encode(properties)),
    )
