"""The rules of a workspace at the moment of sending, over a real database and mail server."""

import asyncio
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from services.campaign.tests.conftest import publisher
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine
from tests.support.waiting import between_looks

from rapport_campaign.domain.delivery import Limits, Outcome
from rapport_campaign.domain.quiet_hours import DAYS
from rapport_campaign.handlers.dispatch import Dispatcher, Result
from rapport_common import clock
from rapport_common.events.profile import AbsorbedId

pytestmark = pytest.mark.integration
ADA, BEN = "ada@example.com", "ben@example.com"
WEEKLY = {"id": "promo-weekly", "purpose": "promotion", "at_most": 1, "period": {"days": 7}}
LIMITS = Limits(lease=60.0, max_attempts=3, first_delay=0.1)


async def ruled(scenario: Any, version: int = 0, **rules: Any) -> dict[str, Any]:
    body = {**rules, "version": version, "reason": "spring"}
    answer = await scenario.client.put("/v1/contact-rules", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def why(scenario: Any, profile: str, campaign: str) -> dict[str, Any]:
    answer = await scenario.client.get(f"/v1/people/{profile}/why", params={"campaign": campaign})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def sent_all(scenario: Any) -> dict[str, int]:
    while await scenario.turn():
        pass
    return dict(await scenario.ledger.states())


def quiet_now() -> dict[str, Any]:
    """Quiet hours that it is in the middle of, whenever that is."""
    today = clock.now().weekday()
    return {"days": [DAYS[(today + n) % 7] for n in (-1, 0, 1)], "from": "00:00", "to": "24:00"}


async def claimed(engine: AsyncEngine, size: int = 1) -> list[Any]:
    async with engine.begin() as tx:
        batch = await Dispatcher(publisher(), LIMITS).claim(tx, size, str(uuid.uuid4()))
    return list(batch.jobs)


async def overlapping(engine: AsyncEngine, url: str) -> list[Any]:
    """What two processes claim, the second one while the first has not committed."""
    other = patient_engine(url, application="campaign-race", pool=3)
    looks = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")
    try:
        async with engine.begin() as tx:
            batch = await Dispatcher(publisher(), LIMITS).claim(tx, 1, str(uuid.uuid4()))
            second = asyncio.create_task(claimed(other, 8))
            while not second.done():
                async with other.begin() as looking:
                    if await looking.scalar(looks):
                        break
                await between_looks()
        return [*batch.jobs, *await second]
    finally:
        await other.dispose()


@pytest.mark.parametrize("many", [10, pytest.param(50, marks=pytest.mark.long)])
async def test_of_many_campaigns_that_race_for_somebody_none_goes_past_the_cap(
    scenario: Any, engine: AsyncEngine, database_url: str, many: int
) -> None:
    """Two processes, one message at a time: the person's row decides who counts first."""
    await ruled(scenario, caps=[{**WEEKLY, "at_most": 3}])
    await scenario.topics.person("p1", ADA)
    for number in range(many):
        await scenario.started(name=f"race {number}")
    await scenario.topics.entered("p1")
    other = patient_engine(database_url, application="campaign-race", pool=6)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(claimed(one)) for _ in range(many) for one in (engine, other)
            ]
        jobs = [job for task in tasks for job in task.result()]
    finally:
        await other.dispose()
    jobs += await claimed(engine, 50)
    assert len(jobs) == 3
    states = await scenario.ledger.states()
    assert states == {"sending": 3, "suppressed": many - 3}
    log = await scenario.ledger.query("SELECT send_key FROM campaign.contact")
    assert {row["send_key"] for row in log} == {one.claimed.send_key for one in jobs}


async def test_who_claims_for_somebody_waits_for_who_does_and_counts_that(
    scenario: Any, engine: AsyncEngine, database_url: str
) -> None:
    await ruled(scenario, caps=[WEEKLY])
    await scenario.topics.person("p1", ADA)
    for _ in range(3):
        await scenario.started()
    await scenario.topics.entered("p1")
    assert len(await overlapping(engine, database_url)) == 1
    assert await scenario.ledger.states() == {"sending": 1, "suppressed": 2}


async def test_a_cap_is_told_with_its_numbers_and_the_greater_priority_goes(
    scenario: Any,
) -> None:
    await ruled(scenario, caps=[WEEKLY])
    await scenario.topics.person("p1", ADA)
    low = await scenario.started(priority=10)
    high = await scenario.started(priority=90)
    service = await scenario.started(purpose="service", priority=0)
    await scenario.topics.entered("p1")
    assert await sent_all(scenario) == {"sent": 2, "suppressed": 1}
    told = await why(scenario, "p1", low)
    assert (told["state"], told["reason"], told["rule"]) == (
        "suppressed",
        "frequency cap",
        "promo-weekly",
    )
    said = "frequency cap \u201cpromo-weekly\u201d: 1 of 1 in 7 days, next possible on "
    assert told["sentence"].startswith(f"It was not sent: {said}")
    for campaign in (high, service):
        assert (await why(scenario, "p1", campaign))["sentence"].startswith("It was sent on ")
    again = (await scenario.client.get(f"/v1/messages/{told['send_key']}/why")).json()
    assert again == told
    assert told["next_at"] > (clock.now() + timedelta(days=6)).isoformat()


