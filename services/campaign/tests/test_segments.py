"""Campaigns are on segments that there are: refused otherwise, after waiting for a new one."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_campaign.handlers.segments import Arrivals
from rapport_common import clock
from rapport_common.errors import InvalidEvent
from rapport_common.events.definition import SegmentDefinition

pytestmark = pytest.mark.integration

SEGMENT = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"


async def refused(answer: Any) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_segment")
    details: dict[str, Any] = answer.json()["details"]
    assert details["problems"][0]["path"] == "segment_id"
    assert answer.json()["message"].startswith("segment_id: ")
    return details


@pytest.mark.parametrize("wanted", [OTHER, OTHER.upper(), "big spenders", "?"])
async def test_a_campaign_on_no_segment_is_refused(scenario: Any, wanted: str) -> None:
    await scenario.topics.defined(OTHER, name="Theirs", workspace="other")
    body = {**scenario.campaign_body, "segment_id": wanted}
    details = await refused(await scenario.client.post("/v1/campaigns", json=body))
    assert details["known"] == [{"id": SEGMENT, "name": "Big spenders"}]
    assert SEGMENT in details["problems"][0]["message"]
    assert (await scenario.client.get("/v1/campaigns")).json()["items"] == []
    made = (await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)).json()
    url = f"/v1/campaigns/{made['id']}"
    await refused(await scenario.client.patch(url, json={"segment_id": wanted}))
    assert (await scenario.client.get(url)).json() == made


async def test_where_there_is_no_segment_it_says_how_to_make_one(scenario: Any) -> None:
    async with scenario.client_of("empty") as client:
        answer = await client.post("/v1/campaigns", json=scenario.campaign_body)
    details = await refused(answer)
    assert details["known"] == []
    assert "rapport segment create" in answer.json()["message"]


async def test_a_campaign_waits_for_a_segment_that_is_on_its_way(
    scenario: Any, database_url: str
) -> None:
    """The record comes after the question; two wait on one line, which is closed behind them."""
    arrivals = Arrivals(scenario.engine, database_url, HANG_SECONDS)
    waiting = [asyncio.create_task(arrivals.wait_for("acme", OTHER)) for _ in range(2)]
    async with asyncio.timeout(HANG_SECONDS):
        while len(arrivals._waiting) < 2:
            await between_looks()
    await scenario.topics.defined(SEGMENT, version=2)
    assert not any(one.done() for one in waiting)
    await scenario.topics.defined(OTHER)
    await asyncio.wait_for(asyncio.gather(*waiting), HANG_SECONDS)
    assert arrivals._line is None
    body = {**scenario.campaign_body, "segment_id": OTHER}
    assert (await scenario.client.post("/v1/campaigns", json=body)).status_code == 201


async def test_a_name_is_not_waited_for(scenario: Any, database_url: str) -> None:
    arrivals = Arrivals(scenario.engine, database_url, 10 * HANG_SECONDS)
    await asyncio.wait_for(arrivals.wait_for("acme", "big spenders"), HANG_SECONDS)
    assert arrivals._line is None


async def test_the_highest_version_holds_in_whatever_order_they_come(scenario: Any) -> None:
    await scenario.topics.defined(version=3, name="Third")
    await scenario.topics.defined(version=2, name="Second")
    records = [
        SegmentDefinition(
            workspace="acme", segment_id=OTHER, version=n, name=f"v{n}", at=clock.now()
        )
        for n in (2, 3, 1)
    ]
    await scenario.topics.bring("segment.definition", *records)
    rows = await scenario.ledger.query(
        "SELECT name FROM campaign.segment WHERE workspace = 'acme' ORDER BY segment_id"
    )
    assert [row["name"] for row in rows] == ["Third", "v3"]


async def test_a_record_that_can_not_be_stored_is_named(scenario: Any) -> None:
    with pytest.raises(InvalidEvent):
        await scenario.topics.defined(name="a\0b")


async def test_on_an_archived_segment_nothing_begins(scenario: Any) -> None:
    """What was planned before goes out; nobody new comes, and the campaign says why."""
    running = await scenario.started()
    draft = (await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)).json()["id"]
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.person("p2", "bob@example.com")
    then = clock.now() + timedelta(seconds=2)
    await scenario.topics.defined(version=2, active=False, archived_at=then)
    await scenario.topics.entered("p1", at=then - timedelta(seconds=1))
    await scenario.topics.entered("p2", at=then + timedelta(seconds=1))
    shown = (await scenario.client.get(f"/v1/campaigns/{running}")).json()
    assert (shown["state"], shown["counts"]["planned"]) == ("running", 1)
    assert "'Big spenders' is archived" in shown["reason"]
    listed = (await scenario.client.get("/v1/campaigns")).json()["items"]
    assert [one["reason"] for one in listed] == [shown["reason"]] * 2
    details = await refused(await scenario.client.post(f"/v1/campaigns/{draft}/start"))
    assert "archived" in details["problems"][0]["message"]
    await refused(await scenario.client.post("/v1/campaigns", json=scenario.campaign_body))
    for step in ("pause", "resume"):
        answer = await scenario.client.post(f"/v1/campaigns/{running}/{step}")
        assert answer.status_code == 200


async def test_a_draft_from_before_is_not_started_on_no_segment(scenario: Any) -> None:
    made = (await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)).json()
    assert (made["segment_name"], made["reason"]) == ("Big spenders", None)
    async with scenario.engine.begin() as tx:
        await tx.exec_driver_sql("DELETE FROM campaign.segment")
    url = f"/v1/campaigns/{made['id']}"
    shown = (await scenario.client.get(url)).json()
    assert (shown["segment_name"], "no segment" in shown["reason"]) == (None, True)
    await refused(await scenario.client.post(f"{url}/start"))
    assert (await scenario.client.get(url)).json()["state"] == "draft"
