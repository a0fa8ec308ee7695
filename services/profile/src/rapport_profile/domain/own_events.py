"""The events by which profile tells what an operator has said of a person: facts like others."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from rapport_common.events.activity import Restraint
from rapport_common.events.envelope import Event, Identifier

SOURCE = "profile"
RESTRAINED, RELEASED = "Restraint Set", "Restraint Lifted"


class RestraintSaid(msgspec.Struct, frozen=True):
    """The properties of both: which restraint, and what it is of."""

    restraint_id: str
    restraint: Restraint


def restraint_events(
    workspace: str,
    said: RestraintSaid,
    identifiers: Sequence[Identifier],
    at: datetime,
    *,
    holds: bool,
) -> list[Event]:
    """That a restraint holds from now on, or no more, of each of a person's identifiers.

    One event for each: whoever comes apart later, each part knows it. An event that named them all
    would say that they are one person, which is not said here.
    """
    name = RESTRAINED if holds else RELEASED
    word = "set" if holds else "lifted"
    return [
        Event(
            workspace=workspace,
            source=SOURCE,
            message_id=f"{said.restraint_id}-{word}-{number}",
            type="track",
            timestamp=at,
            received_at=at,
            identifiers=[one],
            name=name,
            properties=msgspec.Raw(msgspec.json.encode(said)),
        )
        for number, one in enumerate(identifiers)
    ]
