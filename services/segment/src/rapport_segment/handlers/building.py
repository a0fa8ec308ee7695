"""Builds: everybody is held against a definition, a page at a time, beside the live batches.

A definition that takes the place of none is in force from its first second: batches judge by it. A
build puts right those of whom no record comes. A page locks people as a batch does, and judges them
by what is there then; so whoever of the two comes second finds what the first has done.

A rule that takes the place of another is built beside it, just so: batches judge by both, and who
fits the new one is kept under an id that nobody knows. At the end it is put in force, and only
those are gone through of whom the two rules say different things, see `swapping.py`.
"""

import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.ids import uuid7
from rapport_common.jobs.store import Job, NewJob, Step
from rapport_segment import metrics
from rapport_segment.domain.membership import Moment, Person, judge, leave, settle
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.stays import NO_RULES, with_entries
from rapport_segment.handlers.correcting import Law, Settled, correct
from rapport_segment.handlers.passing import ahead
from rapport_segment.handlers.rulebooks import Rulebooks, compiled
from rapport_segment.handlers.swapping import cleared, end_candidate, put_in_force, swapped
from rapport_segment.store import candidates, definitions, entries, people
from rapport_segment.store.definitions import Stored
from rapport_segment.store.due import DUE
from rapport_segment.store.jobs import BUILD, JOBS
from rapport_segment.store.turns import in_turns

log = logging.get(__name__)

PAGES = (2000, 200, 20)
"""People of one transaction; fewer after it met with a batch's locks."""

AT_ONCE_WITH_EVENTS = 200
"""People of one transaction where their events are read, too: up to 1,000 of each name."""


def build(job_id: str, one: Stored) -> NewJob:
    """The job that holds everybody against this version of a definition."""
    spec = {"segment_id": str(one.segment_id), "version": one.version}
    return NewJob(job_id, BUILD, spec, subject=str(one.segment_id))


def build_beside(job_id: str, segment_id: UUID) -> NewJob:
    """The job that holds everybody against the rule beside a segment's, and then swaps them."""
    spec = {"segment_id": str(segment_id), "beside": True}
    return NewJob(job_id, BUILD, spec, subject=str(segment_id))


