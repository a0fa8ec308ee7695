"""Another identity key would make somebody else of everybody: it stops the consumer."""

import pytest
from services.profile.tests.people import IDS, event
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.kafka.batch import ConsumerStoppedError, Record
from rapport_profile.consumer import subscriptions
from rapport_profile.domain.naming import Ids

pytestmark = pytest.mark.integration


async def taken(engine: AsyncEngine, ids: Ids, message: str) -> None:
    subscription, _scores = subscriptions(ids)
    async with engine.begin() as tx:
        await subscription.handle([Record("events", 0, 0, b"", event(message, user_id="U"))], tx)


async def test_the_first_key_is_the_only_one(engine: AsyncEngine) -> None:
    await taken(engine, IDS, "1")
    await taken(engine, IDS, "2")
    subscription, _scores = subscriptions(Ids(b"another key".ljust(32)))
    # As often as it is tried: by the consumer again, and by who works parked records off.
    for _ in range(3):
        with pytest.raises(ConsumerStoppedError, match="RAPPORT_EVENT_KEY is not the key"):
            async with engine.begin() as tx:
                await subscription.handle(
                    [Record("events", 0, 0, b"", event("3", user_id="U"))], tx
                )
    await taken(engine, IDS, "3")


async def test_a_batch_that_fails_keeps_no_key(engine: AsyncEngine) -> None:
    subscription, _scores = subscriptions(Ids(b"another key".ljust(32)))
    nobody = event("1", anonymous_id="null")
    with pytest.raises(Exception, match="names nobody"):
        async with engine.begin() as tx:
            await subscription.handle([Record("events", 0, 0, b"", nobody)], tx)
    await taken(engine, IDS, "1")
