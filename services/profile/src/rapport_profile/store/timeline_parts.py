"""The parts of the timeline: one for each month, one for what is older, one for what is later.

There is no part for whatever has no other: with one the newest events of a person could not be
read part by part, and a new month would have to look through it (ADR 36). Months are without a
gap, so an event of any time has its place.

Parts are made and taken off while nobody reads or writes the timeline: some milliseconds. Who
waits for that is not waited for long, so that nobody queues behind.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.months import Month, month_named

EARLY = "timeline_early"
LATE = "timeline_late"

_BRIEFLY = text("SET LOCAL lock_timeout = '500ms'")
_HOLD = text("LOCK TABLE ONLY profile.timeline IN ACCESS EXCLUSIVE MODE")
_PARTS = text(
    "SELECT CAST(c.relname AS text) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = CAST('profile.timeline' AS regclass) ORDER BY c.relname"
)
_CLOSING = text("INSERT INTO profile.timeline_closing (name) SELECT unnest(CAST(:names AS text[]))")


async def months(tx: AsyncConnection) -> list[Month]:
    """The months that have a part, oldest first."""
    named = map(month_named, (await tx.execute(_PARTS)).scalars())
    return sorted(one for one in named if one is not None)


async def hold(tx: AsyncConnection) -> None:
    """Let nobody read or write the timeline before this transaction ends.

    It waits half a second at most for those who do: then the database says `lock_timeout`.
    """
    await tx.execute(_BRIEFLY)
    await tx.execute(_HOLD)


async def extend(tx: AsyncConnection, new: Sequence[Month]) -> None:
    """Add months behind the last; the timeline is held. What was later and is in them moves."""
    end = new[-1].following.start.isoformat()
    await tx.execute(text(f"ALTER TABLE profile.timeline DETACH PARTITION profile.{LATE}"))
    for month in new:
        await _make(tx, month.table, month.start.isoformat(), month.following.start.isoformat())
    await tx.execute(
        text(
            f"WITH moved AS (DELETE FROM profile.{LATE} WHERE timestamp < '{end}' RETURNING *) "
            "INSERT INTO profile.timeline SELECT * FROM moved"
        )
    )
    await tx.execute(
        text(
            f"ALTER TABLE profile.timeline ATTACH PARTITION profile.{LATE} "
            f"FOR VALUES FROM ('{end}') TO (MAXVALUE)"
        )
    )


async def close(tx: AsyncConnection, ended: Sequence[Month]) -> None:
    """Take the oldest months off, with what was older; the timeline is held.

    Their events are nobody's history any more, and are still to be added to the sums. From now on
    what comes late for them goes to a new part for what is older.
    """
    aside = f"{EARLY}_{ended[0].table.removeprefix('timeline_')}"
    await tx.execute(text(f"ALTER TABLE profile.timeline DETACH PARTITION profile.{EARLY}"))
    await tx.execute(text(f"ALTER TABLE profile.{EARLY} RENAME TO {aside}"))
    for month in ended:
        await tx.execute(
            text(f"ALTER TABLE profile.timeline DETACH PARTITION profile.{month.table}")
        )
    await _make(tx, EARLY, None, ended[-1].following.start.isoformat())
    await tx.execute(text(f"CREATE INDEX ON profile.{EARLY} USING brin (timestamp)"))
    await tx.execute(_CLOSING, {"names": [aside, *(month.table for month in ended)]})


async def _make(tx: AsyncConnection, name: str, start: str | None, end: str) -> None:
    begin = "MINVALUE" if start is None else f"'{start}'"
    await tx.execute(
        text(
            f"CREATE TABLE profile.{name} PARTITION OF profile.timeline "
            f"FOR VALUES FROM ({begin}) TO ('{end}')"
        )
    )
