"""Jobs that do not come to a good end: what they leave is put away, and the rest is exact."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import httpx
import pytest
from services.segment.tests.building import build
from services.segment.tests.test_building import Workspace
from services.segment.tests.test_lists import Lists, ids
from services.segment.tests.test_passing import Shop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import ConflictError
from rapport_common.jobs.store import Job, Step
from rapport_common.testing.credentials import EVENT_KEY
from rapport_segment.handlers import uploading
from rapport_segment.handlers.building import Building
from rapport_segment.handlers.segments import Amendment
from rapport_segment.handlers.uploading import Uploading
from rapport_segment.store.jobs import JOBS
from rapport_segment.store.lists import clear_archived

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

PEOPLE = [uuid.UUID(int=number) for number in range(1, 10)]
BUYERS = {"computed": "orders", "op": "gte", "value": 1}
FEW = {"computed": "orders", "op": "lte", "value": 2}


def email(who: uuid.UUID) -> str:
    return f"{who.int}@x.org"


async def count(engine: AsyncEngine, table: str) -> int:
    async with engine.begin() as tx:
        found = await tx.execute(text(f"SELECT count(*) FROM segment.{table}"))
        return int(found.scalar_one())


async def taken(engine: AsyncEngine) -> Job:
    async with engine.begin() as tx:
        job = await JOBS.claim(tx, "test")
    assert job is not None
    return job


@pytest.fixture
async def lists(engine: AsyncEngine, records: "Records", client: httpx.AsyncClient) -> Lists:
    """Nine people, the last of whom is on a list; a segment of those who are."""
    shop = Shop(engine, records)
    await shop.tell(*(records.state(who, emails=(email(who),)) for who in PEOPLE))
    made = (await client.post("/v1/lists", json={"name": "VIP"})).json()
    asked = {"name": "On VIP", "rule": {"list": made["id"]}}
    segment = (await client.post("/v1/segments", json=asked)).json()
    found = Lists(client, shop, made["id"], segment["id"])
    await found.post("/members/add", ids(email(PEOPLE[8])))
    await build(engine, now=shop.clock)
    return found


async def half_read(lists: Lists, mode: str) -> tuple[str, AsyncIterator[Step]]:
    """A file with six people, of whom three are on the list by now: the job, and its next steps."""
    content = "\n".join(["email", *map(email, PEOPLE[:6])]).encode()
    path = f"{lists.path}/uploads"
    answer = await lists.client.post(path, params={"mode": mode}, content=content)
    job = await taken(lists.shop.engine)
    steps = Uploading(lists.shop.engine, EVENT_KEY, rows=3).work(job)
    for _ in range(2):
        step = await anext(steps)
        async with lists.shop.engine.begin() as tx:
            assert await JOBS.advance(tx, job, "test", step)
    return str(answer.json()["id"]), steps


async def status(lists: Lists) -> str:
    return str((await lists.client.get(f"/v1/segments/{lists.segment}")).json()["status"])


@pytest.mark.parametrize("mode", ["add", "replace"])
async def test_a_cancelled_upload_leaves_what_it_took_and_the_segment_by_that(
    lists: Lists, engine: AsyncEngine, mode: str
) -> None:
    job, steps = await half_read(lists, mode)
    assert (await status(lists), await lists.inside()) == ("building", [str(PEOPLE[8])])
    assert (await lists.client.post(f"/v1/jobs/{job}/cancel")).json()["state"] == "cancelled"
    assert await count(engine, "list_part") == 0
    # Whoever still reads the file puts nothing behind that, nor takes anything off.
    with pytest.raises(ConflictError):
        await anext(steps)
    assert [value for _kind, value in await lists.members()] == [
        email(PEOPLE[n]) for n in (0, 1, 2, 8)
    ]
    assert await status(lists) == "building"
    await build(engine, now=lists.shop.clock)
    assert await status(lists) == "ready"
    assert await lists.inside() == [str(PEOPLE[n]) for n in (0, 1, 2, 8)]
    assert await lists.misplaced() == []


async def test_a_file_that_takes_nothing_off_any_more_when_it_is_cancelled_while_it_does(
    lists: Lists,
) -> None:
    job, steps = await half_read(lists, "replace")
    await anext(steps)
    await lists.client.post(f"/v1/jobs/{job}/cancel")
    with pytest.raises(ConflictError):
        await anext(steps)
    assert [value for _kind, value in await lists.members()] == [
        email(PEOPLE[n]) for n in (0, 1, 2, 3, 4, 5, 8)
    ]


async def test_an_upload_that_was_not_begun_concerns_no_segment(
    lists: Lists, engine: AsyncEngine
) -> None:
    answer = await lists.client.post(f"{lists.path}/uploads", content=b"email\n1@x.org\n")
    await lists.client.post(f"/v1/jobs/{answer.json()['id']}/cancel")
    assert (await status(lists), await count(engine, "list_part")) == ("ready", 0)
    assert await build(engine, now=lists.shop.clock) == 0


async def test_an_upload_that_fails_is_put_away_just_so(
    lists: Lists, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "MOST_REFUSED", 3)
    job = await lists.upload(b"email\n1@x.org\n" + b"nobody\n" * 4)
    assert (job["state"], await status(lists)) == ("failed", "ready")
    assert await count(engine, "list_part") == 0
    assert await lists.inside() == [str(PEOPLE[0]), str(PEOPLE[8])]
    # What was refused can still be looked up.
    assert len(await lists.refused(job["id"])) == 4


async def test_what_is_on_an_archived_list_goes_though_its_job_was_cancelled(
    lists: Lists, engine: AsyncEngine
) -> None:
    other = (await lists.client.post("/v1/lists", json={"name": "Old"})).json()
    await lists.client.post(f"/v1/lists/{other['id']}/members/add", json=ids("a@x.org", "b@x.org"))
    await lists.client.delete(f"/v1/lists/{other['id']}")
    [job] = (await lists.client.get("/v1/jobs?kind=list_clear")).json()["items"]
    await lists.client.post(f"/v1/jobs/{job['id']}/cancel")
    async with engine.begin() as tx:
        assert await clear_archived(tx, timedelta(days=1), 10) == 0
        assert await clear_archived(tx, timedelta(0), 1) == 1
        assert await clear_archived(tx, timedelta(0), 10) == 1
    assert [value for _kind, value in await lists.members()] == [email(PEOPLE[8])]


async def half_swapped(workspace: Workspace) -> uuid.UUID:
    """A rule that was built beside another is in force, and some have entered or left."""
    segment = await workspace.define("buyers", BUYERS)
    await build(workspace.engine)
    await workspace.change(segment, Amendment(rule=FEW))
    steps = Building(workspace.engine, pages=(2,)).work(await taken(workspace.engine))
    async with aclosing(cast("AsyncGenerator[Step]", steps)):
        async for step in steps:
            if step.position.get("swapping") and step.position["after"]:
                return segment
    raise AssertionError("nobody enters or leaves")


@pytest.fixture
async def workspace(engine: AsyncEngine, records: "Records") -> Workspace:
    """Nine people with 0 to 4 orders."""
    import random  # noqa: PLC0415 - nothing is left to chance here

    made = Workspace(engine, records, random.Random(0))
    await made.apply(*(records.state(who, orders=n % 5) for n, who in enumerate(PEOPLE)))
    return made


async def test_a_swap_that_does_not_come_to_its_end_leaves_no_candidate(
    workspace: Workspace, client: httpx.AsyncClient
) -> None:
    segment = await half_swapped(workspace)
    path = f"/v1/segments/{segment}"
    job = (await client.get(path)).json()["job_id"]
    assert (await client.post(f"/v1/jobs/{job}/cancel")).status_code == 200
    assert await build(workspace.engine) == 1, "a job that clears, and none after it"
    assert await count(workspace.engine, "candidate") == 0
    assert await count(workspace.engine, "membership WHERE beside") == 0
    shown = (await client.get(path)).json()
    assert (shown["status"], shown["version"], shown["upcoming"]) == ("incomplete", 2, None)
    await client.post(f"{path}/rebuild")
    await build(workspace.engine)
    assert (await client.get(path)).json()["status"] == "ready"
    listed = (await client.get(f"{path}/members")).json()["items"]
    fits = [str(who) for n, who in enumerate(PEOPLE) if n % 5 <= 2]
    assert [one["id"] for one in listed] == fits


async def test_a_rule_that_is_not_in_force_yet_stays_beside_when_its_job_is_cancelled(
    workspace: Workspace, client: httpx.AsyncClient
) -> None:
    segment = await workspace.define("buyers", BUYERS)
    await build(workspace.engine)
    await workspace.change(segment, Amendment(rule=FEW))
    upcoming = (await client.get(f"/v1/segments/{segment}")).json()["upcoming"]
    await client.post(f"/v1/jobs/{upcoming['job_id']}/cancel")
    assert await build(workspace.engine) == 0
    assert await count(workspace.engine, "candidate") == 1


async def test_a_job_that_clears_is_not_followed_by_another(
    workspace: Workspace, client: httpx.AsyncClient
) -> None:
    segment = await half_swapped(workspace)
    job = (await client.get(f"/v1/segments/{segment}")).json()["job_id"]
    await client.post(f"/v1/jobs/{job}/cancel")
    [clearing, *_others] = (await client.get("/v1/jobs?kind=build")).json()["items"]
    assert clearing["state"] == "queued"
    await client.post(f"/v1/jobs/{clearing['id']}/cancel")
    assert await build(workspace.engine) == 0
