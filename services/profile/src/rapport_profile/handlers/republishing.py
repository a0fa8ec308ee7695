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
from rapport_profile.store.retelling import EventPlace, Stretch

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

    `until` is None where there is nothing left. With `people` it is with the events of so many, and
    has told those up to `event`.
    """

    workspace: str
    after: str | None
    until: str | None
    people: int | None = None
    event: EventPlace | None = None


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
            async with self._engine.begin() as tx:
                total = await _total(tx, job.workspace, wanted)
                place = await _begun(tx, job.workspace, wanted)
            yield _step(place, 0, total)
        pace = self._pace(self._seconds)
        while place.until is not None:
            await pace.wait()
            pace.start()
            further, told = await self._told(place)
            if further is None:
                further = await self._after(place, job.workspace, wanted)
            place = further
            yield _step(place, told)

    async def _after(self, place: Place, workspace: str, wanted: Wanted) -> Place:
        """Where to go on when a workspace is done, or everybody."""
        is_events = place.people is not None
        async with self._engine.begin() as tx:
            further = await _next(tx, place, wanted, events=is_events)
            if further.until is None and wanted.events and not is_events:
                return await _begun(tx, workspace, wanted, events=True)
            return further

    async def _told(self, place: Place) -> tuple[Place | None, int]:
        """Tell a page; how far that is (None: there was nobody), and how many people are done.

        It has fewer each time that it meets with locks.
        """
        for number, divisor in enumerate(self._fewer, 1):
            limit = max(1, self._page // divisor)
            try:
                async with self._engine.begin() as tx:
                    if place.people is not None:
                        return await _tell_events(tx, place, place.people, limit)
                    return await _tell(tx, place, limit)
            except Exception as error:
                if not is_retriable(error) or number == len(self._fewer):
                    raise
                log.info("page of profiles tried again", workspace=place.workspace, error=error)
        raise AssertionError("the last try raises or returns")


async def _total(tx: AsyncConnection, workspace: str, wanted: Wanted) -> int:
    """How many profiles there are to be told, and people to have their events told."""
    whose = None if wanted.everywhere else workspace
    total = await retelling.count(tx, whose)
    return total + (await retelling.count(tx, whose, living=True) if wanted.events else 0)


async def _begun(
    tx: AsyncConnection, workspace: str, wanted: Wanted, *, events: bool = False
) -> Place:
    """The first place, of profiles or of events."""
    if wanted.everywhere:
        return await _next(tx, Place("", None, None), wanted, events=events)
    return await _beginning(tx, workspace, events=events)


async def _next(tx: AsyncConnection, place: Place, wanted: Wanted, *, events: bool) -> Place:
    """Where the next workspace begins."""
    following = None
    if wanted.everywhere:
        following = await retelling.workspace_after(tx, place.workspace)
    if following is None:
        return msgspec.structs.replace(place, until=None, event=None)
    return await _beginning(tx, following, events=events)


async def _beginning(tx: AsyncConnection, workspace: str, *, events: bool) -> Place:
    people = await retelling.count(tx, workspace, living=True) if events else None
    return Place(workspace, None, await retelling.last(tx, workspace), people)


async def _tell(tx: AsyncConnection, place: Place, limit: int) -> tuple[Place | None, int]:
    stretch = Stretch(place.workspace, place.after, str(place.until), limit)
    profiles = await retelling.page(tx, stretch)
    if not profiles:
        return None, 0
    await publish(tx, [(republished(profile), None) for profile in profiles])
    metrics.REPUBLISHED.inc(len(profiles))
    return msgspec.structs.replace(place, after=profiles[-1].id), len(profiles)


async def _tell_events(
    tx: AsyncConnection, place: Place, people: int, limit: int
) -> tuple[Place | None, int]:
    page = await event_pages.read(tx, place.workspace, place.event, limit)
    before = event_pages.passed(place.event, people)
    if page.is_end:
        return None, people - before
    await publish_again(tx, page.records)
    metrics.REPUBLISHED_EVENTS.inc(len(page.records))
    further = msgspec.structs.replace(place, event=page.upto)
    return further, event_pages.passed(page.upto, people) - before


def _step(place: Place, told: int, total: int | None = None) -> Step:
    position: dict[str, Any] = msgspec.to_builtins(place)
    return Step(position, told, told, 0, {}, total)
