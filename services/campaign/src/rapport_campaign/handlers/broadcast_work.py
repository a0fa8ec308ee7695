"""The job that plans a run of a broadcast: page by page, each with the place of the next one.

How far it has come stands in the run, in the transaction of what it has planned: a page is planned
once, whatever dies, and each message keeps its place in the order.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.broadcasts import UNDER_WAY, Broadcast, Run, plan_member
from rapport_campaign.handlers import conducting, reaching
from rapport_campaign.handlers.ledger import count, write_plan
from rapport_campaign.store import audiences, broadcasts, campaigns, runs
from rapport_common.jobs.store import Job, Step


class Planning:
    """The work; `page` is the number of rows of one transaction."""

    def __init__(self, engine: AsyncEngine, page: int, restored_at: datetime | None = None) -> None:
        self._engine = engine
        self._page = page
        self._restored_at = restored_at

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Plan a run for all of its audience; one that is cancelled ends it."""
        run_id = str(job.spec["run_id"])
        async with self._engine.begin() as tx:
            total = await _total(tx, job.workspace, run_id)
        while True:
            async with self._engine.begin() as tx:
                step = await self._next(tx, job.workspace, run_id, total)
            if step is None:
                break
            yield step
        async with self._engine.begin() as tx:
            await conducting.planned(tx, job.workspace, run_id)

    async def _next(
        self, tx: AsyncConnection, workspace: str, run_id: str, total: int | None
    ) -> Step | None:
        run = await runs.find(tx, workspace, run_id, lock=True)
        if run is None or run.planned or run.state not in UNDER_WAY:
            return None
        broadcast = await broadcasts.find(tx, workspace, run.broadcast_id)
        if broadcast is None:
            return None
        page = await reaching.next_page(tx, broadcast, run, run.position, self._page)
        if not page.rows:
            return None
        new = await self._plan(tx, broadcast, run, page)
        return Step(dict(page.position), page.rows, new, page.rows - new, {}, total)

    async def _plan(
        self, tx: AsyncConnection, broadcast: Broadcast, run: Run, page: reaching.Page
    ) -> int:
        campaign = await campaigns.find(tx, run.workspace, run.run_id)
        members = await reaching.new_ones(tx, run.run_id, run.workspace, page.members)
        dues = await reaching.dues(tx, broadcast, run, members)
        planned = [
            plan_member(
                campaign,
                one,
                dues[one.profile_id],
                slot=run.slots + number,
                broadcast=broadcast,
                run=run,
                restored_at=self._restored_at,
            )
            for number, one in enumerate(members)
            if campaign is not None
        ]
        moved = await write_plan(tx, planned)
        await runs.save(
            tx, replace(run, position=dict(page.position), slots=run.slots + len(members))
        )
        await count(tx, moved)
        return len(moved)


async def _total(tx: AsyncConnection, workspace: str, run_id: str) -> int | None:
    run = await runs.find(tx, workspace, run_id)
    if run is None or run.again is not None:
        return None
    broadcast = await broadcasts.find(tx, workspace, run.broadcast_id)
    if broadcast is None:
        return None
    return await audiences.count(tx, workspace, broadcast.audience.any, run.at)
