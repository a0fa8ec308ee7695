"""Days with more of a topic than by chance are noticed once each, some minutes after the texts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import logging
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_feedback import metrics
from rapport_feedback.domain.texts.spikes import WEEKS, spikes
from rapport_feedback.store import text_topics
from rapport_feedback.store.due import DUE

log = logging.get(__name__)

KIND = "text_spikes"
RECENT = timedelta(days=2)
"""Texts of longer ago, as from an import, are no news."""


async def ask(
    tx: AsyncConnection,
    workspace: str,
    times: Sequence[datetime],
    now: datetime,
    due: DueStore = DUE,
) -> None:
    """Have the days of these texts looked at, all texts of five minutes together."""
    at = datetime.fromtimestamp((now.timestamp() // 300 + 1) * 300, UTC)
    days = {one.astimezone(UTC).date() for one in times if now - one < RECENT}
    rows = [NewDue(workspace, KIND, str(day), at) for day in sorted(days)]
    await due.schedule(tx, rows, sooner=True)


async def look(tx: AsyncConnection, rows: Sequence[Due], _now: datetime) -> None:
    """Look at days of workspaces."""
    for row in rows:
        await look_at(tx, row.workspace, date.fromisoformat(row.key))


async def look_at(tx: AsyncConnection, workspace: str, day: date) -> list[str]:
    """Note which topics there is more of on a day than by chance; those that are new.

    A topic of which texts have still to be read by its newest rules is not judged: it would seem
    to be new.
    """
    since = day - timedelta(weeks=WEEKS)
    found = await text_topics.counts(tx, workspace, since, day + timedelta(days=1))
    start = max(since, found.first or day)
    judged = {topic: days for topic, days in found.counts.items() if topic not in found.unread}
    today = {topic: days[day] for topic, days in judged.items() if day in days}
    before = {topic: _series(judged[topic], start, day) for topic in today}
    new = await text_topics.add_spikes(tx, workspace, day, spikes(today, before))
    metrics.TEXT_SPIKES.inc(len(new))
    for topic in new:
        log.info("there is more of a topic than by chance", workspace=workspace, topic=topic)
    return new


def _series(days: Mapping[date, int], start: date, end: date) -> list[int]:
    return [days.get(start + timedelta(days=one), 0) for one in range((end - start).days)]


KINDS: Mapping[str, Handler] = {KIND: look}
