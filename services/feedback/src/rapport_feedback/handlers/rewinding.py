"""Winds the clocks of all open cases anew: a calendar or a policy is another."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.jobs.store import Job, Step
from rapport_common.publisher import Publisher
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.policies import ServiceLevels
from rapport_feedback.handlers.rewind_asking import JOBS, REWIND, ask
from rapport_feedback.handlers.winding import keep, wind
from rapport_feedback.store import case_clocks, case_rules
from rapport_feedback.store import cases as store

PAGE = 50

__all__ = ["JOBS", "REWIND", "Rewinding", "ask"]


@dataclass(frozen=True)
class Rewinding:
    """The work of the job: a page of cases at a time, each once by the rules of that moment.

    Who takes it over after a crash goes on behind the last page; a case that is wound twice is as
    it was after the first time.
    """

    engine: AsyncEngine
    publisher: Publisher
    levels: ServiceLevels

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Go through the open cases in the order of their ids."""
        after = UUID(job.position["after"]) if "after" in job.position else None
        total = job.total
        while True:
            async with self.engine.begin() as tx:
                if total is None:
                    total = await case_clocks.count_open(tx, job.workspace)
                page = await case_clocks.open_cases(tx, job.workspace, after=after, limit=PAGE)
                changed = await self._rewind(tx, job.workspace, page)
            if not page:
                return
            after = page[-1]
            yield Step(
                position={"after": str(after)},
                done=len(page),
                accepted=changed,
                rejected=0,
                report={},
                total=total,
            )

    async def _rewind(self, tx: AsyncConnection, workspace: str, page: list[UUID]) -> int:
        """How many of these have other clocks now."""
        now, changed = clock.now(), 0
        known = await case_rules.policies(tx, workspace, self.levels)
        for case_id in page:
            found = await store.case(tx, workspace, case_id, lock=True)
            if found is None or found.case.state is State.CLOSED:
                continue
            wound = await wind(tx, found, known, now)
            if wound.changed:
                await store.save_case(tx, wound.complaint)
                await keep(tx, self.publisher, wound, now)
                changed += 1
        return changed
