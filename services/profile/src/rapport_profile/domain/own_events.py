"""The events by which profile itself tells what happened to a person, or was said of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec

from rapport_common.events.activity import Restraint
from rapport_common.events.consent import EXPIRES_AT
from rapport_common.events.envelope import Event, Identifier
from rapport_common.events.reserved import CONSENT_UPDATED
from rapport_profile.domain.consents import Subject
from rapport_profile.domain.stamps import OWN_SOURCE

SOURCE = OWN_SOURCE
EXPIRED = "Consent Expired"
RESTRAINED, RELEASED = "Restraint Set", "Restraint Lifted"
POINT_CLEARED = "Contact Point Cleared"
PUT_RIGHT, NO_LONGER_RIGHT = "Rectification Set", "Rectification Lifted"


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


def cleared(
    workspace: str, who: Identifier, message_id: str, at: datetime, said: Mapping[str, str]
) -> Event:
    """A contact point takes messages again, as an operator knows.

    `said`: channel, contact_point, reason and operator.
    """
    return _event(workspace, who, (POINT_CLEARED, message_id), at, said)


def expired(
    workspace: str, who: Identifier, subject: Subject, ended: datetime, now: datetime
) -> Event:
    """The instant at which a yes ends has passed: one event, however often it is told."""
    channel, purpose, point = subject
    said = {
        "channel": channel,
        "purpose": purpose,
        "contact_point": point,
        EXPIRES_AT: ended.isoformat(),
    }
    about = msgspec.json.encode([*subject, ended, *who])
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


class RestraintSaid(msgspec.Struct, frozen=True):
    """The properties of both: which restraint, and what it is of."""

    restraint_id: str
    restraint: Restraint


class RectificationSaid(msgspec.Struct, frozen=True, omit_defaults=True):
    """The properties of both: which rectification, and what is right, if it holds.

    `contact_points` are addresses by channel. null: there is none.
    """

    rectification_id: str
    traits: dict[str, msgspec.Raw] = {}
    contact_points: dict[str, str | None] = {}


def restraint_events(
    workspace: str,
    said: RestraintSaid,
    identifiers: Sequence[Identifier],
    at: datetime,
    *,
    holds: bool,
) -> list[Event]:
    """That a restraint holds from now on, or no more, of each of a person's identifiers."""
    named = (RESTRAINED, "set") if holds else (RELEASED, "lifted")
    return _of_each(workspace, (said.restraint_id, *named), said, identifiers, at)


def rectification_events(
    workspace: str,
    said: RectificationSaid,
    identifiers: Sequence[Identifier],
    at: datetime,
    *,
    holds: bool,
) -> list[Event]:
    """That something is right of a person from now on, or that sources count again."""
    named = (PUT_RIGHT, "set") if holds else (NO_LONGER_RIGHT, "lifted")
    return _of_each(workspace, (said.rectification_id, *named), said, identifiers, at)


def _of_each(
    workspace: str,
    named: tuple[str, str, str],
    said: RestraintSaid | RectificationSaid,
    identifiers: Sequence[Identifier],
    at: datetime,
) -> list[Event]:
    """One event for each identifier: whoever comes apart later, each part knows it.

    An event that named them all would say that they are one person, which is not said here.
    `named`: id of what is said, name of the event, and the word by which its message is known.
    """
    id_, name, word = named
    return [
        Event(
            workspace=workspace,
            source=SOURCE,
            message_id=f"{id_}-{word}-{number}",
            type="track",
            timestamp=at,
            received_at=at,
            identifiers=[one],
            name=name,
            properties=msgspec.Raw(msgspec.json.encode(said)),
        )
        for number, one in enumerate(identifiers)
    ]
