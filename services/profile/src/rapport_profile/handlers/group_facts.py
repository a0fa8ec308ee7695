"""What the people's events say of groups is kept in the transaction that applies them.

Only rows are added: what they amount to is settled right after it by the worker of what has a
time. So a company of a hundred thousand has no row that all batches wait for.
"""

import secrets
from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import NewDue
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.privacy.subject import Subject
from rapport_profile.domain.groups.facts import fact_of, speaks_of_groups
from rapport_profile.domain.naming import Id, Ids, Names
from rapport_profile.domain.stamps import EARLIEST
from rapport_profile.store import group_facts as store
from rapport_profile.store import groups
from rapport_profile.store.due import DUE, GROUP, GROUP_MEMBER
from rapport_profile.store.inbox import MessageKey
from rapport_profile.store.people import Scoped

_PROCESS = secrets.token_hex(4)
"""Batches of several processes would wait for each other at one row of a large group."""


def group_id_of(ids: Ids, workspace: str, kind: str, key: str) -> Id:
    """The id of a group: the same in every process, without asking the database."""
    name = ids.digest(workspace, "a group", f"{kind} {key}").hex()
    return f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"


async def note(
    tx: AsyncConnection, names: Names, applied: Iterable[tuple[Event, Id, Id | None]]
) -> None:
    """Keep what events say: (event, its strongest identifier, whose that is now)."""
    said: list[store.Said] = []
    people = set[Scoped]()
    for event, hub, profile_id in applied:
        named = names.of(event) if speaks_of_groups(event) else None
        fact = None if named is None else fact_of(event, named.hub)
        if fact is None:
            continue
        group_id = group_id_of(names.ids, event.workspace, fact.kind, fact.key)
        said.append(store.Said(event.workspace, group_id, hub, event.received_at, fact))
        if fact.verb != "said" and profile_id is not None:
            people.add((event.workspace, profile_id))
    if said:
        await keep(tx, said)
        await watch(tx, people)


async def keep(tx: AsyncConnection, said: Sequence[store.Said]) -> None:
    """Keep facts, and let their groups be settled."""
    named = {(one.workspace, one.group_id, one.fact.kind, one.fact.key) for one in said}
    await groups.ensure(tx, named)
    await store.add(tx, said)
    await watch_groups(tx, {(one.workspace, one.group_id) for one in said})


async def take_back(tx: AsyncConnection, key: MessageKey, profile_ids: Iterable[Id]) -> None:
    """A copy of an event does not count any more; the group and whose it was are settled."""
    group_id = await store.drop(tx, key)
    if group_id is not None:
        await watch(tx, {(key[0], one) for one in profile_ids})
        await watch_groups(tx, {(key[0], group_id)})


async def refuse(tx: AsyncConnection, event: Event, profile_ids: Iterable[Id]) -> None:
    """An event about somebody who is forgotten counts no more: as `leave_groups` leaves it."""
    workspace = event.workspace
    _number, concerned = await store.erase(tx, workspace, (), event.received_at, [event])
    if concerned:
        await watch(tx, {(workspace, one) for one in profile_ids})
        await watch_groups(tx, {(workspace, one) for one in concerned})


async def leave_groups(
    tx: AsyncConnection,
    who: Subject,
    ids: Sequence[Id],
    named: Sequence[Event],
    ended: Sequence[Id],
) -> int:
    """Somebody is forgotten: their identifiers, events of others, former profiles; how many rows.

    What was said of groups stays, as nobody's.
    """
    number, concerned = await store.erase(tx, who.workspace, ids, who.at, named)
    await watch_groups(tx, {(who.workspace, one) for one in concerned})
    return number + await groups.forget(tx, who.workspace, ended)


async def follow(tx: AsyncConnection, steps: Iterable[ProfileActivity]) -> None:
    """Settle whoever was merged, came apart or ended, of those that are in groups."""
    regrouped = set[Scoped]()
    for one in steps:
        # Else an event was applied: it says itself what there is to be settled.
        if not one.republished and (one.event is None or one.absorbed):
            joined = [one.profile_id, *(each.profile_id for each in one.absorbed)]
            joined += [one.merged_into] if one.merged_into is not None else []
            regrouped |= {(one.workspace, each) for each in joined}
    concerned = await store.concerned(tx, regrouped) if regrouped else set()
    if concerned:
        # Of whom a part went elsewhere others may know what is no longer so.
        same = {workspace for workspace, _id in concerned}
        doubted = {one for one in regrouped if one[0] in same}
        await groups.doubt(tx, doubted)
        await watch(tx, doubted)


async def watch(tx: AsyncConnection, people: Iterable[Scoped]) -> None:
    """Settle people's parts in groups as soon as this has been committed."""
    rows = [NewDue(workspace, GROUP_MEMBER, one, EARLIEST) for workspace, one in people]
    await DUE.schedule(tx, rows)


async def watch_groups(tx: AsyncConnection, found: Iterable[Scoped]) -> None:
    """Settle groups' traits as soon as this has been committed."""
    rows = [NewDue(one[0], GROUP, f"{one[1]} {_PROCESS}", EARLIEST) for one in found]
    await DUE.schedule(tx, rows)
