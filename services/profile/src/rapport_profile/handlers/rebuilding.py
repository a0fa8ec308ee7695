"""Rebuilding: who is who and what is known is worked out anew from the events that are stored.

After a change of the merge rules it brings everybody under the new ones, person by person, each in
one transaction, so that what is published of a change is all of it. Without a change it proves
that what is stored is what the events amount to: then there is nothing to be put right.

What is looked at is a page of identifiers, in the order of their ids. An event that comes
meanwhile is applied under the rules that hold, whether its identifiers have been looked at or not:
these rules hold since before the first page was read (see `store.rules.hold`).
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import logging
from rapport_common.db import is_retriable
from rapport_common.events.activity import ProfileActivity
from rapport_common.ids import uuid7_text
from rapport_common.jobs.store import Job, Step
from rapport_common.pace import Pace
from rapport_profile.domain.merge_rules import MergeRules, RuleBook, Rules
from rapport_profile.domain.naming import Id, Ids, Names
from rapport_profile.domain.people import Profile
from rapport_profile.domain.recounting import Page, put_right
from rapport_profile.domain.republished import event_again
from rapport_profile.domain.revising import Revising, Revision
from rapport_profile.domain.sections import COMPUTED
from rapport_profile.handlers import group_facts
from rapport_profile.handlers.computing import with_values
from rapport_profile.handlers.consent_ends import wait_anew
from rapport_profile.handlers.consent_facts import keep_words
from rapport_profile.handlers.loading import done_with
from rapport_profile.handlers.publish import publish, publish_again
from rapport_profile.store import (
    changes,
    computed_states,
    decisions,
    expiring,
    lookups,
    people,
    recounting,
)
from rapport_profile.store.rules import RuleShelf

log = logging.get(__name__)

PAGE = 100
"""Identifiers that are looked at in one transaction."""
FEWER = (1, 10, 100)
"""By what a page is divided after it met with a batch's locks."""


class Wanted(msgspec.Struct, frozen=True):
    """What a job of this kind is to do. `repair`: also put right what is wrong.

    `rules`: look what would be under these, which do not hold (yet).
    """

    repair: bool = False
    rules: MergeRules | None = None


