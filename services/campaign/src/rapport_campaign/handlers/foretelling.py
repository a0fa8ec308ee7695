"""What would become of the next messages of a broadcast, by the functions that senders go by; with
no lock, and nothing kept or taken (ADR 86).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.broadcasts import Broadcast, in_order, in_time
from rapport_campaign.domain.delivery import said
from rapport_campaign.domain.foretelling import GATES, MOST_LOOKS, Course, Gates, Shelf, is_soon
from rapport_campaign.domain.lanes import Standing, behind
from rapport_campaign.domain.model import Campaign, Claimed, MessageKey, Person, send_key
from rapport_campaign.domain.parcels import INBOX, Channel
from rapport_campaign.domain.permission import QUIET, Send, Verdict, Wait
from rapport_campaign.domain.tasks import TASKS
from rapport_campaign.handlers import parcels
from rapport_campaign.handlers.carrying import NO_ACCOUNT
from rapport_campaign.handlers.dispatch import Result
from rapport_campaign.handlers.judging import judged, persons_of
from rapport_campaign.handlers.mail_paces import Paces
from rapport_campaign.handlers.marking import job_of
from rapport_campaign.handlers.personal import chosen
from rapport_campaign.render.compose import Job
from rapport_campaign.render.saying import Spoken
from rapport_campaign.renderer import NOT_YET, Refusal, Renderer
from rapport_campaign.store import answers, lanes, providers
from rapport_campaign.store import coupons as pools
from rapport_campaign.store.answers import Answer, Asked
from rapport_common import clock
from rapport_common.events.contact import EMAIL_CHANNEL

RENDER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked of: what a run of a broadcast would send, by which dry run, as of when."""

    job_id: str
    broadcast: Broadcast
    campaign: Campaign
    at: datetime

    @property
    def place(self) -> tuple[str, str]:
        """Where answers are kept."""
        return self.campaign.workspace, self.job_id


@dataclass(slots=True)
class Prospect:
    """What is known of some: who is answered, who is asked again later, and what has to be made."""

    answers: list[Answer] = field(default_factory=list)
    later: list[Asked] = field(default_factory=list)
    going: list[tuple[Asked, Job, datetime]] = field(default_factory=list)


async def gates_of(tx: AsyncConnection, subject: Subject, course: Course, paces: Paces) -> Gates:
    """What they wait for their turn at; how that stands now is in the course from then on."""
    campaign = subject.campaign
    workspace, channel = campaign.workspace, campaign.channel
    await paces.learn(tx)
    bounds = paces.lanes_of(workspace) if channel == EMAIL_CHANNEL else {}
    new = [name for name in bounds if name not in course.lanes]
    if new:
        standings = await lanes.standings(tx, workspace)
        waiting = await lanes.counts(tx, workspace, new)
        for name in new:
            standing = standings.get(name, Standing())
            course.lanes[name] = behind(bounds[name], standing, subject.at, waiting[name])
    members = None
    if channel not in {EMAIL_CHANNEL, INBOX, *TASKS}:
        found = await providers.of_channel(tx, workspace, cast("Channel", channel), lock=False)
        members = [account for account, _ in found]
        for account, standing_now in found:
            course.accounts.setdefault(account.account_id, standing_now)
    return Gates(course, subject.broadcast.throttle, bounds, members)


async def looked_at(
    tx: AsyncConnection, subject: Subject, asked: Sequence[Asked], gates: Gates, paces: Paces
) -> Prospect:
    """What becomes of those who come next, all due within a minute: as one claim of them."""
    campaign, now = subject.campaign, max(asked[0].due_at, subject.at)
    held = {(campaign.workspace, campaign.campaign_id): campaign}
    claimed = {one.profile_id: _claimed(subject, one) for one in asked}
    persons = await persons_of(tx, list(claimed.values()), lock=False)

    async def got(verdicts: Mapping[str, Verdict]) -> Mapping[tuple[str, str, str], str]:
        addresses = {one.address for one in verdicts.values() if isinstance(one, Send)}
        owners = await answers.owners(tx, *subject.place, addresses)
        place = (campaign.workspace, campaign.campaign_id)
        return {(*place, address): owner for address, owner in owners.items()}

    verdicts = await judged(tx, list(claimed.values()), persons, held, now=now, lock=False, got=got)
    found = Prospect()
    turns: dict[str, datetime] = {}
    by = _Held(now, gates, paces, campaign)
    for one in asked:
        at = _turn(one, verdicts, claimed[one.profile_id], found, by)
        if at is not None:
            turns[one.profile_id] = at
    await _chosen(
        tx,
        subject,
        found,
        _Going(asked, claimed, verdicts, persons, turns, gates.course.shelf, now),
    )
    return found


@dataclass(frozen=True, slots=True)
class _Held:
    now: datetime
    gates: Gates
    paces: Paces
    campaign: Campaign


def _turn(
    one: Asked, verdicts: dict[str, Verdict], claimed: Claimed, found: Prospect, by: _Held
) -> datetime | None:
    """When a message goes, if that is now; all else is written down."""
    verdict = verdicts[claimed.send_key]
    if isinstance(verdict, Wait):
        _waits(one, verdict, by.now, found)
    if not isinstance(verdict, Send):
        if not isinstance(verdict, Wait):
            found.answers.append(Answer(one.profile_id, "never", verdict.reason, one.due_at))
        return None
    at = max(by.now, one.due_at)
    sender = by.campaign.from_address
    names = by.paces.names_of(claimed, verdict.address, sender)
    for gate in range(one.gate, GATES):
        through = by.gates.through(gate, names, at)
        if through is None:
            found.answers.append(Answer(one.profile_id, "waits", NO_ACCOUNT, at))
            return None
        if not is_soon(by.now, through) and one.looks < MOST_LOOKS:
            found.later.append(one._replace(due_at=through, gate=gate + 1))
            return None
        at = through
    in_time([claimed], verdicts, at)
    late = verdicts[claimed.send_key]
    if not isinstance(late, Send):
        found.answers.append(Answer(one.profile_id, "never", late.reason, at))
        return None
    return at


