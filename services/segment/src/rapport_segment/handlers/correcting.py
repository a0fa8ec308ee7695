"""Putting right who is not where the rules have them: under their locks, with records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain.membership import Change, Person
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.handlers.happenings import EventReading
from rapport_segment.handlers.ledger import tally
from rapport_segment.handlers.passing import ahead
from rapport_segment.handlers.publish import publish
from rapport_segment.handlers.rolls import on_lists
from rapport_segment.store import entries, people
from rapport_segment.store.due import DUE
from rapport_segment.store.turns import in_turns

Settled = tuple[Person, list[Change]]


@dataclass(frozen=True, slots=True)
class Law:
    """By what people are put right: the rules of their workspace, and those of them that are asked,
    besides what rests on these.
    """

    rules: Rulebook
    asked: Sequence[Definition]
    now: datetime

    async def known(
        self, tx: AsyncConnection, workspace: str, some: Sequence[Person]
    ) -> list[Person]:
        """These people with what is on lists of theirs, and with the events that are asked for."""
        book = Rulebook(self.rules.with_resting(self.asked))
        listed = await on_lists(tx, workspace, self.rules, some)
        return await EventReading({workspace: book}, self.now).attached(tx, listed)


async def correct(
    tx: AsyncConnection,
    workspace: str,
    ids: Sequence[UUID],
    law: Law,
    put_right: Callable[[Person], Settled],
) -> None:
    """Lock these people, and put right who is still out of place, and what rests on that."""
    if not ids:
        return
    locked = await people.lock(tx, workspace, ids)
    known = await law.known(tx, workspace, locked)
    settled = [put_right(person) async for person in in_turns(tx, known)]
    changes = [change for _person, found in settled for change in found]
    written = [change.entry for change in changes]
    await entries.insert_entries(tx, [one for one in written if one.exited_at is None])
    await entries.update_entries(tx, [one for one in written if one.exited_at])
    await tally(tx, changes)
    await publish(tx, [(change, None) for change in changes])
    await DUE.schedule(tx, ahead(person for person, _found in settled), sooner=True)
