"""Pairs are found, kept up to date with the people, and decided; nobody is merged by itself."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import IDS, event
from services.profile.tests.postgres import feed, wipe
from services.profile.tests.test_erasing import worked_off
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.envelope import Event
from rapport_common.ids import uuid7_text
from rapport_common.jobs.store import Job, NewJob
from rapport_common.jobs.worker import Jobs
from rapport_profile.domain.duplicates.blocks import LARGEST
from rapport_profile.handlers.finding import Finding
from rapport_profile.store.jobs import FIND_DUPLICATES, JOBS

pytestmark = pytest.mark.integration
ADA = {"first_name": "Ada", "last_name": "Lovelace", "birthday": "1990-05-04", "city": "London"}
NOBODY = "f3fef9e5-16dc-47fa-a2b4-3d4c1b482afe"


def person(user: str, traits: dict[str, Any], at: int = 0) -> Event:
    return event(f"{user}-{at}", type="identify", user_id=user, traits=traits, at=at)


def work(engine: AsyncEngine, pages: tuple[int, int] = (500, 50)) -> Finding:
    return Finding(engine, IDS, 100_000, pages=pages)


async def found(engine: AsyncEngine, pages: tuple[int, int] = (500, 50), **spec: Any) -> Job:
    """A search, done."""
    job = uuid7_text()
    async with engine.begin() as tx:
        await JOBS.add(tx, "w", NewJob(job, FIND_DUPLICATES, spec))
    jobs = Jobs(engine, JOBS, {FIND_DUPLICATES: work(engine, pages).work})
    assert await jobs.turn(asyncio.Event())
    async with engine.begin() as tx:
        done = await JOBS.find(tx, "w", job)
    assert done is not None
    assert done.state == "done", done.error
    return done


async def pairs(client: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    items = (await client.get("/v1/duplicates", params=asked)).json()["items"]
    assert isinstance(items, list)
    return items


async def profile_of(client: httpx.AsyncClient, user: str) -> str:
    asked = {"kind": "user_id", "value": user}
    return str((await client.get("/v1/profiles", params=asked)).json()["id"])


async def users(client: httpx.AsyncClient, one: dict[str, Any]) -> set[str]:
    """The user ids of a pair."""
    shown = (await client.get(f"/v1/duplicates/{one['id']}")).json()
    return {
        name["value"]
        for profile in shown["profiles"]
        for name in profile["identifiers"]
        if name["kind"] == "user_id"
    }


TWO = [person("A", ADA), person("B", {**ADA, "city": "london", "first_name": "Áda"})]
OTHERS = [
    person("C", {"first_name": "Grace", "last_name": "Hopper", "birthday": "1906-12-09"}),
    person("D", {"name": "null", "birthday": "0000-00-00"}),
    person("E", {"name": "null", "birthday": "0000-00-00"}),
]


@pytest.fixture(name="client")
async def shop(engine: AsyncEngine, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Ada twice, and others."""
    await feed(engine, [*TWO, *OTHERS])
    return client


