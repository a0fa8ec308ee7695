"""The job that plans a run of a broadcast: page by page, each with the place of the next one.

How far it has come stands in the run, in the transaction of what it has planned: a page is planned
once, whatever dies, and each message keeps its place in the order.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.broadcasts import UNDER_WAY, Broadcast, Run, plan_member
from rapport_campaign.domain.model import Campaign
from rapport_campaign.domain.planning import happened_before
from rapport_campaign.handlers import conducting, reaching
from rapport_campaign.handlers.ledger import count, count_alike, write_plan
from rapport_campaign.store import audiences, broadcasts, campaigns, run_pages, runs
from rapport_campaign.store.moves import new_entry
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
        campaign = await campaigns.find(tx, workspace, run_id)
        if broadcast is None:
            return None
        if campaign is not None and not happened_before(run.began_at, self._restored_at):
            step = await self._at_once(tx, campaign, broadcast, run, total)
            if step is not None:
                return step
        page = await reaching.next_page(tx, broadcast, run, run.position, self._page)
        if not page.rows:
            return None
        new = await self._plan(tx, campaign, broadcast, run, page)
        return Step(dict(page.position), page.rows, new, page.rows - new, {}, total)

    async def _at_once(
        self,
        tx: AsyncConnection,
        campaign: Campaign,
        broadcast: Broadcast,
        run: Run,
        total: int | None,
    ) -> Step | None:
        """A page by one statement; None where people have to be looked at one by one."""
        wanted = reaching.plain_page(broadcast, run, run.position)
        if wanted is None:
            return None
        asked = {**wanted, "limit": self._page}
        done = await run_pages.plan(tx, campaign, broadcast, run, asked)
        if done.is_odd or done.last is None:
            return None
        position = {"segment": int(run.position.get("segment", 0)), "after": done.last}
        await runs.save(tx, replace(run, position=position, slots=run.slots + done.slots))
        await count_alike(tx, new_entry(campaign), done.planned)
        return Step(position, done.rows, done.planned, done.rows - done.planned, {}, total)

    async def _plan(
        self,
        tx: AsyncConnection,
        campaign: Campaign | None,
        broadcast: Broadcast,
        run: Run,
        page: reaching.Page,
    ) -> int:
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
