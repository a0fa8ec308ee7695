"""Claims what is due, decides under locks, and writes what became of each send."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain import own_events
from rapport_campaign.domain.answers import answer_of
from rapport_campaign.domain.delivery import Limits, Outcome, Step, next_step
from rapport_campaign.domain.model import (
    Campaign,
    Claimed,
    MessageKey,
)
from rapport_campaign.domain.permission import (
    Send,
    Suppress,
    Verdict,
)
from rapport_campaign.domain.planning import BEFORE_BACKUP, happened_before
from rapport_campaign.domain.turns import Turn
from rapport_campaign.handlers.contacting import forget_unsent, noted
from rapport_campaign.handlers.judging import judged, persons_of
from rapport_campaign.handlers.ledger import count
from rapport_campaign.handlers.mail_paces import Paces
from rapport_campaign.handlers.mail_pools import Pools
from rapport_campaign.handlers.marking import job_of, marked, unsaid
from rapport_campaign.handlers.outcomes import Outcomes, place_of
from rapport_campaign.handlers.personal import chosen
from rapport_campaign.handlers.telling import sent_events
from rapport_campaign.handlers.throttling import within_pace
from rapport_campaign.journal import Left
from rapport_campaign.render.compose import Job
from rapport_campaign.store import (
    campaigns,
    contents,
    ledger,
    locks,
    plan,
    sending,
)
from rapport_campaign.store.coupons import take_back
from rapport_campaign.store.sending import Ending, Mark
from rapport_common import clock
from rapport_common.events.contact import normal_contact_point
from rapport_common.events.envelope import Event
from rapport_common.publisher import Publisher

MOST_WITHDRAWN = 2000
UNSENT = frozenset({"planned", "failed", "suppressed"})
"""What a message that was in hand becomes when nobody can have it."""
ARCHIVED = "campaign archived"
NOT_BEGUN = "its sender died before it was begun"
REFUSED = "refused; its sender died before it wrote down why"
LEASE_EXPIRED = "the sender died, or lost the database, while the mail was on its way"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one claim came to: the jobs to carry out under `token`, and how many rows moved."""

    token: str
    jobs: list[Job] = field(default_factory=list)
    settled: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a job; `at` is when the server answered."""

    job: Job
    outcome: Outcome
    at: datetime


class Dispatcher:
    """The ledger's side of sending."""

    def __init__(
        self,
        publisher: Publisher,
        limits: Limits,
        restored_at: datetime | None = None,
        paces: Paces | None = None,
        pools: Pools | None = None,
    ) -> None:
        """`restored_at`: what was planned before may have been sent, and is shown as uncertain."""
        self.paces = paces or Paces()
        self.pools = pools or Pools()
        self._restored_at = restored_at
        self._publisher = publisher
        self._limits = limits
        self._turn = Turn()
        self._outcomes = Outcomes(publisher)

    async def claim(
        self,
        tx: AsyncConnection,
        size: int,
        token: str,
        *,
        mails: bool = True,
        gone: Collection[str] = (),
    ) -> Batch:
        """Decide on at most `size` due messages and mark those that may go as `sending`.

        Mails are left alone whose servers are away: all without `mails`, else those of pools that
        are `gone`. All that the decision rests on (person, campaign, suppression of the address) is
        locked until the commit, so whatever was committed before is heeded.
        """
        closed = await self.pools.closed(tx, gone)
        found = await plan.claim(tx, size, self._turn, mails=mails, closed=closed)
        if not found:
            return Batch(token)
        self._turn = self._turn.followed_by(found[0].workspace, found[0].kind)
        persons = await persons_of(tx, found, lock=True)
        held = await campaigns.hold(
            tx, [(one.workspace, one.campaign_id) for one in found if one.campaign_id]
        )
        now = clock.now()
        runnable, lost = self._runnable(found, held, now)
        verdicts = await judged(tx, runnable, persons, held, now=now)
        self.pools.hold(runnable, verdicts, held, gone=gone, now=now)
        paced = await self.paces.hold(tx, runnable, verdicts, held)
        runnable = await within_pace(tx, paced.left, verdicts, held)
        going = [one for one in runnable if isinstance(verdicts[one.send_key], Send)]
        await self.paces.take(tx, paced, [one.key for one in going])
        personal = await chosen(tx, going, held, persons)
        verdicts |= unsaid(going, personal)
        marks = _marks(runnable, verdicts, personal.dry, now, paced.counting())
        marks += [Mark(one.key, "uncertain", BEFORE_BACKUP) for one in lost]
        said = [one for one in runnable if one.key not in personal.dry]
        await noted(tx, said, verdicts, persons, now)
        moved = await sending.mark(tx, marks, token=token, lease=self._limits.lease)
        await take_back(tx, _given_up(runnable, verdicts))
        await count(tx, moved)
        made = [one for one in going if one.key not in personal.dry.keys() | personal.silent.keys()]
        letters = await contents.find(tx, [one.key for one in made if not one.campaign_id])
        # An event's message is waited for; a broadcast's place in a batch is nobody's concern.
        made.sort(key=lambda each: _is_of_run(each, held))
        jobs = [
            job_of(one, verdicts, persons, held, letters=letters, personal=personal) for one in made
        ]
        return Batch(token, jobs, settled=len(marks) - len(jobs) + paced.parked)

    def _runnable(
        self, found: Sequence[Claimed], held: Mapping[MessageKey, Campaign], now: datetime
    ) -> tuple[list[Claimed], list[Claimed]]:
        """What is not held by its campaign; and of that, what may have gone before a restore."""
        runnable, lost = list[Claimed](), list[Claimed]()
        for one in found:
            campaign = held.get((one.workspace, one.campaign_id or ""))
            if one.kind == "entry" and (campaign is None or campaign.state != "running"):
                continue
            before = happened_before(now - one.waited, self._restored_at)
            (lost if before else runnable).append(one)
        return runnable, lost

    async def record(self, tx: AsyncConnection, token: str, results: Sequence[Result]) -> None:
        """Write what became of the jobs claimed under `token`, and tell of those that were sent."""
        by_key = {one.job.claimed.key: one for one in results}
        endings = [self._ending(one) for one in results]
        said = {
            one.job.claimed.key: report
            for one in results
            if (report := answer_of(one.outcome, one.job.claimed.channel)) is not None
        }
        # Before the rows, as whoever takes in a report does.
        await locks.own_addresses(tx, [_answered(by_key[key]) for key in said])
        await self.paces.slow(tx, [_as_answer(one) for one in results])
        moved = await sending.finish(tx, endings, token=token)
        for key in [one.key for one in moved if one.after == "failed" and one.key in said]:
            await self._outcomes.take(tx, place_of(*key), said[key], "answer", moved)
        # Refused for good: it is surely with nobody.
        await take_back(tx, [one.key for one in moved if one.after in {"failed", "suppressed"}])
        sent = [by_key[one.key] for one in moved if one.after == "sent" and one.kind != "test"]
        unsent = [one.key for one in moved if one.after in UNSENT]
        await forget_unsent(tx, {key: by_key[key].job.claimed.profile_id for key in unsent})
        await self._publisher.publish(tx, [_sent_event(one) for one in sent])
        await count(tx, moved)

    async def expire(self, tx: AsyncConnection) -> int:
        """Give up on sends whose lease has run out: nobody knows. How many that were."""
        expired = await sending.expire(tx, LEASE_EXPIRED)
        await count(tx, expired)
        metrics.UNCERTAIN.set(await ledger.uncertain(tx))
        return len(expired)

    async def succeed(self, tx: AsyncConnection, left: Left) -> int:
        """Write down what a dead sender knew, and plan again what it never began; how many.

        What its lease has made uncertain meanwhile is settled by it, too.
        """
        now = clock.now()
        endings = [
            *(Ending(one.key, Step("planned", NOT_BEGUN, counts=False)) for one in left.untouched),
            *(Ending(one.key, Step("sent", None), now) for one in left.taken),
            *(Ending(one.key, Step("failed", REFUSED)) for one in left.refused),
        ]
        moved = await sending.finish(tx, endings, token=left.token)
        await take_back(tx, [one.key for one in moved if one.after == "failed"])
        whose = {one.key: one.profile_id for one in (*left.untouched, *left.refused)}
        unsent = [one.key for one in moved if one.after in {"planned", "failed"}]
        await forget_unsent(tx, {key: whose[key] for key in unsent})
        sent = [one.key for one in moved if one.after == "sent" and one.kind != "test"]
        await self._publisher.publish(tx, await sent_events(tx, sent, now))
        await count(tx, moved)
        return len(moved)

    async def withdraw(self, tx: AsyncConnection) -> int:
        """Suppress what an archived campaign has planned still, or again; how many that were.

        The job of the archiving takes back what it finds. What was being sent then and is to be
        tried again, or was being planned, comes after it.
        """
        gone = await plan.withdraw_late(tx, ARCHIVED, MOST_WITHDRAWN)
        await count(tx, gone)
        return len(gone)

    def _ending(self, result: Result) -> Ending:
        step = next_step(
            result.outcome,
            attempt=result.job.claimed.attempt + 1,
            max_attempts=self._limits.max_attempts,
            first_delay=self._limits.first_delay,
            jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
        )
        sent_at = result.at if step.state == "sent" else None
        return Ending(result.job.claimed.key, step, sent_at)


