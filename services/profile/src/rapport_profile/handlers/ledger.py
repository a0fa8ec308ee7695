"""What must add up in this schema at every instant."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.topics import EVENTS
from rapport_common.kafka.store import ConsumerStore


async def equations(consumer: ConsumerStore, tx: AsyncConnection) -> dict[str, int]:
    """Every record of `events` was profiled, a duplicate, of somebody who was forgotten since it
    was received, put aside or skipped by an operator.
    """
    known = await consumer.ledger(tx)
    topic, tallies = EVENTS.name, known["tallies"]
    consumed = known["consumed"].get(topic, 0) - known["skipped"].get(topic, 0)
    settled = tallies.get("profiled", 0) + tallies.get("duplicate", 0)
    settled += tallies.get("erased", 0)
    aside = known["dead_letters"].get(topic, 0) + known["parked"].get(topic, 0)
    return {"profiled": consumed - settled - aside}
