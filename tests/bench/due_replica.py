"""One replica of the `due` worker, as a process that can be killed: `due_replica.py URL NAME`."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import create_engine
from rapport_common.due.store import Due, DueStore
from rapport_common.due.worker import SESSION, DueWorker

SCHEMA = "bench"
KIND = "bench"
_EFFECT = text(
    f"INSERT INTO {SCHEMA}.effect (key, at, done_at) SELECT key, at, clock_timestamp() "
    "FROM unnest(CAST(:keys AS text[]), CAST(:times AS timestamptz[])) AS v(key, at)"
)


async def handle(tx: AsyncConnection, rows: Sequence[Due], _now: datetime) -> None:
    """One row for each, with the time it was due and the time it is."""
    given = {"keys": [one.key for one in rows], "times": [one.at for one in rows]}
    await tx.execute(_EFFECT, given)


async def main(url: str, name: str) -> None:
    """Run what is due until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = create_engine(url, application=f"bench-{name}", pool=1, settings=SESSION)
    try:
        await DueWorker(engine, DueStore(SCHEMA), {KIND: handle}).run(stop)
    finally:
        await engine.dispose()


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    uvloop.run(main(*sys.argv[1:]))
