"""Republishing: everybody is told again as a whole, for who has lost or never had it.

A page of profiles is locked, read and written to the outbox in one transaction, so its records
stand in the outbox behind what was told of these profiles before, and before what is told later.
What a crash repeats changes nothing: a reader takes what is newer than what it holds. Events are
told after all profiles, if that is wanted, so that it is known whose they are.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.jobs.store import Job, Step
from rapport_common.pace import Pace
from rapport_profile import metrics
from rapport_profile.domain.republished import republished
from rapport_profile.handlers import event_pages
from rapport_profile.handlers.publish import publish, publish_again
from rapport_profile.store import retelling
from rapport_profile.store.retelling import Stretch
from rapport_profile.store.timeline import Place as EventPlace

log = logging.get(__name__)

TURN_SECONDS = 0.25
"""Of the records that a rate allows, a page has those of so long: a stop is never waited for."""
MOST = 500
FEWER = (1, 10, 100)
"""By what a page is divided after it met with a batch's locks."""


class Wanted(msgspec.Struct, frozen=True):
    """What a job of this kind is to do: its workspace's profiles, or those of all."""

    everywhere: bool = False
    events: bool = False


class Place(msgspec.Struct, frozen=True):
    """How far a job is: behind `after`, in a workspace whose last profile at the start is `until`.

    `until` is None where there is nothing left. With `events` it is with these, and has told those
    of the next profile up to `behind`.
    """

    workspace: str
    after: str | None
    until: str | None
    events: bool = False
    behind: EventPlace | None = None


class Republishing:
    """The work of the jobs of kind `republish`."""

    def __init__(
        self,
        engine: AsyncEngine,
        rate: int,
        pace: Callable[[float], Pace] = Pace,
        fewer: Sequence[int] = FEWER,
    ) -> None:
        """`rate`: records per second, at most."""
        self._engine = engine
        self._page = max(1, min(MOST, round(rate * TURN_SECONDS)))
        self._seconds = self._page / rate
        self._pace = pace
        self._fewer = fewer

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a job off, see `jobs.worker.Work`."""
        wanted = msgspec.convert(job.spec, Wanted)
        if job.position:
            place = msgspec.convert(job.position, Place)
        else:
            place, total = await self._begun(job.workspace, wanted)
            yield _step(place, 0, total)
        pace = self._pace(self._seconds)
        while place.until is not None:
            await pace.wait()
            pace.start()
            further, told = await self._told(place)
            if further is None:
                further = await self._next(place, wanted)
            if further.until is None and wanted.events and not further.events:
                further, _total = await self._begun(job.workspace, wanted, events=True)
            place = further
            yield _step(place, told)

    async def _begun(
        self, workspace: str, wanted: Wanted, *, events: bool = False
    ) -> tuple[Place, int]:
        """The first place, and how many profiles there are to be told, or to have them told."""
        async with self._engine.begin() as tx:
            total = await retelling.count(tx, None if wanted.everywhere else workspace)
            if wanted.events:
                total += await retelling.count(
                    tx, None if wanted.everywhere else workspace, living=True
                )
            if not wanted.everywhere:
                until = await retelling.last(tx, workspace)
                return Place(workspace, None, until, events=events), total
        return await self._next(Place("", None, None, events=events), wanted), total

    async def _next(self, place: Place, wanted: Wanted) -> Place:
        """Where to go on when a workspace is done."""
        done = msgspec.structs.replace(place, until=None, behind=None)
        if not wanted.everywhere:
            return done
        async with self._engine.begin() as tx:
            following = await retelling.workspace_after(tx, place.workspace)
            if following is None:
                return done
            until = await retelling.last(tx, following)
            return Place(following, None, until, events=place.events)

    async def _told(self, place: Place) -> tuple[Place | None, int]:
        """Tell a page; how far that is (None: there was nobody), and how many people are done.

        It has fewer each time that it meets with locks.
        """
        for number, divisor in enumerate(self._fewer, 1):
            stretch = Stretch(
                place.workspace, place.after, str(place.until), max(1, self._page // divisor)
            )
            try:
                async with self._engine.begin() as tx:
                    return await (_tell_events if place.events else _tell)(tx, place, stretch)
            except Exception as error:
                if not is_retriable(error) or number == len(self._fewer):
                    raise
                log.info("page of profiles tried again", workspace=place.workspace, error=error)
        raise AssertionError("the last try raises or returns")


async def _tell(tx: AsyncConnection, place: Place, stretch: Stretch) -> tuple[Place | None, int]:
    profiles = await retelling.page(tx, stretch)
    if not profiles:
        return None, 0
    await publish(tx, [(republished(profile), None) for profile in profiles])
    metrics.REPUBLISHED.inc(len(profiles))
    return msgspec.structs.replace(place, after=profiles[-1].id), len(profiles)


async def _tell_events(
    tx: AsyncConnection, place: Place, stretch: Stretch
) -> tuple[Place | None, int]:
    page = await event_pages.read(tx, stretch, place.behind)
    if page.is_end:
        return None, 0
    await publish_again(tx, page.records)
    metrics.REPUBLISHED_EVENTS.inc(len(page.records))
    further = msgspec.structs.replace(place, after=page.after, behind=page.behind)
    return further, page.finished


def _step(place: Place, told: int, total: int | None = None) -> Step:
    position: dict[str, Any] = msgspec.to_builtins(place)
    return Step(position, told, told, 0, {}, total)
