"""Who is one person, from `profile.activity` in any order, and what that does to scores."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import pytest
from prometheus_client import REGISTRY

from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import SECTIONS, ProfileActivity, SectionVersions
from rapport_common.kafka.batch import Record
from rapport_common.testing.profiles import Profiles, happened, sections
from rapport_feedback.handlers.activity import on_activity

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration

ADA, ANON, USER = ("email", "ada@example.com"), ("anonymous_id", "a1"), ("user_id", "u1")


def state(service: Service, profile: str, version: int, *names: tuple[str, str]) -> ProfileActivity:
    return ProfileActivity(
        workspace=service.workspace,
        profile_id=profile,
        version=version,
        versions=SectionVersions(*[version] * len(SECTIONS)),
        **sections(names),
    )


def merge(service: Service, old: str, version: int, new: str) -> ProfileActivity:
    return ProfileActivity(
        workspace=service.workspace, profile_id=old, version=version, merged_into=new
    )


async def deliver(service: Service, records: Sequence[ProfileActivity]) -> None:
    batch = [
        Record("profile.activity", 0, offset, b"key", value) for offset, value in enumerate(records)
    ]
    async with service.engine.begin() as tx:
        await on_activity(batch, tx)


async def people(service: Service) -> set[tuple[str, str, str]]:
    rows = await service.rows(
        "SELECT kind, value, profile_id FROM feedback.identity WHERE workspace = :ws"
    )
    return {(row["kind"], row["value"], row["profile_id"]) for row in rows}


async def test_a_newer_state_replaces_and_an_older_does_not(service: Service) -> None:
    await deliver(service, [state(service, "p1", 2, ADA, ANON)])
    await deliver(service, [state(service, "p1", 3, ADA)])
    await deliver(service, [state(service, "p1", 1, USER), state(service, "p1", 2, ADA, ANON)])
    assert await people(service) == {(*ADA, "p1")}


@pytest.mark.parametrize("turned", [False, True])
async def test_at_the_same_version_a_merge_is_the_newer_one(
    service: Service, *, turned: bool
) -> None:
    records = [state(service, "p1", 2, ADA), merge(service, "p1", 2, "p2")]
    for record in reversed(records) if turned else records:
        await deliver(service, [record])
    assert await people(service) == set()


@pytest.mark.parametrize("turned", [False, True])
async def test_a_merge_before_or_after_the_survivors_state(
    service: Service, *, turned: bool
) -> None:
    await deliver(service, [state(service, "p1", 1, ANON), state(service, "p2", 1, ADA)])
    records = [merge(service, "p1", 2, "p2"), state(service, "p2", 2, ADA, ANON)]
    for record in reversed(records) if turned else records:
        await deliver(service, [record])
    await deliver(service, [state(service, "p1", 1, ANON)])
    assert await people(service) == {(*ADA, "p2"), (*ANON, "p2")}


async def test_the_result_is_the_same_for_any_order_and_batching(service: Service) -> None:
    """A browser is shared: p1 and p2 become one, then part again when a second user signs in."""
    story = [
        state(service, "p1", 1, ANON),
        state(service, "p1", 2, ANON, ADA),
        state(service, "p2", 1, USER),
        merge(service, "p1", 3, "p2"),
        state(service, "p2", 2, USER, ANON, ADA),
        state(service, "p2", 3, USER, ADA),
        state(service, "p3", 1, ANON),
    ]
    dice = random.Random(7)
    for _ in range(25):
        await service.change("DELETE FROM feedback.person WHERE workspace = :ws")
        await service.change("DELETE FROM feedback.identity WHERE workspace = :ws")
        copies = story + dice.sample(story, 3)
        dice.shuffle(copies)
        while copies:
            size = dice.randint(1, len(copies))
            await deliver(service, copies[:size])
            copies = copies[size:]
        assert await people(service) == {(*USER, "p2"), (*ADA, "p2"), (*ANON, "p3")}


async def test_answers_of_one_person_count_once_the_last_one(service: Service) -> None:
    survey = await service.survey()
    by_mail = await service.link(survey, email=ADA[1])
    by_browser = await service.link(survey, anonymous_id=ANON[1])
    await service.answer(by_mail, score="10")
    await service.answer(by_browser, score="2")
    before = await service.score(survey)
    assert (before["n"], before["promoters"], before["detractors"]) == (2, 1, 1)

    await deliver(service, [state(service, "p1", 1, ADA), state(service, "p2", 1, ANON)])
    assert (await service.score(survey))["n"] == 2
    await deliver(service, [merge(service, "p2", 2, "p1"), state(service, "p1", 2, ADA, ANON)])
    merged = await service.score(survey)
    assert (merged["n"], merged["detractors"]) == (1, 1)

    await deliver(service, [state(service, "p1", 3, ADA), state(service, "p3", 1, ANON)])
    assert (await service.score(survey))["n"] == 2


async def test_a_link_shows_and_changes_only_what_was_answered_by_it(service: Service) -> None:
    """Anybody may claim an address in a web page: two links of one wave then are one person's."""
    survey = await service.survey()
    victims = await service.link(survey, email=ADA[1])
    attackers = await service.link(survey, user_id=USER[1])
    await service.answer(victims, score="10", comment="my knee hurts")
    await deliver(service, [state(service, "p1", 1, ADA), state(service, "p2", 1, USER)])
    await deliver(service, [merge(service, "p1", 2, "p2"), state(service, "p2", 2, ADA, USER)])

    seen = await service.client.get(attackers)
    assert "Your answer" not in seen.text
    assert "knee" not in seen.text
    assert (await service.answer(attackers, comment="nothing hurts")).status_code == 422
    assert "knee" not in (await service.answer(attackers, score="4")).text

    kept = await service.client.get(victims)
    assert "Your answer: <strong>10</strong>" in kept.text
    assert "knee" in kept.text
    first, second = await service.events()
    assert (first.identifiers, second.identifiers) == ([ADA], [USER])
    assert first.message_id.removesuffix("-1") != second.message_id.removesuffix("-1")
    # Both stand; of one person the latest counts.
    counted = await service.score(survey)
    assert (counted["n"], counted["detractors"]) == (1, 1)


