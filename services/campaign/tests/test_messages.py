"""Single messages by API, what is uncertain, the totals, and the months of the ledger."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from services.campaign.tests.conftest import taken
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.handlers.ledger import equations
from rapport_campaign.handlers.upkeep import Upkeep
from rapport_campaign.store import ledger
from rapport_campaign.store.ledger import MESSAGES
from rapport_common import clock
from rapport_common.months import Month, month_of

pytestmark = pytest.mark.integration
TOKEN = "22222222-2222-2222-2222-222222222222"
RECEIPT = {
    "to": "Ada@example.com",
    "subject": "Order {{ data.number }}",
    "html": "<p>Thank you, {{ data.name }}</p>",
    "data": {"number": 7, "name": "Ada & Bob"},
}


def once(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def uncertain(scenario: Any, number: int) -> list[str]:
    """So many messages of which nobody knows; their ids."""
    for at in range(number):
        await scenario.topics.requested(f"r{at}")
    await taken(scenario.engine, TOKEN, "now() - interval '1 s'")
    async with scenario.sending():
        assert await scenario.settled() == {"uncertain": number}
    return [row["send_key"] for row in await scenario.ledger.rows()]


async def test_a_message_is_sent_once_and_its_outcome_is_told(scenario: Any) -> None:
    shop = scenario.client_of(scopes=("messages:send",))
    first = await shop.post("/v1/messages", json=RECEIPT, headers=once("order-7"))
    again = await shop.post("/v1/messages", json=RECEIPT, headers=once("order-7"))
    other = await shop.post("/v1/messages", json=RECEIPT)
    assert (first.status_code, first.json()["state"]) == (202, "planned")
    assert again.json() == first.json() != other.json()
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 2}
    told = (await shop.get(f"/v1/messages/{first.json()['id']}")).json()
    assert (told["state"], told["attempt"], told["to_address"]) == ("sent", 1, "ada@example.com")
    mails = scenario.mail_server.mails
    assert [mail["Subject"] for mail in mails] == ["Order 7", "Order 7"]


async def test_it_is_once_for_ever_however_long_the_key_is_kept(
    scenario: Any, engine: AsyncEngine
) -> None:
    first = await scenario.client.post("/v1/messages", json=RECEIPT, headers=once("order-7"))
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM campaign.idempotency"))
    again = await scenario.client.post("/v1/messages", json=RECEIPT, headers=once("order-7"))
    assert again.json()["id"] == first.json()["id"]
    assert len(await scenario.ledger.rows()) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"to": "nobody"}, 422),
        ({"html": "{{ data.name"}, 422),
        ({"subject": "{{ campaign.name }}"}, 422),
        ({"data": {"a": "\ud800"}}, 422),
        ({"data": {"a": "x" * 70_000}}, 422),
        ({"data": []}, 422),
        ({"profile_id": "nobody"}, 404),
    ],
    ids=str,
)
async def test_nonsense_is_refused(scenario: Any, change: dict[str, Any], status: int) -> None:
    import json  # noqa: PLC0415 - the only encoder that lets these pass

    body = json.dumps({**RECEIPT, **change}).encode()
    kind = {"Content-Type": "application/json"}
    answer = await scenario.client.post("/v1/messages", content=body, headers=kind)
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"code", "message", "details"}
    assert await scenario.ledger.rows() == []


async def test_who_may_send_may_not_settle_and_sees_no_other_workspace(scenario: Any) -> None:
    (known, *_) = await uncertain(scenario, 1)
    shop = scenario.client_of(scopes=("messages:send",))
    wish = {"ids": [known], "state": "sent", "reason": "log"}
    assert (await shop.post("/v1/uncertain/settle", json=wish)).status_code == 403
    reader = scenario.client_of(scopes=("campaigns:read",))
    assert (await reader.post("/v1/messages", json=RECEIPT)).status_code == 403
    stranger = scenario.client_of(workspace="other")
    assert (await stranger.get(f"/v1/messages/{known}")).status_code == 404
    assert (await stranger.get("/v1/uncertain")).json()["items"] == []
    assert (await stranger.post("/v1/uncertain/settle", json=wish)).json()["ids"] == []


async def test_what_is_uncertain_is_settled_by_who_knows(scenario: Any) -> None:
    ids = await uncertain(scenario, 3)
    shown = (await scenario.client.get("/v1/uncertain")).json()["items"]
    assert {one["id"] for one in shown} == set(ids)
    for key, state in zip(ids, ("sent", "failed", "planned"), strict=True):
        wish = {"ids": [key, "unknown"], "state": state, "reason": "the log"}
        answer = (await scenario.client.post("/v1/uncertain/settle", json=wish)).json()
        assert answer == {"ids": [key], "more": False}
        assert (await scenario.client.post("/v1/uncertain/settle", json=wish)).json()["ids"] == []
    rows = {row["send_key"]: row for row in await scenario.ledger.rows()}
    assert [rows[key]["state"] for key in ids] == ["sent", "failed", "planned"]
    assert rows[ids[1]]["reason"] == "settled by ada: the log"
    (event,) = await scenario.ledger.events()
    assert (event.name, event.message_id) == ("Email Sent", f"sent-{ids[0]}")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 2, "failed": 1}
    assert len(scenario.mail_server.mails) == 1
    async with scenario.engine.begin() as tx:
        assert set((await equations(tx)).values()) == {0}


async def test_all_of_a_campaign_is_settled_at_once(scenario: Any) -> None:
    campaign = await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    await scenario.topics.requested("r1")
    await taken(scenario.engine, TOKEN, "now() - interval '1 s'")
    async with scenario.sending():
        assert await scenario.settled() == {"uncertain": 2}
    wish = {"campaign_id": campaign, "state": "failed", "reason": "the server was down"}
    answer = (await scenario.client.post("/v1/uncertain/settle", json=wish)).json()
    assert len(answer["ids"]) == 1
    assert await scenario.ledger.states() == {"failed": 1, "uncertain": 1}
    for bad in ({}, {"ids": ["x"]}, {"campaign_id": None}):
        body = {**wish, **bad, **({"campaign_id": None} if bad == {} else {})}
        assert (await scenario.client.post("/v1/uncertain/settle", json=body)).status_code == 422


async def test_totals_are_what_is_counted_whatever_moves(scenario: Any) -> None:
    """Requests, entries, refusals, retries, erasures of senders' leases: in a random order."""
    chance = random.Random(7)
    await scenario.started()
    for number in range(12):
        address = chance.choice(["ada", "refused", "greylisted", "bounced"])
        await scenario.topics.person(f"p{number}", f"{address}{number}@example.com")
        await scenario.topics.entered(f"p{number}")
        if chance.random() < 0.4:
            await scenario.topics.requested(f"r{number}")
        if chance.random() < 0.3:
            await taken(scenario.engine, TOKEN, "now() - interval '1 s'")
        async with scenario.engine.begin() as tx:
            assert (await equations(tx))["message_totals"] == 0
    async with scenario.sending():
        states = await scenario.settled()
    async with scenario.engine.begin() as tx:
        counted = await ledger.counted(tx)
        assert {state: number for state, number in counted.items() if number} == states
        assert set((await equations(tx)).values()) == {0}


