"""Dry runs: who would get a broadcast, when, and who would not, asked as senders ask, without
sending.

It is as of when it was asked for: the audience, what people allow, the rules, the coupons. First
all who are in the audience get their place, as in the plan; then they are asked of in that order,
some at a time, as one sender would take them. Nothing is locked, and nothing is written but its
answers and how far it has come.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.broadcasts import (
    NO_SEGMENT,
    UNAPPROVED,
    Broadcast,
    Member,
    Run,
    plan_member,
)
from rapport_campaign.domain.foretelling import Course, is_soon
from rapport_campaign.domain.schedules import begins_at
from rapport_campaign.handlers import foretelling, reaching
from rapport_campaign.handlers.broadcasts import archived_of, needs_approval, require, saying
from rapport_campaign.handlers.foretelling import Subject
from rapport_campaign.handlers.mail_paces import Paces
from rapport_campaign.renderer import Renderer
from rapport_campaign.store import answers, audiences, broadcasts, courses
from rapport_campaign.store.answers import Answer, Asked
from rapport_campaign.store.jobs import DRY_RUN, JOBS
from rapport_common import clock, ids
from rapport_common.errors import NotFoundError
from rapport_common.jobs.store import Job, NewJob, Step


async def ask(
    tx: AsyncConnection, workspace: str, broadcast_id: str, job_id: str, *, render: bool = True
) -> None:
    """Let a job find out who would get a broadcast; without `render` no message is made for it."""
    found = await require(tx, workspace, broadcast_id)
    spec = {
        "broadcast_id": broadcast_id,
        "at": clock.now().isoformat(),
        "render": render,
    }
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


@dataclass(frozen=True, slots=True)
class Looking:
    """By what dry runs look: a renderer of their own, as many at a time as a sender takes, and who
    mails are from that name nobody.
    """

    renderer: Renderer
    batch: int
    service_from: str = ""


class DryRuns:
    """The work; `page` is the number of rows of an audience that are listed together."""

    def __init__(self, engine: AsyncEngine, page: int, looking: Looking) -> None:
        self._engine = engine
        self._page = page
        self._looking = looking
        self._paces = Paces(looking.service_from)

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Ask of everybody in the audience; the report has how many there are of each answer."""
        try:
            total = await self._begun(job)
            while total is not None:
                step = await self._step(job, total)
                if step is None:
                    return
                yield step
                if step.position.get("over"):
                    return
        finally:
            # It is needed seldom, and is the size of a sender's.
            await self._looking.renderer.close()

    async def _begun(self, job: Job) -> int | None:
        """How many there are in the audience; None when the broadcast is gone."""
        at = datetime.fromisoformat(job.spec["at"])
        async with self._engine.begin() as tx:
            broadcast = await broadcasts.find(tx, job.workspace, job.spec["broadcast_id"])
            if broadcast is None:
                return None
            await courses.begin(tx, job.workspace, job.id, _json(Course()))
            return await audiences.count(tx, job.workspace, broadcast.audience.any, at)

    async def _step(self, job: Job, total: int) -> Step | None:
        """One page of the audience, or one batch of those who are to be asked of; None: it is gone,
        or is gone on with elsewhere.
        """
        async with self._engine.begin() as tx:
            kept = await courses.find(tx, job.workspace, job.id)
            subject = await _subject(tx, job)
            if kept is None or subject is None:
                return None
            version, course = kept[0], msgspec.json.decode(kept[1], type=Course)
            if not course.listed:
                done = await self._list(tx, subject, course)
                await courses.move(tx, *subject.place, version, _json(course))
                return _told(subject, job, course, done, total)
            batch, since = self._looking.batch, course.reached
            asked = await answers.following(tx, *subject.place, since=since, limit=batch)
            if not asked:
                return await _over(tx, subject, job, course, total)
            asked = [one for one in asked if is_soon(asked[0].due_at, one.due_at)]
            course.reached = asked[-1].due_at
            gates = await foretelling.gates_of(tx, subject, course, self._paces)
            found = await foretelling.looked_at(tx, subject, asked, gates, self._paces)
        renders = job.spec.get("render", True)
        # Outside of any transaction: that may take as long as a template is allowed to.
        await foretelling.made(found, course, self._looking.renderer if renders else None)
        async with self._engine.begin() as tx:
            if not await courses.move(tx, *subject.place, version, _json(course)):
                return None
            await answers.settle(tx, *subject.place, found.answers)
            await answers.put_off(tx, *subject.place, found.later)
        return _told(subject, job, course, len(found.answers), total)

    async def _list(self, tx: AsyncConnection, subject: Subject, course: Course) -> int:
        """Give the next of the audience their places in the plan; how many rows that settles."""
        broadcast, run = subject.broadcast, _like(subject.broadcast, subject.at)
        page = await reaching.next_page(tx, broadcast, run, course.position, self._page)
        if not page.rows:
            course.listed = True
            return 0
        seen = await answers.known(tx, *subject.place, [one.profile_id for one in page.members])
        new = [one for one in page.members if one.profile_id not in seen]
        asked, over = await _planned(tx, subject, run, new, course)
        await answers.ask(tx, *subject.place, asked)
        await answers.add(tx, *subject.place, over)
        for one in over:
            course.note(one.outcome, one.reason, one.due_at, goes=False)
        course.position = dict(page.position)
        return page.rows - len(asked)