async def test_what_a_link_shows_is_not_moved_by_merges(service: Service) -> None:
    survey = await service.survey()
    names = {"email": ADA, "user_id": USER, "anonymous_id": ANON}
    links = {
        said: await service.link(survey, **{kind: value})
        for said, (kind, value) in zip(("1", "2", "3"), names.values(), strict=True)
    }
    for said, link in links.items():
        await service.answer(link, score=said)
    for version, together in enumerate([[ADA], [ADA, USER], [ADA, USER, ANON], [ANON]], 1):
        await deliver(service, [state(service, "p1", version, *together)])
        for said, link in links.items():
            assert f"Your answer: <strong>{said}</strong>" in (await service.client.get(link)).text
        assert (await service.score(survey))["n"] == 4 - max(1, len(together))


async def test_another_workspace_is_other_people(service: Service) -> None:
    survey = await service.survey()
    stranger = state(service, "p1", 1, ADA, USER)
    another = f"{service.workspace}-2"
    await deliver(
        service,
        [msgspec.structs.replace(stranger, workspace=another), state(service, "p1", 1, ADA)],
    )
    await service.answer(await service.link(survey, user_id=USER[1]), score="1")
    await service.answer(await service.link(survey, email=ADA[1]), score="10")
    assert (await service.score(survey))["n"] == 2
    rows = await service.rows("SELECT 1 FROM feedback.response WHERE workspace = :ws")
    assert len(rows) == 2


async def test_what_can_never_be_stored_is_named(service: Service) -> None:
    records = [state(service, "p1", 1, ADA), state(service, "p2", 1, ("user_id", "a\0b"))]
    with pytest.raises(InvalidEvent) as verdict:
        await deliver(service, records)
    assert verdict.value.index == 1
    assert await people(service) == set()


async def test_an_event_that_tells_no_identifiers_writes_nothing(service: Service) -> None:
    profiles = Profiles(service.workspace)
    await deliver(service, [])
    await deliver(service, [profiles.event("p1", **sections([ADA]))])
    unheard = ProfileActivity(
        workspace=service.workspace,
        profile_id="p1",
        version=2,
        event=happened(service.workspace, 2),
    )
    await deliver(service, [unheard])
    rows = "SELECT *, xmin, ctid FROM feedback.person WHERE workspace = :ws"
    before = await service.rows(rows)
    await deliver(service, [profiles.event("p1", computed=sections()["computed"])])
    # Neither written nor locked: the row is the one that it was.
    assert await service.rows(rows) == before
    assert await people(service) == {(*ADA, "p1")}


