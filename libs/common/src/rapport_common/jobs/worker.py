"""The worker of jobs: takes one at a time, works it off step by step, and resumes after a crash."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import logging, metrics
from rapport_common.db import is_retriable
from rapport_common.errors import AppError, UnavailableError
from rapport_common.jobs.ending import Endings, PutAway
from rapport_common.jobs.store import Job, JobStore, Step
from rapport_common.kafka.producer import KafkaUnavailableError

log = logging.get(__name__)

IDLE_SECONDS = 0.5
PAUSE_SECONDS = 2.0
TURN_SECONDS = 30.0
"""After so long a job lets another one go first, if one waits."""

MAX_ATTEMPTS = 5
"""A job that was taken so often without getting on has failed: it would end process after process.

Nobody can tell from a death whose fault it was. So the waits between them grow, to four minutes
in all: deaths that come one upon the other, as on a machine without memory, are over by then.
"""

Work = Callable[[Job], AsyncIterator[Step]]
"""Works a job off from its position. It yields after each piece is durable: the position is moved
then, and what a crash repeats must change nothing. AppError ends the job as failed;
UnavailableError and other passing failures make it go on from its position a little later."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """What becomes of a job that is not worked on any more; `tried`: it counts as an attempt."""

    state: str
    error: str | None = None
    wait: float = 0.0
    tried: bool = False


class Jobs:
    """Runs the jobs of all workspaces, one at a time in this process."""

    name = "jobs"

    def __init__(
        self,
        engine: AsyncEngine,
        store: JobStore,
        works: Mapping[str, Work],
        put_away: Mapping[str, PutAway] | None = None,
    ) -> None:
        """What is done, and what is left when that does not come to a good end, by kind."""
        self._engine = engine
        self._store = store
        self.works = works
        self._endings = Endings(engine, store, put_away)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; a job under way is given back then."""
        while not stop.is_set():
            worked = False
            try:
                worked = await self.turn(stop)
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("jobs can't be read, trying again", error=error)
            if not worked:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await stop.wait()

    async def turn(self, stop: asyncio.Event) -> bool:
        """Work on the job that waits longest; False when none does."""
        # A name for this time only: an earlier hold of this process is a stale one, too.
        holder = uuid.uuid4().hex
        async with self._engine.begin() as tx:
            # Mostly none does, and each process asks twice a second.
            if not await self._store.any_waits(tx):
                return False
            hopeless = await self._store.hopeless(tx, MAX_ATTEMPTS)
            job = None if hopeless else await self._store.claim(tx, holder)
        if hopeless:
            for lost in await self._endings.give_up(hopeless, MAX_ATTEMPTS):
                log.error("job given up, it does not get on", job=lost)
            return await self.turn(stop)
        if job is None:
            return False
        scope = asyncio.timeout(None)
        async with asyncio.TaskGroup() as group:
            beat = group.create_task(self._beat(job, holder, scope))
            ending = await self._ending(job, holder, stop, scope)
            beat.cancel()
        if ending is not None:
            await self._end(job, holder, ending)
        return True

    async def _ending(
        self, job: Job, holder: str, stop: asyncio.Event, scope: asyncio.Timeout
    ) -> _Ending | None:
        """Work a job off; None when it is not ours any more."""
        try:
            async with scope:
                return await self._steps(job, holder, stop)
        except (UnavailableError, KafkaUnavailableError) as error:
            log.warning("job waits", job=job.id, error=error)
            return _Ending("queued", wait=PAUSE_SECONDS)
        except AppError as error:
            return _Ending("failed", error.message)
        except Exception as error:
            if scope.expired():
                return None
            if is_retriable(error):
                log.warning("job waits", job=job.id, error=error)
                wait = PAUSE_SECONDS * 2 ** (job.attempts - 1)
                return _Ending("queued", wait=wait, tried=True)
            log.exception("job failed", job=job.id, kind=job.kind)
            where = f"the log of {self._store.schema} has it under job {job.id}."
            return _Ending("failed", f"Something broke on our side; {where}")

    async def _steps(self, job: Job, holder: str, stop: asyncio.Event) -> _Ending | None:
        work = self.works.get(job.kind)
        if work is None:
            return _Ending(
                "failed",
                f"This version of {self._store.schema} knows no jobs of kind '{job.kind}'.",
            )
        until = time.monotonic() + TURN_SECONDS
        async with aclosing(work(job)) as steps:  # type: ignore[type-var] # works are async generators
            async for step in steps:
                async with self._engine.begin() as tx:
                    if not await self._store.advance(tx, job, holder, step):
                        return None
                    if stop.is_set():
                        return _Ending("queued")
                    if step.gets_on and time.monotonic() > until:
                        if await self._store.others_wait(tx, job):
                            return _Ending("queued")
                        until = time.monotonic() + TURN_SECONDS
        return _Ending("done")

    async def _beat(self, job: Job, holder: str, scope: asyncio.Timeout) -> None:
        """Hold the job through long steps; end them when it was cancelled or is another's."""
        while True:
            await asyncio.sleep(self._store.lease_seconds / 4)
            try:
                async with self._engine.begin() as tx:
                    held = await self._store.keep(tx, job, holder)
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("job not held, trying again", job=job.id, error=error)
            else:
                if not held:
                    scope.reschedule(asyncio.get_running_loop().time())
                    return

    async def _end(self, job: Job, holder: str, ending: _Ending) -> None:
        if ending.state == "failed":
            ended = await self._endings.fail(job, holder, ending.error)
        else:
            async with self._engine.begin() as tx:
                ended = await self._store.finish(
                    tx, job, holder, ending.state, wait=ending.wait, tried=ending.tried
                )
        if ended and ending.state != "queued":
            metrics.JOBS.labels(self._store.schema, job.kind, ending.state).inc()
            log.info("job ended", job=job.id, kind=job.kind, state=ending.state)
