"""Trait rules over the API: declared, applied to what comes and what was there, explained."""

import asyncio
from typing import Any

import httpx
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.parts import fresh_parts
from services.profile.tests.people import IDS, event
from services.profile.tests.postgres import feed
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.jobs.worker import Jobs
from rapport_common.pace import Pace
from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.judge import Judge
from rapport_profile.domain.trait_rules import TraitJudge, TraitRule, TraitRules
from rapport_profile.handlers.rebuilding import Rebuilding
from rapport_profile.store import expiring, recounting
from rapport_profile.store.jobs import JOBS, REBUILD
from rapport_profile.store.rules import RuleShelf

pytestmark = pytest.mark.integration

DAY = 24 * 60
RULES = {
    "channel": {"rule": "first"},
    "languages": {"rule": "union"},
    "basket": {"rule": "max", "type": "number", "description": "the greatest so far"},
}
HISTORY = [
    event("1", type="identify", user_id="U", traits={"channel": "shop", "basket": 9, "n": 1}),
    event("2", type="identify", email="e1", user_id="U", traits={"languages": ["de", "en"]}, at=1),
    event("3", type="identify", email="e1", traits={"channel": "fair", "basket": "12.5"}, at=-1),
    event("4", type="identify", email="e1", traits={"$set_once": {"n": 2, "m": 3}}, at=5),
]


async def declare(client: httpx.AsyncClient, version: int = 0) -> httpx.Response:
    body = {"traits": RULES, "version": version, "reason": "the first channel"}
    return await client.put("/v1/trait-rules", json=body)


async def work_off(engine: AsyncEngine) -> None:
    work = Rebuilding(engine, IDS, 1_000, lambda _seconds: Pace(0), page=2)
    assert await Jobs(engine, JOBS, {REBUILD: work.work}).turn(asyncio.Event())


async def person(client: httpx.AsyncClient) -> dict[str, Any]:
    found = await client.get("/v1/profiles", params={"kind": "user_id", "value": "U"})
    assert found.status_code == 200, found.text
    shown: dict[str, Any] = found.json()
    return shown


async def test_rules_go_for_what_was_said_before_and_for_what_comes(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await fresh_parts(engine)
    await feed(engine, HISTORY)
    before = (await person(client))["traits"]
    assert before == {"basket": 9, "channel": "shop", "languages": ["de", "en"], "m": 3, "n": 1}
    made = await declare(client)
    assert made.status_code == 202, made.text
    assert (made.json()["version"], made.json()["actor"]) == (1, "ada")
    await work_off(engine)
    after = {**before, "basket": 12.5, "channel": "fair"}
    assert (await person(client))["traits"] == after
    async with engine.begin() as tx:
        book = await RuleShelf().book(tx, {"w"})
    await feed(
        engine,
        [event("5", type="identify", user_id="U", traits={"basket": 10, "languages": "fr"}, at=9)],
        book,
    )
    assert (await person(client))["traits"] == {**after, "languages": ["de", "en", "fr"]}
    one = f"/v1/profiles/{(await person(client))['id']}"
    listed = (await client.get(f"{one}/traits")).json()["items"]
    assert {row["name"]: row["value"] for row in listed} == (await person(client))["traits"]


async def test_the_history_of_a_trait_says_who_said_what_and_what_counts(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await fresh_parts(engine)
    await declare(client)
    async with engine.begin() as tx:
        book = await RuleShelf().book(tx, {"w"})
    await feed(engine, HISTORY, book)
    one = f"/v1/profiles/{(await person(client))['id']}/trait-history"
    said: dict[str, list[tuple[str, Any, bool]]] = {}
    for name in ("channel", "languages", "n", "unknown"):
        answer = await client.get(one, params={"name": name})
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"] == name
        said[name] = [
            (row["message_id"], row["value"], row["counts"]) for row in answer.json()["items"]
        ]
    assert said == {
        "channel": [("1", "shop", False), ("3", "fair", True)],
        "languages": [("2", ["de", "en"], True)],
        "n": [("4", 2, False), ("1", 1, True)],
        "unknown": [],
    }
    first = (await client.get(one, params={"name": "channel", "limit": 1})).json()
    older = {"name": "channel", "limit": 1, "cursor": first["next"]}
    (last,) = (await client.get(one, params=older)).json()["items"]
    assert (last["message_id"], last["source"], last["once"]) == ("3", "shop", False)


async def test_what_retention_removed_is_weighed_by_the_rules(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await fresh_parts(engine)
    await declare(client)
    async with engine.begin() as tx:
        hub = IDS.of("w", ("user_id", "U"))
        events = [
            event(f"r{n}", type="identify", user_id="U", traits={"basket": n}) for n in (3, 7, 5)
        ]
        await feed(engine, events, await RuleShelf().book(tx, {"w"}))
        await expiring.remove(tx, "w", [(hub, one) for one in events])
    judge = Judge(TraitJudge(TraitRules({"basket": TraitRule("max", "number")})))
    async with engine.begin() as tx:
        gone = (await recounting.expired(tx, "w", [hub]))[hub]
    assert gone.traits == fold_all(events, judge).traits
    await work_off(engine)
    assert (await person(client))["traits"] == {"basket": 7}


async def test_rules_that_can_not_be_and_strangers_are_refused(client: httpx.AsyncClient) -> None:
    none = (await client.get("/v1/trait-rules")).json()
    assert (none["version"], none["traits"], none["actor"]) == (0, {}, None)
    body: dict[str, Any] = {"traits": {"t": {"rule": "priority"}}, "version": 0, "reason": "x"}
    refused = await client.put("/v1/trait-rules", json=body)
    assert (refused.status_code, refused.json()["details"]) == (422, {"field": "traits.t.sources"})
    for wrong in ({"rule": "best"}, {"type": "money"}, {"sources": ["\0"]}, {"rules": 1}):
        body = {"traits": {"t": wrong}, "version": 0, "reason": "x"}
        assert (await client.put("/v1/trait-rules", json=body)).status_code == 422
    assert (await declare(client)).status_code == 202
    late = await declare(client)
    assert (late.status_code, late.json()["details"]) == (409, {"version": 1})
    history = (await client.get("/v1/trait-rules/history")).json()["items"]
    assert [one["reason"] for one in history] == ["the first channel"]
    reader = bearer("w", "profiles:read")
    assert (await client.put("/v1/trait-rules", json=body, headers=reader)).status_code == 403
    stranger = await client.get("/v1/trait-rules", headers=bearer("v", "profiles:read"))
    assert stranger.json()["version"] == 0
