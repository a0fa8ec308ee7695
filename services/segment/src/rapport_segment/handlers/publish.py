"""Changes of membership as records for the outbox and as counts for the ledger."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.codec import encode
from rapport_common.events.topics import SEGMENT_MEMBERSHIP
from rapport_common.kafka.producer import Outgoing
from rapport_common.kafka.store import add_tallies
from rapport_segment import metrics
from rapport_segment.domain.membership import Change


def outgoing(change: Change, traceparent: str | None) -> Outgoing:
    """The record of a change, keyed by the profile id."""
    record = change.record
    key = record.profile_id.encode()
    return Outgoing(SEGMENT_MEMBERSHIP.name, key, encode(record), traceparent)


async def tally(tx: AsyncConnection, changes: Sequence[Change]) -> None:
    """Count changes: `entered` minus `exited` is the number of open memberships, always."""
    await add_tallies(tx, "segment", Counter(one.record.change for one in changes))
    by_cause = Counter((one.record.change, one.record.cause) for one in changes)
    for (change, cause), number in by_cause.items():
        metrics.CHANGES.labels(change, cause).inc(number)
