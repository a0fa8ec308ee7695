"""What each source says of people: how much, how much can be read, how fresh."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import START, event
from services.profile.tests.postgres import feed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.ids import uuid7_text
from rapport_common.jobs.store import NewJob
from rapport_common.jobs.worker import Jobs
from rapport_profile.domain.quality import FieldQuality, Quality, is_valid
from rapport_profile.domain.stamps import Stamp
from rapport_profile.domain.traits import Trait
from rapport_profile.handlers.measuring import Measuring
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
    found.take(ada, in_pair=True)
    found.take({"firstName": said("-", "web", days=31)}, in_pair=False)
    found.take({}, in_pair=False)
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
async def test_who_may_measure(client: httpx.AsyncClient) -> None:
    reader = bearer("w", "profiles:read")
    assert (await client.get("/v1/quality", headers=reader)).status_code == 404
    answer = await client.post("/v1/quality/measure", json={}, headers=reader)
    assert answer.status_code == 403


@pytest.mark.parametrize("value", [b"1e-99999999999999999999", b'"\\ud800"', b"[" * 999])
def test_what_can_be_kept_and_not_be_read_is_not_filled(value: bytes) -> None:
    odd = Trait(msgspec.Raw(value), Stamp(START, "m", "shop"))
    quality = Quality(looked_at=START)
    quality.take({"name": odd, "city": said("Rome", "shop")}, in_pair=False)
    assert list(quality.sources["shop"].fields) == ["address"]
