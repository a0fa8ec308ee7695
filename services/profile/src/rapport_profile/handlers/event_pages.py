"""Events of many people, person by person: a page has those of some, or a stretch of one's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.activity import ProfileActivity
from rapport_profile.domain.republished import event_again
from rapport_profile.store import inbox, retelling, timeline
from rapport_profile.store.inbox import stored_event
from rapport_profile.store.reads import Person
from rapport_profile.store.retelling import PAGE_BYTES, Stretch
from rapport_profile.store.timeline import Place, Span

PEOPLE = 100
"""So many are looked at for a page, at most: many people have few events."""

_OLDEST_FIRST = Span(oldest_first=True)


@dataclass(slots=True)
class EventPage:
    """What is to be told, and how far that is: all events of `finished` people up to `after`, and
    those up to `behind` of the next one. `is_end`: there was nobody any more.
    """

    records: list[ProfileActivity]
    after: str | None
    behind: Place | None
    finished: int = 0
    is_end: bool = False


async def read(tx: AsyncConnection, stretch: Stretch, behind: Place | None) -> EventPage:
    """The next events of a stretch, `limit` and 4 MiB at most; whose they are is locked."""
    some = Stretch(stretch.workspace, stretch.after, stretch.until, PEOPLE)
    people = await retelling.living(tx, some)
    page = EventPage([], stretch.after, behind, is_end=not people)
    await timeline.begin(tx)
    size = 0
    for profile_id, version in people:
        who, left = Person(stretch.workspace, UUID(profile_id)), stretch.limit - len(page.records)
        rows = await timeline.events(tx, who, _OLDEST_FIRST, left, page.behind)
        taken = 0
        while taken < len(rows) and size < PAGE_BYTES:
            size += len(rows[taken].event)
            taken += 1
        page.records += await _again(tx, who, version, rows[:taken])
        if taken == left or taken < len(rows):
            last = rows[taken - 1] if taken else None
            page.behind = (
                page.behind if last is None else (last.timestamp, last.source, last.message_id)
            )
            return page
        page.after, page.behind, page.finished = profile_id, None, page.finished + 1
    return page


async def _again(
    tx: AsyncConnection, who: Person, version: int, rows: Sequence[Row[Any]]
) -> list[ProfileActivity]:
    if not rows:
        return []
    messages = [(row.source, row.message_id) for row in rows]
    replaced = await inbox.replaced(tx, who.workspace, messages)
    return [
        event_again(
            str(who.profile_id),
            version,
            stored_event(row.event),
            (row.kind, row.value),
            replaced.get((row.source, row.message_id), 0),
        )
        for row in rows
    ]
