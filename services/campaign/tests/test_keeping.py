"""What was written, and to which address, goes when a workspace keeps it no longer."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.store.keeping import ADDRESSES, CONTENTS
from rapport_common import clock

pytestmark = pytest.mark.integration
ADA, BEN = (f"0190a5c0-0000-7000-8000-00000000000{n}" for n in range(1, 3))


async def test_the_ledger_stays_without_a_word_of_anybody(
    scenario: Any, engine: AsyncEngine
) -> None:
    for who, mail in ((ADA, "ada@example.com"), (BEN, "ben@example.com")):
        await scenario.topics.person(who, mail)
        await scenario.topics.requested(f"r-{mail}", profile_id=who)
    later = clock.now() + timedelta(days=1)
    async with engine.begin() as tx:
        for one in (CONTENTS, ADDRESSES):
            assert await one.count(tx, "acme", later) == 0, "what is queued is needed"
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 2}
    before = (await scenario.client.get("/v1/ledger")).json()
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "UPDATE campaign.person SET restraints = '[\"processing\"]' "
                f"WHERE profile_id = '{BEN}'"
            )
        )
        assert await CONTENTS.count(tx, "acme", clock.now() - timedelta(days=1)) == 0
        for one in (CONTENTS, ADDRESSES):
            assert await one.count(tx, "acme", later) == 2
            assert await one.page(tx, "acme", later, None, 9) == (1, None)
            assert await one.count(tx, "acme", later) == 1
    (kept,) = await scenario.ledger.query("SELECT send_key FROM campaign.content")
    rows = {one["profile_id"]: one for one in await scenario.ledger.rows()}
    assert kept["send_key"] == rows[BEN]["send_key"]
    assert (rows[ADA]["to_address"], bool(rows[BEN]["to_address"])) == (None, True)
    assert rows[ADA]["state"] == "sent"
    assert (await scenario.client.get("/v1/ledger")).json() == before
