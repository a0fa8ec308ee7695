"""Operators say what is not to be done with a person's data, and take it back.

It is an event of each of the person's identifiers, folded in the same transaction: so it goes where
the person goes, through merges, splits, rebuilds and erasure, and is told as all that is known.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.events.activity import Restraint
from rapport_common.events.envelope import Event, Identifier
from rapport_common.events.topics import EVENTS
from rapport_common.kafka.batch import Record
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.domain.own_events import RestraintSaid, restraint_events
from rapport_profile.handlers import telling_holds
from rapport_profile.handlers.events import folded
from rapport_profile.store import reads
from rapport_profile.store import restraints as store
from rapport_profile.store.rules import RuleShelf

MOST = 100
"""Of a larger person the strongest identifiers have it: who has more is hardly one person."""


class Restraining:
    """Sets and lifts restraints."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._shelf = RuleShelf()

    async def restrain(
        self,
        tx: AsyncConnection,
        caller: Operator,
        identifier: Identifier,
        what: Restraint,
        told: tuple[Id, str],
    ) -> None:
        """Let a restraint hold of whoever has an identifier (`told`: its id, and why).

        Where nobody is known by it, it holds of whoever will be.
        """
        workspace, (restraint, reason) = caller.workspace, told
        found = await reads.by_identifier(tx, workspace, self._ids.of(workspace, identifier))
        names = [identifier]
        if found is not None:
            names = await store.strongest(tx, workspace, str(found), MOST)
        now = await store.later(tx)
        said = RestraintSaid(restraint, what)
        await self._fold(tx, restraint_events(workspace, said, names, now, holds=True))
        await store.add(
            tx,
            workspace,
            {
                "id": restraint,
                "what": what,
                "profile": None if found is None else str(found),
                "identifiers": [self._ids.of(workspace, one) for one in names],
                "actor": caller.subject,
                "reason": reason,
                "at": now,
            },
        )
        await telling_holds.tell(tx, workspace, restraint)

    async def lift(self, tx: AsyncConnection, caller: Operator, restraint: Id, reason: str) -> None:
        """Let a restraint hold no more, of nobody whom it held of, whoever they are today."""
        workspace = caller.workspace
        one = await store.find(tx, workspace, restraint, lock=True)
        if one is None:
            message = f"There is no restraint {restraint} in this workspace."
            raise NotFoundError(message, details={"id": restraint})
        if one.lifted_at is not None:
            message = f"{one.lifted_by} has lifted this restraint already."
            raise ConflictError(message, details={"id": restraint})
        left = await store.those_left(tx, workspace, one.identifiers)
        now = await store.later(tx, one.at)
        said = RestraintSaid(restraint, one.what)
        await self._fold(tx, restraint_events(workspace, said, left, now, holds=False))
        await store.lift(tx, workspace, restraint, now, by=caller.subject, reason=reason)
        await telling_holds.tell(tx, workspace, restraint)

    async def _fold(self, tx: AsyncConnection, events: Sequence[Event]) -> None:
        batch = [Record(EVENTS.name, 0, at, b"", one) for at, one in enumerate(events)]
        book = await self._shelf.book(tx, {one.workspace for one in events})
        await folded(self._ids, batch, tx, book=book)
