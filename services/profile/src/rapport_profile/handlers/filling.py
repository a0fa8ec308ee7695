"""Filling computed traits from the stored events, while others go on to be applied.

1. Identifiers, page by page: their states are made of their timelines and of what retention has
   kept, under the locks of a batch. What comes meanwhile is added to what is there, or is among
   what is read. Nobody is told of the trait yet.
2. Profiles: everybody who has any of it is told. Who gets an event, or becomes one with another,
   before it is their turn, is worked out then. Where people have the values of a former version
   they keep these, and have the new ones beside.
3. The new version is shown, all over the workspace at once; who had, or has, a value is told.
4. What is left of versions that are no more goes.

A stage begins for all at once: whoever works by definitions is waited for.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.jobs.store import Job, Step
from rapport_common.pace import Pace
from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.handlers.computing import with_values
from rapport_profile.handlers.lapsing import loaded, step_of
from rapport_profile.handlers.publish import publish
from rapport_profile.handlers.telling_traits import tell
from rapport_profile.store import (
    changes,
    computed_states,
    computed_traits,
    expiring,
    people,
    profile_pages,
    recounting,
    retelling,
)
from rapport_profile.store.computed_traits import SHELF

log = logging.get(__name__)

PAGE = 100
FEWER = (1, 10, 100)
"""By what a page is divided after it met with a batch's locks."""
AT_ONCE = 5_000
"""States that are removed by one statement."""


class Wanted(msgspec.Struct, frozen=True):
    """What a job of this kind is to do, by ids of versions: `fill` some, `drop` some."""

    fill: list[int] = []
    drop: list[int] = []


class Place(msgspec.Struct, frozen=True):
    """How far a job is: behind `after`, of identifiers, profiles up to `until`, or states.

    `switched`: profiles again, since new versions have taken the places of those in `former`.
    """

    of: str = "identifiers"
    after: str | None = None
    until: str | None = None
    former: list[int] = []


class Filling:
    """The work of the jobs of kind `fill_computed`."""

    def __init__(
        self,
        engine: AsyncEngine,
        ids: Ids,
        rate: int,
        pace: Callable[[float], Pace] = Pace,
        *,
        page: int = PAGE,
    ) -> None:
        """`rate`: identifiers, or profiles, per second, at most."""
        self._engine = engine
        self._ids = ids
        self._size = page
        self._seconds = page / rate
        self._pace = pace

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a job off, see `jobs.worker.Work`."""
        wanted = msgspec.convert(job.spec, Wanted)
        place = msgspec.convert(job.position, Place) if job.position else Place()
        if not job.position:
            yield _step(place, 0, await self._count(job.workspace, wanted))
        pace = self._pace(self._seconds)
        while place.of != "done":
            await pace.wait()
            pace.start()
            place, number = await self._turn(job.workspace, wanted, place)
            yield _step(place, number)

    async def _count(self, workspace: str, wanted: Wanted) -> int:
        async with self._engine.begin() as tx:
            profiles = await retelling.count(tx, workspace)
            return profiles + (await recounting.count(tx, workspace) if wanted.fill else 0)

    async def _turn(self, workspace: str, wanted: Wanted, place: Place) -> tuple[Place, int]:
        """Do a page; where to go on, and how much was done."""
        for number, divisor in enumerate(FEWER, 1):
            try:
                async with self._engine.begin() as tx:
                    return await self._page(
                        tx, workspace, wanted, place, max(1, self._size // divisor)
                    )
            except Exception as error:
                if not is_retriable(error) or number == len(FEWER):
                    raise
                log.info("page of computed traits tried again", workspace=workspace, error=error)
        raise AssertionError("the last try raises or returns")

    async def _page(
        self, tx: AsyncConnection, workspace: str, wanted: Wanted, place: Place, size: int
    ) -> tuple[Place, int]:
        if place.of == "identifiers":
            return await _identifiers(tx, workspace, wanted, place, size)
        if place.of in {"profiles", "switched"}:
            return await self._profiles(tx, workspace, wanted, place, size)
        drop = sorted({*wanted.drop, *place.former})
        gone = await computed_states.drop(tx, workspace, drop, AT_ONCE)
        if gone:
            return place, 0
        await computed_traits.hold(tx)
        await computed_traits.move_on(tx, workspace, drop, "dropped", ["dropping"])
        return Place("done"), 0

    async def _profiles(
        self, tx: AsyncConnection, workspace: str, wanted: Wanted, place: Place, size: int
    ) -> tuple[Place, int]:
        """Tell a page of profiles what they have now, or make what they will have."""
        until = place.until
        found = (
            []
            if until is None
            else await profile_pages.page(tx, workspace, place.after, until, size)
        )
        if not found and place.of == "profiles":
            return await _switch(tx, workspace, wanted), 0
        if not found:
            return Place("states", former=place.former), 0
        book = (await SHELF.book(tx, {workspace})).of(workspace)
        shown = {one for one in wanted.fill if book.is_shown(one)}
        told = {*shown, *wanted.drop, *place.former}
        concerned = await profile_pages.concerned(tx, workspace, found, {*wanted.fill, *told})
        if concerned:
            heard = await profile_pages.concerned(tx, workspace, concerned, told)
            await self._tell(tx, workspace, concerned, heard)
        return msgspec.structs.replace(place, after=found[-1]), len(found)

    async def _tell(
        self, tx: AsyncConnection, workspace: str, concerned: Sequence[Id], heard: Collection[Id]
    ) -> None:
        """Work people out; what changes for those in `heard` is told, others have it beside."""
        working, profiles = await loaded(tx, self._ids, {(workspace, one) for one in concerned})
        anew = sorted(one.id for one in profiles)
        working.changed_profiles.update((one.id, one) for one in profiles)
        # Who was never told as a whole is told so now.
        steps = [step_of(working, one) for one in anew if one in heard or working.profiles[one].due]
        told = await with_values(tx, working, steps, anew=anew)
        await changes.save(tx, working)
        await publish(tx, [(step, None) for step in told])


async def _switch(tx: AsyncConnection, workspace: str, wanted: Wanted) -> Place:
    """Show what was filled, in the place of what was before; others are told which hold now."""
    await computed_traits.hold(tx)
    former = await computed_traits.go_live(tx, workspace, wanted.fill)
    if not former:
        return Place("states")
    await tell(tx, workspace, await computed_traits.named(tx, workspace, wanted.fill))
    return Place("switched", until=await retelling.last(tx, workspace), former=former)


async def _identifiers(
    tx: AsyncConnection, workspace: str, wanted: Wanted, place: Place, size: int
) -> tuple[Place, int]:
    """Make the states of a page of identifiers."""
    found = await recounting.page(tx, workspace, place.after, size) if wanted.fill else []
    if not found:
        await computed_traits.hold(tx)
        await computed_traits.move_on(tx, workspace, wanted.fill, "telling", ["filling"])
        return Place("profiles", until=await retelling.last(tx, workspace)), 0
    held: set[people.Scoped] = set()
    await people.load(tx, Loaded(), [(workspace, one) for one in found], held)
    await expiring.settle(tx, workspace, found)
    await computed_states.recount(tx, workspace, found, wanted.fill)
    return msgspec.structs.replace(place, after=found[-1]), len(found)


def _step(place: Place, number: int, total: int | None = None) -> Step:
    position: dict[str, Any] = msgspec.to_builtins(place)
    return Step(position, number, number, 0, {}, total)