async def test_a_pair_is_found_and_shown_side_by_side(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    job = await found(engine)
    assert (job.total, job.done) == (5, 5)
    assert {**job.report, "changed": 5, "open": 1, "likely": 1} == job.report
    [one] = await pairs(client)
    assert (one["state"], one["band"]) == ("open", "likely")
    assert {"same birthday", "same given name"} <= {each["told"] for each in one["reasons"]}
    shown = (await client.get(f"/v1/duplicates/{one['id']}")).json()
    assert len(shown["profiles"]) == 2
    assert {each["id"] for each in shown["profiles"]} == {
        shown["profile_id"],
        shown["other_profile_id"],
    }
    assert (shown["score"], shown["reasons"]) == (one["score"], one["reasons"])
    # Nobody was merged.
    assert await profile_of(client, "A") != await profile_of(client, "B")


async def test_only_what_has_changed_is_compared_again(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    first = await found(engine)
    assert first.report["compared"] == 1
    again = await found(engine)
    assert (again.done, again.report["changed"], again.report["compared"]) == (5, 0, 0)
    # An event that says nothing of who they are makes a new version, and no new comparison.
    await feed(engine, [event("x", user_id="A", name="Seen", at=5)])
    same = await found(engine)
    assert (same.report["changed"], same.report["compared"]) == (0, 0)
    await feed(engine, [person("F", ADA, at=6)])
    newcomer = await found(engine)
    assert (newcomer.report["changed"], newcomer.report["compared"]) == (1, 2)
    assert len(await pairs(client)) == 3
    whole = await found(engine, everybody=True)
    assert (whole.report["changed"], whole.report["open"]) == (6, 3)


async def test_a_pair_goes_when_it_is_alike_no_more(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await found(engine)
    [one] = await pairs(client)
    changed = {"first_name": "Grace", "last_name": "Hopper", "birthday": "1906-12-09"}
    await feed(engine, [person("B", changed, at=9)])
    # What is shown of one pair is as it is now, before the next search.
    assert (await client.get(f"/v1/duplicates/{one['id']}")).json()["score"] < 0.5
    job = await found(engine)
    assert job.report["withdrawn"] == 1
    assert await users(client, (await pairs(client))[0]) == {"B", "C"}
    assert (await client.get(f"/v1/duplicates/{one['id']}")).status_code == 404


async def test_a_pair_is_merged_and_found_again_when_that_is_undone(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await found(engine)
    [one] = await pairs(client)
    path = f"/v1/duplicates/{one['id']}/merge"
    dry = (await client.post(path, json={"reason": "same", "dry_run": True})).json()
    assert (dry["decision_id"], len(dry["changes"])) == (None, 2)
    assert await pairs(client) == [one]
    done = (await client.post(path, json={"reason": "she said so"})).json()
    assert await profile_of(client, "A") == await profile_of(client, "B")
    assert await pairs(client) == []
    [merged] = await pairs(client, state="merged")
    assert (merged["decided_by"], merged["decided_reason"]) == ("ada", "she said so")
    assert merged["decision_id"] == done["decision_id"]
    assert len((await client.get(f"/v1/duplicates/{one['id']}")).json()["profiles"]) == 1
    again = await client.post(path, json={"reason": "x"})
    assert (again.status_code, again.json()["details"]["state"]) == (409, "merged")
    await found(engine)
    assert await pairs(client) == []
    undo = f"/v1/decisions/{done['decision_id']}/undo"
    assert (await client.post(undo, json={"reason": "a mistake"})).status_code == 200
    await found(engine)
    # Who parts is a new profile, and that is a new pair.
    [anew] = await pairs(client)
    assert (anew["id"] != one["id"], await users(client, anew)) == (True, {"A", "B"})


async def test_who_became_one_otherwise_is_no_pair(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await found(engine)
    [one] = await pairs(client)
    ends = {"one": {"kind": "user_id", "value": "A"}, "other": {"kind": "user_id", "value": "B"}}
    await client.post("/v1/profiles/merge", json={**ends, "reason": "x"})
    assert await pairs(client) == []
    late = await client.post(f"/v1/duplicates/{one['id']}/merge", json={"reason": "x"})
    assert (late.status_code, "somebody else" in late.json()["message"]) == (409, True)
    await found(engine)
    assert (await client.get(f"/v1/duplicates/{one['id']}")).status_code == 404


async def test_what_is_dismissed_stays_so_also_for_heirs(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await found(engine)
    [one] = await pairs(client)
    path = f"/v1/duplicates/{one['id']}/dismiss"
    assert (await client.post(path, json={"reason": "cousins"})).json()["decision_id"] is None
    await feed(engine, [person("A", {**ADA, "city": "Oxford"}, at=7)])
    await found(engine)
    assert await pairs(client) == []
    assert (await client.post(path, json={"reason": "again"})).status_code == 409
    # One of them becomes a part of somebody older.
    ends = {"one": {"kind": "user_id", "value": "B"}, "other": {"kind": "user_id", "value": "C"}}
    await client.post("/v1/profiles/merge", json={**ends, "reason": "x"})
    await feed(engine, [person("B", ADA, at=8)])
    await found(engine)
    assert await pairs(client) == []
    assert {each["decided_reason"] for each in await pairs(client, state="dismissed")} == {
        "cousins"
    }


async def test_who_is_kept_apart_is_not_proposed(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await found(engine)
    [one] = await pairs(client)
    body = {"reason": "cousins", "keep_apart": True}
    done = (await client.post(f"/v1/duplicates/{one['id']}/dismiss", json=body)).json()
    [decision] = (await client.get("/v1/decisions")).json()["items"]
    assert (decision["id"], decision["kind"]) == (done["decision_id"], "apart")
    await feed(engine, [person("F", ADA, at=6)])
    await found(engine)
    ends = {"one": {"kind": "user_id", "value": "A"}, "other": {"kind": "user_id", "value": "F"}}
    await client.post("/v1/profiles/keep-apart", json={**ends, "reason": "x"})
    # Whoever says it, and wherever: it is seen at once.
    assert len(await pairs(client)) == 1
    job = await found(engine, everybody=True)
    assert (job.report["open"], job.report["withdrawn"]) == (1, 0)
    [left] = await pairs(client)
    assert await users(client, left) == {"B", "F"}


async def test_the_order_and_copies_of_events_are_no_matter(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    crowd = [
        person(f"{name}{n}", {"name": name, "birthday": f"1990-05-{n + 10}", "city": "Rome"})
        for name in ("Ada Lovelace", "Lovelace, Ada", "Ada Lovelance")
        for n in range(3)
    ]
    history = [*TWO, *OTHERS, *crowd, person("A", {**ADA, "email": "a@example.com"}, at=3)]
    results = []
    for seed in range(3):
        await wipe(engine)
        await forget(engine)
        shuffled = random.Random(seed).sample([*history, *history[::2]], len(history) * 3 // 2)
        middle = random.Random(seed).randrange(len(shuffled))
        await feed(engine, shuffled[:middle])
        if seed:
            await found(engine, pages=(2, 2))
        await feed(engine, [*shuffled[middle:], *history])
        await found(engine, pages=(3, 1))
        results.append(
            [
                (each["score"], sorted(await users(client, each)))
                for each in await pairs(client, limit=1000)
            ]
        )
    assert results[0]
    assert sorted(results[0]) == sorted(results[1]) == sorted(results[2])


async def forget(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        await tx.execute(text("TRUNCATE profile.likeness, profile.block_key, profile.duplicate"))


async def test_a_search_goes_on_where_it_was(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """Each step is a crash, and whatever a crash repeats changes nothing."""
    job = NewJob(uuid7_text(), FIND_DUPLICATES, {})
    async with engine.begin() as tx:
        await JOBS.add(tx, "w", job)
    for _ in range(20):
        async with engine.begin() as tx:
            taken = await JOBS.claim(tx, "one")
        assert taken is not None
        step = None
        async for step in work(engine, (2, 1)).work(taken):  # noqa: B007 - the first
            break
        async with engine.begin() as tx:
            if step is None:
                await JOBS.finish(tx, taken, "one", "done")
                break
            assert await JOBS.advance(tx, taken, "one", step)
            await JOBS.finish(tx, taken, "one", "queued")
    assert len(await pairs(client)) == 1


async def test_what_many_have_compares_nobody(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    agent = "agent@shop.example"
    many = [
        person(f"N{n}", {"email": agent, "first_name": f"{chr(97 + n % 26)}x{n}"})
        for n in range(LARGEST + 1)
    ]
    await feed(engine, [one.__class__(**_without_identifier(one)) for one in many])
    job = await found(engine)
    assert job.report["crowded"] > 0
    assert len(await pairs(client)) == 1


def _without_identifier(one: Event) -> dict[str, Any]:
    """The address is a trait only: as an identifier it would make one person of all."""
    fields = {name: getattr(one, name) for name in one.__struct_fields__}
    return {**fields, "identifiers": tuple(i for i in one.identifiers if i[0] == "user_id")}


async def test_pairs_come_in_pages_and_by_score(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [person(f"P{n}", ADA, at=n) for n in range(3)])
    await found(engine)
    whole = await pairs(client)
    assert len(whole) == 10
    listed, cursor = [], None
    while True:
        asked = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/v1/duplicates", params=asked)).json()
        listed += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert listed == whole
    assert await pairs(client, min_score=1.0) == [each for each in whole if each["score"] == 1]


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (["profiles:read"], "GET", "/v1/duplicates", 200),
        (["profiles:write"], "GET", "/v1/duplicates", 403),
        (["profiles:read"], "GET", f"/v1/duplicates/{NOBODY}", 404),
        (["profiles:read"], "POST", "/v1/duplicates/find", 403),
        (["profiles:write"], "POST", "/v1/duplicates/find", 202),
        (["profiles:read"], "POST", f"/v1/duplicates/{NOBODY}/merge", 403),
        (["profiles:write"], "POST", f"/v1/duplicates/{NOBODY}/merge", 404),
        (["profiles:read"], "POST", f"/v1/duplicates/{NOBODY}/dismiss", 403),
        (["profiles:write"], "POST", f"/v1/duplicates/{NOBODY}/dismiss", 404),
    ],
)
async def test_who_may_do_what(
    client: httpx.AsyncClient, scopes: Sequence[str], method: str, path: str, status: int
) -> None:
    body = {} if path.endswith("find") else {"reason": "x"}
    asked: dict[str, Any] = {} if method == "GET" else {"json": body}
    answer = await client.request(method, path, headers=bearer("w", *scopes), **asked)
    assert answer.status_code == status
    if status == 202:
        assert answer.json()["kind"] == FIND_DUPLICATES


async def test_whose_pairs_they_are(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await found(engine)
    [one] = await pairs(client)
    stranger = bearer("other", "*")
    assert (await client.get("/v1/duplicates", headers=stranger)).json()["items"] == []
    path = f"/v1/duplicates/{one['id']}"
    assert (await client.get(path, headers=stranger)).status_code == 404
    answer = await client.post(f"{path}/merge", json={"reason": "x"}, headers=stranger)
    assert answer.status_code == 404


KEPT = [("likeness", "profile_id"), ("block_key", "profile_id"), ("duplicate", "a")]
KEPT += [("duplicate", "b")]


async def test_who_is_forgotten_is_in_no_pair(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """Nor is anything kept by which somebody could be compared."""
    await found(engine)
    [one] = await pairs(client)
    await client.post(f"/v1/duplicates/{one['id']}/dismiss", json={"reason": "Ada and her aunt"})
    ended = await profile_of(client, "A")
    body = {"identifier": {"kind": "user_id", "value": "A"}, "reason": "she asked"}
    asked = await client.post("/v1/privacy/erasures", json=body)
    assert asked.status_code == 201, asked.text
    await worked_off(engine)
    for table, column in (
        ("likeness", "profile_id"),
        ("block_key", "profile_id"),
        ("duplicate", "a"),
        ("duplicate", "b"),
    ):
        query = f"SELECT count(*) FROM profile.{table} WHERE {column} = CAST(:id AS uuid)"
        async with engine.begin() as tx:
            assert (await tx.execute(text(query), {"id": ended})).scalar_one() == 0, table
    await found(engine, everybody=True)
    assert await pairs(client) == []
