"""Jobs: one holder at a time, resumed where they were, listed for their workspace alone."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.api import patient_app
from tests.support.locks import somebody_waits
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common.db import create_engine, metadata
from rapport_common.errors import AppError
from rapport_common.jobs.ending import Endings
from rapport_common.jobs.routes import job_routes
from rapport_common.jobs.store import Job, JobStore, NewJob, Step
from rapport_common.jobs.tables import job_table
from rapport_common.jobs.worker import MAX_ATTEMPTS, Jobs
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import mint
from rapport_common.testing.examples import examples

pytestmark = pytest.mark.integration

STEP = Step({"place": [0, 1, 1]}, 1, 1, 0, {"n": 1})
STORE = JobStore("segment")
EXPIRE = text("UPDATE segment.job SET held_until = now() - interval '1 h' WHERE state = 'running'")


@pytest.fixture
async def jobs(database_url: str) -> AsyncIterator[AsyncEngine]:
    tables = metadata("segment")
    job_table(tables)
    engine = create_engine(database_url, application="tests")
    async with engine.begin() as tx:
        await tx.execute(text("CREATE SCHEMA segment"))
        await tx.run_sync(tables.create_all)
    yield engine
    await engine.dispose()


async def queue(engine: AsyncEngine, job: str, kind: str = "x", workspace: str = "acme") -> None:
    async with engine.begin() as tx:
        assert await STORE.add(tx, workspace, NewJob(job, kind, {}, subject="s"))


async def one(engine: AsyncEngine, job: str) -> Job:
    async with engine.begin() as tx:
        found = await STORE.find(tx, "acme", job)
    assert found is not None
    return found


async def test_a_stale_holder_does_not_move_the_position(jobs: AsyncEngine) -> None:
    await queue(jobs, "j")
    async with jobs.begin() as tx:
        job = await STORE.claim(tx, "first")
        assert job is not None
        assert await STORE.claim(tx, "second") is None
        await tx.execute(EXPIRE)
    async with jobs.begin() as tx:
        again = await STORE.claim(tx, "second")
        assert again is not None
        assert again.attempts == 2
        assert not await STORE.advance(tx, job, "first", STEP)
        assert not await STORE.keep(tx, job, "first")
        assert not await STORE.finish(tx, job, "first", "done")
        assert await STORE.advance(tx, again, "second", STEP)
    found = await one(jobs, "j")
    assert (found.done, found.accepted, found.attempts, found.state) == (1, 1, 0, "running")


async def test_what_ends_a_job(jobs: AsyncEngine) -> None:
    async def broken(_job: Job) -> AsyncIterator[Step]:
        yield STEP
        message = "a bug"
        raise LookupError(message)

    async def refused(job: Job) -> AsyncIterator[Step]:
        if job.kind == "refused":
            message = "no such file"
            raise AppError(message)
        yield STEP

    async def away(job: Job) -> AsyncIterator[Step]:
        if job.kind == "away":
            raise ConnectionResetError
        yield STEP

    worker = Jobs(jobs, STORE, {"broken": broken, "refused": refused, "away": away})
    for kind, state, error in (
        ("broken", "failed", "the log of segment has it under job broken"),
        ("refused", "failed", "no such file"),
        ("unknown", "failed", "knows no jobs of kind"),
        ("away", "queued", ""),
    ):
        await queue(jobs, kind, kind)
        assert await worker.turn(asyncio.Event())
        found = await one(jobs, kind)
        assert found.state == state
        assert error in (found.error or "")
    assert (await one(jobs, "broken")).done == 1
    due = text("UPDATE segment.job SET held_until = now() WHERE id = 'away'")
    for _ in range(MAX_ATTEMPTS - 1):
        async with jobs.begin() as tx:
            await tx.execute(due)
        assert await worker.turn(asyncio.Event())
    async with jobs.begin() as tx:
        await tx.execute(due)
    assert not await worker.turn(asyncio.Event())
    found = await one(jobs, "away")
    assert found.state == "failed"
    assert "5 times" in (found.error or "")


async def test_a_long_step_is_held_and_ended_when_cancelled(jobs: AsyncEngine) -> None:
    ended: list[str] = []

    async def long(job: Job) -> AsyncIterator[Step]:
        try:
            await asyncio.Event().wait()
            yield STEP
        finally:
            ended.append(job.id)

    await queue(jobs, "long", "long")
    worker = Jobs(jobs, JobStore("segment", lease_seconds=0.2), {"long": long})
    async with asyncio.timeout(HANG_SECONDS), asyncio.TaskGroup() as group:
        turn = group.create_task(worker.turn(asyncio.Event()))
        async with jobs.connect() as connection:
            query = text("SELECT max(held_until) FROM segment.job WHERE state = 'running'")
            first = None
            while (held := (await connection.execute(query)).scalar()) is None or held == first:
                first = held
                await connection.rollback()
                await between_looks()
        async with jobs.begin() as tx:
            assert await STORE.cancel(tx, "acme", "long")
        assert await turn
    assert ended == ["long"]
    assert (await one(jobs, "long")).state == "cancelled"


async def test_who_asks_for_a_job_is_told_of_those_that_wait_only(jobs: AsyncEngine) -> None:
    async def any_waits() -> bool:
        async with jobs.begin() as tx:
            return await STORE.any_waits(tx)

    assert not await any_waits()
    await queue(jobs, "j")
    assert await any_waits()
    async with jobs.begin() as tx:
        job = await STORE.claim(tx, "h")
        assert job is not None
    assert not await any_waits(), "it is in somebody's hands"
    async with jobs.begin() as tx:
        await tx.execute(EXPIRE)
    assert await any_waits(), "whose they were may be gone"
    async with jobs.begin() as tx:
        assert await STORE.finish(tx, job, "h", "done")
    assert not await any_waits()


@settings(max_examples=examples(25))
@given(st.lists(st.sampled_from(["dies before it tells", "dies after", "freezes"]), max_size=6))
async def test_whatever_kills_its_holders_each_step_is_told_once(
    jobs: AsyncEngine, deaths: list[str]
) -> None:
    """The worked-off positions are 1, 2, 3 in this order, and the counts are theirs."""
    job_id = uuid.uuid4().hex
    await queue(jobs, job_id, "count")
    frozen: list[tuple[Job, str, Step]] = []
    for number, death in enumerate(deaths):
        async with jobs.begin() as tx:
            job = await STORE.claim(tx, f"holder {number}")
            assert job is not None
            step = Step({"n": job.position.get("n", 0) + 1}, 1, 1, 0, {})
            if death == "dies after":
                assert await STORE.advance(tx, job, f"holder {number}", step)
            if death == "freezes":
                frozen.append((job, f"holder {number}", step))
        async with jobs.begin() as tx:
            await tx.execute(EXPIRE)

    async def count(job: Job) -> AsyncIterator[Step]:
        for n in range(job.position.get("n", 0) + 1, 8):
            yield Step({"n": n}, 1, 1, 0, {})

    async with jobs.begin() as tx:
        # Not given up: who takes it last is not one of those that died.
        await tx.execute(text("UPDATE segment.job SET attempts = 0"))
    assert await Jobs(jobs, STORE, {"count": count}).turn(asyncio.Event())
    async with jobs.begin() as tx:
        for late in frozen:
            assert not await STORE.advance(tx, *late)
    found = await one(jobs, job_id)
    assert (found.state, found.done, found.position) == ("done", 7, {"n": 7})


async def test_workspaces_take_turns_however_many_jobs_one_has(jobs: AsyncEngine) -> None:
    """Each job has a turn, and is put back; those of one workspace were there first."""
    for number in range(4):
        await queue(jobs, f"j{number}")
    turns: list[str] = []
    for number in range(6):
        async with jobs.begin() as tx:
            job = await STORE.claim(tx, "h")
            assert job is not None
            turns.append(job.id)
        if number == 1:
            await queue(jobs, "late", workspace="other")
        async with jobs.begin() as tx:
            back = "UPDATE segment.job SET state = 'queued', held_until = clock_timestamp()"
            await tx.execute(text(f"{back} WHERE state = 'running'"))
    assert turns == ["j0", "j1", "late", "j2", "late", "j3"]


async def test_jobs_are_their_workspaces_alone_and_listed_in_pages(jobs: AsyncEngine) -> None:
    for number in range(3):
        await queue(jobs, f"j{number}")
    app = patient_app("segment")
    add_routes(app, job_routes(jobs, STORE, read="things:read", write="things:write"))

    def client(workspace: str, scope: str) -> httpx.AsyncClient:
        token = mint(workspace, "ada", [scope], timedelta(minutes=5))
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://segment",
            headers={"Authorization": f"Bearer {token}"},
        )

    async with client("acme", "things:read") as reader:
        first = (await reader.get("/v1/jobs?limit=2")).json()
        assert [one["id"] for one in first["items"]] == ["j2", "j1"]
        rest = (await reader.get(f"/v1/jobs?limit=2&cursor={first['next']}")).json()
        assert ([one["id"] for one in rest["items"]], rest["next"]) == (["j0"], None)
        assert (await reader.get("/v1/jobs?subject=other")).json()["items"] == []
        assert (await reader.post("/v1/jobs/j0/cancel")).status_code == 403
    async with client("other", "things:write") as stranger:
        assert (await stranger.post("/v1/jobs/j0/cancel")).status_code == 404
    async with client("acme", "things:write") as writer:
        assert (await writer.post("/v1/jobs/j0/cancel")).json()["state"] == "cancelled"
        again = await writer.post("/v1/jobs/j0/cancel")
        assert (again.status_code, again.json()["details"]) == (409, {"state": "cancelled"})


async def died(engine: AsyncEngine, *, ago: str = "0 s") -> Job | None:
    """Somebody takes a job, and dies; the lease was over so long ago. None: there was none."""
    async with engine.begin() as tx:
        job = await STORE.claim(tx, "h")
        passed = f"UPDATE segment.job SET held_until = now() - interval '{ago}'"
        await tx.execute(text(f"{passed} WHERE state = 'running'"))
    return job


async def test_deaths_one_upon_the_other_do_not_end_a_job(jobs: AsyncEngine) -> None:
    """The first is nobody's fault; after each other one at the same place it is left alone."""
    await queue(jobs, "j")
    assert await died(jobs) is not None
    assert await died(jobs) is not None
    lease = STORE.lease_seconds
    for attempts, rest in ((2, 2), (3, 6), (4, 14)):
        found = await one(jobs, "j")
        assert (found.state, found.attempts) == ("running", attempts)
        async with jobs.begin() as tx:
            await tx.execute(
                text("UPDATE segment.job SET held_until = now() - make_interval(secs => :s)"),
                {"s": lease * rest - lease},
            )
        assert await died(jobs) is None, "not yet"
        async with jobs.begin() as tx:
            await tx.execute(
                text("UPDATE segment.job SET held_until = now() - make_interval(secs => :s)"),
                {"s": lease * rest},
            )
        assert await died(jobs) is not None
    assert not await Jobs(jobs, STORE, {}).turn(asyncio.Event())
    assert (await one(jobs, "j")).state == "failed"