class Report(msgspec.Struct):
    """What was found: as it is stored on the left, as the events amount to on the right.

    Counts of identifiers with another fold, of link facts, of events under another identifier, of
    profiles that did not agree with their identifiers, of identifiers with other states of computed
    traits, of people who become others' and of those who are told anew for another reason.
    """

    identifiers: int = 0
    links: int = 0
    moved_events: int = 0
    profiles: int = 0
    computed: int = 0
    joined: int = 0
    changed: int = 0

    def add(self, other: "Report") -> None:
        """Take in what another part has found."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Rebuilding:
    """The work of the jobs of kind `rebuild`."""

    def __init__(
        self,
        engine: AsyncEngine,
        ids: Ids,
        rate: int,
        pace: Callable[[float], Pace] = Pace,
        *,
        fewer: Sequence[int] = FEWER,
        page: int = PAGE,
    ) -> None:
        """`rate`: identifiers per second, at most."""
        self._engine = engine
        self._ids = ids
        self._shelf = RuleShelf()
        self._size = page
        self._seconds = page / rate
        self._pace = pace
        self._fewer = fewer

    async def work(self, job: Job) -> AsyncIterator[Step]:
        """Work a job off, see `jobs.worker.Work`."""
        wanted = msgspec.convert(job.spec, Wanted)
        report = msgspec.convert(job.report or {}, Report)
        after: Id | None = job.position.get("after")
        if not job.position:
            async with self._engine.begin() as tx:
                total = await recounting.count(tx, job.workspace)
            yield Step({"after": None}, 0, 0, 0, msgspec.to_builtins(report), total)
        pace = self._pace(self._seconds)
        while True:
            await pace.wait()
            pace.start()
            seen, found = await self._page(job.workspace, after, wanted)
            if not seen:
                return
            report.add(found)
            after = seen[-1]
            position: dict[str, Any] = {"after": after}
            yield Step(position, len(seen), len(seen), 0, msgspec.to_builtins(report))

    async def _page(
        self, workspace: str, after: Id | None, wanted: Wanted
    ) -> tuple[list[Id], Report]:
        """Look at a page of identifiers; which ones, and what was found.

        It has fewer each time that it meets with locks.
        """
        for number, divisor in enumerate(self._fewer, 1):
            try:
                async with self._engine.connect() as tx:
                    async with tx.begin() as work:
                        book = await self._book(tx, workspace, wanted.rules)
                        names = Names(self._ids, book, await decisions.cuts(tx, workspace))
                        size = max(1, self._size // divisor)
                        seen = await recounting.page(tx, workspace, after, size)
                        found, _steps = await rebuilt(tx, names, Page(workspace, seen))
                        if not wanted.repair:
                            await work.rollback()
                    return seen, found
            except Exception as error:
                if not is_retriable(error) or number == len(self._fewer):
                    raise
                log.info("page of identifiers tried again", workspace=workspace, error=error)
        raise AssertionError("the last try raises or returns")

    async def _book(
        self, tx: AsyncConnection, workspace: str, asked: MergeRules | None
    ) -> RuleBook:
        if asked is not None:
            return RuleBook({workspace: Rules(asked)})
        return await self._shelf.book(tx, {workspace})


async def rebuilt(
    tx: AsyncConnection, names: Names, page: Page
) -> tuple[Report, list[ProfileActivity]]:
    """Put a page of identifiers right, with all that this moves; what was wrong, what is told.

    `names` knows which events of the workspace are cut.
    """
    if not page.ids:
        return Report(), []
    held: set[people.Scoped] = set()
    stored = _working(names)
    await people.load(tx, stored, _scoped(page, page.ids), held)
    await people.load_told(tx, stored, _scoped(page, page.ids))
    await _recount(tx, names, page)
    page.settle(names, stored)
    await people.ensure_identifiers(tx, {(page.workspace, one): n for one, n in page.named.items()})
    loaded, found = await done_with(
        partial(_loaded, tx, names, page, held), partial(_revised, names, page)
    )
    working, (revisions, broken, steps) = loaded[0], found
    moved = await recounting.move(tx, page.workspace, page.leaving)
    changed = await keep_words(tx, names, page.words)
    await wait_anew(tx, changed | (_scoped(page, page.leaving) if changed else set()))
    working.spilled += [
        (page.workspace, one.hub, gone) for one in page.counted for gone in one.spilled
    ]
    hubs = [one.hub for one in page.counted]
    await expiring.settle(tx, page.workspace, hubs)
    wrong = await computed_states.recount(tx, page.workspace, hubs)
    told = await _with_values(tx, working, steps, wrong)
    await changes.save(tx, working)
    said = [(event, hub, _owner(working, hub)) for event, hub in page.said_of_groups]
    await group_facts.note(tx, names, said)
    await publish(tx, [(step, None) for step in told])
    await publish_again(tx, _moved_again(working, moved))
    report = _report(revisions, steps, len(moved), len(broken & page.begun))
    report.computed = len(wrong)
    return report, told


async def _with_values(
    tx: AsyncConnection, working: Revising, steps: Sequence[ProfileActivity], wrong: Collection[Id]
) -> list[ProfileActivity]:
    """The steps with values; those are told, too, of whose identifiers states were `wrong`."""
    people = {working.nodes[one].profile_id for one in wrong} - {None}
    anew = {one for one in people if one is not None and working.profiles[one].count}
    rest = sorted(anew - {one.profile_id for one in steps})
    for one in rest:
        working.profiles[one].due |= COMPUTED
    more = [working.step(working.profiles[one]) for one in rest]
    return await with_values(tx, working, [*steps, *more], anew=anew)


async def _revised(
    names: Names, page: Page, loaded: tuple[Revising, list[Profile]]
) -> tuple[list[Revision], set[Id], list[ProfileActivity]]:
    """What was wrong of a page, which profiles were, and what to publish of it."""
    working, complete = loaded
    revisions = page.revisions(working, names)
    broken = {one.id for one in complete if put_right(one, working.members_of(one))}
    steps = working.revise(revisions, page.last_time(), around=page.ids, due=broken)
    return revisions, broken, working.finish(steps)


def _report(
    revisions: Sequence[Revision], steps: Sequence[ProfileActivity], moved: int, broken: int
) -> Report:
    joined = sum(step.merged_into is not None for step in steps)
    return Report(
        identifiers=sum(one.fold is not None for one in revisions),
        links=sum(len(one.lost) + len(one.told) for one in revisions),
        moved_events=moved,
        profiles=broken,
        joined=joined,
        changed=len(steps) - joined,
    )


def _moved_again(working: Revising, moved: Sequence[recounting.Moved]) -> list[ProfileActivity]:
    """Whose an event is, is told by its hub: so those with another one are told again."""
    again = []
    for one in moved:
        owner = _owner(working, one.hub)
        if owner is not None:
            version, hub = working.profiles[owner].version, working.nodes[one.hub].name
            again.append(event_again(owner, version, one.event, hub, one.told))
    return again


def _owner(working: Revising, hub: Id) -> Id | None:
    node = working.nodes.get(hub)
    return None if node is None else node.profile_id


def _working(names: Names) -> Revising:
    return Revising(names.ids, uuid7_text, names.book)


async def _recount(tx: AsyncConnection, names: Names, page: Page) -> None:
    """Read what the events of a page's identifiers amount to."""
    await expiring.settle(tx, page.workspace, page.ids)
    for id_, gone in (await recounting.expired(tx, page.workspace, page.ids)).items():
        page.recounts[id_].expire(gone.weighed_anew(names.book.of(page.workspace).judge))
    for key, evidence in await decisions.merges(tx, page.workspace, page.ids):
        page.merge(key, evidence)
    page.merged |= await decisions.merged_with(tx, page.workspace, page.ids)
    async for hub, events in recounting.timelines(tx, page.workspace, page.ids):
        page.read(names, hub, events)


async def _loaded(
    tx: AsyncConnection,
    names: Names,
    page: Page,
    held: set[people.Scoped],
    whole: Collection[people.Scoped],
) -> tuple[Revising, list[Profile]]:
    """Everybody concerned, and the profiles of which all is loaded: they are looked at, too."""
    working = _working(names)
    seeds = _scoped(page, page.seeds())
    await people.load(tx, working, seeds, held)
    await people.load_around(tx, working, seeds, held, beyond=seeds)
    await people.load_told(tx, working, _scoped(page, page.ids))
    named = [one for one in page.seeds() & working.nodes.keys() if working.nodes[one].is_user]
    users = _scoped(page, working.between_users() | page.renamed)
    users |= await lookups.renamed(tx, _scoped(page, named))
    await people.load_users(tx, working, users, held)
    profiles = {one.profile_id for one in map(working.nodes.__getitem__, page.ids)} - {None}
    known = [one for one in profiles if one is not None]
    page.begun = await recounting.begun(tx, page.workspace, known, page.ids)
    complete = page.begun.union(one for _workspace, one in whole)
    await people.load_members(tx, working, _scoped(page, complete))
    return working, [working.profiles[one] for one in sorted(complete)]


def _scoped(page: Page, ids: Iterable[Id]) -> set[people.Scoped]:
    return {(page.workspace, one) for one in ids}
