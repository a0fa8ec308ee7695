"""A copy of a message that counted so far is taken back: another one counts."""

from collections.abc import Collection, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.ids import uuid7_text
from rapport_profile.domain.bounds import Spilled
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import fold_and_spill, names_told
from rapport_profile.domain.naming import RENAMED, LinkKey, Names, anonymous_twin
from rapport_profile.domain.recounting import Page
from rapport_profile.domain.revising import Revising, Revision, links_told
from rapport_profile.domain.stamps import believed_time
from rapport_profile.handlers.computing import with_values
from rapport_profile.handlers.consent_ends import wait_anew
from rapport_profile.handlers.loading import done_with
from rapport_profile.handlers.rebuilding import rebuilt
from rapport_profile.store import (
    changes,
    computed_states,
    consent_facts,
    decisions,
    expiring,
    inbox,
    people,
)


async def take_back(
    tx: AsyncConnection, names: Names, known: inbox.Copy
) -> list[ProfileActivity] | None:
    """Undo the copy that counted so far; the steps that are still to be published of it.

    None when retention has removed it already.
    """
    event = await _forgotten(tx, known)
    named = names.of(event) if event is not None else None
    if event is None or named is None:
        return None
    workspace, hub = event.workspace, known.identifier_id
    if hub != names.ids.of(workspace, named.hub):
        # It was applied under former rules, and the job that changes that has not been here yet.
        await changes.unspill(tx, workspace, hub, names_told(event))
        await rebuilt(tx, names, Page(workspace, [hub]))
        return []
    told = names.links(workspace, named)
    twin = names.ids.of(workspace, anonymous_twin(named.hub))
    # Who has no event any more may still be somebody, by an operator's word.
    merged = await decisions.merged_with(tx, workspace, [hub])
    seeds = {(workspace, one) for one in (hub, twin, *(key[1] for key in told), *merged)}
    renamed = {(workspace, key) for key in told if key[2] == RENAMED}
    # In this order: retention waits for the lock on what it has removed, or is waited for.
    await expiring.settle(tx, workspace, [hub])
    gone = await inbox.expired(tx, workspace, hub)
    events = await inbox.remaining(tx, workspace, hub)

    async def load(whole: Collection[people.Scoped]) -> Revising:
        working = Revising(names.ids, uuid7_text, names.book)
        held: set[people.Scoped] = set()
        await people.load_around(tx, working, seeds, held, beyond=seeds)
        await people.load_links(tx, working, renamed)
        users = {(workspace, one) for one in working.between_users()}
        await people.load_users(tx, working, users, held)
        await people.load_members(tx, working, whole)
        return working

    async def revise(working: Revising) -> tuple[list[ProfileActivity], list[Spilled]]:
        # What the rules of today join, and those of the past did not, is the job's to find.
        stored = [key for key in told if key in working.links]
        left, spilled = _left(names, (workspace, hub), events, gone, stored)
        return working.revise([left], believed_time(event)), spilled

    working, (steps, spilled) = await done_with(load, revise)
    working.trim()
    working.spilled += [(workspace, hub, one) for one in spilled]
    await changes.unspill(tx, workspace, hub, names_told(event))
    return await _saved(tx, working, (workspace, hub), steps)


async def _saved(
    tx: AsyncConnection,
    working: Revising,
    where: people.Scoped,
    steps: Sequence[ProfileActivity],
) -> list[ProfileActivity]:
    workspace, hub = where
    await computed_states.recount(tx, workspace, [hub])
    told = await with_values(tx, working, steps)
    await changes.save(tx, working)
    return told


async def _forgotten(tx: AsyncConnection, known: inbox.Copy) -> Event | None:
    """The event that a copy was, with what it said taken off; None when retention was first."""
    event = await inbox.forget(tx, known)
    if event is not None:
        await consent_facts.forget(tx, known.key)
        await wait_anew(tx, [(event.workspace, known.identifier_id)])
    return event


def _left(
    names: Names,
    where: people.Scoped,
    events: Sequence[Event],
    gone: Fold | None,
    told: Collection[LinkKey],
) -> tuple[Revision, list[Spilled]]:
    """What is left on a hub's timeline amounts to; of the links `told` what is left of them."""
    workspace, hub = where
    fold, spilled = fold_and_spill(events, names.judge(events))
    if gone is not None:
        # Events that retention removed may have told of the same links: they stay.
        fold.join(gone.weighed_anew(names.book.of(workspace).judge))
        return Revision(hub, fold, (), {}), [*spilled, *fold.trim()]
    still = links_told(names, events)
    lost = [key for key in told if key not in still]
    return Revision(hub, fold, lost, {key: still[key] for key in told if key in still}), spilled
