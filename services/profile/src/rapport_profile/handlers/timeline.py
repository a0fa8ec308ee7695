"""A page of what a person did: those events that are wanted, looked for within bounds."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.events.envelope import Event
from rapport_profile.domain.filtering import Wanted
from rapport_profile.store import timeline
from rapport_profile.store.inbox import stored_event
from rapport_profile.store.reads import Person
from rapport_profile.store.timeline import Place, Span

MOST_EVENTS = 5_000
"""So many are looked at for one page."""
MOST_CHARACTERS = 8 * 2**20
MOST_SECONDS = 2.0
STEP = 500
MANY = 100
"""Of so many identifiers a month is looked at first, then some: each month costs a look under
each."""
WINDOWS = tuple(timedelta(days=days) for days in (31, 124, 496))


class Found(NamedTuple):
    """Events of a page; `ended_at`: looking has ended there, and more may follow."""

    events: list[Event]
    ended_at: Place | None = None


class Asked(NamedTuple):
    """Of whom which events are wanted: at most `limit`, those behind `after`.

    `identifiers`: about how many the person has.
    """

    who: Person
    identifiers: int
    span: Span
    wanted: Wanted
    limit: int
    after: Place | None


async def page(
    tx: AsyncConnection, asked: Asked, now: Callable[[], float] = time.monotonic
) -> Found:
    """The events of a page.

    However few of a large person's events are wanted: after MOST_EVENTS, MOST_CHARACTERS of them
    or MOST_SECONDS the page ends, and says where.
    """
    await timeline.begin(tx)
    found: list[Event] = []
    after, looked, characters, began = asked.after, 0, 0, now()
    step = asked.limit if asked.wanted.is_anything else min(max(asked.limit, STEP // 4), STEP)
    while True:
        rows = await _behind(tx, asked, step, after)
        for row in rows:
            characters += len(row.event)
            event = stored_event(row.event)
            if asked.wanted.has(event):
                found.append(event)
                if len(found) == asked.limit:
                    return Found(found)
        if len(rows) < step:
            return Found(found)
        after = (rows[-1].timestamp, rows[-1].source, rows[-1].message_id)
        looked += len(rows)
        if looked >= MOST_EVENTS or characters >= MOST_CHARACTERS or now() - began >= MOST_SECONDS:
            return Found(found, after)
        step = STEP


async def _behind(
    tx: AsyncConnection, asked: Asked, step: int, after: Place | None
) -> Sequence[Row[Any]]:
    """The next `step` events, in as few months as have them; less: there are no more."""
    spans = [asked.span]
    if asked.identifiers > MANY:
        spans = [*_narrowed(asked.span, after[0] if after else None), asked.span]
    rows: Sequence[Row[Any]] = ()
    for span in spans:
        rows = await timeline.events(tx, asked.who, span, step, after)
        if len(rows) == step:
            break
    return rows


def _narrowed(span: Span, at: datetime | None) -> Iterator[Span]:
    """Shorter and shorter parts of a span behind an instant of it, the shortest first."""
    for window in WINDOWS:
        try:
            if not span.oldest_first:
                since = (at or span.until or clock.now()) - window
                if span.since is None or since > span.since:
                    yield span._replace(since=since)
            elif begin := at or span.since:
                until = begin + window
                if span.until is None or until < span.until:
                    yield span._replace(until=until)
        except OverflowError:
            # Before the year 1, or behind 9999.
            return