def _is_of_run(one: Claimed, held: Mapping[MessageKey, Campaign]) -> bool:
    campaign = held.get((one.workspace, one.campaign_id or ""))
    return campaign is not None and campaign.broadcast_id is not None


def _marks(
    runnable: Sequence[Claimed],
    verdicts: Mapping[str, Verdict],
    dry: Mapping[MessageKey, str],
    now: datetime,
    lanes: Mapping[MessageKey, str],
) -> list[Mark]:
    return [marked(one, verdicts[one.send_key], dry.get(one.key), now, lanes) for one in runnable]


def _given_up(runnable: Sequence[Claimed], verdicts: Mapping[str, Verdict]) -> list[MessageKey]:
    """What was tried before, so that it may have a coupon, and is not sent any more."""
    return [
        one.key for one in runnable if one.attempt and isinstance(verdicts[one.send_key], Suppress)
    ]


def _answered(result: Result) -> tuple[str, str]:
    claimed = result.job.claimed
    return claimed.workspace, normal_contact_point(claimed.channel, result.job.address)


def _as_answer(one: Result) -> tuple[Claimed, str, str | None, Outcome]:
    campaign = one.job.campaign
    sender = campaign.from_address if campaign else None
    return one.job.claimed, one.job.address, sender, one.outcome


def _sent_event(result: Result) -> tuple[Event, str | None]:
    job, claimed = result.job, result.job.claimed
    who = own_events.identity(job.state, job.address, claimed.channel)
    what = (claimed.workspace, who, claimed.send_key, claimed.campaign_id, result.at)
    told = own_events.sent(*what, channel=claimed.channel)
    return told, claimed.traceparent
