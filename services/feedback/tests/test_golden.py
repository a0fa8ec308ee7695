"""Every golden record of every version is applied by the consumer of today."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.golden import refused

from rapport_feedback.consumer import subscriptions

pytestmark = pytest.mark.integration


async def test_golden_records_are_applied(engine: AsyncEngine) -> None:
    assert await refused(engine, "feedback", subscriptions(None)) == []
