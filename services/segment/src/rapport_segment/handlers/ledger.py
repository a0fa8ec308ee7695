"""The ledger: changes as they are counted, and the counts of both sides."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.kafka.store import ConsumerStore, add_tallies
from rapport_segment import metrics
from rapport_segment.domain.membership import Change
from rapport_segment.store import flows, people
from rapport_segment.store.flows import Flow, Place
from rapport_segment.tables import SCHEMA


async def tally(tx: AsyncConnection, changes: Sequence[Change]) -> None:
    """Count changes: `entered` minus `exited` is the number of open memberships, always."""
    changes = [change for change in changes if not change.entry.beside]
    await add_tallies(tx, SCHEMA, Counter(change.record.change for change in changes))
    by_cause = Counter((change.record.change, change.record.cause) for change in changes)
    for (change, cause), number in by_cause.items():
        metrics.CHANGES.labels(change, cause).inc(number)
    await flows.add(tx, _by_day(changes))


def _by_day(changes: Sequence[Change]) -> dict[Place, Flow]:
    """Each counts on the day on which it was true, however late it is found."""
    found: dict[Place, Flow] = {}
    for change in changes:
        record, entry = change.record, change.entry
        place = (entry.workspace, entry.segment_id, record.at.astimezone(UTC).date())
        entered, exited = found.get(place, (0, 0))
        is_entry = record.change == "entered"
        found[place] = (entered + is_entry, exited + (not is_entry))
    return found


async def counts(consumer: ConsumerStore, tx: AsyncConnection) -> dict[str, Any]:
    """What was read, who entered and left, and who is known and in now."""
    known = await consumer.ledger(tx)
    changes = {name: known["tallies"].get(name, 0) for name in ("entered", "exited")}
    return {**known, **await people.counts(tx), **changes}
