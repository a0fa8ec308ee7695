"""Points for what happened before there was a programme: facts are made of the stored events.

A job goes through all identifiers, page by page, under the locks of a batch. What an event tells
is kept once, whoever comes first, so a page may be done any number of times; and whose it is is
settled, as with a batch. A rehearsal goes through all profiles instead, and writes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.due.store import NewDue
from rapport_common.jobs.store import Job, Step
from rapport_common.pace import Pace
from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.loyalty.facts import Fact, content_of
from rapport_profile.domain.loyalty.programme import Versions, counting_from
from rapport_profile.domain.loyalty.rehearsal import Difference, difference
from rapport_profile.domain.naming import Id
from rapport_profile.handlers import loyalty_facts
from rapport_profile.store import computed_states, people, profile_pages, recounting, retelling
from rapport_profile.store import loyalty as store
from rapport_profile.store import loyalty_programmes as programmes
from rapport_profile.store.due import DUE, LOYALTY_EVERYBODY
from rapport_profile.store.people import Scoped

log = logging.get(__name__)

PAGE = 100
FEWER = (1, 10, 100)
"""By what a page is divided after it met with a batch's locks."""


class Wanted(msgspec.Struct, frozen=True):
    """What a job of this kind is to do: count what happened since; `dry_run`: only say what of."""

    counts_from: datetime
    dry_run: bool = False


class Place(msgspec.Struct, frozen=True):
    """How far a job is: behind `after`; of a rehearsal, profiles up to `until`."""

    after: Id | None = None
    until: Id | None = None


class Backfilling:
    """The work of the jobs of kind `backfill_loyalty`."""

    def __init__(
        self,
        engine: AsyncEngine,
        rate: int,
        pace: Callable[[float], Pace] = Pace,
        *,
        page: int = PAGE,
    ) -> None:
        """`rate`: identifiers, or profiles, per second, at most."""
        self._engine = engine
        self._size = max(1, min(page, rate))
        self._seconds = self._size / rate
        self._pace = pace

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a job off, see `jobs.worker.Work`."""
        wanted = msgspec.convert(job.spec, Wanted)
        report = msgspec.convert(job.report or {}, Difference)
        place = msgspec.convert(job.position, Place)
        if not job.position:
            async with self._engine.begin() as tx:
                counted = retelling.count if wanted.dry_run else recounting.count
                total = await counted(tx, job.workspace)
                place = Place(until=await retelling.last(tx, job.workspace))
            yield _step(place, 0, report, total)
        pace = self._pace(self._seconds)
        while True:
            await pace.wait()
            pace.start()
            place, number, found = await self._turn(job.workspace, wanted, place)
            if not number:
                return
            report.add(found)
            yield _step(place, number, report)

    async def _turn(
        self, workspace: str, wanted: Wanted, place: Place
    ) -> tuple[Place, int, Difference]:
        """Do a page; where to go on, how much was looked at, and what came of it."""
        for number, divisor in enumerate(FEWER, 1):
            size = max(1, self._size // divisor)
            try:
                async with self._engine.begin() as tx:
                    if wanted.dry_run:
                        return await _rehearsed(tx, workspace, wanted, place, size)
                    return await _filled(tx, workspace, wanted, place, size)
            except Exception as error:
                if not is_retriable(error) or number == len(FEWER):
                    raise
                log.info("page of a backfill tried again", workspace=workspace, error=error)
        raise AssertionError("the last try raises or returns")


async def _filled(
    tx: AsyncConnection, workspace: str, wanted: Wanted, place: Place, size: int
) -> tuple[Place, int, Difference]:
    """Keep what the events of a page of identifiers tell."""
    found = await recounting.page(tx, workspace, place.after, size)
    if not found:
        # Whose tier counts from an earlier time on is settled by that.
        now = await programmes.now(tx)
        await DUE.schedule(tx, [NewDue(workspace, LOYALTY_EVERYBODY, "backfill", now)])
        return place, 0, Difference()
    working = Loaded()
    held: set[Scoped] = set()
    await people.load(tx, working, [(workspace, one) for one in found], held)
    report, members = Difference(), set[Scoped]()
    for hub, facts in (await _told(tx, workspace, found, wanted.counts_from)).items():
        kept = [
            ((workspace, one.content.stamp.source, one.content.stamp.message_id), hub, one.content)
            for one in facts
        ]
        added = await store.add_facts(tx, kept)
        report.events += added
        profile_id = working.nodes[hub].profile_id
        if added and profile_id is not None:
            members.add((workspace, profile_id))
    report.people = len(members)
    await loyalty_facts.watch(tx, members)
    return msgspec.structs.replace(place, after=found[-1]), len(found), report


async def _rehearsed(
    tx: AsyncConnection, workspace: str, wanted: Wanted, place: Place, size: int
) -> tuple[Place, int, Difference]:
    """Work a page of profiles out as they would be."""
    report, until = Difference(), place.until
    found = (
        [] if until is None else await profile_pages.page(tx, workspace, place.after, until, size)
    )
    if not found:
        return place, 0, report
    members = [(workspace, one) for one in found]
    versions = (await programmes.versions(tx, [workspace]))[workspace]
    both = (versions, counting_from(versions, wanted.counts_from))
    now = await programmes.now(tx)
    kept = await store.kept(tx, members, {})
    hubs: dict[Id, list[Id]] = {}
    for profile_id, hub in await computed_states.members(tx, members):
        hubs.setdefault(profile_id, []).append(hub)
    for member, each in kept.items():
        told = await _told(tx, workspace, hubs.get(member[1], []), wanted.counts_from)
        facts = [one for some in told.values() for one in some]
        # Beside the loop that serves everybody else.
        report.add(await asyncio.to_thread(_difference, both, each, facts, now))
    return msgspec.structs.replace(place, after=found[-1]), len(found), report


def _difference(
    both: tuple[Versions, Versions], kept: store.Kept, told: Sequence[Fact], now: datetime
) -> Difference:
    return difference(both, kept.facts, told, kept.operations, now)


async def _told(
    tx: AsyncConnection, workspace: str, hubs: Sequence[Id], since: datetime
) -> dict[Id, list[Fact]]:
    """What the stored events of identifiers tell of the time since, by identifier."""
    names = (await programmes.SHELF.names(tx)).get(workspace, frozenset())
    found: dict[Id, list[Fact]] = {}
    async for hub, events in recounting.timelines(tx, workspace, hubs):
        contents = [content_of(one, names) for one in events]
        facts = [Fact(hub, one) for one in contents if one is not None and one.stamp.at >= since]
        if facts:
            found.setdefault(hub, []).extend(facts)
    return found


def _step(place: Place, number: int, report: Difference, total: int | None = None) -> Step:
    position: dict[str, Any] = msgspec.to_builtins(place)
    return Step(position, number, number, 0, msgspec.to_builtins(report), total)
