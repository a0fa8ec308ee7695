"""What waits in a service's outbox, record by record."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.kafka.producer import Outgoing
from rapport_common.outbox import OutboxStore


async def waiting(tx: AsyncConnection, schema: str, topic: str | None = None) -> list[Outgoing]:
    """The records in their order; of one topic, or (None) of all."""
    head = await OutboxStore(schema).head(tx, 1_000_000)
    records = [one for batch in head.batches for one in batch.records]
    assert not head.full
    return [one for one in records if topic in {None, one.topic}]
