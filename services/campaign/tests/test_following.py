"""What campaign knows of people, by section: told once, told again, or missed."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from rapport_common import clock
from rapport_common.events.activity import ContactPoint, ProfileActivity
from rapport_common.events.profile import ConsentState
from rapport_common.testing.profiles import Profiles, sections

pytestmark = pytest.mark.integration
KNOWN = (
    "profile_id, version, known, heir, lacks, identifiers::text, contact_points::text, "
    "traits::text, computed::text, consent::text"
)


def person(who: str, word: str = "granted", **more: Any) -> dict[str, Any]:
    address = f"{who}@example.com"
    consent = ConsentState(
        contact_point=address,
        channel="email",
        purpose="promotion",
        state=word,  # type: ignore[arg-type] # one of the three
        at=datetime(2026, 1, 1, tzinfo=UTC),
        source="shop",
    )
    point = ContactPoint(channel="email", value=address)
    return sections([("email", address)], {"name": who}, [point], [consent], **more)


async def bring(scenario: Any, *records: ProfileActivity) -> None:
    await scenario.topics.bring("profile.activity", *records)


async def outcome(scenario: Any, columns: str = KNOWN) -> list[list[Any]]:
    people = await scenario.ledger.query(f"SELECT {columns} FROM campaign.person ORDER BY 1")
    said = await scenario.ledger.query("SELECT * FROM campaign.objection ORDER BY 1, 2, 3, 4")
    return [[tuple(row.values()) for row in rows] for rows in (people, said)]


async def test_only_what_has_changed_is_written(scenario: Any) -> None:
    profiles = Profiles()
    long = {"about": "x" * 20_000}
    await bring(scenario, profiles.event("p1", **person("p1") | sections([], long)))
    lengths = "pg_column_size(traits), traits_version, computed_version, version"
    await bring(scenario, profiles.event("p1", computed=sections(orders=7)["computed"]))
    (row,) = await scenario.ledger.query(f"SELECT {lengths} FROM campaign.person")
    assert tuple(row.values())[1:] == (1, 2, 2)
    (state,) = await scenario.ledger.query("SELECT traits->>'about' AS a FROM campaign.person")
    assert state["a"] == long["about"]


async def test_a_message_waits_for_who_is_known_in_part_only(scenario: Any) -> None:
    """Without the person's words a no would be missed."""
    await scenario.started()
    profiles = Profiles()
    profiles.event("p1", **person("p1", "withdrawn"))
    await bring(scenario, profiles.event("p1", computed=sections(orders=1)["computed"]))
    await scenario.topics.entered("p1", profile_version=2)
    await scenario.turn()
    assert await scenario.ledger.states() == {"planned": 1}
    ledger = await scenario.client.get("/v1/ledger")
    assert ledger.json()["lacking"] == 1
    await bring(scenario, *profiles.republished())
    async with scenario.sending():
        assert await scenario.settled() == {"suppressed": 1}
    (row,) = await scenario.ledger.rows()
    assert row["reason"] == "consent withdrawn"


async def test_who_seems_to_enter_when_all_is_told_again_gets_no_mail(scenario: Any) -> None:
    allowing = await scenario.started(allow_old_events=True)
    await scenario.topics.person("p1", "ada@example.com")
    again = {"cause": "merge", "historic": True, "restored": True}
    await scenario.topics.entered("p1", **again)
    (row,) = await scenario.ledger.rows()
    assert (str(row["campaign_id"]), row["state"]) == (allowing, "suppressed")
    assert row["reason"] == "entered when their profile was told again"


async def test_who_holds_all_of_it_changes_nothing_when_it_is_told_again(scenario: Any) -> None:
    profiles = Profiles()
    await bring(scenario, *(profiles.event(who, **person(who)) for who in ("a", "b", "c")))
    await bring(scenario, *profiles.merged("a", "b", **person("b", "denied")), profiles.gone("c"))
    before = await outcome(scenario, f"{KNOWN}, ctid")
    held = await outcome(scenario)
    await bring(scenario, *profiles.republished())
    assert await outcome(scenario) == held
    after = await outcome(scenario, f"{KNOWN}, ctid")
    assert [row for row in before[0] if row[0] != "a"] == [row for row in after[0] if row[0] != "a"]


async def test_an_emptied_campaign_is_filled_by_telling_again_while_events_flow(
    scenario: Any,
) -> None:
    chance, profiles = random.Random(5), Profiles()
    living = [f"p{number}" for number in range(8)]
    log = [profiles.event(who, **person(who)) for who in living]

    def step(number: int) -> list[ProfileActivity]:
        who = chance.choice(living)
        if number % 10 == 9 and len(living) > 3:
            living.remove(who)
            heir = chance.choice(living)
            return list(profiles.merged(who, heir, **person(heir, "denied", events=number)))
        changed = person(who, chance.choice(["granted", "withdrawn"]), events=number)
        kept = ("computed",) if number % 3 else ("computed", "consent", "traits")
        return [profiles.event(who, clock.now(), **{name: changed[name] for name in kept})]

    for number in range(40):
        log += step(number)
    await bring(scenario, *log)
    async with scenario.engine.begin() as tx:
        await tx.execute(text("TRUNCATE campaign.person, campaign.objection"))
    flowing: list[ProfileActivity] = []
    for number, who in enumerate(sorted(profiles.held)):
        late = step(100 + number)
        await bring(scenario, *late)
        await bring(scenario, *profiles.republished([who]))
        flowing += late
    filled = await outcome(scenario)
    assert all(row[4] is None for row in filled[0])
    async with scenario.engine.begin() as tx:
        await tx.execute(text("TRUNCATE campaign.person, campaign.objection"))
    await bring(scenario, *log, *flowing)
    assert await outcome(scenario) == filled
