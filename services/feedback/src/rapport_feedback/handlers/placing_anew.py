"""Lets all open cases land anew: the queues are others."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.jobs.store import Job, Step
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.desk import Mode
from rapport_feedback.handlers import placing
from rapport_feedback.handlers.cases import Cases, NewEntry
from rapport_feedback.store import case_clocks
from rapport_feedback.store import cases as store
from rapport_feedback.store import desk as desk_store

PAGE = 50
ACTOR = "queues"


@dataclass(frozen=True)
class PlacingAnew:
    """The work of the job: a page of cases at a time. A case that lands twice has moved once."""

    engine: AsyncEngine
    cases: Cases

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Go through the open cases in the order of their ids, and let queues push what waits."""
        after = UUID(job.position["after"]) if "after" in job.position else None
        total, reason = job.total, str(job.spec.get("about", ""))
        while True:
            async with self.engine.begin() as tx:
                if total is None:
                    total = await case_clocks.count_open(tx, job.workspace)
                page = await case_clocks.open_cases(tx, job.workspace, after=after, limit=PAGE)
                moved = await self._place(tx, job.workspace, page, reason)
                if not page:
                    await self._push(tx, job.workspace)
            if not page:
                return
            after = page[-1]
            yield Step(
                position={"after": str(after)},
                done=len(page),
                accepted=moved,
                rejected=0,
                report={},
                total=total,
            )

    async def _place(
        self, tx: AsyncConnection, workspace: str, page: list[UUID], reason: str
    ) -> int:
        """How many of these are in another queue now."""
        now, moved = clock.now(), 0
        for case_id in page:
            found = await store.case(tx, workspace, case_id, lock=True)
            if found is None or found.case.state is State.CLOSED:
                continue
            what = NewEntry("fields", reason)
            after = await self.cases.set_fields(tx, found, {}, what, actor=ACTOR, now=now)
            moved += after.fields.queue != found.fields.queue
        return moved

    async def _push(self, tx: AsyncConnection, workspace: str) -> None:
        desk = await desk_store.desk(tx, workspace)
        pushing = [name for name, one in desk.queues.items() if one.mode is Mode.PUSH]
        await placing.ask(tx, workspace, pushing, clock.now())
