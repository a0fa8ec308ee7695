"""Wishes to be forgotten, by API: shown before, kept once, answered by all, signed at last."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from services.profile.tests.conftest import bearer, eraser
from services.profile.tests.people import event
from services.profile.tests.postgres import feed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common import clock
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.events.topics import SERVICES
from rapport_common.kafka.batch import Record

pytestmark = pytest.mark.integration
ADA = {"kind": "email", "value": "Zoe@Example.com"}
HISTORY = [
    event("1", type="identify", user_id="A", email="zoe@example.com", traits={"name": "Zoe"}),
    event("2", user_id="A", anonymous_id="x", at=1),
]
PATH = "/v1/privacy/erasures"


async def made(client: httpx.AsyncClient, key: str = "k", **more: Any) -> httpx.Response:
    body = {"identifier": ADA, "reason": "request 4711", **more}
    return await client.post(PATH, json=body, headers={"Idempotency-Key": key})


async def test_a_dry_run_shows_and_changes_nothing(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    shown = await made(client, dry_run=True)
    assert shown.status_code == 200, shown.text
    told = shown.json()
    assert (told["state"], told["id"], told["identifiers"]) == ("dry run", None, 3)
    assert told["would_remove"]["profile.timeline"] == 2
    assert (await client.get(PATH)).json()["items"] == []
    async with engine.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM profile.erased")) == 0


async def test_a_wish_holds_at_once_and_tells_only_hmacs(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    first = await made(client)
    assert first.status_code == 201, first.text
    again = await made(client)
    assert again.json()["id"] == first.json()["id"], "one wish, however often it is sent"
    other = await made(client, reason="another")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile")
        (told,) = [row.value for row in rows if b'"kind":"erase"' in row.value]
    assert b"zoe" not in told.lower()
    # What was received before is refused from now on, whoever else is named.
    await feed(engine, [event("3", anonymous_id="x", email="new@example.com", at=2)])
    async with engine.begin() as tx:
        tally = "SELECT value FROM profile.tally WHERE name = 'erased'"
        assert await tx.scalar(text(tally)) == 1
        found = await tx.scalar(text("SELECT count(*) FROM profile.identifier"))
    assert found == 3, "nobody new"


async def test_with_the_last_receipt_all_is_signed(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    wish = (await made(client)).json()
    path = f"{PATH}/{wish['id']}"
    now = clock.now()
    answers = [
        PrivacyRecord(
            workspace="w",
            request_id=wish["id"],
            kind="receipt",
            profile_id=wish["profile_id"],
            subjects=[],
            at=now + timedelta(seconds=number),
            service=service,
            rows=number,
            tables={f"{service}.person": number},
        )
        for number, service in enumerate(SERVICES)
    ]
    reader = eraser()
    for one in (*answers[:-1], answers[0]):
        async with engine.begin() as tx:
            await reader.on_privacy([Record("privacy", 0, 0, b"", one)], tx)
    half = (await client.get(path)).json()
    assert (half["state"], half["receipt"]) == ("running", None)
    assert [one["at"] is None for one in half["services"]] == [False] * 4 + [True]
    async with engine.begin() as tx:
        await reader.on_privacy([Record("privacy", 0, 0, b"", answers[-1])], tx)
    whole = (await client.get(path)).json()
    assert whole["state"] == "done"
    (key,) = (await client.get("/v1/privacy/keys")).json()["keys"]
    assert "d" not in key, "only the public half"
    decoded = jwt.decode(whole["receipt"], OKPKey.import_key(key), algorithms=["Ed25519"])
    said = decoded.claims
    assert (said["sub"], said["workspace"], said["identifiers"]) == (wish["id"], "w", 3)
    assert said["services"]["feedback"]["tables"] == {"feedback.person": 4}
    assert said["last_copy_expires_at"] == _shown(now + timedelta(seconds=4, hours=72))
    assert (await client.get(PATH)).json()["items"][0] == whole


def _shown(at: Any) -> str:
    return str(at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


async def test_who_nobody_knows_is_forgotten_all_the_same(client: httpx.AsyncClient) -> None:
    wish = (await made(client)).json()
    assert (wish["profile_id"], wish["identifiers"], wish["state"]) == (None, 1, "running")


async def test_other_workspaces_scopes_and_nonsense_are_refused(client: httpx.AsyncClient) -> None:
    wish = (await made(client)).json()
    path = f"{PATH}/{wish['id']}"
    assert (await client.get(path, headers=bearer("v", "*"))).status_code == 404
    reader = bearer("w", "privacy:read")
    assert (await client.get(path, headers=reader)).status_code == 200
    refused = await client.post(PATH, json={"identifier": ADA, "reason": "x"}, headers=reader)
    assert refused.status_code == 403
    for body in ({}, {"identifier": ADA}, {"identifier": {"kind": "email"}, "reason": "x"}):
        assert (await client.post(PATH, json=body)).status_code == 422
    assert (await client.get(f"{PATH}/{PATH}")).status_code in {404, 422}


async def test_a_receipt_for_nothing_and_of_nobody_changes_nothing(engine: AsyncEngine) -> None:
    reader = eraser()
    for service in ("insight", "segment", None):
        record = PrivacyRecord(
            workspace="w",
            request_id="0190a5c0-0000-7000-8000-0000000000e1",
            kind="receipt",
            profile_id="0190a5c0-0000-7000-8000-0000000000e1",
            subjects=[],
            at=clock.now(),
            service=service,
        )
        async with engine.begin() as tx:
            await reader.on_privacy([Record("privacy", 0, 0, b"", record)], tx)
    async with engine.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM profile.privacy_receipt")) == 0
