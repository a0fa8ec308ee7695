"""Events to be told again, by the identifiers that they are stored under.

Ids of identifiers never change, whoever has them, and an event that comes under another one is told
by whoever puts it there. So a walk in this order misses none, however people merge and come apart
meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.activity import ProfileActivity
from rapport_profile.domain.republished import event_again
from rapport_profile.store import retelling, timeline
from rapport_profile.store.inbox import stored_event
from rapport_profile.store.retelling import PAGE_BYTES, EventPlace

_IDS = 1 << 128


@dataclass(frozen=True, slots=True)
class EventPage:
    """What is to be told, and up to where that is; `is_end`: there was nothing any more."""

    records: list[ProfileActivity]
    upto: EventPlace | None
    is_end: bool = False


def passed(place: EventPlace | None, people: int) -> int:
    """Of so many people how many are done with, about: ids of identifiers are spread evenly."""
    return 0 if place is None else UUID(place[0]).int * people // _IDS


async def read(
    tx: AsyncConnection, workspace: str, after: EventPlace | None, limit: int
) -> EventPage:
    """The next events of a workspace, `limit` and 4 MiB at most; whose they are is locked."""
    await timeline.begin(tx)
    places = await retelling.event_places(tx, workspace, after, limit)
    if not places:
        return EventPage([], after, is_end=True)
    versions = await retelling.owners(tx, workspace, {place[0] for place in places})
    rows = await retelling.events(tx, workspace, after, places[-1])
    # Who has become somebody else's before the lock is looked at with the next page.
    ours = list(takewhile(lambda row: row.profile_id in versions, rows))
    some = _with_room(ours)
    records = _again(versions, some)
    if len(some) == len(rows):
        return EventPage(records, places[-1])
    return EventPage(records, _place(some[-1]) if some else after)


def _with_room(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    some: list[Row[Any]] = []
    size = 0
    for row in rows:
        if size >= PAGE_BYTES:
            break
        size += len(row.event)
        some.append(row)
    return some


def _place(row: Row[Any]) -> EventPlace:
    return row.hub, row.timestamp, row.source, row.message_id


def _again(versions: Mapping[str, int], rows: Sequence[Row[Any]]) -> list[ProfileActivity]:
    return [
        event_again(
            row.profile_id,
            versions[row.profile_id],
            stored_event(row.event),
            (row.kind, row.value),
            row.told,
        )
        for row in rows
    ]
