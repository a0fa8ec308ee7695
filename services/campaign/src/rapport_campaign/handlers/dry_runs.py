"""Dry runs: who would get a broadcast and who would not, asked as senders ask, without sending.

It is as of now: the audience, what people allow and the rules. Nothing is locked and nothing but
its answers is written.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.broadcasts import (
    Broadcast,
    Member,
    Run,
    in_time,
    plan_member,
)
from rapport_campaign.domain.model import Campaign, Claimed, NewMessage
from rapport_campaign.domain.permission import Send, Verdict, Wait
from rapport_campaign.domain.schedules import begins_at
from rapport_campaign.handlers import reaching
from rapport_campaign.handlers.broadcasts import require, saying
from rapport_campaign.handlers.contacting import restrained
from rapport_campaign.handlers.dispatch import persons_of, verdicts_on
from rapport_campaign.store import answers, audiences, broadcasts
from rapport_campaign.store.answers import Answer
from rapport_campaign.store.jobs import DRY_RUN, JOBS
from rapport_common import clock, ids
from rapport_common.errors import NotFoundError
from rapport_common.jobs.store import Job, NewJob, Step


async def ask(tx: AsyncConnection, workspace: str, broadcast_id: str, job_id: str) -> None:
    """Let a job find out who would get a broadcast."""
    found = await require(tx, workspace, broadcast_id)
    spec = {"broadcast_id": broadcast_id, "at": clock.now().isoformat()}
    await JOBS.add(tx, workspace, NewJob(job_id, DRY_RUN, spec, found.broadcast_id))


def new_id() -> str:
    """The id of a job."""
    return str(ids.uuid7())


async def require_job(tx: AsyncConnection, workspace: str, broadcast_id: str, job_id: str) -> Job:
    """A dry run of a broadcast, or NotFoundError."""
    found = await JOBS.find(tx, workspace, job_id)
    if found is None or found.kind != DRY_RUN or found.subject != broadcast_id:
        raise NotFoundError(f"Broadcast {broadcast_id} has no dry run {job_id[:80]!r}.")
    return found


class DryRuns:
    """The work; `page` is the number of rows that are looked at together."""

    def __init__(self, engine: AsyncEngine, page: int) -> None:
        self._engine = engine
        self._page = page

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Ask of everybody in the audience; the report has how many there are of each answer."""
        position: Mapping[str, Any] = job.position
        at = datetime.fromisoformat(job.spec["at"])
        total: int | None = None
        while True:
            async with self._engine.begin() as tx:
                broadcast = await broadcasts.find(tx, job.workspace, job.spec["broadcast_id"])
                if broadcast is None:
                    return
                if total is None:
                    named = broadcast.audience.any
                    total = await audiences.count(tx, job.workspace, named, at)
                page = await reaching.next_page(
                    tx, broadcast, _like(broadcast, at), position, self._page
                )
                await self._ask(tx, job, broadcast, page.members, at)
                if not page.rows:
                    # What was found while the eraser went through the answers came behind it.
                    await answers.forget(tx, job.workspace, job.id)
                report = await answers.counts(tx, job.workspace, job.id)
            position = page.position
            done, found = page.rows, len(page.members)
            yield Step(dict(position), done, found, done - found, report, total)
            if not page.rows:
                return

    async def _ask(
        self,
        tx: AsyncConnection,
        job: Job,
        broadcast: Broadcast,
        members: Sequence[Member],
        at: datetime,
    ) -> None:
        seen = await answers.known(tx, job.workspace, job.id, [one.profile_id for one in members])
        new = [one for one in members if one.profile_id not in seen]
        run = _like(broadcast, at)
        dues = await reaching.dues(tx, broadcast, run, new)
        campaign = reaching.copy_of(
            await saying(tx, broadcast), broadcast, broadcast.broadcast_id, at
        )
        planned = [
            plan_member(campaign, one, dues[one.profile_id], slot=0, broadcast=broadcast, run=run)
            for one in new
        ]
        by_due: defaultdict[datetime, list[NewMessage]] = defaultdict(list)
        over = []
        for message in planned:
            due = message.due_at or at
            if message.state == "planned":
                by_due[due].append(message)
            else:
                over.append(Answer(message.profile_id, "never", message.reason, due))
        await answers.add(tx, job.workspace, job.id, over)
        for due in sorted(by_due):
            found = await _asked(tx, job.id, campaign, by_due[due], due)
            await answers.add(tx, job.workspace, job.id, found)


async def _asked(
    tx: AsyncConnection,
    job_id: str,
    campaign: Campaign,
    messages: Sequence[NewMessage],
    due: datetime,
) -> list[Answer]:
    """What senders would say of messages that are due at one instant."""
    claimed = [_claimed(one) for one in messages]
    persons = await persons_of(tx, claimed, lock=False)
    held = {(campaign.workspace, campaign.campaign_id): campaign}
    verdicts = await verdicts_on(tx, claimed, persons, due, lock=False)
    going = {one.address for one in verdicts.values() if isinstance(one, Send)}
    owners = await answers.owners(tx, campaign.workspace, job_id, going)
    place = (campaign.workspace, campaign.campaign_id)
    got = {(*place, address): owner for address, owner in owners.items()}
    verdicts = await restrained(tx, claimed, verdicts, persons, held, now=due, got=got)
    in_time(claimed, verdicts, due)
    return [_answer(one.profile_id, verdicts[one.send_key], due) for one in claimed]


def _answer(profile_id: str, verdict: Verdict, due: datetime) -> Answer:
    if isinstance(verdict, Send):
        return Answer(profile_id, "gets", None, due, verdict.address)
    if isinstance(verdict, Wait):
        return Answer(profile_id, "waits", verdict.reason, verdict.until or due)
    return Answer(profile_id, "never", verdict.reason, due)


def _like(broadcast: Broadcast, at: datetime) -> Run:
    """The run that it is asked for: its audience is as of `at`."""
    begins = begins_at(broadcast.schedule, at) if broadcast.next_at is None else broadcast.next_at
    return Run(
        broadcast.workspace,
        broadcast.broadcast_id,
        broadcast.broadcast_id,
        number=0,
        at=at if begins is None else max(begins, at),
        began_at=at,
        state="planning",
    )


def _claimed(message: NewMessage) -> Claimed:
    return Claimed(
        workspace=message.workspace,
        send_key=message.send_key,
        kind="entry",
        purpose=message.purpose,
        campaign_id=message.campaign_id,
        occasion=message.occasion,
        profile_id=message.profile_id,
        needed_version=message.needed_version,
        to_address=None,
        attempt=0,
        waits=0,
        traceparent=None,
        waited=timedelta(0),
        channel=message.channel,
        late_at=message.late_at,
    )
