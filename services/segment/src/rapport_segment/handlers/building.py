"""Builds: everybody is held against a definition, a page at a time, beside the live batches.

A definition is in force from its first second: batches judge by it. A build puts right those of
whom no record comes. A page locks people as a batch does, and judges them by what is there then;
so whoever of the two comes second finds what the first has done.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.jobs.store import Job, NewJob, Step
from rapport_segment import metrics
from rapport_segment.domain.membership import Change, Moment, Person, judge, leave, settle
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.stays import NO_RULES
from rapport_segment.handlers.correcting import put_right
from rapport_segment.handlers.passing import ahead
from rapport_segment.handlers.rolls import on_lists
from rapport_segment.handlers.rulebooks import Rulebooks, compiled
from rapport_segment.store import definitions, people
from rapport_segment.store.definitions import Stored
from rapport_segment.store.due import DUE
from rapport_segment.store.jobs import BUILD

log = logging.get(__name__)

PAGES = (2000, 200, 20)
"""People of one transaction; fewer after it met with a batch's locks."""


def build(job_id: str, one: Stored) -> NewJob:
    """The job that holds everybody against this version of a definition."""
    spec = {"segment_id": str(one.segment_id), "version": one.version}
    return NewJob(job_id, BUILD, spec, subject=str(one.segment_id))


@dataclass(slots=True)
class _Page:
    """What became of a page; `last` is None behind the last one."""

    last: UUID | None
    judged: int
    is_superseded: bool = False


class Building:
    """The work of the jobs of kind `build`."""

    def __init__(
        self,
        engine: AsyncEngine,
        now: Callable[[], datetime] = clock.now,
        pages: Sequence[int] = PAGES,
    ) -> None:
        self._engine = engine
        self._now = now
        self._pages = pages
        self._rulebooks = Rulebooks({})

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a build off, see `jobs.worker.Work`; one whose version is not the newest ends."""
        position = job.position
        if "after" not in position:
            position = {"after": None}
            yield Step(position, 0, 0, 0, {}, await self._total(job))
        while True:
            page = await self._page(job, position["after"])
            if page.is_superseded:
                yield Step(position, 0, 0, 0, {"superseded": True})
                return
            if page.last is None:
                break
            position = {"after": str(page.last)}
            yield Step(position, page.judged, page.judged, 0, {})
        await self._finish(job)

    async def _total(self, job: Job) -> int | None:
        async with self._engine.begin() as tx:
            one = await definitions.find(tx, job.workspace, UUID(job.spec["segment_id"]))
            # Of a segment that is emptied, only the members are looked at.
            return await people.count(tx, job.workspace) if one and one.active else None

    async def _page(self, job: Job, after: str | None) -> _Page:
        """Judge the next page, with fewer people each time that it meets with locks."""
        for number, limit in enumerate(self._pages):
            started = time.perf_counter()
            try:
                async with self._engine.begin() as tx:
                    page = await self._judged(tx, job, UUID(after) if after else None, limit)
            except Exception as error:
                if not is_retriable(error) or number == len(self._pages) - 1:
                    raise
                log.info("page of a build tried again", job=job.id, error=error)
            else:
                metrics.BACKFILL.observe(time.perf_counter() - started)
                return page
        raise AssertionError("the last try raises or returns")

    async def _judged(self, tx: AsyncConnection, job: Job, after: UUID | None, limit: int) -> _Page:
        workspace = job.workspace
        in_force = await self._rulebooks.in_force(tx, [workspace])
        rules = in_force.get(workspace, NO_RULES)
        one = await definitions.find(tx, workspace, UUID(job.spec["segment_id"]))
        if one is None or one.version != job.spec["version"]:
            return _Page(None, 0, is_superseded=True)
        if not one.active:
            return await self._emptied(tx, one, limit, rules)
        last, judged = await people.page(tx, workspace, after=after, limit=limit)
        if last is None:
            return _Page(None, 0)
        definition, now = compiled(one), self._now()
        ids = await definitions.misplaced(
            tx, workspace, one.segment_id, definition.rule, now=now, after=after, upto=last
        )
        moment = Moment(now, "definition")
        await put_right(
            tx,
            rules,
            workspace,
            ids,
            lambda who: settle(*judge(who, [definition], moment), rules, moment),
        )
        if definition.timed:
            wanted = definition.reads
            some = await people.known(tx, workspace, after=after, upto=last, wanted=wanted)
            await _plan(tx, definition, await on_lists(tx, workspace, rules, some), now)
        return _Page(last, judged)

    async def _emptied(
        self, tx: AsyncConnection, one: Stored, limit: int, rules: Rulebook
    ) -> _Page:
        """Nobody is in a segment that is not active, and nobody enters any more.

        Always the first members: a merge may take one behind the place where the build is.
        """
        found = await people.members(tx, one.workspace, one.segment_id, after=None, limit=limit)
        if not found:
            return _Page(None, 0)
        ids = [entry.profile_id for entry in found]
        moment = Moment(self._now(), "definition")
        await put_right(
            tx,
            rules,
            one.workspace,
            ids,
            lambda who: settle(*_end_stay(who, one, moment), rules, moment),
        )
        return _Page(ids[-1], len(ids))

    async def _finish(self, job: Job) -> None:
        """Tell batches and operators that the version is complete."""
        segment_id, version = UUID(job.spec["segment_id"]), job.spec["version"]
        async with self._engine.begin() as tx:
            await definitions.seize(tx, job.workspace)
            one = await definitions.find(tx, job.workspace, segment_id)
            if one is not None and one.version == version:
                await definitions.set_built(tx, job.workspace, segment_id, version)


async def _plan(
    tx: AsyncConnection, definition: Definition, some: Sequence[Person], now: datetime
) -> None:
    """Note when these people's verdicts may change by time.

    Nobody is locked: who changes meanwhile is judged by this definition as well.
    """
    members: dict[UUID, list[UUID]] = {}
    if definition.named:
        people_by_key = {(one.workspace, str(one.profile_id)): one for one in some}
        for entry in await people.open_entries(tx, people_by_key):
            members.setdefault(entry.profile_id, []).append(entry.segment_id)
    looked_at = [
        replace(
            one,
            check=definition.judge(View(one.facts, now, members.get(one.profile_id, ())))[1],
        )
        for one in some
    ]
    await DUE.schedule(tx, ahead(looked_at), sooner=True)


def _end_stay(person: Person, one: Stored, moment: Moment) -> tuple[Person, list[Change]]:
    entry = person.entries.get(one.segment_id)
    if entry is None:
        return person, []
    why = "the segment is archived" if one.archived_at else "the segment is not active any more"
    left = {key: other for key, other in person.entries.items() if key != one.segment_id}
    gone = leave(person, entry, one.version, why, moment)
    return replace(person, entries=left), [gone]
