"""What a service tells the others: records of one topic on their way into its outbox."""

from collections.abc import Iterable

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import outbox, tracing
from rapport_common.events.topics import Topic
from rapport_common.kafka.producer import Outgoing


class Publisher:
    """Writes records beside the state they tell of; the relay sends them after the commit."""

    def __init__(self, schema: str, topic: Topic, secret: bytes | None = None) -> None:
        """`schema` has the outbox; `secret` is for topics that are keyed by identifiers."""
        self._schema = schema
        self._topic = topic
        self._secret = secret

    async def publish(
        self, tx: AsyncConnection, told: Iterable[tuple[msgspec.Struct, str | None]]
    ) -> None:
        """Append (record, traceparent) in their order; nothing when there is nothing to tell.

        Call it last, when the rows that the records speak of are locked (see `outbox.append`).
        Raises TypeError for a record that is not the newest one of the topic.
        """
        records = [
            Outgoing.of(self._topic, record, trace, secret=self._secret) for record, trace in told
        ]
        await outbox.append(tx, self._schema, records)

    async def tell(self, tx: AsyncConnection, *records: msgspec.Struct | None) -> None:
        """The same under the trace of the work in hand; None is nothing to tell."""
        trace = tracing.current()
        await self.publish(tx, [(record, trace) for record in records if record is not None])
