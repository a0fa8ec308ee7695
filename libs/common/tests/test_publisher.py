"""What a service tells is in its outbox, in order, with the traces given or the one in hand."""

from uuid import UUID

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common import tracing
from rapport_common.events.definition import SegmentDefinition
from rapport_common.events.topics import SEGMENT_DEFINITION, SEGMENT_MEMBERSHIP
from rapport_common.publisher import Publisher
from rapport_common.testing.profiles import NOON

pytestmark = pytest.mark.integration
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def definition(number: int) -> SegmentDefinition:
    segment_id = str(UUID(int=number))
    return SegmentDefinition(
        workspace="w", segment_id=segment_id, version=1, name=f"{number}", at=NOON
    )


async def test_records_wait_in_their_order_with_their_traces(engine: AsyncEngine) -> None:
    publisher = Publisher("segment", SEGMENT_DEFINITION)
    tracing.enter(TRACE)
    async with engine.begin() as tx:
        await publisher.publish(tx, [(definition(1), None), (definition(2), TRACE)])
        await publisher.tell(tx, None, definition(3))
        await publisher.tell(tx, None)
        await publisher.publish(tx, [])
        found = await waiting(tx, "segment", SEGMENT_DEFINITION.name)
    tracing.leave()
    told = [msgspec.json.decode(one.value, type=SegmentDefinition) for one in found]
    assert told == [definition(1), definition(2), definition(3)]
    assert [one.traceparent for one in found] == [None, TRACE, TRACE]


async def test_a_record_of_another_topic_is_refused(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        with pytest.raises(TypeError, match="not the newest record of segment"):
            await Publisher("segment", SEGMENT_MEMBERSHIP).tell(tx, definition(1))
