"""The worker of jobs: takes one at a time, works it off step by step, and resumes after a crash."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.errors import AppError, UnavailableError
from rapport_common.kafka.producer import KafkaUnavailableError
from rapport_ingest.store import jobs
from rapport_ingest.store.jobs import Job, Step

log = logging.get(__name__)

IDLE_SECONDS = 0.5
PAUSE_SECONDS = 2.0

Work = Callable[[Job], AsyncIterator[Step]]
"""Works a job off from its position. It yields after each piece is durable: the position is moved
then, and what a crash repeats has the same message ids. AppError ends the job as failed;
UnavailableError and other passing failures make it go on from its position a little later."""


class Jobs:
    """Runs the jobs of all workspaces, one at a time in this process."""

    name = "jobs"

    def __init__(self, engine: AsyncEngine, works: Mapping[str, Work]) -> None:
        self._engine = engine
        self._works = works
        self._holder = uuid.uuid4().hex

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; a job under way is given back then."""
        while not stop.is_set():
            pause = IDLE_SECONDS
            try:
                async with self._engine.begin() as tx:
                    job = await jobs.claim(tx, self._holder)
                if job is not None:
                    pause = 0.0 if await self._work(job, stop) else PAUSE_SECONDS
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("jobs can't be read, trying again", error=repr(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()

    async def _work(self, job: Job, stop: asyncio.Event) -> bool:
        """Work a job off; False when something is away and it has to wait."""
        try:
            async with aclosing(self._works[job.kind](job)) as steps:  # type: ignore[type-var] # works are async generators
                async for step in steps:
                    async with self._engine.begin() as tx:
                        mine = await jobs.advance(tx, job, self._holder, step)
                    if not mine:
                        return True
                    if stop.is_set():
                        await self._end(job, "queued")
                        return True
        except (UnavailableError, KafkaUnavailableError) as error:
            log.warning("job waits", job=job.id, error=str(error))
            await self._end(job, "queued")
            return False
        except AppError as error:
            await self._end(job, "failed", error.message)
        else:
            await self._end(job, "done")
        return True

    async def _end(self, job: Job, state: str, error: str | None = None) -> None:
        async with self._engine.begin() as tx:
            await jobs.finish(tx, job, self._holder, state, error)
