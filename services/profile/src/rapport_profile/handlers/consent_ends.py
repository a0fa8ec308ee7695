"""Permissions for a time: each end is waited for, and told when it has come.

That an instant has passed is an event like any other. So the fold needs no clock, and a rebuild
comes to the same; campaign looks at the time itself and does not wait for it. An identifier waits
for its next end only, however many words it says.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import tracing
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.events.envelope import Event
from rapport_common.publisher import Publisher
from rapport_profile.domain import own_events
from rapport_profile.store import consent_facts
from rapport_profile.store.consent_facts import Ending
from rapport_profile.store.due import CONSENT_END, DUE
from rapport_profile.store.people import Scoped

Since = dict[Scoped, datetime]
"""The ends of identifiers that are not before these times are yet to be told."""


async def wait_for_ends(
    tx: AsyncConnection, ends: Iterable[tuple[Scoped, datetime | None]], due: DueStore = DUE
) -> None:
    """Let these ends of identifiers be told when they come; one that has passed is told at once."""
    first: Since = {}
    for place, at in ends:
        if at is not None:
            first[place] = min(at, first.get(place, at))
    await due.schedule(tx, [_due(place, at) for place, at in first.items()], sooner=True)


async def wait_anew(tx: AsyncConnection, places: Collection[Scoped]) -> None:
    """Other words of these identifiers may decide now: let their ends be told, also the former."""
    if places:
        ends = await consent_facts.ends(tx, places)
        await wait_for_ends(tx, [(one.place, one.at) for one in ends])


class ConsentEnds:
    """Tells of ends that have come, once each."""

    def __init__(self, publisher: Publisher, due: DueStore = DUE) -> None:
        """`publisher` writes to `events`."""
        self._publisher = publisher
        self._due = due

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {CONSENT_END: self.reached}

    async def reached(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """Look at whose end should have come: by what is stored of their words."""
        traces = {(one.workspace, one.key): one.traceparent for one in rows}
        since = await _since(tx, rows)
        ends = await consent_facts.ends(tx, since) if since else []
        following = []
        for place, some in groupby(ends, key=lambda one: one.place):
            mine = list(some)
            tracing.enter(traces.get(place))
            come = [one for one in mine if since[place] <= one.at <= now]
            await self._publisher.tell(tx, *(_told(one, now) for one in come))
            following += [_due(place, one.at) for one in mine if one.at > now][:1]
        tracing.leave()
        await self._due.schedule(tx, following, sooner=True)


def _told(end: Ending, now: datetime) -> Event:
    workspace, _id = end.place
    return own_events.expired(workspace, end.who, end.subject, end.at, now)


async def _since(tx: AsyncConnection, rows: Sequence[Due]) -> Since:
    """Of whom ends are to be told, and since when."""
    found: Since = {}
    for row in rows:
        place, at = (row.workspace, row.key), row.at
        if row.payload:
            # From before: of each word there was a row.
            key = (row.workspace, row.payload["source"], row.payload["message_id"])
            word = await consent_facts.whose(tx, key)
            if word is None or word[1] is None:
                continue
            place, at = (row.workspace, word[0]), word[1]
        found[place] = min(at, found.get(place, at))
    return found


def _due(place: Scoped, at: datetime) -> NewDue:
    workspace, one = place
    return NewDue(workspace, CONSENT_END, one, at)
