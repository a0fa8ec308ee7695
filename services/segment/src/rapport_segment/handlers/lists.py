"""What operators do with lists: name them, put identifiers on them, take some off.

Putting some on a list waits for the batches in hand, and batches for it: so whoever comes second
finds what the first has done. The people who have these identifiers are judged at once, by the
rules that name the list, and nobody else is.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.events.envelope import Identifier, identifier_digest
from rapport_common.ids import uuid7
from rapport_common.jobs.store import NewJob
from rapport_segment.domain.membership import Change, Moment, Person, judge, settle
from rapport_segment.domain.stays import NO_RULES
from rapport_segment.handlers.correcting import Law, correct
from rapport_segment.handlers.list_use import require_unlisted
from rapport_segment.handlers.rulebooks import Rulebooks
from rapport_segment.store import definitions, lists, people
from rapport_segment.store.jobs import CLEAR, JOBS
from rapport_segment.store.lists import KeptList, Listed


async def create(tx: AsyncConnection, workspace: str, name: str) -> Listed:
    """Make a list with nothing on it."""
    now = clock.now()
    await definitions.hold(tx, workspace)
    await _require_free(tx, workspace, name, None)
    one = KeptList(workspace, uuid.uuid4(), name, now, now, None, 1)
    await lists.write(tx, one)
    return Listed(one, 0)


async def rename(tx: AsyncConnection, workspace: str, list_id: UUID, name: str) -> Listed:
    """Call a list otherwise."""
    await definitions.hold(tx, workspace)
    one = await require_living(tx, workspace, list_id)
    if name != one.name:
        await _require_free(tx, workspace, name, list_id)
        await lists.write(tx, replace(one, name=name, updated_at=clock.now()))
    return await require_listed(tx, workspace, list_id)


async def archive(tx: AsyncConnection, workspace: str, list_id: UUID) -> None:
    """Take a list out of use: its name is free, a job takes off all that is on it.

    Done again it changes nothing. ConflictError while a segment asks for it.
    """
    await definitions.hold(tx, workspace)
    one = await require(tx, workspace, list_id)
    if one.archived_at is not None:
        return
    await require_unlisted(tx, one)
    now = clock.now()
    await lists.write(tx, replace(one, updated_at=now, archived_at=now))
    await JOBS.add(tx, workspace, NewJob(str(uuid7()), CLEAR, {}, subject=str(list_id)))


class OnLists:
    """Puts identifiers on lists, and takes them off."""

    def __init__(self, key: bytes) -> None:
        """`key`: the installation's identity key, under which they are known when forgotten."""
        self._key = key
        self._rulebooks = Rulebooks({})

    async def put(
        self, tx: AsyncConnection, workspace: str, list_id: UUID, some: Sequence[Identifier]
    ) -> int:
        """Put identifiers on a list; how many were not on it before."""
        await definitions.hold(tx, workspace)
        one = await require_living(tx, workspace, list_id)
        subjects = subjects_of(self._key, workspace, some)
        fresh = await lists.put(tx, one, subjects, generation=one.generation, now=clock.now())
        await self._judge(tx, one, fresh)
        return len(fresh)

    async def take(
        self, tx: AsyncConnection, workspace: str, list_id: UUID, some: Sequence[Identifier]
    ) -> int:
        """Take identifiers off a list; how many were on it."""
        await definitions.hold(tx, workspace)
        one = await require_living(tx, workspace, list_id)
        gone = await lists.take(tx, workspace, list_id, sorted(set(some)))
        await self._judge(tx, one, gone)
        return len(gone)

    async def _judge(self, tx: AsyncConnection, one: KeptList, moved: Sequence[Identifier]) -> None:
        in_force = await self._rulebooks.in_force(tx, [one.workspace])
        rules = in_force.get(one.workspace, NO_RULES)
        concerned = rules.naming(one.list_id)
        if not concerned or not moved:
            return
        moment = Moment(clock.now(), "definition")

        def judged(person: Person) -> tuple[Person, list[Change]]:
            return settle(*judge(person, concerned, moment), rules, moment)

        ids = await people.having(tx, one.workspace, moved)
        await correct(tx, one.workspace, ids, Law(rules, concerned, moment.at), judged)


def subjects_of(
    key: bytes, workspace: str, some: Sequence[Identifier]
) -> list[tuple[Identifier, UUID]]:
    """Identifiers with what stands for each, in the order in which all are locked, each once."""
    return [(one, UUID(bytes=identifier_digest(key, workspace, one))) for one in sorted(set(some))]


async def require(
    tx: AsyncConnection, workspace: str, list_id: UUID, *, hold: bool = False
) -> KeptList:
    """The list, or NotFoundError."""
    one = await lists.find(tx, workspace, list_id, hold=hold)
    if one is None:
        raise _unknown(list_id)
    return one


async def require_listed(tx: AsyncConnection, workspace: str, list_id: UUID) -> Listed:
    """The list with how many are on it, or NotFoundError."""
    one = await lists.shown(tx, workspace, list_id)
    if one is None:
        raise _unknown(list_id)
    return one


async def require_living(tx: AsyncConnection, workspace: str, list_id: UUID) -> KeptList:
    """The list, which stays until the end of `tx`; ConflictError if it is archived."""
    one = await require(tx, workspace, list_id, hold=True)
    if one.archived_at is not None:
        message = f"List {list_id} is archived and can't be changed. Create another one."
        raise ConflictError(message, code="archived", details={"id": str(list_id)})
    return one


def _unknown(list_id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no list {list_id}. GET /v1/lists lists them.")


async def _require_free(tx: AsyncConnection, workspace: str, name: str, own: UUID | None) -> None:
    other = await lists.called(tx, workspace, name)
    if other not in {None, own}:
        message = f"There is a list called {name!r} already. Choose another name, or change it."
        raise ConflictError(message, details={"id": str(other)})
