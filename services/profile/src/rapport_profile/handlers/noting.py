"""Operators note what somebody has told them of a consent: on the phone, on paper, at the desk.

It is an event, which goes the way of all: so it has a source and a time, a place in the timeline,
and counts in whatever order it comes.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.events.envelope import USER_ID, Identifier
from rapport_common.publisher import Publisher
from rapport_profile.domain import own_events
from rapport_profile.store import reads
from rapport_profile.store.reads import Person

NAMES = 200
"""So many identifiers of a person are looked through for the one that names them best."""


async def note(
    tx: AsyncConnection,
    publisher: Publisher,
    who: Person,
    caller: Operator,
    told: tuple[str, datetime, Mapping[str, str | None]],
) -> None:
    """Tell of a word; `told`: the event's message id, when it was said, and what, and why noted."""
    message_id, said_at, said = told
    named = await _named(tx, who)
    evidence = {"method": "operator", "actor": caller.subject}
    event = own_events.noted(caller.workspace, named, message_id, said_at, {**said, **evidence})
    await publisher.tell(tx, msgspec.structs.replace(event, received_at=clock.now()))


async def _named(tx: AsyncConnection, who: Person) -> Identifier:
    """One identifier and no more: two would claim that they are the same person's."""
    rows = await reads.identifiers(tx, who, NAMES, None)
    names = [(row.kind, row.value) for row in rows]
    users = [one for one in names if one[0] == USER_ID]
    return (users or names)[0]


def message_id_of(new: UUID | str) -> str:
    """The id of the event that an operator's request makes."""
    return f"noted-{new}"