async def test_who_is_claimed_alone_gives_way_to_what_is_due_elsewhere_and_goes_first(
    scenario: Any, engine: AsyncEngine
) -> None:
    await ruled(scenario, caps=[WEEKLY])
    await scenario.topics.person("p1", ADA)
    low = await scenario.started(priority=10)
    high = await scenario.started(priority=90)
    await scenario.started(priority=95, purpose="service")
    await scenario.topics.entered("p1")
    # The others are in somebody else's hands: it is claimed alone.
    async with engine.connect() as other:
        await other.exec_driver_sql(
            f"SELECT 1 FROM campaign.plan WHERE campaign_id <> '{low}' FOR UPDATE"
        )
        assert await claimed(engine, 8) == []
        await other.rollback()
    told = await why(scenario, "p1", low)
    assert (told["state"], told["reason"]) == ("planned", "gives way to another campaign")
    assert "a campaign of priority 90 goes first" in told["sentence"]
    assert len(await claimed(engine, 8)) == 2
    async with engine.begin() as tx:
        await tx.exec_driver_sql("UPDATE campaign.plan SET due_at = now() - interval '1 second'")
    assert await claimed(engine, 8) == []
    assert (await why(scenario, "p1", low))["reason"] == "frequency cap"
    assert (await why(scenario, "p1", high))["state"] == "sending"


async def test_transactional_mails_and_tests_are_bound_by_no_cap_or_hour(scenario: Any) -> None:
    await ruled(scenario, caps=[{**WEEKLY, "purpose": None}], quiet_hours=[quiet_now()])
    await scenario.topics.person("p1", ADA)
    for number in range(2):
        await scenario.topics.requested(f"r{number}")
    campaign = await scenario.started()
    await scenario.client.post(f"/v1/campaigns/{campaign}/test", json={"to": BEN})
    assert await sent_all(scenario) == {"sent": 3}
    log = await scenario.ledger.query("SELECT purpose FROM campaign.contact")
    assert [row["purpose"] for row in log] == ["transactional"] * 2


async def test_what_ended_unsent_counts_for_nobody(scenario: Any, engine: AsyncEngine) -> None:
    await ruled(scenario, caps=[WEEKLY])
    await scenario.topics.person("p1", ADA)
    await scenario.started()
    await scenario.started()
    await scenario.topics.entered("p1")
    (job,) = await claimed(engine)
    assert await claimed(engine) == []
    sending = Dispatcher(publisher(), LIMITS)
    (row,) = await scenario.ledger.rows("state = 'sending'")
    failed = Result(job, Outcome("failed", "550 no"), clock.now())
    async with engine.begin() as tx:
        await sending.record(tx, str(row["token"]), [failed])
    assert await scenario.ledger.query("SELECT 1 FROM campaign.contact") == []
    await scenario.started(include_existing=True)
    assert len(await claimed(engine)) == 1


async def test_who_becomes_one_person_has_had_what_both_had(scenario: Any) -> None:
    await ruled(scenario, caps=[WEEKLY])
    first = await scenario.started()
    await scenario.topics.person("p1", ADA)
    await scenario.topics.entered("p1")
    assert await sent_all(scenario) == {"sent": 1}
    await scenario.topics.merged("p1", "p2", version=2)
    await scenario.topics.person(
        "p2", ADA, version=2, absorbed=[AbsorbedId(profile_id="p1", version=2)]
    )
    log = await scenario.ledger.query("SELECT profile_id FROM campaign.contact")
    assert [row["profile_id"] for row in log] == ["p2"]
    second = await scenario.started()
    await scenario.topics.entered("p2")
    assert (await sent_all(scenario))["sent"] == 1
    assert (await why(scenario, "p2", second))["reason"] == "frequency cap"
    # Of them, too, under who they are now.
    assert (await why(scenario, "p2", first))["reason"] in {None, "frequency cap"}


async def test_in_quiet_hours_a_message_waits_and_that_is_no_attempt(scenario: Any) -> None:
    await ruled(scenario, quiet_hours=[quiet_now()], timezone="Asia/Tokyo")
    await scenario.topics.person("p1", ADA, timezone="Mars/Olympus")
    campaign = await scenario.started()
    awake = await scenario.started(quiet_hours=[])
    await scenario.topics.entered("p1")
    assert await sent_all(scenario) == {"planned": 1, "sent": 1}
    (row,) = await scenario.ledger.rows("state = 'planned'")
    assert (row["attempt"], row["reason"]) == (0, "quiet hours")
    told = await why(scenario, "p1", campaign)
    assert told["next_at"] is not None
    assert abs(row["due_at"].timestamp() - row["planned_at"].timestamp()) > 3600
    assert told["sentence"].startswith("It waits: the workspace's quiet hours until ")
    assert "Asia/Tokyo (their own time zone is none of IANA's list)" in told["sentence"]
    assert (await why(scenario, "p1", awake))["state"] == "sent"


