"""Operators say that a contact point takes messages again, whatever campaign has learned of it.

It is an event of whoever has the address, folded in the same transaction.
"""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.auth import Operator
from rapport_common.errors import NotFoundError
from rapport_common.events.contact import EMAIL_CHANNEL
from rapport_common.events.envelope import EMAIL, Identifier
from rapport_common.events.kinds import PHONE
from rapport_common.events.topics import EVENTS
from rapport_common.ids import uuid7_text
from rapport_common.kafka.batch import Record
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.domain.own_events import cleared
from rapport_profile.handlers.events import folded
from rapport_profile.store import reads
from rapport_profile.store.restraints import later
from rapport_profile.store.rules import RuleShelf


class Cleared(NamedTuple):
    """A point in normal form, and why it is well again."""

    channel: str
    value: str
    reason: str

    @property
    def identifier(self) -> Identifier:
        """By what its owner is known."""
        return (EMAIL if self.channel == EMAIL_CHANNEL else PHONE, self.value)


class Clearing:
    """Takes words about points."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._shelf = RuleShelf()

    async def clear(self, tx: AsyncConnection, caller: Operator, point: Cleared) -> Id:
        """The point is `ok` from now on; whose it is. NotFoundError when it is nobody's."""
        workspace = caller.workspace
        known = self._ids.of(workspace, point.identifier)
        found = await reads.by_identifier(tx, workspace, known)
        if found is None:
            message = f"Nobody is known by {point.value} in this workspace."
            raise NotFoundError(message, details={"contact_point": point.value})
        now = await later(tx)
        said = {
            "channel": point.channel,
            "contact_point": point.value,
            "reason": point.reason,
            "operator": caller.subject,
        }
        event = cleared(workspace, point.identifier, f"cleared-{uuid7_text()}", now, said)
        book = await self._shelf.book(tx, {workspace})
        await folded(self._ids, [Record(EVENTS.name, 0, 0, b"", event)], tx, book=book)
        after = await reads.by_identifier(tx, workspace, known)
        return str(after or found)
