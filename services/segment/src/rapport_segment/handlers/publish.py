"""Changes and definitions as records for the outbox; changes as counts for the ledger."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import outbox, tracing
from rapport_common.events.definition import SegmentDefinition
from rapport_common.events.topics import SEGMENT_DEFINITION, SEGMENT_MEMBERSHIP
from rapport_common.kafka.producer import Outgoing
from rapport_common.kafka.store import add_tallies
from rapport_segment import metrics
from rapport_segment.domain.membership import Change
from rapport_segment.store.definitions import Stored


def outgoing(change: Change, traceparent: str | None) -> Outgoing:
    """The record of a change."""
    return Outgoing.of(SEGMENT_MEMBERSHIP, change.record, traceparent)


async def tell(tx: AsyncConnection, definitions: Sequence[Stored]) -> None:
    """Tell the other services what these segments are now."""
    records = [
        SegmentDefinition(
            workspace=one.workspace,
            segment_id=str(one.segment_id),
            version=one.version,
            name=one.name,
            at=one.updated_at,
            active=one.active,
            archived_at=one.archived_at,
        )
        for one in definitions
    ]
    trace = tracing.current()
    told = [Outgoing.of(SEGMENT_DEFINITION, one, trace) for one in records]
    await outbox.append(tx, "segment", told)


async def tally(tx: AsyncConnection, changes: Sequence[Change]) -> None:
    """Count changes: `entered` minus `exited` is the number of open memberships, always."""
    await add_tallies(tx, "segment", Counter(one.record.change for one in changes))
    by_cause = Counter((one.record.change, one.record.cause) for one in changes)
    for (change, cause), number in by_cause.items():
        metrics.CHANGES.labels(change, cause).inc(number)
