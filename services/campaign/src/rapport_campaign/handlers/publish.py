"""Events of this service on their way into its outbox."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.tables import SCHEMA
from rapport_common import outbox
from rapport_common.events.envelope import Event
from rapport_common.events.topics import EVENTS
from rapport_common.kafka.producer import Outgoing


class Publisher:
    """Appends events to the outbox, keyed by the person they are about."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def append(self, tx: AsyncConnection, events: Iterable[tuple[Event, str | None]]) -> None:
        """Write (event, traceparent) pairs; they are published once `tx` has committed."""
        await outbox.append(tx, SCHEMA, [self._outgoing(one, trace) for one, trace in events])

    def _outgoing(self, event: Event, traceparent: str | None) -> Outgoing:
        return Outgoing.of(EVENTS, event, traceparent, secret=self._key)
