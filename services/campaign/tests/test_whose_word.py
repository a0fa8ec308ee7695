"""One address, several profiles: whose no is heard, against a real Postgres."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from rapport_campaign.store import locks
from rapport_common import clock
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.profile import AbsorbedId

pytestmark = pytest.mark.integration
ADA = "ada@example.com"


async def objections(ledger: Any) -> list[tuple[str, str]]:
    rows = await ledger.query("SELECT profile_id, word FROM campaign.objection ORDER BY 1, 2")
    return [(row["profile_id"], row["word"]) for row in rows]


async def outcome(world: Any, profile_id: str = "p1") -> str:
    """What becomes of one more entry of a person with a yes."""
    entry_id = await world.topics.entered(profile_id)
    async with world.sending():
        await world.settled()
    (row,) = await world.ledger.rows(f"occasion = '{entry_id}'")
    return str(row["reason"] or row["state"])


async def test_another_profiles_no_holds_until_it_is_taken_back(world: Any) -> None:
    await world.started()
    await world.topics.person("p1", ADA)
    assert await outcome(world) == "sent"
    await world.topics.person("p2", "ADA@Example.com", consent="withdrawn")
    assert await objections(world.ledger) == [("p2", "withdrawn")]
    assert await outcome(world) == "consent withdrawn"
    await world.topics.person("p2", ADA, consent="denied", version=2)
    assert await outcome(world) == "consent denied"
    await world.topics.person("p2", ADA, consent="granted", version=3)
    assert await outcome(world) == "sent"
    await world.topics.person("p2", ADA, consent="withdrawn", version=2)
    assert await objections(world.ledger) == []


async def test_a_no_of_another_workspace_is_not_ours(world: Any) -> None:
    await world.started()
    await world.topics.person("p1", ADA)
    await world.topics.person("p2", ADA, consent="withdrawn", workspace="other")
    assert await outcome(world) == "sent"


async def test_after_a_merge_the_heirs_state_speaks_for_both(world: Any) -> None:
    """And not before: the heir's older state does not have the no of the other half yet."""
    await world.started()
    await world.topics.person("heir", ADA, version=5)
    await world.topics.person("gone", ADA, consent="withdrawn", version=2)
    end = ProfileActivity(
        workspace="acme", profile_id="gone", version=3, merged_into="heir", into_version=6
    )
    await world.topics.bring("profile.activity", end)
    assert await outcome(world, "heir") == "consent withdrawn"
    await world.topics.person("heir", ADA, version=6)
    assert await outcome(world, "heir") == "sent"


async def test_an_absorbed_profile_leaves_no_word_behind(world: Any) -> None:
    await world.topics.person("gone", ADA, consent="withdrawn", version=2)
    await world.topics.person("heir", ADA, version=5, absorbed=[AbsorbedId("gone", 3)])
    assert await objections(world.ledger) == []


async def test_nobody_is_written_to_and_nobody_objects_who_is_gone(world: Any) -> None:
    await world.started()
    await world.topics.person("p1", ADA)
    await world.topics.person("p2", ADA, consent="withdrawn")
    gone = ProfileActivity(workspace="acme", profile_id="p2", version=2, gone=True)
    await world.topics.bring("profile.activity", gone)
    assert await objections(world.ledger) == []
    assert await outcome(world) == "sent"
    assert await outcome(world, "p2") == "profile gone"


async def test_an_old_spelling_of_a_suppression_is_none(world: Any) -> None:
    """A person who unsubscribed is not mailed under another spelling of the address."""
    await world.started()
    await world.topics.person("p1", "ADA@Example.com ", consent_at=datetime(2026, 1, 1, tzinfo=UTC))
    async with world.engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO campaign.suppression VALUES "
                "('acme', 'ada@example.com', 'promotion', 'test', now())"
            )
        )
    assert await outcome(world) == "unsubscribed"


async def test_a_no_that_is_being_written_is_waited_for(world: Any) -> None:
    """Two profiles, one address: the sender and the consumer meet at the address's lock."""
    await world.started()
    await world.topics.person("p1", ADA)
    async with world.engine.begin() as tx:
        await locks.share_addresses(tx, [("acme", ADA)])
        with pytest.raises(Exception, match="lock timeout"):
            await world.topics.person("p2", ADA, consent="withdrawn")
    assert await objections(world.ledger) == []


async def test_an_unsubscribe_outlives_a_yes_from_a_clock_that_is_ahead(world: Any) -> None:
    await world.started()
    ahead = clock.now() + timedelta(hours=20)
    await world.topics.person("p1", ADA, consent_at=ahead)
    assert await outcome(world) == "sent"
    way_out = world.mail_server.mails[0]["List-Unsubscribe"].strip("<>")
    assert (await world.client.post(way_out)).status_code == 200
    assert await outcome(world) == "unsubscribed"
