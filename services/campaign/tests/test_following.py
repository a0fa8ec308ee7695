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


async def bring(world: Any, *records: ProfileActivity) -> None:
    await world.topics.bring("profile.activity", *records)


async def outcome(world: Any, columns: str = KNOWN) -> list[list[Any]]:
    people = await world.ledger.query(f"SELECT {columns} FROM campaign.person ORDER BY 1")
    said = await world.ledger.query("SELECT * FROM campaign.objection ORDER BY 1, 2, 3, 4")
    return [[tuple(row.values()) for row in rows] for rows in (people, said)]


async def test_only_what_has_changed_is_written(world: Any) -> None:
    profiles = Profiles()
    long = {"about": "x" * 20_000}
    await bring(world, profiles.event("p1", **person("p1") | sections([], long)))
    lengths = "pg_column_size(traits), traits_version, computed_version, version"
    await bring(world, profiles.event("p1", computed=sections(orders=7)["computed"]))
    (row,) = await world.ledger.query(f"SELECT {lengths} FROM campaign.person")
    assert tuple(row.values())[1:] == (1, 2, 2)
    (state,) = await world.ledger.query("SELECT traits->>'about' AS a FROM campaign.person")
    assert state["a"] == long["about"]


async def test_a_message_waits_for_who_is_known_in_part_only(world: Any) -> None:
    """Without the person's words a no would be missed."""
    await world.started()
    profiles = Profiles()
    profiles.event("p1", **person("p1", "withdrawn"))
    await bring(world, profiles.event("p1", computed=sections(orders=1)["computed"]))
    await world.topics.entered("p1", profile_version=2)
    await world.turn()
    assert await world.ledger.states() == {"planned": 1}
    ledger = await world.client.get("/v1/ledger")
    assert ledger.json()["lacking"] == 1
    await bring(world, *profiles.republished())
    async with world.sending():
        assert await world.settled() == {"suppressed": 1}
    (row,) = await world.ledger.rows()
    assert row["reason"] == "consent withdrawn"


async def test_who_seems_to_enter_when_all_is_told_again_gets_no_mail(world: Any) -> None:
    allowing = await world.started(allow_old_events=True)
    await world.topics.person("p1", "ada@example.com")
    again = {"cause": "merge", "historic": True, "restored": True}
    await world.topics.entered("p1", **again)
    (row,) = await world.ledger.rows()
    assert (str(row["campaign_id"]), row["state"]) == (allowing, "suppressed")
    assert row["reason"] == "entered when their profile was told again"


async def test_who_holds_all_of_it_changes_nothing_when_it_is_told_again(world: Any) -> None:
    profiles = Profiles()
    await bring(world, *(profiles.event(who, **person(who)) for who in ("a", "b", "c")))
    await bring(world, *profiles.merged("a", "b", **person("b", "denied")), profiles.gone("c"))
    before = await outcome(world, f"{KNOWN}, ctid")
    held = await outcome(world)
    await bring(world, *profiles.republished())
    assert await outcome(world) == held
    after = await outcome(world, f"{KNOWN}, ctid")
    assert [row for row in before[0] if row[0] != "a"] == [row for row in after[0] if row[0] != "a"]


async def test_an_emptied_campaign_is_filled_by_telling_again_while_events_flow(
    world: Any,
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
    await bring(world, *log)
    async with world.engine.begin() as tx:
        await tx.execute(text("TRUNCATE campaign.person, campaign.objection"))
    flowing: list[ProfileActivity] = []
    for number, who in enumerate(sorted(profiles.held)):
        late = step(100 + number)
        await bring(world, *late)
        await bring(world, *profiles.republished([who]))
        flowing += late
    filled = await outcome(world)
    assert all(row[4] is None for row in filled[0])
    async with world.engine.begin() as tx:
        await tx.execute(text("TRUNCATE campaign.person, campaign.objection"))
    await bring(world, *log, *flowing)
    assert await outcome(world) == filled
