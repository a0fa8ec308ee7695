"""The parts of the timeline, as tests want them."""

from datetime import datetime, timedelta

from services.profile.tests.people import START
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.months import Month
from rapport_profile.store.timeline_parts import TIMELINE

FIRST, LAST = Month(2025, 12), Month(2026, 3)
PARTS = text(
    "SELECT CAST(c.relname AS text) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = CAST('profile.timeline' AS regclass) ORDER BY c.relname"
)

# Those that were taken off are known by their name only, when what is noted of them is gone.
_ALL_PARTS = text(
    "SELECT CAST(tablename AS text) FROM pg_tables WHERE schemaname = 'profile' "
    "AND tablename ~ '^timeline_(early|late|[0-9]{4})'"
)


def day(number: int) -> datetime:
    """An instant so many days after the first event that there may be."""
    return START + timedelta(days=number)


async def parts(tx: AsyncConnection) -> dict[str, int]:
    """How many events each part has."""
    names = (await tx.execute(PARTS)).scalars().all()
    return {
        name: (await tx.execute(text(f"SELECT count(*) FROM profile.{name}"))).scalar_one()
        for name in names
    }


async def aside(tx: AsyncConnection) -> list[str]:
    """The parts that have been taken off and are not dropped yet."""
    rows = await tx.execute(text("SELECT name FROM profile.timeline_closing ORDER BY name"))
    return list(rows.scalars())


async def fresh_parts(engine: AsyncEngine, first: Month = FIRST, last: Month = LAST) -> None:
    """Months from the first to the last, all of them empty."""
    async with engine.begin() as tx:
        for name in (await tx.execute(_ALL_PARTS)).scalars().all():
            await tx.execute(text(f"DROP TABLE profile.{name}"))
        await tx.execute(text("TRUNCATE profile.timeline_closing"))
        await _part(tx, "timeline_early", "MINVALUE", f"'{first.start}'")
        month = first
        while month <= last:
            await _part(tx, TIMELINE.part(month), f"'{month.start}'", f"'{month.following.start}'")
            month = month.following
        await _part(tx, "timeline_late", f"'{month.start}'", "MAXVALUE")


async def _part(tx: AsyncConnection, name: str, begin: str, end: str) -> None:
    await tx.execute(
        text(
            f"CREATE TABLE profile.{name} PARTITION OF profile.timeline "
            f"FOR VALUES FROM ({begin}) TO ({end})"
        )
    )
