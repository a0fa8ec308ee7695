"""Putting right who is not where the rules have them: under their locks, with records."""

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain.membership import Change, Person
from rapport_segment.domain.rulebook import Rulebook
from rapport_segment.handlers.ledger import tally
from rapport_segment.handlers.passing import ahead
from rapport_segment.handlers.publish import publish
from rapport_segment.handlers.rolls import on_lists
from rapport_segment.store import entries, people
from rapport_segment.store.due import DUE

Settled = tuple[Person, list[Change]]


async def correct(
    tx: AsyncConnection,
    rules: Rulebook,
    workspace: str,
    ids: Sequence[UUID],
    put_right: Callable[[Person], Settled],
) -> None:
    """Lock these people, and put right who is still out of place, and what rests on that."""
    if not ids:
        return
    locked = await people.lock(tx, workspace, ids)
    settled = [put_right(person) for person in await on_lists(tx, workspace, rules, locked)]
    changes = [change for _person, found in settled for change in found]
    written = [change.entry for change in changes]
    await entries.insert_entries(tx, [one for one in written if one.exited_at is None])
    await entries.update_entries(tx, [one for one in written if one.exited_at])
    await tally(tx, changes)
    await publish(tx, [(change, None) for change in changes])
    await DUE.schedule(tx, ahead(person for person, _found in settled), sooner=True)
