"""What operators say of groups: their traits, who is in them, and that they are no more.

It is a fact as an event's is, with who said it and why, and counts by its time among all others.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.auth import Operator
from rapport_common.due.store import NewDue
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.events.envelope import USER_ID
from rapport_common.ids import uuid7_text
from rapport_profile.domain.groups.facts import MAX_TRAITS, GroupFact, Verb, kind_and_key
from rapport_profile.domain.groups.traits import OPERATOR
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.domain.stamps import EARLIEST, Stamp
from rapport_profile.handlers.group_facts import group_id_of, keep, watch
from rapport_profile.handlers.group_settling import settle, settle_people
from rapport_profile.store import group_facts, groups, reads
from rapport_profile.store.due import DUE, GROUP_ENDS
from rapport_profile.store.groups import Group
from rapport_profile.store.loyalty_programmes import now
from rapport_profile.store.reads import Person

NAMES = 200
"""So many identifiers of a person are looked through for the one that a word hangs on."""

Traits = Mapping[str, Any]


async def known(tx: AsyncConnection, workspace: str, group_id: UUID) -> Group:
    """A group; NotFoundError."""
    found = await groups.find(tx, workspace, str(group_id))
    if found is None or not found.is_known:
        message = f"There is no group {group_id} in this workspace."
        raise NotFoundError(message, details={"id": str(group_id)})
    return found


async def named(tx: AsyncConnection, ids: Ids, workspace: str, name: tuple[str, str]) -> Group:
    """The group (kind, key); NotFoundError."""
    normal = kind_and_key(*name)
    held = None
    if normal is not None:
        held = await groups.find(tx, workspace, group_id_of(ids, workspace, *normal))
    if held is None or not held.is_known:
        message = f"There is no {name[0][:64]} '{name[1][:64]}' in this workspace."
        raise NotFoundError(message, details={"kind": name[0], "key": name[1]})
    return held


async def create(
    tx: AsyncConnection,
    ids: Ids,
    caller: Operator,
    name: tuple[str, str],
    said: tuple[Traits, str],
) -> Group:
    """A group (kind, key) that there is from now on, with traits, and why.

    InvalidRequestError for a name that can't be one; ConflictError where it is there.
    """
    found = kind_and_key(*name)
    if found is None:
        message = (
            "kind, key: a kind is a-z, 0-9 and '_', a letter first; a key has 1 to 512 bytes, and "
            "is no word for nothing."
        )
        raise InvalidRequestError(message, details={"kind": name[0][:64], "key": name[1][:64]})
    group_id = group_id_of(ids, caller.workspace, *found)
    await groups.ensure(tx, [(caller.workspace, group_id, *found)])
    held = await groups.hold(tx, caller.workspace, group_id)
    if held is None or held.is_known:
        message = f"There is the {found[0]} '{found[1][:64]}' already."
        raise ConflictError(message, details={"id": group_id})
    return await _say(tx, caller, held, said)


async def describe(
    tx: AsyncConnection, caller: Operator, group_id: UUID, said: tuple[Traits, str]
) -> Group:
    """Give traits of a group other values (null removes one), and say why; NotFoundError."""
    await known(tx, caller.workspace, group_id)
    held = await groups.hold(tx, caller.workspace, str(group_id))
    if held is None:
        raise AssertionError("a group's row is never removed")
    return await _say(tx, caller, held, said)


async def _say(
    tx: AsyncConnection, caller: Operator, group: Group, said: tuple[Traits, str]
) -> Group:
    traits = {name: msgspec.Raw(msgspec.json.encode(one)) for name, one in said[0].items()}
    if sum(len(name.encode()) + len(one) for name, one in traits.items()) > MAX_TRAITS:
        message = f"traits: their names and values have more than {MAX_TRAITS:,} bytes."
        raise InvalidRequestError(message, details={"path": "body.traits"})
    await _tell(tx, caller, group, (None, "said", said[1]), traits=traits)
    await settle(tx, caller.workspace, group)
    found = await groups.find(tx, caller.workspace, group.id)
    if found is None:
        raise AssertionError("a group's row is never removed")
    return found


async def put_in(
    tx: AsyncConnection,
    ids: Ids,
    caller: Operator,
    where: tuple[Group, Person],
    said: tuple[str | None, str],
) -> None:
    """Somebody is in a group from now on; `said`: in which role, and why."""
    group, who = where
    rows = await reads.identifiers(tx, who, NAMES, None)
    users = [row for row in rows if row.kind == USER_ID]
    strongest = (users or rows)[0]
    hub = ids.of(who.workspace, (strongest.kind, strongest.value))
    await _tell(tx, caller, group, (hub, "in", said[1]), role=said[0])
    await _settled(tx, who)


async def take_out(
    tx: AsyncConnection, caller: Operator, where: tuple[Group, Person], why: str
) -> None:
    """Somebody is in a group no more: nor is anybody who comes apart from them later."""
    group, who = where
    person = (who.workspace, str(who.profile_id))
    words = (await group_facts.words(tx, [person])).get(person, [])
    hubs = sorted({one.identifier_id for one in words if one.group_id == group.id})
    for hub in hubs:
        await _tell(tx, caller, group, (hub, "out", why))
    await _settled(tx, who)


async def _settled(tx: AsyncConnection, who: Person) -> None:
    person = (who.workspace, str(who.profile_id))
    # A batch may say something of them at this moment: then both look, and the later sees all.
    await watch(tx, [person])
    await settle_people(tx, [person])


async def delete(tx: AsyncConnection, caller: Operator, group_id: UUID, why: str) -> None:
    """There is a group no more, for anything that was received until now; NotFoundError."""
    group = await known(tx, caller.workspace, group_id)
    await groups.delete(tx, caller.workspace, group.id, by=(caller.subject, why))
    await DUE.schedule(tx, [NewDue(caller.workspace, GROUP_ENDS, group.id, EARLIEST)])


async def _tell(
    tx: AsyncConnection,
    caller: Operator,
    group: Group,
    what: tuple[Id | None, Verb, str],
    *,
    role: str | None = None,
    traits: dict[str, msgspec.Raw] | None = None,
) -> None:
    hub, verb, why = what
    at = await now(tx)
    stamp = Stamp(at, uuid7_text(), OPERATOR)
    fact = GroupFact(group.kind, group.key, verb, stamp, is_trusted=True, role=role, traits=traits)
    by = (caller.subject, why)
    await keep(tx, [group_facts.Said(caller.workspace, group.id, hub, at, fact, by)])
