"""A process that works off jobs in schema `segment`: `job_process.py URL`, until it is killed."""

import asyncio
import sys
from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.db import create_engine
from rapport_common.jobs.store import Job, JobStore, Step
from rapport_common.jobs.worker import Jobs

LEASE_SECONDS = 0.5
PAGE = 200
WRITE = text(
    "INSERT INTO segment.effect SELECT n FROM generate_series(CAST(:first AS int), "
    "CAST(:last AS int)) AS n ON CONFLICT DO NOTHING"
)


class Writing:
    """Writes the numbers from 1 to `spec.rows`, a page at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Each page is a transaction of its own, before the step that tells of it."""
        total, after = job.spec["rows"], job.position.get("after", 0)
        while after < total:
            last = min(after + PAGE, total)
            async with self._engine.begin() as tx:
                await tx.execute(WRITE, {"first": after + 1, "last": last})
            yield Step({"after": last}, last - after, last - after, 0, {}, total)
            after = last


async def main(url: str) -> None:
    """Work until the end of the process."""
    engine = create_engine(url, application="segment-0-jobs", pool=3)
    store = JobStore("segment", lease_seconds=LEASE_SECONDS)
    await Jobs(engine, store, {"write": Writing(engine).work}).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