def _waits(one: Asked, verdict: Wait, now: datetime, found: Prospect) -> None:
    """Of quiet hours the end is known: they are asked again as of then."""
    until = verdict.until
    if verdict.reason == QUIET and until is not None and one.looks < MOST_LOOKS:
        due = in_order(until, one.due_at)
        found.later.append(one._replace(due_at=due, waited_for=verdict.reason))
    else:
        found.answers.append(Answer(one.profile_id, "waits", verdict.reason, until or now))


@dataclass(frozen=True, slots=True)
class _Going:
    asked: Sequence[Asked]
    claimed: Mapping[str, Claimed]
    verdicts: Mapping[str, Verdict]
    persons: Mapping[MessageKey, Person]
    turns: Mapping[str, datetime]
    shelf: Shelf
    now: datetime


async def _chosen(tx: AsyncConnection, subject: Subject, found: Prospect, some: _Going) -> None:
    """What would be chosen for those who go: who gets no coupon fails."""
    campaign = subject.campaign
    held = {(campaign.workspace, campaign.campaign_id): campaign}

    async def give(
        tx: AsyncConnection, wanted: Sequence[tuple[MessageKey, str]]
    ) -> dict[MessageKey, str]:
        if not wanted:
            return {}
        codes = await _codes(tx, subject, some, len(wanted))
        return {key: code for (key, _), code in zip(wanted, codes, strict=False)}

    going = [one for one in some.asked if one.profile_id in some.turns]
    messages = [some.claimed[one.profile_id] for one in going]
    personal = await chosen(tx, messages, held, some.persons, give=give, keep=False)
    for one, message in zip(going, messages, strict=True):
        at = some.turns[one.profile_id]
        silent = personal.silent.get(message.key)
        if silent is not None:
            found.answers.append(Answer(one.profile_id, "never", silent, at))
            continue
        lacking = personal.dry.get(message.key)
        silent = personal.silent.get(message.key)
        if lacking is not None or silent is not None:
            outcome = "fails" if silent is None else "never"
            found.answers.append(Answer(one.profile_id, outcome, silent or lacking, at))
            continue
        job = job_of(message, some.verdicts, some.persons, held, letters={}, personal=personal)
        found.going.append((one, job, at))


async def _codes(tx: AsyncConnection, subject: Subject, some: _Going, number: int) -> list[str]:
    workspace, name = subject.campaign.workspace, subject.campaign.coupon_pool or ""
    pool = await pools.find(tx, workspace, name)
    if pool is None or pool.archived_at is not None:
        return []
    shelf = some.shelf
    codes = await pools.on_shelf(
        tx,
        workspace,
        name,
        at=some.now,
        behind=(shelf.ends, shelf.code),
        back=shelf.back,
        limit=number,
    )
    shelf.take(codes)
    return [code for code, _ in codes]


async def made(found: Prospect, course: Course, renderer: Renderer | None) -> None:
    """Make the messages of those who go, and answer of them; who none can be made for fails, and
    gives back what was given. Without a renderer nothing is made.
    """
    jobs = [job for _, job, _ in found.going]
    reasons = await _refused(jobs, found, renderer) if renderer is not None and jobs else {}
    for one, job, at in found.going:
        reason = reasons.get(job.claimed.key)
        if reason is not None:
            found.answers.append(Answer(one.profile_id, "fails", reason, at))
            if job.coupon is not None:
                course.shelf.back.append(job.coupon)
            continue
        outcome = "gets" if one.waited_for is None else "waits"
        found.answers.append(Answer(one.profile_id, outcome, one.waited_for, at, job.address))
    for each in found.answers:
        course.note(each.outcome, each.reason, each.due_at, goes=bool(each.address))


async def _refused(
    jobs: Sequence[Job], found: Prospect, renderer: Renderer
) -> dict[MessageKey, str | None]:
    left, spoken, reasons = list(jobs), list[tuple[Job, Spoken]](), dict[MessageKey, str | None]()
    now = max(clock.now(), found.going[0][2])
    while left:
        until = time.monotonic() + RENDER_SECONDS
        some = await renderer.compose(left, now, until=until)
        for job, answer in zip(left, some, strict=True):
            if isinstance(answer, Refusal):
                reasons[job.claimed.key] = said(answer.reason)
            elif isinstance(answer, Spoken):
                spoken.append((job, answer))
        left = [job for job, answer in zip(left, some, strict=True) if answer == NOT_YET]
    results: list[Result] = []
    parcels.ready(spoken, results)
    return reasons | {one.job.claimed.key: said(one.outcome.reason) for one in results}


def _claimed(subject: Subject, one: Asked) -> Claimed:
    campaign = subject.campaign
    return Claimed(
        workspace=campaign.workspace,
        send_key=send_key(campaign.workspace, campaign.campaign_id, one.profile_id),
        kind="entry",
        purpose=campaign.purpose,
        campaign_id=campaign.campaign_id,
        occasion=one.profile_id,
        profile_id=one.profile_id,
        needed_version=one.needed_version,
        to_address=None,
        attempt=0,
        waits=0,
        traceparent=None,
        waited=max(one.due_at - subject.at, timedelta(0)),
        channel=campaign.channel,
        late_at=one.late_at,
    )