async def _planned(
    tx: AsyncConnection, subject: Subject, run: Run, new: Sequence[Member], course: Course
) -> tuple[list[Asked], list[Answer]]:
    """Those who would be planned for, and of the others why not."""
    dues = await reaching.dues(tx, subject.broadcast, run, new)
    asked, over = [], []
    for one in new:
        message = plan_member(
            subject.campaign,
            one,
            dues[one.profile_id],
            slot=course.places,
            broadcast=subject.broadcast,
            run=run,
        )
        due, late = message.due_at or run.at, message.late_at or run.at
        if message.state == "planned":
            asked.append(Asked(one.profile_id, due, late, course.places, one.needed_version))
        else:
            over.append(Answer(one.profile_id, "never", message.reason, due))
        course.places += 1
    return asked, over


async def _subject(tx: AsyncConnection, job: Job) -> Subject | None:
    broadcast = await broadcasts.find(tx, job.workspace, job.spec["broadcast_id"])
    if broadcast is None:
        return None
    at = datetime.fromisoformat(job.spec["at"])
    said = await saying(tx, broadcast)
    campaign = reaching.copy_of(said, broadcast, broadcast.broadcast_id, at)
    return Subject(job.id, broadcast, campaign, at)


async def _over(
    tx: AsyncConnection, subject: Subject, job: Job, course: Course, total: int
) -> Step:
    """What was found of people who were erased meanwhile came behind the eraser: it goes."""
    await answers.forget(tx, *subject.place)
    course.counts = await answers.counts(tx, *subject.place)
    step = _told(subject, job, course, 0, total)
    report = {**step.report, "run": {**step.report["run"], "not_begun": await _held(tx, subject)}}
    return replace(step, position={"over": True}, report=report)


def _told(
    subject: Subject,
    job: Job,
    course: Course,
    done: int,
    total: int,
) -> Step:
    """How far it has come, and the report so far."""
    about = {
        "as_of": clock.iso(subject.at),
        "rendered": job.spec.get("render", True),
        "first_at": course.first_at and clock.iso(course.first_at),
        "last_at": course.last_at and clock.iso(course.last_at),
    }
    report: dict[str, Any] = {one: course.counts.get(one, {}) for one in answers.OUTCOMES}
    return Step({}, done, done, 0, {**report, "run": about}, total)


async def _held(tx: AsyncConnection, subject: Subject) -> str | None:
    """Why it would not be begun now, but for its state."""
    if await archived_of(tx, subject.broadcast):
        return NO_SEGMENT
    run = _like(subject.broadcast, subject.at)
    needed = await needs_approval(tx, subject.broadcast, subject.at, run.at)
    return UNAPPROVED if needed else None


def _json(course: Course) -> str:
    return msgspec.json.encode(course).decode()


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
