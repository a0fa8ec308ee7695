"""The ledger: changes as they are counted, and the counts of both sides."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.kafka.store import ConsumerStore, add_tallies
from rapport_segment import metrics
from rapport_segment.domain.membership import Change
from rapport_segment.store import people
from rapport_segment.tables import SCHEMA


async def tally(tx: AsyncConnection, changes: Sequence[Change]) -> None:
    """Count changes: `entered` minus `exited` is the number of open memberships, always."""
    await add_tallies(tx, SCHEMA, Counter(change.record.change for change in changes))
    by_cause = Counter((change.record.change, change.record.cause) for change in changes)
    for (change, cause), number in by_cause.items():
        metrics.CHANGES.labels(change, cause).inc(number)


async def counts(consumer: ConsumerStore, tx: AsyncConnection) -> dict[str, Any]:
    """What was read, who entered and left, and who is known and in now."""
    known = await consumer.ledger(tx)
    changes = {name: known["tallies"].get(name, 0) for name in ("entered", "exited")}
    return {**known, **await people.counts(tx), **changes}
