"""Which handler takes which topic."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.topics import EVENTS
from rapport_common.kafka.batch import Record, Subscription
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.events import on_events
from rapport_profile.handlers.identity_key import IdentityKey
from rapport_profile.store.merge_rules import RuleShelf


def subscriptions(ids: Ids) -> list[Subscription]:
    """{topic: handler}; `ids` names identifiers."""
    return [Subscription(EVENTS, _on_events(ids))]


def _on_events(ids: Ids) -> Callable[[Sequence[Record], AsyncConnection], Awaitable[None]]:
    key, shelf = IdentityKey(ids), RuleShelf()

    async def handle(batch: Sequence[Record], tx: AsyncConnection) -> None:
        await key.require(tx)
        book = await shelf.book(tx, {record.value.workspace for record in batch})
        await on_events(ids, batch, tx, book=book)

    return handle
