"""A million people in profile's tables: made once by profile's own code, and kept between runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvloop
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from sqlalchemy import text
from tests.bench import people
from tests.bench.table import console

from rapport_common.db import create_engine
from rapport_common.kafka.batch import Record
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.events import on_events
from rapport_profile.handlers.indexing import Indexing

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from rapport_common.events.envelope import Event

BATCH = 1_000


def fill(database: str, key: bytes, wanted: int, sizes: tuple[int, ...]) -> None:
    """Make people until there are so many, and one of each size (in a process of its own)."""
    uvloop.run(_fill(database, key, wanted, sizes))


async def _fill(database: str, key: bytes, wanted: int, sizes: tuple[int, ...]) -> None:
    engine = create_engine(database, application="bench")
    ids = Ids(key)
    try:
        have = await _count(engine, people.CROWD)
        if have < wanted:
            with Progress(
                "people in the store",
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=console,
            ) as bar:
                task = bar.add_task("", total=wanted, completed=have)
                for first in range(have, wanted, BATCH):
                    last = min(wanted, first + BATCH)
                    await _apply(engine, ids, [people.arrival(n) for n in range(first, last)])
                    bar.advance(task, last - first)
        for size in sizes:
            # Events that have been applied are known by their ids.
            await _apply(engine, ids, people.devices(size))
        await _write_search(engine)
        async with engine.connect() as connection:
            bare = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await bare.execute(text("VACUUM ANALYZE"))
    finally:
        await engine.dispose()


async def _write_search(engine: AsyncEngine) -> None:
    """Let everybody be found: profile's own loop would do it, beside what is to be measured."""
    loop = Indexing(engine, frozenset(), rate=1_000_000, batch=BATCH)
    left = await _due(engine)
    with Progress("people in search", BarColumn(), MofNCompleteColumn(), console=console) as bar:
        task = bar.add_task("", total=left)
        while left:
            # Where that loop is at it, too, this one has nothing.
            await loop.turn()
            left = await _due(engine)
            bar.update(task, completed=int(bar.tasks[0].total or 0) - left)


async def _due(engine: AsyncEngine) -> int:
    asked = text("SELECT coalesce(sum(cardinality(profiles)), 0) FROM profile.search_due")
    async with engine.begin() as tx:
        return int((await tx.execute(asked)).scalar_one())


async def _count(engine: AsyncEngine, workspace: str) -> int:
    asked = text("SELECT count(*) FROM profile.profile WHERE workspace = :workspace")
    async with engine.begin() as tx:
        return int((await tx.execute(asked, {"workspace": workspace})).scalar_one())


async def _apply(engine: AsyncEngine, ids: Ids, events: list[Event]) -> None:
    """As the consumer does, but nobody is told of it."""
    for first in range(0, len(events), BATCH):
        batch = [
            Record("events", 0, at, b"", one)
            for at, one in enumerate(events[first : first + BATCH])
        ]
        async with engine.begin() as tx:
            await on_events(ids, batch, tx)
            await tx.execute(text("DELETE FROM profile.outbox_batch"))
        await asyncio.sleep(0)
