"""Everybody is looked at again: what they are searched by is written anew where it is not right.

For who was known before other traits were searched, and for what was changed behind our back.
"""

from collections.abc import AsyncIterator, Callable, Collection

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.jobs.store import Job, Step
from rapport_common.pace import Pace
from rapport_profile.domain.naming import Id
from rapport_profile.handlers.indexing import BATCH, write
from rapport_profile.store import retelling, search

FIRST = "00000000-0000-0000-0000-000000000000"


class Reindexing:
    """The work of the jobs of kind `reindex`."""

    def __init__(
        self,
        engine: AsyncEngine,
        chosen: Collection[str],
        rate: int,
        pace: Callable[[float], Pace] = Pace,
        *,
        page: int = BATCH,
    ) -> None:
        """`chosen`: the traits that are searched besides names; `rate`: profiles per second."""
        self._engine = engine
        self._chosen = chosen
        self._page = page
        self._seconds = page / rate
        self._pace = pace

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a job off, see `jobs.worker.Work`."""
        after: Id = job.position.get("after", FIRST)
        if not job.position:
            async with self._engine.begin() as tx:
                total = await retelling.count(tx, job.workspace)
            yield Step({"after": FIRST}, 0, 0, 0, {}, total)
        pace = self._pace(self._seconds)
        while True:
            await pace.wait()
            pace.start()
            written = await self._written(job.workspace, after)
            if written is None:
                continue
            if not written:
                return
            after = written[-1]
            yield Step({"after": after}, len(written), len(written), 0, {})

    async def _written(self, workspace: str, after: Id) -> list[Id] | None:
        """A page that has been written; None: the loop is at this workspace just now."""
        async with self._engine.begin() as tx:
            if not await search.hold(tx, workspace):
                return None
            ids = await search.page(tx, workspace, after, self._page)
            await write(tx, workspace, ids, self._chosen)
        return ids
