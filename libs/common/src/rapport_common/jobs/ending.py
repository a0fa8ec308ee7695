"""Ends jobs without success, and has put away what they leave."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.jobs.store import ENDED, Job, JobStore

log = logging.get(__name__)

PutAway = Callable[[AsyncConnection, Job], Awaitable[None]]
"""Puts away what a job leaves that was cancelled, has failed or was given up: in the transaction
that ends it, as it stands just before. The job's row is locked after that, so what is locked here
comes before it everywhere else, too. It is short: long work is another job."""
End = Callable[[AsyncConnection], Awaitable[bool]]


class _EndedOtherwiseError(Exception):
    """It is not for us to end it any more: nothing is put away."""


class Endings:
    """Ends jobs of one service that do not come to a good end."""

    def __init__(
        self, engine: AsyncEngine, store: JobStore, put_away: Mapping[str, PutAway] | None = None
    ) -> None:
        """`put_away`: by kind of job; most kinds leave nothing."""
        self._engine = engine
        self._store = store
        self._put_away = put_away or {}

    async def cancel(self, workspace: str, job_id: str) -> bool:
        """End a job where it is; False when it has ended already, or there is none."""
        return await self._end(
            workspace, job_id, lambda tx: self._store.cancel(tx, workspace, job_id)
        )

    async def fail(self, job: Job, holder: str, error: str | None) -> bool:
        """End a job that `holder` has as failed; False when it is not theirs any more."""
        return await self._end(
            job.workspace,
            job.id,
            lambda tx: self._store.finish(tx, job, holder, "failed", error),
        )

    async def give_up(self, jobs: Sequence[Job], attempts: int) -> list[str]:
        """End those of these jobs that were tried `attempts` times in vain; their ids."""
        return [job.id for job in jobs if await self._give_up(job, attempts)]

    async def _give_up(self, job: Job, attempts: int) -> bool:
        return await self._end(
            job.workspace, job.id, lambda tx: self._store.give_up(tx, job, attempts)
        )

    async def _end(self, workspace: str, job_id: str, end: End) -> bool:
        try:
            return await self._ended(workspace, job_id, end, self._put_away)
        except Exception as error:
            if is_retriable(error):
                raise
            # Else it would be taken again and again, and never end.
            log.exception("what a job has left was not put away", job=job_id)
            return await self._ended(workspace, job_id, end, {})

    async def _ended(
        self, workspace: str, job_id: str, end: End, put_away: Mapping[str, PutAway]
    ) -> bool:
        with suppress(_EndedOtherwiseError):
            async with self._engine.begin() as tx:
                job = await self._store.find(tx, workspace, job_id)
                if job is None or job.state in ENDED:
                    return False
                if job.kind in put_away:
                    await put_away[job.kind](tx, job)
                if not await end(tx):
                    raise _EndedOtherwiseError
                return True
        return False
