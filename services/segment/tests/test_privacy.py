"""What segment tells of somebody who asks."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.telling import tells_nothing

from rapport_segment.store.access import parts

pytestmark = pytest.mark.integration


async def test_all_parts_can_be_read_page_by_page(engine: AsyncEngine) -> None:
    assert await tells_nothing(engine, parts())
