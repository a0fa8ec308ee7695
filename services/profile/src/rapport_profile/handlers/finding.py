"""Finding duplicates: who may be one person though no event says so. It proposes, and merges none.

First everybody is looked at in the order of the profiles' ids, and the keys are written of those
of whom something else is known than the last time. Then these are compared with all who share a
key with them. So a run costs what has changed since the last one, and its result is the same
whatever the order in which people came: no pair is judged before all keys are there.

Both are done in pages, each in a transaction of its own. A person who changes meanwhile is looked
at again by the next run.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.jobs.store import Job, Step
from rapport_common.pace import Pace
from rapport_profile import metrics
from rapport_profile.domain.duplicates.scoring import Likeness
from rapport_profile.domain.duplicates.weights import LIKELY
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.handlers.comparing import (
    Candidates,
    Digests,
    candidates,
    compared,
    known_people,
    scored,
)
from rapport_profile.store import duplicates, likenesses, reads, retelling
from rapport_profile.store.duplicates import Pair, pair
from rapport_profile.store.likenesses import Looked, Seen

LOOKED_AT = 200
"""Profiles that are looked at in one transaction."""
COMPARED = 50
"""Profiles that are compared with others in one transaction."""


class Wanted(msgspec.Struct, frozen=True):
    """What a job of this kind is to do. `everybody`: also those of whom nothing has changed."""

    everybody: bool = False


class Place(msgspec.Struct, frozen=True):
    """How far a job is: looking at profiles behind `after`, or comparing those that are due."""

    looking: bool = True
    after: Id | None = None


class Report(msgspec.Struct):
    """What a job has done. `open` counts pairs that it proposes, those known before too.

    `crowded` counts keys that so many have that they compare nobody, each time one is met.
    """

    changed: int = 0
    compared: int = 0
    open: int = 0
    likely: int = 0
    withdrawn: int = 0
    crowded: int = 0


class Finding:
    """The work of the jobs of kind `find_duplicates`."""

    def __init__(
        self,
        engine: AsyncEngine,
        ids: Ids,
        rate: int,
        pace: Callable[[float], Pace] = Pace,
        *,
        pages: tuple[int, int] = (LOOKED_AT, COMPARED),
    ) -> None:
        """`rate`: profiles per second, at most; `pages`: profiles looked at, and compared."""
        self._engine = engine
        self._ids = ids
        self._rate = rate
        self._pace = pace
        self._pages = pages

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a job off, see `jobs.worker.Work`."""
        wanted = msgspec.convert(job.spec, Wanted)
        report = msgspec.convert(job.report or {}, Report)
        place = msgspec.convert(job.position, Place)
        digests = Digests(self._ids, job.workspace)
        if not job.position:
            async with self._engine.begin() as tx:
                total = await retelling.count(tx, job.workspace)
            yield _step(place, 0, report, total)
        pace = self._pace(self._pages[0] / self._rate)
        while place.looking:
            await pace.wait()
            pace.start()
            place, seen = await self._look(digests, place, wanted, report)
            yield _step(place, seen, report)
        pace = self._pace(self._pages[1] / self._rate)
        while await self._compare(digests, report):
            yield _step(place, 0, report)
            await pace.wait()
            pace.start()

    async def _look(
        self, digests: Digests, place: Place, wanted: Wanted, report: Report
    ) -> tuple[Place, int]:
        """Look at a page of profiles; where to go on, and how many there were."""
        async with self._engine.begin() as tx:
            page = await likenesses.page(
                tx, digests.workspace, place.after, self._pages[0], anew=wanted.everybody
            )
            if not page:
                return Place(looking=False), 0
            gone = [one for one in page if not one.lives and one.seen is not None]
            await _forget(tx, digests.workspace, gone)
            report.changed += await _keys(tx, digests, page, anew=wanted.everybody)
        return Place(after=page[-1].id), len(page)

    async def _compare(self, digests: Digests, report: Report) -> bool:
        """Compare a page of those that are due; False: nobody is."""
        async with self._engine.begin() as tx:
            due = await likenesses.due(tx, digests.workspace, self._pages[1])
            if not due:
                return False
            found = await candidates(tx, digests.workspace, due)
            pairs, deferred = await _pairs(tx, digests.workspace, found)
            people = await known_people(tx, digests.workspace, found.everybody)
            # Beside the loop that serves everybody else.
            likes = await asyncio.to_thread(scored, digests, people, pairs, found.crowded)
            known = await duplicates.open_pairs(tx, digests.workspace, due.keys()) - deferred
            await _settle(tx, digests.workspace, known, likes, report)
            await likenesses.done(tx, digests.workspace, due)
        report.compared += len(likes)
        report.crowded += len(found.crowded)
        metrics.COMPARED.inc(len(likes))
        return True


