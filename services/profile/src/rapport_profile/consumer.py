"""Which handler takes which topic."""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import after_commit
from rapport_common.events.envelope import Event
from rapport_common.events.topics import EVENTS, PROFILE_SCORES
from rapport_common.kafka.batch import Handler, Record, Subscription
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.events import on_events
from rapport_profile.handlers.identity_key import IdentityKey
from rapport_profile.handlers.scores import on_scores
from rapport_profile.store.rules import RuleShelf


def subscriptions(
    ids: Ids, applied: Callable[[Iterable[Event]], None] = lambda _events: None
) -> list[Subscription]:
    """{topic: handler}; `ids` names identifiers, `applied` hears of events that are committed."""
    return [
        Subscription(EVENTS, _on_events(ids, applied)),
        Subscription(PROFILE_SCORES, on_scores),
    ]


def _on_events(ids: Ids, applied: Callable[[Iterable[Event]], None]) -> Handler:
    key, shelf = IdentityKey(ids), RuleShelf()

    async def handle(batch: Sequence[Record], tx: AsyncConnection) -> None:
        await key.require(tx)
        book = await shelf.book(tx, {record.value.workspace for record in batch})
        await on_events(ids, batch, tx, book=book)
        after_commit(tx, lambda: applied(record.value for record in batch))

    return handle
