"""Timelines of a workspace in the order of their keys, from which events go by its rules.

A sweep looks at everything that is old enough, once a day, and remembers its place with each page.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import Event
from rapport_profile.domain.naming import Id
from rapport_profile.store.inbox import stored_event

BETWEEN = timedelta(days=1)
"""From the begin of a workspace's sweep to the begin of its next."""


class Sweep(NamedTuple):
    """A sweep of a workspace's timelines under one version of its rules."""

    workspace: str
    version: int


_ENSURE = text(
    "INSERT INTO profile.timeline_sweep (workspace) SELECT DISTINCT workspace "
    "FROM profile.rules WHERE subject = 'timeline' ON CONFLICT DO NOTHING"
)
_NEXT = text(
    "SELECT s.workspace, r.version, s.version AS swept FROM profile.timeline_sweep s "
    "JOIN LATERAL (SELECT version FROM profile.rules r WHERE r.workspace = s.workspace "
    "AND subject = 'timeline' ORDER BY version DESC LIMIT 1) r ON true "
    "WHERE NOT s.finished OR s.version <> r.version OR s.began_at <= :before "
    "ORDER BY s.looked_at, s.workspace LIMIT 1 FOR UPDATE OF s SKIP LOCKED"
)
_BEGIN = text(
    "UPDATE profile.timeline_sweep SET version = :version, began_at = :now, finished = false, "
    "identifier_id = DEFAULT, timestamp = DEFAULT, source = DEFAULT, message_id = DEFAULT "
    "WHERE workspace = :workspace AND (finished OR version <> :version)"
)
_PAGE = text(
    "SELECT CAST(t.identifier_id AS text) AS hub, CAST(t.event AS text) AS event "
    "FROM profile.timeline t WHERE t.workspace = :workspace AND t.timestamp < :before "
    "AND (t.identifier_id, t.timestamp, t.source, t.message_id) > (SELECT identifier_id, "
    "timestamp, source, message_id FROM profile.timeline_sweep WHERE workspace = :workspace) "
    "ORDER BY t.identifier_id, t.timestamp, t.source, t.message_id LIMIT :limit"
)
_MOVE_ON = text(
    "UPDATE profile.timeline_sweep SET identifier_id = CAST(:hub AS uuid), "
    "timestamp = :timestamp, source = :source, message_id = :message_id, looked_at = :now "
    "WHERE workspace = :workspace"
)
_FINISH = text(
    "UPDATE profile.timeline_sweep SET finished = true, looked_at = :now "
    "WHERE workspace = :workspace"
)


async def claim(tx: AsyncConnection, now: datetime) -> Sweep | None:
    """The workspace whose turn it is, its sweep begun anew where that is due; None: nobody's."""
    await tx.execute(_ENSURE)
    row = (await tx.execute(_NEXT, {"before": now - BETWEEN})).first()
    if row is None:
        return None
    sweep = Sweep(row.workspace, row.version)
    await tx.execute(_BEGIN, {**sweep._asdict(), "now": now})
    return sweep


async def page(
    tx: AsyncConnection, sweep: Sweep, before: datetime, limit: int
) -> list[tuple[Id, Event]]:
    """(identifier, event): the next events from before that instant."""
    asked = {"workspace": sweep.workspace, "before": before, "limit": limit}
    return [(row.hub, stored_event(row.event)) for row in await tx.execute(_PAGE, asked)]


async def move_on(
    tx: AsyncConnection, sweep: Sweep, seen: Sequence[tuple[Id, Event]], now: datetime
) -> None:
    """Remember that these have been looked at; none: the sweep is finished."""
    asked = {"workspace": sweep.workspace, "now": now}
    if not seen:
        await tx.execute(_FINISH, asked)
        return
    hub, last = seen[-1]
    place = {"timestamp": last.timestamp, "source": last.source, "message_id": last.message_id}
    await tx.execute(_MOVE_ON, {**asked, "hub": hub, **place})