@pytest.mark.parametrize(("gets_on", "state"), [(True, "running"), (False, "failed")])
async def test_a_job_that_gets_on_is_not_given_up_however_often_it_dies(
    jobs: AsyncEngine, *, gets_on: bool, state: str
) -> None:
    await queue(jobs, "j")
    for number in range(MAX_ATTEMPTS):
        job = await died(jobs, ago="1 h")
        assert job is not None
        async with jobs.begin() as tx:
            step = Step({"n": number}, 1, 1, 0, {}, gets_on=gets_on)
            assert await STORE.advance(tx, job, "h", step)
            await tx.execute(EXPIRE)
    async with jobs.begin() as tx:
        lost = await STORE.hopeless(tx, MAX_ATTEMPTS)
    await Endings(jobs, STORE).give_up(lost, MAX_ATTEMPTS)
    assert (await one(jobs, "j")).state == state


class Leavings:
    """What jobs leave, and who puts it away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.seen: list[Job] = []
        self.kinds = {"leaves": self.put_away, "breaks": self.broken}

    async def put_away(self, tx: AsyncConnection, job: Job) -> None:
        self.seen.append(job)
        await tx.execute(text("INSERT INTO segment.left_over VALUES (:id)"), {"id": job.id})

    async def broken(self, tx: AsyncConnection, job: Job) -> None:
        await self.put_away(tx, job)
        message = "a bug"
        raise LookupError(message)

    async def kept(self) -> list[str]:
        async with self.engine.begin() as tx:
            return list((await tx.execute(text("SELECT id FROM segment.left_over"))).scalars())


@pytest.fixture
async def leavings(jobs: AsyncEngine) -> Leavings:
    async with jobs.begin() as tx:
        await tx.execute(text("CREATE TABLE segment.left_over (id text)"))
    return Leavings(jobs)


async def test_what_a_job_leaves_is_put_away_with_its_end(
    jobs: AsyncEngine, leavings: Leavings
) -> None:
    async def fails(job: Job) -> AsyncIterator[Step]:
        yield STEP
        if job.id != "good":
            message = "no such file"
            raise AppError(message)

    worker = Jobs(jobs, STORE, {"leaves": fails, "other": fails}, leavings.kinds)
    for name, kind in (("good", "leaves"), ("bad", "leaves"), ("other", "other")):
        await queue(jobs, name, kind)
        assert await worker.turn(asyncio.Event())
    assert await leavings.kept() == ["bad"]
    # As it stands, not as it was taken.
    assert [job.position for job in leavings.seen] == [dict(STEP.position)]
    endings = Endings(jobs, STORE, leavings.kinds)
    await queue(jobs, "cancelled", "leaves")
    assert await endings.cancel("acme", "cancelled")
    assert not await endings.cancel("acme", "cancelled")
    assert not await endings.cancel("other", "good")
    assert await leavings.kept() == ["bad", "cancelled"]
    await queue(jobs, "lost", "leaves")
    for _ in range(MAX_ATTEMPTS):
        await died(jobs, ago="1 h")
    assert not await worker.turn(asyncio.Event())
    assert await leavings.kept() == ["bad", "cancelled", "lost"]
    assert (await one(jobs, "lost")).state == "failed"


async def test_nothing_is_put_away_of_a_job_that_has_ended_otherwise(
    jobs: AsyncEngine, leavings: Leavings
) -> None:
    """It comes to its end while what it would leave is put away."""
    await queue(jobs, "j", "leaves")
    async with jobs.begin() as tx:
        job = await STORE.claim(tx, "h")
    assert job is not None

    async def put_away(tx: AsyncConnection, job: Job) -> None:
        await leavings.put_away(tx, job)
        async with jobs.begin() as other:
            assert await STORE.finish(other, job, "h", "done")

    assert not await Endings(jobs, STORE, {"leaves": put_away}).cancel("acme", "j")
    assert (await one(jobs, "j")).state == "done"
    assert await leavings.kept() == []


async def test_a_job_ends_though_what_it_leaves_can_not_be_put_away(
    jobs: AsyncEngine, leavings: Leavings
) -> None:
    await queue(jobs, "j", "breaks")
    assert await Endings(jobs, STORE, leavings.kinds).cancel("acme", "j")
    assert (await one(jobs, "j")).state == "cancelled"
    assert await leavings.kept() == []


async def test_a_job_that_is_held_is_not_ended(jobs: AsyncEngine, leavings: Leavings) -> None:
    await queue(jobs, "j", "leaves")
    async with jobs.begin() as tx:
        job = await STORE.claim(tx, "h")
    assert job is not None
    endings = Endings(jobs, STORE, leavings.kinds)
    async with jobs.begin() as tx:
        assert await STORE.hold(tx, job)
        cancelling = asyncio.create_task(endings.cancel("acme", "j"))
        await somebody_waits(jobs)
    assert await cancelling
    async with jobs.begin() as tx:
        assert not await STORE.hold(tx, job)
