"""The ledger: what this service has read, and what it has published."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.kafka.store import ConsumerStore
from rapport_feedback.store import ledger


async def counts(consumer: ConsumerStore, tx: AsyncConnection) -> dict[str, Any]:
    """What was read, and how much of everything there is."""
    return {**await consumer.ledger(tx), **await ledger.counts(tx)}