async def test_a_list_goes_through_what_waits_and_what_has_ended(scenario: Any) -> None:
    campaign = await scenario.started()
    for number in range(5):
        await scenario.topics.person(f"p{number}", f"p{number}@example.com")
        await scenario.topics.entered(f"p{number}")
    async with scenario.sending():
        await scenario.settled()
    await scenario.client.post(f"/v1/campaigns/{campaign}/pause")
    for number in range(5, 8):
        await scenario.topics.person(f"p{number}", f"p{number}@example.com")
        await scenario.topics.entered(f"p{number}")
    found, cursor = [], None
    while True:
        query: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await scenario.client.get(f"/v1/campaigns/{campaign}/messages", params=query)
        found += page.json()["items"]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert [one["profile_id"] for one in found[:3]] == ["p5", "p6", "p7"]
    assert Counter(one["state"] for one in found) == {"planned": 3, "sent": 5}
    assert [one["planned_at"] for one in found[3:]] == sorted(
        (one["planned_at"] for one in found[3:]), reverse=True
    )
    counts = (await scenario.client.get(f"/v1/campaigns/{campaign}")).json()["counts"]
    assert (counts["planned"], counts["sent"]) == (3, 5)


async def test_an_open_that_comes_before_the_result_is_kept(scenario: Any) -> None:
    """Some scanners are quicker than the sender's next write."""
    campaign = await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    async with scenario.sending():
        await scenario.settled()
    (row,) = await scenario.ledger.rows()
    columns = (
        "workspace, send_key, planned_at, kind, purpose, campaign_id, occasion, step, channel, "
        "profile_id, traceparent, to_address, attempt"
    )
    async with scenario.engine.begin() as tx:
        await tx.execute(
            text(
                "WITH gone AS (DELETE FROM campaign.message RETURNING *) "
                f"INSERT INTO campaign.sending ({columns}, queue, needed_version, token, "
                f"lease_until) SELECT {columns}, '{campaign}', 0, '{TOKEN}', "
                "now() + interval '1 h' FROM gone"
            )
        )
    mail = scenario.mail_server.mails[0]
    page = mail.get_payload()[1].get_payload(decode=True).decode()
    pixel = next(one for one in page.split('"') if "/o/" in one)
    answer = await scenario.client.get(pixel)
    assert answer.status_code == 200
    (row,) = await scenario.ledger.rows()
    assert (row["state"], row["opened_at"] is not None) == ("sending", True)
    async with scenario.engine.begin() as tx:
        await tx.execute(text("UPDATE campaign.sending SET lease_until = now() - interval '1 s'"))
    async with scenario.sending():
        await scenario.settled()
    (row,) = await scenario.ledger.rows()
    assert (row["state"], row["opened_at"] is not None) == ("uncertain", True)


async def test_months_are_made_before_they_begin_and_take_what_came_too_soon(
    scenario: Any, engine: AsyncEngine
) -> None:
    async with engine.begin() as tx:
        known = await MESSAGES.months(tx)
    assert month_of(clock.now()) in known
    await scenario.topics.requested("r1")
    await taken(engine, TOKEN, "now() - interval '1 s'")
    async with scenario.sending():
        await scenario.settled()
    later = known[-1].following
    async with engine.begin() as tx:
        at = {"at": later.start + timedelta(days=3)}
        await tx.execute(text("UPDATE campaign.message SET planned_at = :at"), at)
        assert await tx.scalar(text("SELECT count(*) FROM campaign.message_late")) == 1
    ahead = Upkeep(engine, now=lambda: known[-1].start)
    await ahead.turn()
    await ahead.turn()
    async with engine.begin() as tx:
        made = (await MESSAGES.months(tx))[len(known) :]
        assert made[0] == later
        assert await tx.scalar(text("SELECT count(*) FROM campaign.message_late")) == 0
        part = MESSAGES.part(Month(*later))
        assert await tx.scalar(text(f"SELECT count(*) FROM campaign.{part}")) == 1