async def _keys(tx: AsyncConnection, digests: Digests, page: Iterable[Seen], *, anew: bool) -> int:
    """Write the keys of those of whom something else is known than before; how many these are."""
    changed: list[tuple[Looked, list[int]]] = []
    same: list[Seen] = []
    for one in page:
        if not one.lives or (one.seen == one.version and not anew):
            continue
        facts = await likenesses.facts(tx, digests.workspace, one.id, one.summary)
        known = compared(facts)
        form = digests.form(known)
        if form == one.form and not anew:
            same.append(one)
        else:
            looked = Looked(one.id, one.version, form, digests.keys(known))
            changed.append((looked, one.keys or []))
    await likenesses.save(tx, digests.workspace, changed)
    await likenesses.note(tx, digests.workspace, same)
    return len(changed)


async def _pairs(
    tx: AsyncConnection, workspace: str, found: Candidates
) -> tuple[set[Pair], set[Pair]]:
    """The pairs to compare now, and those whose other one does it when it is its turn."""
    due = found.others.keys()
    later = await likenesses.later(tx, workspace, found.everybody) - due
    both = {pair(one, other) for one, others in found.others.items() for other in others}
    deferred = {two for two in both if later.intersection(two)}
    return both - deferred, deferred


async def _settle(
    tx: AsyncConnection,
    workspace: str,
    known: set[Pair],
    likes: dict[Pair, Likeness],
    report: Report,
) -> None:
    """Propose what is alike enough, and withdraw what of the pairs `known` so far is so no more."""
    found = {two: like for two, like in likes.items() if like.is_proposed}
    apart = await duplicates.kept_apart(tx, workspace, {one for two in found for one in two})
    gone = known - (found.keys() - apart)
    await duplicates.withdraw(tx, workspace, gone)
    chosen = [(two, like) for two, like in found.items() if two not in apart]
    scores = await duplicates.propose(tx, workspace, chosen, clock.now())
    report.open += len(scores)
    report.likely += sum(score >= LIKELY for score in scores)
    report.withdrawn += len(gone)


async def _forget(tx: AsyncConnection, workspace: str, gone: list[Seen]) -> None:
    """These are parts of others, or nobody's; what was dismissed stays so for their heirs."""
    for one in gone:
        for row in await duplicates.dismissed(tx, workspace, one.id):
            heirs = [await reads.alive(tx, workspace, end) for end in (row.a, row.b)]
            ends = {str(heir.id) for heir in heirs if heir is not None}
            if len(ends) == len(heirs):
                await duplicates.inherit(tx, workspace, row, pair(*ends))
    ids = {one.id for one in gone}
    await duplicates.withdraw(tx, workspace, await duplicates.open_pairs(tx, workspace, ids))
    await likenesses.forget(tx, workspace, ids)


def _step(place: Place, seen: int, report: Report, total: int | None = None) -> Step:
    position: dict[str, Any] = msgspec.to_builtins(place)
    return Step(position, seen, seen, 0, msgspec.to_builtins(report), total)
