"""A request that makes something, sent again under its Idempotency-Key, makes no second thing."""

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.integration
KEY = {"Idempotency-Key": "k-1"}


async def made(client: Any, body: dict[str, Any], key: str = "k-1") -> Any:
    return await client.post("/v1/campaigns", json=body, headers={"Idempotency-Key": key})


async def count(client: Any) -> int:
    return len((await client.get("/v1/campaigns")).json()["items"])


async def test_the_same_request_gives_the_same_campaign(scenario: Any) -> None:
    first, again = [await made(scenario.client, scenario.campaign_body) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert await count(scenario.client) == 1
    # It is shown as it is now.
    url = f"/v1/campaigns/{first.json()['id']}"
    await scenario.client.patch(url, json={"name": "Other"})
    assert (await made(scenario.client, scenario.campaign_body)).json()["name"] == "Other"


async def test_at_the_same_time_it_makes_one(scenario: Any) -> None:
    answers = await asyncio.gather(
        *(made(scenario.client, scenario.campaign_body) for _ in range(5))
    )
    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["id"] for one in answers}) == 1
    assert await count(scenario.client) == 1


async def test_another_body_under_the_key_is_refused(scenario: Any) -> None:
    first = (await made(scenario.client, scenario.campaign_body)).json()
    answer = await made(scenario.client, {**scenario.campaign_body, "name": "Another"})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    assert answer.json()["details"] == {"id": first["id"]}
    assert (await made(scenario.client, scenario.campaign_body, "k-2")).json()["id"] != first["id"]
    assert await count(scenario.client) == 2


async def test_a_key_is_its_workspaces_and_its_addresses(scenario: Any) -> None:
    mine = (await made(scenario.client, scenario.campaign_body)).json()
    async with scenario.client_of("other") as client:
        theirs = (await made(client, scenario.campaign_body)).json()
    assert mine["id"] != theirs["id"]
    tests = [
        await scenario.client.post(
            f"/v1/campaigns/{one}/test", json={"to": "ada@example.com"}, headers=KEY
        )
        for one in (mine["id"], mine["id"])
    ]
    assert tests[0].json() == tests[1].json()
    assert len(await scenario.ledger.rows()) == 1


async def test_what_was_refused_has_used_no_key(scenario: Any) -> None:
    bad = {**scenario.campaign_body, "segment_id": "nothing like it"}
    assert (await made(scenario.client, bad)).status_code == 422
    assert (await made(scenario.client, scenario.campaign_body)).status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "k" * 201, "ü"])
async def test_a_key_that_is_none_is_refused(scenario: Any, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    answer = await scenario.client.post(
        "/v1/campaigns", json=scenario.campaign_body, headers=headers
    )
    assert answer.status_code == 422
    assert "dempotency" in answer.json()["message"]
    assert await count(scenario.client) == 0
