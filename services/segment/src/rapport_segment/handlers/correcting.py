"""Putting right people whom no record is about: by a build, or because of a list."""

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain.membership import Change, Person
from rapport_segment.domain.rulebook import Rulebook
from rapport_segment.handlers.ledger import tally
from rapport_segment.handlers.passing import ahead
from rapport_segment.handlers.publish import publish
from rapport_segment.handlers.rolls import on_lists
from rapport_segment.store import people
from rapport_segment.store.due import DUE


async def put_right(
    tx: AsyncConnection,
    rules: Rulebook,
    workspace: str,
    ids: Sequence[UUID],
    judged: Callable[[Person], tuple[Person, list[Change]]],
) -> None:
    """Lock these people, judge them, and write and tell what comes of it."""
    if not ids:
        return
    locked = await people.lock(tx, workspace, ids)
    settled = [judged(one) for one in await on_lists(tx, workspace, rules, locked)]
    changes = [change for _person, found in settled for change in found]
    entries = [change.entry for change in changes]
    await people.insert_entries(tx, [entry for entry in entries if entry.exited_at is None])
    await people.update_entries(tx, [entry for entry in entries if entry.exited_at])
    await tally(tx, changes)
    await publish(tx, [(change, None) for change in changes])
    await DUE.schedule(tx, ahead(person for person, _found in settled), sooner=True)