async def test_an_emptied_service_is_filled_by_telling_again_while_events_flow(
    service: Service,
) -> None:
    chance, profiles = random.Random(3), Profiles(service.workspace)
    ids = [f"p{number}" for number in range(8)]
    living = list(ids)

    def step(number: int) -> list[ProfileActivity]:
        who = chance.choice(living)
        names = [("user_id", who), ("anonymous_id", str(number))]
        if number % 10 == 9 and len(living) > 3:
            living.remove(who)
            heir = chance.choice(living)
            return list(profiles.merged(who, heir, **sections([("user_id", heir)])))
        if number % 3:
            return [profiles.event(who, computed=sections(events=number)["computed"])]
        return [profiles.event(who, identifiers=sections(names)["identifiers"])]

    async def outcome() -> tuple[set[tuple[str, str, str]], list[dict[str, object]]]:
        kept = "profile_id, version, known, heir, lacks, identifiers_version"
        rows = f"SELECT {kept} FROM feedback.person WHERE workspace = :ws ORDER BY 1"
        return await people(service), await service.rows(rows)

    log = [profiles.event(who, **sections([("user_id", who)])) for who in ids]
    log += [one for number in range(40) for one in step(number)]
    await deliver(service, log)
    for table in ("person", "identity"):
        await service.change(f"DELETE FROM feedback.{table} WHERE workspace = :ws")
    flowing: list[ProfileActivity] = []
    for number, again in enumerate(profiles.republished()):
        late = step(100 + number)
        await deliver(service, late)
        # Told at the moment at which it is told, or it would be of the past.
        current = profiles.republished([again.profile_id])
        await deliver(service, current)
        flowing += late
    lacking = await service.rows(
        "SELECT 1 FROM feedback.person WHERE workspace = :ws AND lacks IS NOT NULL"
    )
    assert lacking == []
    filled = await outcome()
    for table in ("person", "identity"):
        await service.change(f"DELETE FROM feedback.{table} WHERE workspace = :ws")
    await deliver(service, [*log, *flowing])
    assert await outcome() == filled


async def test_what_was_missed_is_counted_until_it_is_told_again(service: Service) -> None:
    profiles = Profiles(service.workspace)

    async def lacking() -> int:
        ledger = await service.as_operator("ops").get("/v1/ledger")
        return int(ledger.json()["lacking"])

    def counted() -> float:
        labels = {"service": "feedback"}
        return REGISTRY.get_sample_value("rapport_follower_gaps_total", labels) or 0

    before, counted_before = await lacking(), counted()
    await deliver(service, [profiles.event("p1", **sections([ADA]))])
    profiles.event("p1", identifiers=sections([USER])["identifiers"])
    for _ in range(2):
        await deliver(service, [profiles.event("p1", computed=sections()["computed"])])
    assert (await lacking(), await people(service)) == (before + 1, {(*ADA, "p1")})
    assert counted() == counted_before + 1
    await deliver(service, profiles.republished())
    assert (await lacking(), await people(service)) == (before, {(*USER, "p1")})


async def test_who_is_only_to_be_kept_is_asked_nothing(service: Service) -> None:
    survey = await service.survey()
    path = f"/v1/surveys/{survey}/invitations"

    async def invited(**who: str) -> int:
        body = {"override": True, "reason": "a test", **who}
        return (await service.client.post(path, json=body)).status_code

    restrained = ProfileActivity(
        workspace=service.workspace,
        profile_id="p1",
        version=2,
        versions=SectionVersions(1, 1, 1, 1, 1, 2),
        restraints=["processing"],
    )
    await deliver(service, [state(service, "p1", 1, ADA, USER), state(service, "p2", 1, ANON)])
    assert await invited(email="ada@example.com") == 201
    await deliver(service, [restrained])
    refused = await service.client.post(path, json={"user_id": "u1", "anonymous_id": "new"})
    assert (refused.status_code, refused.json()["code"]) == (409, "restricted")
    assert await invited(anonymous_id="a1") == 201
    # Its identifiers, and those of whoever it becomes, keep it.
    survivor = msgspec.structs.replace(
        state(service, "p2", 2, ADA, USER, ANON), restraints=["marketing", "processing"]
    )
    await deliver(service, [merge(service, "p1", 3, "p2"), survivor])
    assert await invited(anonymous_id="a1") == 409
    await deliver(service, [state(service, "p2", 3, ADA, USER, ANON)])
    assert await invited(user_id="u1") == 201
    assert await service.rows("SELECT * FROM feedback.restricted WHERE workspace = :ws") == []
