"""Seeing that somebody waits for a lock: what must have happened before a test lets go of it."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.waiting import eventually

WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def somebody_waits(engine: AsyncEngine, count: int = 1) -> None:
    """Return when so many sessions of this database wait for a lock."""

    async def enough() -> bool:
        async with engine.connect() as connection:
            waiting: int = (await connection.execute(WAITING)).scalar_one()
            return waiting >= count

    await eventually(f"{count} sessions that wait for a lock", enough)
