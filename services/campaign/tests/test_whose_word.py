"""One address, several profiles: whose no is heard, against a real Postgres."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.support.locks import somebody_waits

from rapport_campaign.store import locks
from rapport_common import clock
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.profile import AbsorbedId

pytestmark = pytest.mark.integration
ADA = "ada@example.com"


async def objections(ledger: Any) -> list[tuple[str, str]]:
    rows = await ledger.query("SELECT profile_id, word FROM campaign.objection ORDER BY 1, 2")
    return [(row["profile_id"], row["word"]) for row in rows]


async def outcome(scenario: Any, profile_id: str = "p1") -> str:
    """What becomes of one more entry of a person with a yes."""
    entry_id = await scenario.topics.entered(profile_id)
    async with scenario.sending():
        await scenario.settled()
    (row,) = await scenario.ledger.rows(f"occasion = '{entry_id}'")
    return str(row["reason"] or row["state"])


async def test_another_profiles_no_holds_until_it_is_taken_back(scenario: Any) -> None:
    await scenario.started()
    await scenario.topics.person("p1", ADA)
    assert await outcome(scenario) == "sent"
    await scenario.topics.person("p2", "ADA@Example.com", consent="withdrawn")
    assert await objections(scenario.ledger) == [("p2", "withdrawn")]
    assert await outcome(scenario) == "consent withdrawn"
    await scenario.topics.person("p2", ADA, consent="denied", version=2)
    assert await outcome(scenario) == "consent denied"
    await scenario.topics.person("p2", ADA, consent="granted", version=3)
    assert await outcome(scenario) == "sent"
    await scenario.topics.person("p2", ADA, consent="withdrawn", version=2)
    assert await objections(scenario.ledger) == []


async def test_a_no_of_another_workspace_is_not_ours(scenario: Any) -> None:
    await scenario.started()
    await scenario.topics.person("p1", ADA)
    await scenario.topics.person("p2", ADA, consent="withdrawn", workspace="other")
    assert await outcome(scenario) == "sent"


async def test_after_a_merge_the_heirs_state_speaks_for_both(scenario: Any) -> None:
    """And not before: the heir's older state does not have the no of the other half yet."""
    await scenario.started()
    await scenario.topics.person("heir", ADA, version=5)
    await scenario.topics.person("gone", ADA, consent="withdrawn", version=2)
    end = ProfileActivity(
        workspace="acme", profile_id="gone", version=3, merged_into="heir", into_version=6
    )
    await scenario.topics.bring("profile.activity", end)
    assert await outcome(scenario, "heir") == "consent withdrawn"
    await scenario.topics.person("heir", ADA, version=6)
    assert await outcome(scenario, "heir") == "sent"


async def test_an_absorbed_profile_leaves_no_word_behind(scenario: Any) -> None:
    await scenario.topics.person("gone", ADA, consent="withdrawn", version=2)
    await scenario.topics.person("heir", ADA, version=5, absorbed=[AbsorbedId("gone", 3)])
    assert await objections(scenario.ledger) == []


async def test_nobody_is_written_to_and_nobody_objects_who_is_gone(scenario: Any) -> None:
    await scenario.started()
    await scenario.topics.person("p1", ADA)
    await scenario.topics.person("p2", ADA, consent="withdrawn")
    gone = ProfileActivity(workspace="acme", profile_id="p2", version=2, gone=True)
    await scenario.topics.bring("profile.activity", gone)
    assert await objections(scenario.ledger) == []
    assert await outcome(scenario) == "sent"
    assert await outcome(scenario, "p2") == "profile gone"


async def test_an_old_spelling_of_a_suppression_is_none(scenario: Any) -> None:
    """A person who unsubscribed is not mailed under another spelling of the address."""
    await scenario.started()
    await scenario.topics.person(
        "p1", "ADA@Example.com ", consent_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    async with scenario.engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO campaign.suppression VALUES "
                "('acme', 'ada@example.com', 'promotion', 'test', now())"
            )
        )
    assert await outcome(scenario) == "unsubscribed"


async def test_a_no_that_is_being_written_is_waited_for(scenario: Any) -> None:
    """Two profiles, one address: the sender and the consumer meet at the address's lock."""
    await scenario.started()
    await scenario.topics.person("p1", ADA)
    async with scenario.engine.begin() as tx:
        await locks.own_addresses(tx, [("acme", ADA)])
        told = asyncio.create_task(scenario.topics.person("p2", ADA, consent="withdrawn"))
        await somebody_waits(scenario.engine)
        assert await objections(scenario.ledger) == []
    await told
    assert await objections(scenario.ledger) == [("p2", "withdrawn")]


async def test_an_unsubscribe_outlives_a_yes_from_a_clock_that_is_ahead(scenario: Any) -> None:
    await scenario.started()
    ahead = clock.now() + timedelta(hours=20)
    await scenario.topics.person("p1", ADA, consent_at=ahead)
    assert await outcome(scenario) == "sent"
    way_out = scenario.mail_server.mails[0]["List-Unsubscribe"].strip("<>")
    assert (await scenario.client.post(way_out)).status_code == 200
    assert await outcome(scenario) == "unsubscribed"