async def put_away(tx: AsyncConnection, job: Job) -> None:
    """A build does not come to its end, see `jobs.ending.PutAway`: what is left of a rule that is
    not beside any more goes by a job of its own. One that is not in force yet can be built again.
    """
    segment_id = UUID(job.spec["segment_id"])
    await definitions.seize(tx, job.workspace)
    candidate = await candidates.find(tx, job.workspace, segment_id)
    is_growing = candidate is not None and candidate.swapped_at is None
    if is_growing or job.spec.get("clearing"):
        return
    if candidate is not None or await candidates.is_left(tx, job.workspace, segment_id):
        clearing = build_beside(str(uuid7()), segment_id)
        spec = {**clearing.spec, "clearing": True}
        await JOBS.add(tx, job.workspace, dataclasses.replace(clearing, spec=spec))


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
        is_beside = job.spec.get("beside", False)
        while position.keys().isdisjoint({"swapping", "clearing"}):
            page = await self._page(job, position["after"])
            if page.is_superseded and not is_beside:
                yield Step(position, 0, 0, 0, {"superseded": True})
                return
            if page.last is None:
                break
            position = {"after": str(page.last)}
            yield Step(position, page.judged, page.judged, 0, {})
        if is_beside and "clearing" not in position:
            async for step in self._swap(job, position):
                yield step
        await self._finish(job)
        while await self._cleared(job):
            yield Step({"after": None, "clearing": True}, 0, 0, 0, {})

    async def _swap(self, job: Job, position: Mapping[str, Any]) -> AsyncIterator[Step]:
        """Put the rule beside in force, and let enter and leave whom that concerns."""
        if "swapping" not in position:
            async with self._engine.begin() as tx:
                version = await put_in_force(tx, job, self._now())
            position = {"after": None, "swapping": True}
            told = {"superseded": True} if version is None else {"version": version}
            yield Step(position, 0, 0, 0, told)
        while True:
            page = await self._page(job, position["after"], swapping=True)
            if page.last is None or page.is_superseded:
                return
            position = {"after": str(page.last), "swapping": True}
            yield Step(position, 0, page.judged, 0, {})

    async def _total(self, job: Job) -> int | None:
        async with self._engine.begin() as tx:
            one = await self._wanted(tx, job)
            # Of a segment that is emptied, only the members are looked at.
            return await people.count(tx, job.workspace) if one and one.active else None

    async def _wanted(self, tx: AsyncConnection, job: Job) -> Stored | None:
        """What everybody is held against; None when that is superseded."""
        segment_id = UUID(job.spec["segment_id"])
        if job.spec.get("beside"):
            candidate = await candidates.find(tx, job.workspace, segment_id)
            if candidate is None or candidate.job != job.id or candidate.swapped_at is not None:
                return None
            return candidate.as_definition
        one = await definitions.find(tx, job.workspace, segment_id)
        return one if one is not None and one.version == job.spec["version"] else None

    async def _page(self, job: Job, after: str | None, *, swapping: bool = False) -> _Page:
        """Judge the next page, with fewer people each time that it meets with locks."""
        for number, limit in enumerate(self._pages):
            started = time.perf_counter()
            try:
                async with self._engine.begin() as tx:
                    rules = await self._in_force(tx, job)
                    behind = UUID(after) if after else None
                    if swapping:
                        page = await self._swapped(tx, job, rules, behind, limit)
                    else:
                        page = await self._judged(tx, job, rules, behind, limit)
            except Exception as error:
                if not is_retriable(error) or number == len(self._pages) - 1:
                    raise
                log.info("page of a build tried again", job=job.id, error=error)
            else:
                metrics.BACKFILL.observe(time.perf_counter() - started)
                return page
        raise AssertionError("the last try raises or returns")

    async def _in_force(self, tx: AsyncConnection, job: Job) -> Rulebook:
        return (await self._rulebooks.in_force(tx, [job.workspace])).get(job.workspace, NO_RULES)

    async def _judged(
        self, tx: AsyncConnection, job: Job, rules: Rulebook, after: UUID | None, limit: int
    ) -> _Page:
        workspace = job.workspace
        one = await self._wanted(tx, job)
        if one is None:
            return _Page(None, 0, is_superseded=True)
        if not one.active:
            return await self._emptied(tx, one, limit, rules)
        definition, now = compiled(one), self._now()
        if definition.windows:
            limit = min(limit, AT_ONCE_WITH_EVENTS)
        last, judged = await people.page(tx, workspace, after=after, limit=limit)
        if last is None:
            return _Page(None, 0)
        moment = Moment(now, "definition")
        law = Law(rules, [definition], now)
        some: list[Person] = []
        if definition.moves or definition.windows:
            wanted = definition.reads
            known = await people.known(tx, workspace, after=after, upto=last, wanted=wanted)
            some = await _with_entries(tx, await law.known(tx, workspace, known))
        if definition.windows:
            # In memory that takes time in proportion to the events, in SQL not always.
            looked_at = in_turns(tx, some)
            ids = [one.profile_id async for one in looked_at if _is_misplaced(definition, one, now)]
            ids.sort()
        else:
            ids = await definitions.misplaced(
                tx, workspace, one.segment_id, definition.rule, now=now, after=after, upto=last
            )
        await correct(
            tx,
            workspace,
            ids,
            law,
            lambda who: settle(*judge(who, [definition], moment), rules, moment),
        )
        if definition.moves or definition.windows:
            await _plan(tx, definition, some, now)
        return _Page(last, judged)

    async def _swapped(
        self, tx: AsyncConnection, job: Job, rules: Rulebook, after: UUID | None, limit: int
    ) -> _Page:
        return _Page(*await swapped(tx, job, rules, self._now(), after=after, limit=limit))

    async def _emptied(
        self, tx: AsyncConnection, one: Stored, limit: int, rules: Rulebook
    ) -> _Page:
        """Nobody is in a segment that is not active, and nobody enters any more.

        Always the first members: a merge may take one behind the place where the build is.
        """
        found = await entries.members(tx, one.workspace, one.segment_id, after=None, limit=limit)
        if not found:
            return _Page(None, 0)
        ids = [entry.profile_id for entry in found]
        moment = Moment(self._now(), "definition")
        await correct(
            tx,
            one.workspace,
            ids,
            Law(rules, rules.resting_on([one.segment_id]), moment.at),
            lambda who: settle(*_end_stay(who, one, moment), rules, moment),
        )
        return _Page(ids[-1], len(ids))

    async def _finish(self, job: Job) -> None:
        """Tell batches and operators that the version is complete."""
        segment_id = UUID(job.spec["segment_id"])
        async with self._engine.begin() as tx:
            await definitions.seize(tx, job.workspace)
            one = await definitions.find(tx, job.workspace, segment_id)
            if one is not None and one.job == job.id:
                await definitions.set_built(tx, job.workspace, segment_id, one.version)

    async def _cleared(self, job: Job) -> bool:
        """Take out a page of who fitted a rule that is beside no more; False when none is left."""
        async with self._engine.begin() as tx:
            if await cleared(tx, job, self._pages[0]):
                return True
        async with self._engine.begin() as tx:
            await end_candidate(tx, job)
        return False


async def _plan(
    tx: AsyncConnection, definition: Definition, some: Sequence[Person], now: datetime
) -> None:
    """Note when these people's verdicts may change by time.

    Nobody is locked: who changes meanwhile is judged by this definition as well.
    """
    looked_at = [
        replace(one, check=definition.judge(View(one.facts, now, one.entries))[1])
        async for one in in_turns(tx, some)
    ]
    await DUE.schedule(tx, ahead(looked_at), sooner=True)


async def _with_entries(tx: AsyncConnection, some: Sequence[Person]) -> list[Person]:
    """These people with their open entries."""
    by_key = {(one.workspace, str(one.profile_id)): one for one in some}
    return list(with_entries(by_key, await people.open_entries(tx, by_key)).values())


def _is_misplaced(definition: Definition, one: Person, now: datetime) -> bool:
    """Whether somebody should be in the segment and is not, or the reverse."""
    fits, _until = definition.judge(View(one.facts, now, one.entries))
    return fits is not (definition.segment_id in one.entries)


def _end_stay(person: Person, one: Stored, moment: Moment) -> Settled:
    entry = person.entries.get(one.segment_id)
    if entry is None:
        return person, []
    why = "the segment is archived" if one.archived_at else "the segment is not active any more"
    left = {key: other for key, other in person.entries.items() if key != one.segment_id}
    gone = leave(person, entry, one.version, why, moment)
    return replace(person, entries=left), [gone]
