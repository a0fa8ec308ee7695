"""A page of what a person did: those events that are wanted, looked for within bounds."""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import Event
from rapport_profile.domain.filtering import Wanted
from rapport_profile.store import timeline
from rapport_profile.store.inbox import stored_event
from rapport_profile.store.reads import Person
from rapport_profile.store.timeline import Place, Span

MOST_EVENTS = 5_000
"""So many are looked at for one page."""
MOST_CHARACTERS = 8 * 2**20
STEP = 500


class Found(NamedTuple):
    """Events of a page; `ended_at`: looking has ended there, and more may follow."""

    events: list[Event]
    ended_at: Place | None = None


async def page(
    tx: AsyncConnection,
    who: Person,
    span: Span,
    wanted: Wanted,
    *,
    limit: int,
    after: Place | None = None,
) -> Found:
    """At most `limit` of the events that are wanted, those behind `after`.

    However few of a large person's events they are: after MOST_EVENTS, or MOST_CHARACTERS of
    them, the page ends, and says where.
    """
    await timeline.begin(tx)
    found: list[Event] = []
    step, looked, characters = limit, 0, 0
    if not wanted.is_anything:
        step = min(max(limit, STEP // 4), STEP)
    while True:
        rows = await timeline.events(tx, who, span, step, after)
        for row in rows:
            characters += len(row.event)
            event = stored_event(row.event)
            if wanted.has(event):
                found.append(event)
                if len(found) == limit:
                    return Found(found)
        if len(rows) < step:
            return Found(found)
        after = (rows[-1].timestamp, rows[-1].source, rows[-1].message_id)
        looked += len(rows)
        if looked >= MOST_EVENTS or characters >= MOST_CHARACTERS:
            return Found(found, after)
        step = STEP