async def test_people_who_share_an_address_get_a_campaign_once(
    scenario: Any, engine: AsyncEngine, database_url: str
) -> None:
    campaign = await scenario.started()
    for who in ("p1", "p2", "p3"):
        await scenario.topics.person(who, ADA)
        await scenario.topics.entered(who)
    jobs = await overlapping(engine, database_url)
    assert len(jobs) == 1
    assert Counter(row["reason"] for row in await scenario.ledger.rows()) == {
        None: 1,
        "same address": 2,
    }
    [who] = {"p1", "p2", "p3"} - {
        row["profile_id"] for row in await scenario.ledger.rows("state = 'suppressed'")
    }
    # The one who got it gets the next one, too.
    await scenario.topics.entered(who)
    assert len(await claimed(engine, 8)) == 1
    left = "p1" if who != "p1" else "p2"
    told = await why(scenario, left, campaign)
    assert "somebody else with the same address" in told["sentence"]


async def test_who_has_said_no_to_a_topic_gets_none_of_it(scenario: Any) -> None:
    topics = [{"id": "events", "purpose": "x_events", "names": {"en": "Events"}}]
    await scenario.client.put("/v1/topics", json={"topics": topics, "version": 0, "reason": "x"})
    unknown = await scenario.client.post(
        "/v1/campaigns", json={**scenario.campaign_body, "topic": "sports"}
    )
    assert (unknown.status_code, unknown.json()["details"]["known"]) == (422, ["events"])
    campaign = await scenario.started(topic="events")
    for who, mail in (("p1", ADA), ("p2", BEN)):
        await scenario.topics.person(who, mail)
    link = await scenario.client.post(
        "/v1/preference-links", json={"profile_id": "p1", "address": ADA, "reason": "asked"}
    )
    page = (await scenario.client.get(link.json()["url"])).text
    form = page.split('name="form" value="')[1].split('"')[0]
    await scenario.client.post(link.json()["url"], data={"form": form, "topic": "events"})
    assert (await scenario.client.post(link.json()["url"], data={"form": form})).is_success
    for who in ("p1", "p2"):
        await scenario.topics.entered(who)
    assert await sent_all(scenario) == {"sent": 1, "suppressed": 1}
    told = await why(scenario, "p1", campaign)
    assert (told["reason"], told["rule"]) == ("topic not wanted", "events")


async def test_why_nothing_was_planned_is_told_too(scenario: Any) -> None:
    await scenario.topics.person("p1", ADA)
    await scenario.topics.entered("p1")
    draft = (await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)).json()["id"]
    assert "has not been started" in (await why(scenario, "p1", draft))["sentence"]
    await scenario.client.post(f"/v1/campaigns/{draft}/start")
    assert "include_existing" in (await why(scenario, "p1", draft))["sentence"]
    await scenario.topics.person("p2", BEN)
    assert "have not entered" in (await why(scenario, "p2", draft))["sentence"]
    for path in (
        f"/v1/people/nobody/why?campaign={draft}",
        f"/v1/people/%00/why?campaign={draft}",
        "/v1/people/p1/why?campaign=x",
        "/v1/messages/nothing/why",
        "/v1/messages/%00/why",
    ):
        assert (await scenario.client.get(path)).status_code == 404
    async with scenario.client_of("other") as other:
        path = f"/v1/people/p1/why?campaign={draft}"
        assert (await other.get(path)).status_code == 404


async def test_rules_are_versioned_by_whom_and_why(scenario: Any) -> None:
    none = (await scenario.client.get("/v1/contact-rules")).json()
    assert (none["version"], none["caps"], none["timezone"]) == (0, [], "UTC")
    made = await ruled(scenario, caps=[WEEKLY], quiet_hours=[{"from": "21:00", "to": "08:00"}])
    assert (made["version"], made["actor"], made["quiet_hours"][0]["from"]) == (1, "ada", "21:00")
    late = {"caps": [], "version": 0, "reason": "x"}
    assert (await scenario.client.put("/v1/contact-rules", json=late)).status_code == 409
    assert (await ruled(scenario, 1))["version"] == 2
    page = (await scenario.client.get("/v1/contact-rules/history", params={"limit": 1})).json()
    assert [one["version"] for one in page["items"]] == [2]
    wrong = {**late, "caps": [{**WEEKLY, "period": {}}], "version": 2}
    refused = await scenario.client.put("/v1/contact-rules", json=wrong)
    assert (refused.status_code, refused.json()["details"]["field"]) == (422, "caps.0.period")
    async with scenario.client_of(scopes=("campaigns:read",)) as reader:
        assert (await reader.put("/v1/contact-rules", json=late)).status_code == 403
