"""Measuring what each source says of people: a look at all profiles, page by page, as a job."""

from collections.abc import AsyncIterator, Callable

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.jobs.store import Job, Step
from rapport_common.pace import Pace
from rapport_profile.domain.naming import Id
from rapport_profile.domain.quality import Quality
from rapport_profile.store import duplicates, quality, retelling

PAGE = 200
"""Profiles that are looked at in one transaction."""


class Measuring:
    """The work of the jobs of kind `measure_quality`; the report is what was measured."""

    def __init__(
        self,
        engine: AsyncEngine,
        rate: int,
        pace: Callable[[float], Pace] = Pace,
        *,
        page: int = PAGE,
    ) -> None:
        """`rate`: profiles per second, at most."""
        self._engine = engine
        self._page = page
        self._seconds = page / rate
        self._pace = pace

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a job off, see `jobs.worker.Work`."""
        found = Quality(clock.now())
        if job.position:
            found = msgspec.convert(job.report, Quality)
        else:
            async with self._engine.begin() as tx:
                total = await retelling.count(tx, job.workspace)
            yield _step(None, 0, found, total)
        after: Id | None = job.position.get("after")
        pace = self._pace(self._seconds)
        while True:
            await pace.wait()
            pace.start()
            async with self._engine.begin() as tx:
                page = await quality.page(tx, job.workspace, after, self._page)
                ids = {one.id for one in page}
                pairs = await duplicates.open_pairs(tx, job.workspace, ids)
            if not page:
                return
            alike = {end for two in pairs for end in two}
            for one in page:
                if one.traits is not None:
                    found.take(one.id, one.traits, in_pair=one.id in alike)
            after = page[-1].id
            yield _step(after, len(page), found)


def _step(after: Id | None, seen: int, found: Quality, total: int | None = None) -> Step:
    return Step({"after": after}, seen, seen, 0, msgspec.to_builtins(found), total)
