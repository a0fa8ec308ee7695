"""Puts events into the outbox, keyed by the person they are about."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import outbox, tracing
from rapport_common.events.envelope import Event
from rapport_common.events.topics import EVENTS
from rapport_common.kafka.producer import Outgoing
from rapport_feedback.tables import SCHEMA


class Publisher:
    """Writes events beside the state they tell of; the relay sends them after the commit."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def publish(self, tx: AsyncConnection, event: Event | None) -> None:
        """Append what there is to tell. Call it last: the rows it is about must be locked."""
        if event is not None:
            await outbox.append(tx, SCHEMA, [self._outgoing(event)])

    def _outgoing(self, event: Event) -> Outgoing:
        return Outgoing.of(EVENTS, event, tracing.current(), secret=self._key)
