"""A process that runs what is due in schema `segment`: `due_process.py URL`, until it is killed."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import create_engine
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import SESSION, DueWorker

AGAIN = "again"
STORE = DueStore("segment")
EFFECT = text("INSERT INTO segment.effect SELECT * FROM unnest(CAST(:ids AS text[]))")


async def handle(tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
    """One row for each; some of them are scheduled once more."""
    await tx.execute(EFFECT, {"ids": [f"{one.key} {one.payload}" for one in rows]})
    again = [NewDue(one.workspace, one.kind, one.key, now) for one in rows if AGAIN in one.payload]
    await STORE.schedule(tx, again)


async def main(url: str) -> None:
    """Run until the end of the process."""
    engine = create_engine(url, application="segment-0-due", pool=1, settings=SESSION)
    await DueWorker(engine, STORE, {"x": handle, "y": handle}, batch=50).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
