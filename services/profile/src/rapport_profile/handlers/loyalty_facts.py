"""What loyalty takes from the people's events, in the transaction that applies them.

Whose points it concerns is settled right after it by the worker of what has a time. Workspaces
without a programme cost nothing here.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import NewDue
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_profile.domain.loyalty.facts import content_of
from rapport_profile.domain.merge_rules import RuleBook
from rapport_profile.domain.naming import Id
from rapport_profile.domain.stamps import EARLIEST
from rapport_profile.store import loyalty as store
from rapport_profile.store import loyalty_checkpoints as checkpoints
from rapport_profile.store.due import DUE, LOYALTY
from rapport_profile.store.loyalty_programmes import SHELF
from rapport_profile.store.people import Scoped


async def note(
    tx: AsyncConnection, applied: Sequence[tuple[Event, Id, Id | None]], book: RuleBook
) -> None:
    """Keep what events tell: (event, its strongest identifier, whose that is now).

    `book` knows which versions of programmes there are.
    """
    versions = {workspace: rules.programme for workspace, rules in book.items()}
    programmes = await SHELF.names(tx, versions)
    if not programmes:
        return
    facts, members = [], set[Scoped]()
    for event, hub, profile_id in applied:
        names = programmes.get(event.workspace)
        content = None if names is None else content_of(event, names)
        if content is not None:
            key = (event.workspace, event.source, event.message_id)
            facts.append((key, hub, content))
            if profile_id is not None:
                members.add((event.workspace, profile_id))
    if facts:
        await store.add_facts(tx, facts)
        await watch(tx, members)


async def take_back(tx: AsyncConnection, key: store.MessageKey, profile_ids: Iterable[Id]) -> None:
    """A copy of an event does not count any more; whose it was is settled."""
    if key[0] in await SHELF.names(tx):
        members = {(key[0], one) for one in profile_ids}
        # Who settles them has done so before, or does it without what is taken back.
        await store.hold(tx, members)
        await store.drop_fact(tx, key)
        await watch(tx, members)


async def follow(tx: AsyncConnection, steps: Iterable[ProfileActivity]) -> None:
    """Settle whoever was merged, came apart or ended; and members with other identifiers.

    Their rows are locked first: who spends points of one of them has done so before, or sees what
    they have become.
    """
    programmes = await SHELF.names(tx)
    if not programmes:
        return
    regrouped, changed = set[Scoped](), set[Scoped]()
    for one in steps:
        if one.workspace in programmes and _regroups(one):
            joined = [one.profile_id, *(each.profile_id for each in one.absorbed)]
            joined += [one.merged_into] if one.merged_into is not None else []
            regrouped |= {(one.workspace, each) for each in joined}
        elif one.workspace in programmes and one.identifiers is not None:
            changed.add((one.workspace, one.profile_id))
    if regrouped or changed:
        await store.make(tx, regrouped)
        held = await store.hold(tx, regrouped | changed)
        await checkpoints.drop(tx, regrouped)
        await watch(tx, held)


def _regroups(step: ProfileActivity) -> bool:
    """Whether identifiers may have come or gone with it."""
    if step.republished:
        return False
    # Else an event was applied, and a member may at most have come to know another identifier.
    return step.event is None or bool(step.absorbed)


async def watch(tx: AsyncConnection, members: Iterable[Scoped]) -> None:
    """Settle members as soon as this has been committed.

    By a time that has passed: who waits for it already is not written again.
    """
    rows = [NewDue(workspace, LOYALTY, profile_id, EARLIEST) for workspace, profile_id in members]
    await DUE.schedule(tx, rows)
