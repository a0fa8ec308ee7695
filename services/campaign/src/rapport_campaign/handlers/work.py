"""The jobs of campaign: planning for those who are in already, and taking back what is planned.

Each page is a short transaction beside the live batches. What a page repeats after a crash changes
nothing: a message has one row for ever, and what was taken back is not planned any more.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.model import Campaign, Entry
from rapport_campaign.domain.planning import is_forgotten, plan_existing
from rapport_campaign.handlers import suppression_files
from rapport_campaign.handlers.broadcast_work import Planning
from rapport_campaign.handlers.coupons import IMPORT, Imports
from rapport_campaign.handlers.dispatch import ARCHIVED
from rapport_campaign.handlers.dry_runs import DryRuns, Looking
from rapport_campaign.handlers.ledger import count, count_alike, write_plan
from rapport_campaign.renderer import Renderer
from rapport_campaign.settings import Settings
from rapport_campaign.store import campaigns, jobs, people, plan
from rapport_campaign.store.jobs import BROADCAST, DRY_RUN, INCLUDE, WITHDRAW
from rapport_campaign.store.moves import new_entry
from rapport_common.jobs.ending import PutAway
from rapport_common.jobs.store import Job, Step
from rapport_common.jobs.worker import Work

PAGE = 2000


def works(engine: AsyncEngine, renderer: Renderer, settings: Settings) -> dict[str, Work]:
    """What the kinds of jobs do; dry runs make messages by a renderer of their own."""
    looking = Looking(renderer, settings.sender_batch, settings.service_from)
    return Works(engine, looking, restored_at=settings.restored_at).kinds


class Works:
    """What the kinds of jobs do; `page` is the number of rows of one transaction, `looking` what
    dry runs look with.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        looking: Looking,
        page: int = PAGE,
        restored_at: datetime | None = None,
    ) -> None:
        self._engine = engine
        self._looking = looking
        self._page_size = page
        self._restored_at = restored_at

    @property
    def kinds(self) -> dict[str, Work]:
        """The work of each kind."""
        return {
            INCLUDE: self.include,
            WITHDRAW: self.withdraw,
            IMPORT: Imports(self._engine).work,
            suppression_files.IMPORT: suppression_files.Imports(self._engine).work,
            DRY_RUN: DryRuns(self._engine, self._page_size, self._looking).work,
            BROADCAST: Planning(self._engine, self._page_size, self._restored_at).work,
        }

    async def include(self, job: Job) -> AsyncIterator[Step]:
        """Plan a campaign for all who are in its segment; one that is archived ends it."""
        async with self._engine.begin() as tx:
            campaign = await _campaign(tx, job)
            if campaign is None:
                return
            total = await jobs.count(tx, job.workspace, campaign.segment_id)
            again = await _same_person(tx, campaign)
        after = str(job.position.get("after", ""))
        while True:
            async with self._engine.begin() as tx:
                campaign = await _campaign(tx, job)
                if campaign is None:
                    return
                read, new, last = await self._page(tx, campaign, again, after)
            if last is None:
                return
            after = last
            yield Step({"after": after}, read, new, read - new, {}, total)

    async def _page(
        self, tx: AsyncConnection, campaign: Campaign, again: set[str], after: str
    ) -> tuple[int, int, str | None]:
        """How many were read and planned, and where the page ends, None for nowhere."""
        place = (campaign.workspace, campaign.segment_id)
        if is_forgotten(campaign, self._restored_at):
            page = await jobs.entries(tx, *place, after=after, limit=self._page_size)
            planned = await self._by_rules(tx, campaign, page, again)
            return len(page), planned, page[-1].entry_id if page else None
        done = await plan.include(tx, campaign, again, after=after, limit=self._page_size)
        odd = await jobs.some(tx, *place, done.odd)
        planned = await self._by_rules(tx, campaign, odd, again)
        await count_alike(tx, new_entry(campaign), done.planned)
        return done.read, done.planned + planned, done.last

    async def _by_rules(
        self, tx: AsyncConnection, campaign: Campaign, entries: list[Entry], again: set[str]
    ) -> int:
        """How many messages these entries have called for, that were not there."""
        now_ids = await people.resolve(tx, [(one.workspace, one.profile_id) for one in entries])
        pairs = [(one, now_ids[one.workspace, one.profile_id]) for one in entries]
        called = plan_existing(campaign, pairs, again, self._restored_at)
        planned = await write_plan(tx, list(called))
        await count(tx, planned)
        return len(planned)

    async def withdraw(self, job: Job) -> AsyncIterator[Step]:
        """Suppress what an archived campaign has planned."""
        while True:
            async with self._engine.begin() as tx:
                gone = await plan.withdraw(
                    tx, job.workspace, job.spec["campaign_id"], ARCHIVED, limit=self._page_size
                )
                await count(tx, gone)
            if not gone:
                return
            yield Step({}, len(gone), len(gone), 0, {})


PUT_AWAY: Mapping[str, PutAway] = {suppression_files.IMPORT: suppression_files.put_away}
"""What is left of jobs that come to no good end."""


async def _campaign(tx: AsyncConnection, job: Job) -> Campaign | None:
    """The job's campaign; None when it is not sent any more."""
    found = await campaigns.find(tx, job.workspace, job.spec["campaign_id"])
    return found if found is not None and found.state in {"running", "paused"} else None


async def _same_person(tx: AsyncConnection, campaign: Campaign) -> set[str]:
    """The stays of people who have another one: after a merge a person may have several.

    The stay with the smallest id counts, so that it is the same one however often this is asked.
    """
    place = (campaign.workspace, campaign.segment_id)
    moved = await jobs.moved(tx, *place)
    now_ids = await people.resolve(tx, [(campaign.workspace, one) for one in moved.values()])
    owners = {entry: now_ids[campaign.workspace, one] for entry, one in moved.items()}
    owners |= await jobs.own(tx, *place, set(owners.values()))
    first: dict[str, str] = {}
    for entry in sorted(owners):
        first.setdefault(owners[entry], entry)
    return {entry for entry, owner in owners.items() if first[owner] != entry}
