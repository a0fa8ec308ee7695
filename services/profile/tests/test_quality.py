"""What each source says of people: how much, how much can be read, how fresh."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import IDS, START, event
from services.profile.tests.postgres import feed
from services.profile.tests.test_erasing import ask, person_of, worked_off
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator
from rapport_common.ids import uuid7_text
from rapport_common.jobs.store import NewJob
from rapport_common.jobs.worker import Jobs
from rapport_profile.domain.quality import FieldQuality, Quality, is_valid
from rapport_profile.domain.stamps import Stamp
from rapport_profile.domain.trait_rules import TraitRule, TraitRules
from rapport_profile.domain.traits import Trait
from rapport_profile.handlers.measuring import Measuring
from rapport_profile.handlers.restraining import Restraining
from rapport_profile.store import rules as stored_rules
from rapport_profile.store.jobs import JOBS, MEASURE_QUALITY


def said(value: Any, source: str, days: int = 0) -> Trait:
    stamp = Stamp(START - timedelta(days=days), "m", source)
    return Trait(msgspec.Raw(msgspec.json.encode(value)), stamp)


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("first_name", "Ada", True),
        ("name", "王小明", True),
        ("name", "12345", False),
        ("name", "null", False),
        ("name", ["Ada"], False),
        ("name", True, False),
        ("birthday", "1990-05-04", True),
        ("birthday", "0000-00-00", False),
        ("gender", "w", True),
        ("gender", "yes", False),
        ("email", "ada@example.com", True),
        ("email", "noreply@example.com", False),
        ("phone", "+49 170 9274481", True),
        ("phone", "0170 9274481", False),
        ("passport", "123", True),
        ("passport", "null", False),
        ("city", "Rome", True),
        ("city", "n/a", False),
        ("address", {"city": "Rome"}, True),
        ("address", 7, False),
    ],
)
def test_what_can_be_read(name: str, value: object, valid: bool) -> None:  # noqa: FBT001 - a case
    assert is_valid(name, value) is valid


def test_the_latest_word_counts_for_the_source_it_is_from() -> None:
    found = Quality(START)
    ada = {
        "firstName": said("Ada", "web"),
        "last_name": said("null", "web", days=100),
        "birthday": said("1990-05-04", "till", days=400),
        "plan": said("gold", "till"),
        "phone": said(None, "web"),
    }
    found.take("id", ada, in_pair=True)
    found.take("id", {"firstName": said("-", "web", days=31)}, in_pair=False)
    found.take("id", {}, in_pair=False)
    assert found.people == 3
    web, till = found.sources["web"], found.sources["till"]
    assert (web.people, web.in_pairs, till.people) == (2, 1, 1)
    assert web.fields == {"name": FieldQuality(2, 1, 1, 2, START)}
    assert till.fields == {"birthday": FieldQuality(1, 1, 0, 0, START - timedelta(days=400))}


def work(engine: AsyncEngine) -> Jobs:
    return Jobs(engine, JOBS, {MEASURE_QUALITY: Measuring(engine, 100_000, page=2).work})


@pytest.mark.integration
async def test_a_measurement_is_shown_by_source(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    nothing = await client.get("/v1/quality")
    assert (nothing.status_code, "measure" in nothing.json()["message"]) == (404, True)
    people = [
        event(f"{n}", type="identify", user_id=f"U{n}", traits=traits)
        for n, traits in enumerate([{"name": "Ada"}, {"name": "null"}, {"city": "Rome"}])
    ]
    await feed(engine, [*people, event("x", user_id="V", at=1)])
    made = await client.post("/v1/quality/measure", json={})
    assert (made.status_code, made.json()["kind"]) == (202, MEASURE_QUALITY)
    assert await work(engine).turn(asyncio.Event())
    # One that fails is not shown.
    async with engine.begin() as tx:
        await JOBS.add(tx, "w", NewJob(late := uuid7_text(), MEASURE_QUALITY, {}))
        await JOBS.cancel(tx, "w", late)
    shown = (await client.get("/v1/quality")).json()
    assert shown["people"] == 4
    [shop] = shown["sources"]
    assert (shop["source"], shop["people"], shop["in_pairs"]) == ("shop", 3, 0)
    address, name = shop["fields"]
    assert (address["field"], address["filled"], address["valid"]) == ("address", 0.3333, 1)
    assert (name["filled"], name["valid"]) == (0.6667, 0.5)
    assert datetime.fromisoformat(name["newest_at"]) == START
    async with engine.begin() as tx:
        await tx.execute(text("UPDATE profile.job SET state = 'failed'"))
    assert (await client.get("/v1/quality")).status_code == 404


@pytest.mark.integration
async def test_the_catalogue_has_what_is_declared_computed_and_seen(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    assert (await client.get("/v1/traits")).json() == {"items": [], "next": None}
    rules = TraitRules({"plan": TraitRule(type="text", description="what they pay for")})
    async with engine.begin() as tx:
        by = ("ada", "a test")
        assert await stored_rules.add(tx, stored_rules.TRAIT_RULES, "w", 1, rules, by=by)
    people = [
        event(f"{n}", type="identify", user_id=f"U{n}", traits=traits, at=n)
        for n, traits in enumerate(
            [{"city": "Rome", "age": 7}, {"city": "Oslo"}, {"city": ["Bern"]}, {"age": None}]
        )
    ]
    await feed(engine, [*people, event("s", type="identify", user_id="S", traits={"city": "Ulm"})])
    await client.post("/v1/quality/measure", json={})
    assert await work(engine).turn(asyncio.Event())
    async with engine.begin() as tx:
        # Said since it was measured: a value of now, and one of whom it is only to be kept.
        told = (uuid7_text(), "letter 4718")
        caller = Operator("ada", "w", frozenset({"*"}))
        await Restraining(IDS).restrain(tx, caller, ("user_id", "U2"), "processing", told)
    await feed(engine, [event("n", type="identify", user_id="U1", traits={"city": "Turin"}, at=9)])
    shown = (await client.get("/v1/traits?limit=2")).json()
    age, city = shown["items"]
    assert (age["name"], age["types"], age["people"]) == ("age", {"integer": 1}, 1)
    assert (city["types"], city["people"]) == ({"array": 1, "string": 3}, 4)
    assert city["examples"][0] == "Turin", "as they are now"
    assert set(city["examples"]) <= {"Turin", "Rome", "Ulm"}
    [source] = city["sources"]
    assert (source["source"], source["people"]) == ("shop", 4)
    assert city["last_seen_at"] == source["last_seen_at"]
    [plan] = (await client.get("/v1/traits", params={"cursor": shown["next"]})).json()["items"]
    declared = {"type": "text", "rule": "latest", "description": "what they pay for"}
    assert (plan["name"], plan["people"], plan["declared"]) == ("plan", 0, declared)
    [one] = (await client.get("/v1/traits?name=city")).json()["items"]
    assert one == city
    # Of who is forgotten there is no example left.
    ids, profiles = await person_of(engine, ("user_id", "U1"))
    await ask(engine, ids, profiles, START + timedelta(days=400))
    await worked_off(engine)
    [one] = (await client.get("/v1/traits?name=city")).json()["items"]
    assert "Turin" not in str(one)
    async with engine.begin() as tx:
        kept = await tx.scalar(text("SELECT CAST(report AS text) FROM profile.job"))
    assert "Oslo" not in kept, "no value is kept"


@pytest.mark.integration
async def test_who_may_measure(client: httpx.AsyncClient) -> None:
    reader = bearer("w", "profiles:read")
    assert (await client.get("/v1/quality", headers=reader)).status_code == 404
    answer = await client.post("/v1/quality/measure", json={}, headers=reader)
    assert answer.status_code == 403


@pytest.mark.parametrize("value", [b"1e-99999999999999999999", b'"\\ud800"', b"[" * 999])
def test_what_can_be_kept_and_not_be_read_is_not_filled(value: bytes) -> None:
    odd = Trait(msgspec.Raw(value), Stamp(START, "m", "shop"))
    quality = Quality(looked_at=START)
    quality.take("id", {"name": odd, "city": said("Rome", "shop")}, in_pair=False)
    assert list(quality.sources["shop"].fields) == ["address"]
