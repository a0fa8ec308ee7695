"""The parts of the timeline: one for each month, one for what is older, one for what is later."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.monthly import MonthlyTable
from rapport_common.months import Month

TIMELINE = MonthlyTable("profile", "timeline", "timestamp")
EARLY = "timeline_early"

_CLOSING = text("INSERT INTO profile.timeline_closing (name) SELECT unnest(CAST(:names AS text[]))")


async def close(tx: AsyncConnection, ended: Sequence[Month]) -> None:
    """Take the oldest months off, with what was older; the timeline is held.

    Their events are nobody's history any more, and are still to be added to the sums. From now on
    what comes late for them goes to a new part for what is older.
    """
    parts = [TIMELINE.part(month) for month in ended]
    aside = f"{EARLY}_{parts[0].removeprefix('timeline_')}"
    await TIMELINE.detach(tx, EARLY)
    await tx.execute(text(f"ALTER TABLE profile.{EARLY} RENAME TO {aside}"))
    for part in parts:
        await TIMELINE.detach(tx, part)
    await TIMELINE.make(tx, EARLY, None, ended[-1].following.start.isoformat())
    await tx.execute(text(f"CREATE INDEX ON profile.{EARLY} USING brin (timestamp)"))
    await tx.execute(_CLOSING, {"names": [aside, *parts]})
