"""What `segment.definition` brings: which segments there are."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.segments import Segment
from rapport_campaign.domain.storable import require_storable
from rapport_campaign.store import segments
from rapport_campaign.store.segments import SegmentKey
from rapport_common.events.definition import SegmentDefinition
from rapport_common.kafka.batch import Record


async def on_definition(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Keep the newest definition of each segment."""
    newest: dict[SegmentKey, Segment] = {}
    for index, record in enumerate(batch):
        one: SegmentDefinition = record.value
        require_storable(index, one.workspace, one.segment_id, one.name, *(one.reads or ()))
        key = (one.workspace, one.segment_id)
        if key not in newest or newest[key].version < one.version:
            newest[key] = Segment(
                *key,
                one.version,
                one.name,
                one.active,
                one.at,
                one.archived_at,
                None if one.reads is None else tuple(one.reads),
            )
    await segments.save(tx, newest)
