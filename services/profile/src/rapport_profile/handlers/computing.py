"""What a transaction does to people is told with the values of their computed traits."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.due.store import NewDue
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_profile import metrics
from rapport_profile.domain.computed.book import TraitBook
from rapport_profile.domain.computed.totals import Added, EventKey, Owner, Totals, key_of
from rapport_profile.domain.loaded import Loaded, end_of
from rapport_profile.domain.naming import Id
from rapport_profile.store import computed_states as store
from rapport_profile.store.computed_traits import SHELF
from rapport_profile.store.due import DUE, VALUES_CHANGE

BREATH = 20
"""Events after which others have their turn: somebody may be waiting for an answer."""


async def added_by(book: TraitBook, events: Iterable[tuple[Event, Id]]) -> dict[EventKey, Added]:
    """What events, each with its strongest identifier, add to computed traits."""
    found = {}
    for number, (event, hub) in enumerate(events, 1):
        states = book.of(event.workspace).of_event(event)
        if states:
            found[key_of(event)] = Added(hub, states)
        if number % BREATH == 0:
            await asyncio.sleep(0)
    return found


async def with_values(
    tx: AsyncConnection,
    working: Loaded,
    steps: Sequence[ProfileActivity],
    *,
    events: Iterable[tuple[Event, Id]] = (),
    anew: Collection[Id] = (),
    lapsed: Mapping[Id, Collection[int]] | None = None,
    now: datetime | None = None,
) -> list[ProfileActivity]:
    """The steps with the values after each, before the profiles are saved and anything is told.

    `events` are those that were applied; `anew`: profiles to be worked out from all identifiers;
    `lapsed`: traits of profiles of which time alone has changed the values, by `now`.
    """
    workspaces = {one.workspace for one in working.changed_profiles.values()}
    if not workspaces:
        return list(steps)
    book = await SHELF.book(tx, workspaces)
    if not book:
        return list(steps)
    added, at = await added_by(book, events), now or clock.now()
    totals = Totals(working, book, at, added=added, anew=anew, lapsed=lapsed or {})
    needed = totals.needed(steps)
    if needed:
        members = await _members(tx, working, needed.regrouped)
        wanted = needed.whole.union(
            (workspace, one) for workspace, who in needed.regrouped for one in members[who]
        )
        stored = {**await store.single(tx, needed.single), **await store.whole(tx, wanted)}
        totals.take(stored, members)
    told = await _told(totals, steps)
    await store.save(tx, totals.rows(), totals.cleared)
    await _schedule(tx, totals)
    _count(steps, told)
    return told


async def _told(totals: Totals, steps: Sequence[ProfileActivity]) -> list[ProfileActivity]:
    told = []
    totals.lapse()
    for number, step in enumerate(steps, 1):
        told.append(totals.told(step))
        if number % BREATH == 0:
            await asyncio.sleep(0)
    totals.finish()
    return told


async def _members(
    tx: AsyncConnection, working: Loaded, profiles: Collection[Owner]
) -> Mapping[Id, set[Id]]:
    """The identifiers that profiles have now, whether loaded or not."""
    found: dict[Id, set[Id]] = {one: set() for _workspace, one in profiles}
    if not found:
        return found
    merged = {
        (working.workspaces[one], one)
        for one in working.merged
        if end_of(working.merged, one) in found
    }
    for profile_id, one in await store.members(tx, {*profiles, *merged}):
        heir = end_of(working.merged, profile_id)
        if one not in working.nodes and heir in found:
            found[heir].add(one)
    for node in working.nodes.values():
        if node.profile_id in found:
            found[node.profile_id].add(node.id)
    return found


async def _schedule(tx: AsyncConnection, totals: Totals) -> None:
    rows = [
        NewDue(workspace, VALUES_CHANGE, profile_id, at)
        for (workspace, profile_id), at in totals.due.items()
    ]
    await DUE.schedule(tx, rows)


def _count(steps: Sequence[ProfileActivity], told: Sequence[ProfileActivity]) -> None:
    bounded = sum(
        one.bounded
        for before, after in zip(steps, told, strict=True)
        if after is not before and after.computed is not None and after.computed.defined
        for one in after.computed.defined.values()
    )
    if bounded:
        metrics.BOUNDED_VALUES.inc(bounded)
