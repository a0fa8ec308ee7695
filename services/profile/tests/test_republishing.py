"""Everybody is told again: whole, in order with what is told beside it, and from where it was."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import httpx
import msgspec
import pytest
from services.profile.tests.conftest import bearer, hands
from services.profile.tests.follower import Follower, followed
from services.profile.tests.people import IDS, content, event, expected
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app
from tests.support.outbox import waiting
from tests.support.waiting import HANG_SECONDS

from rapport_common.db import is_retriable
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.ids import uuid7_text
from rapport_common.jobs.routes import job_routes
from rapport_common.jobs.store import JobStore, NewJob
from rapport_common.jobs.worker import Jobs
from rapport_common.kafka.batch import Record
from rapport_common.pace import Pace
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import mint
from rapport_profile.api import routers
from rapport_profile.domain.content import content_hash
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.handlers.events import on_events
from rapport_profile.handlers.republishing import Republishing
from rapport_profile.store import retelling
from rapport_profile.store.jobs import JOBS, REPUBLISH

pytestmark = pytest.mark.integration


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """Who operates the installation, with a token of workspace `w`."""
    app = patient_app("profile")
    add_routes(app, *routers(engine, IDS, hands(Arrivals(engine))))
    add_routes(app, job_routes(engine, JOBS, read="ops", write="ops"))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=bearer("w", "ops")
    ) as made:
        yield made


async def feed(engine: AsyncEngine, history: Sequence[Event]) -> None:
    while True:
        try:
            async with engine.begin() as tx:
                batch = [Record("events", 0, at, b"", one) for at, one in enumerate(history)]
                await on_events(IDS, batch, tx)
        except Exception as error:
            if not is_retriable(error):
                raise
        else:
            return


def people(*numbers: int, at: int = 0) -> list[Event]:
    return [
        event(f"{n}-{at}", type="identify", user_id=f"U{n}", traits={"at": at}, at=at)
        for n in numbers
    ]


async def published(engine: AsyncEngine) -> list[ProfileActivity]:
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile")
        return [msgspec.json.decode(row.value, type=ProfileActivity) for row in rows]


async def forget(engine: AsyncEngine) -> None:
    """What was published is out of the log."""
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM profile.outbox_batch"))


def unhurried(_seconds: float) -> Pace:
    return Pace(0)


def by_ones(engine: AsyncEngine) -> Republishing:
    """A profile is a page."""
    return Republishing(engine, 1, unhurried)


async def job(engine: AsyncEngine, **spec: bool) -> str:
    new = NewJob(uuid7_text(), REPUBLISH, spec)
    async with engine.begin() as tx:
        assert await JOBS.add(tx, "w", new)
    return new.id


async def republish(engine: AsyncEngine, work: Republishing, **spec: bool) -> int:
    """All of a job; how many people it is done with, those whose events it tells once more."""
    made = await job(engine, **spec)
    assert await Jobs(engine, JOBS, {REPUBLISH: work.work}).turn(asyncio.Event())
    async with engine.begin() as tx:
        ended = await JOBS.find(tx, "w", made)
    assert ended is not None
    assert (ended.state, ended.error) == ("done", None)
    assert ended.done == ended.total
    return ended.done


@pytest.mark.parametrize("rate", [1, 2_000])
async def test_who_has_lost_everything_knows_everybody_again(
    engine: AsyncEngine, rate: int
) -> None:
    """Merged ids and gone ones too; what was told meanwhile is not taken back by it."""
    history = [
        *people(1, 2, 3),
        event("v", type="identify", anonymous_id="x", traits={"seen": 1}),
        event("l", user_id="U1", anonymous_id="x", at=5),
    ]
    for one in history:
        await feed(engine, [one])
    before = await published(engine)
    ids = {one.profile_id for one in before}
    await forget(engine)
    assert await republish(engine, Republishing(engine, rate, unhurried)) == 4
    again = await published(engine)
    assert {one.profile_id for one in again} == ids
    assert all(one.republished and one.event is None for one in again)
    assert content(followed(again).states()) == expected(history)
    # Nothing in their lives has happened.
    versions = {one.profile_id: one.version for one in before}
    assert {one.profile_id: one.version for one in again} == versions
    (merged,) = [one for one in again if one.merged_into is not None]
    assert (merged.merged_into in ids, merged.into_version, merged.versions) == (True, 0, None)
    # Who goes on with what is told later finds no gap.
    later = people(1, 2, 3, at=9)
    await feed(engine, later)
    reader = followed(await published(engine))
    assert content(reader.states()) == expected([*history, *later])


async def test_who_is_gone_is_told_as_gone(engine: AsyncEngine) -> None:
    copies = sorted((event("m", user_id=one) for one in "AB"), key=content_hash, reverse=True)
    for one in copies:
        await feed(engine, [one])
    first = (await published(engine))[0].profile_id
    await forget(engine)
    assert await republish(engine, by_ones(engine)) == 2
    told = {one.profile_id: one.gone for one in await published(engine)}
    assert (told.pop(first), list(told.values())) == (True, [False])


async def test_profiles_stored_before_there_were_versions_or_summaries_are_told(
    engine: AsyncEngine,
) -> None:
    await feed(engine, people(1, 2))
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "UPDATE profile.profile SET version = 7, summary = CAST(CAST(summary AS jsonb) "
                "- 'versions' AS json) WHERE CAST(summary ->> 'user' AS text) = "
                "(SELECT CAST(id AS text) FROM profile.identifier WHERE value = 'U1')"
            )
        )
        await tx.execute(
            text(
                "UPDATE profile.identifier i SET fold = p.summary -> 'fold' FROM profile.profile p "
                "WHERE p.id = i.profile_id AND i.value = 'U2'"
            )
        )
        await tx.execute(
            text("UPDATE profile.profile SET summary = NULL, version = 7 WHERE version = 1")
        )
    await forget(engine)
    assert await republish(engine, by_ones(engine)) == 2
    told = await published(engine)
    assert content(followed(told).states()) == expected(people(1, 2))
    assert [msgspec.json.encode(one.versions) for one in told] == [b"[7,7,7,7,7,7]"] * 2


def applied_by(told: Sequence[ProfileActivity]) -> dict[str, tuple[str, str]]:
    """By which identifier events were applied."""
    return {
        one.event.message_id: one.hub or one.event.identifiers[0]
        for one in told
        if one.event is not None
    }


@pytest.mark.parametrize("events", [False, True])
async def test_a_job_goes_on_where_it_was(engine: AsyncEngine, *, events: bool) -> None:
    """However often it dies; what it tells twice is the same."""
    await feed(engine, [*people(*range(9)), *people(3, 3, 4, at=1)])
    await forget(engine)
    made, died = await job(engine, events=events), 0
    store = JobStore("profile", lease_seconds=0)
    while True:
        async with engine.begin() as tx:
            taken = await store.claim(tx, f"process {died}")
        if taken is None:
            break
        steps = by_ones(engine).work(taken)
        number = 0
        async for step in steps:
            async with engine.begin() as tx:
                # The last piece is told, and nobody knows of it.
                if number == 2 or not await store.advance(tx, taken, f"process {died}", step):
                    break
            number += 1
        else:
            async with engine.begin() as tx:
                await store.finish(tx, taken, f"process {died}", "done")
        died += 1
    async with engine.begin() as tx:
        ended = await JOBS.find(tx, "w", made)
    assert ended is not None
    assert (ended.state, ended.done, died > 3) == ("done", 18 if events else 9, True)
    told = await published(engine)
    assert len(told) > 9
    states = [one for one in told if one.event is None]
    everything = [*people(*range(9)), *people(3, 4, at=1)]
    assert content(followed(states).states()) == expected(everything)
    again = {one.event.message_id for one in told if one.event is not None}
    assert again == ({one.message_id for one in everything} if events else set())


async def test_events_are_told_again_after_everybody_each_once_in_its_persons_order(
    engine: AsyncEngine,
) -> None:
    """Of who has more than a page has, a page at a time; of a merged person under the new id."""
    busy = [event(f"b{n}", user_id="U1", at=n) for n in range(7)]
    copies = [event("c", user_id="U2", said={"copy": n}) for n in range(3)]
    copies.sort(key=content_hash, reverse=True)
    others = [
        event("d", user_id="U2"),
        event("x", anonymous_id="a"),
        event("y", user_id="U3"),
        event("z", user_id="U3", anonymous_id="a", at=3),
        # By the first that names somebody it is applied, which is not the first.
        event("h", identifiers=[("user_id", "null"), ("user_id", "U3")], at=4),
    ]
    for one in [*busy, *others, *copies]:
        await feed(engine, [one])
    before = await published(engine)
    await forget(engine)
    # Four people that were, one of them history, and three with events.
    assert await republish(engine, Republishing(engine, 8, unhurried), events=True) == 4 + 3
    told = await published(engine)
    again = [one for one in told if one.event is not None]
    assert told == [one for one in told if one.event is None] + again
    assert all(one.republished and one.versions is None for one in again)
    by_id = {one.event.message_id: one for one in again if one.event is not None}
    assert len(by_id) == len(again) == 7 + 5 + 1
    assert [one for one in by_id if one.startswith("b")] == [one.message_id for one in busy]
    assert (by_id["c"].event, by_id["c"].replaced) == (copies[-1], 2)
    assert len({by_id[one].profile_id for one in "xyz"}) == 1
    # By which identifier each was applied is told as it was the first time.
    assert applied_by(again) == applied_by(before)
    # Who follows profiles takes no step by them.
    states = [one for one in told if one.event is None]
    assert content(followed(told).states()) == content(followed(states).states())


async def test_no_event_is_missed_of_who_merges_or_comes_apart_meanwhile(
    engine: AsyncEngine,
) -> None:
    """After each page two people become one, and one becomes two."""
    links = [tied(n) for n in range(8)]
    history = [event(f"u{n}", user_id=f"U{n}") for n in range(8)]
    history += [event(f"x{n}", anonymous_id=f"x{n}", at=n) for n in range(8)]
    history += [whole for whole, _half in links[::2]]
    await feed(engine, history)
    await forget(engine)
    changes = [
        [event(f"m{n}", user_id=f"U{n}", anonymous_id=f"x{n}"), links[n - 1][1]]
        for n in range(1, 8, 2)
    ]
    await job(engine, events=True)
    async with engine.begin() as tx:
        taken = await JOBS.claim(tx, "a process")
    assert taken is not None
    async for step in by_ones(engine).work(taken):
        if step.position["event"] is not None and changes:
            await feed(engine, changes.pop())
    assert not changes
    told = [one.event for one in await published(engine) if one.event is not None]
    assert {one.message_id for one in history} <= {one.message_id for one in told}


def tied(number: int) -> tuple[Event, Event]:
    """Two copies of a message: one ties two names together, the other counts, and doesn't."""
    user = f"U{number}"
    whole = event(f"l{number}", user_id=user, anonymous_id=f"x{number}")
    halves = (event(f"l{number}", user_id=user, said={"n": n}) for n in range(999))
    return whole, next(one for one in halves if content_hash(one) < content_hash(whole))


async def test_events_of_other_workspaces_are_told_only_everywhere(engine: AsyncEngine) -> None:
    other = [msgspec.structs.replace(one, workspace="other") for one in people(1, 2)]
    await feed(engine, [*people(3), *other])
    for spec, whose in (({}, ["w"]), ({"everywhere": True}, ["other", "other", "w"])):
        await forget(engine)
        done = await republish(engine, by_ones(engine), events=True, **spec)
        told = [one.workspace for one in await published(engine) if one.event is not None]
        assert (told, done) == (whose, 2 * len(whose))


async def test_of_who_was_forgotten_nothing_is_told_again(
    engine: AsyncEngine,
) -> None:
    """Their events are gone from the timeline before anything else."""
    await feed(engine, people(1, 2))
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM profile.timeline WHERE message_id = '1-0'"))
    await forget(engine)
    await republish(engine, by_ones(engine), events=True)
    told = [one.event for one in await published(engine) if one.event is not None]
    assert [one.message_id for one in told] == ["2-0"]


async def test_other_workspaces_are_told_only_by_who_may(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    other = [msgspec.structs.replace(one, workspace="other") for one in people(1, 2)]
    await feed(engine, [*people(3), *other])
    await forget(engine)
    assert await republish(engine, by_ones(engine)) == 1
    assert {one.workspace for one in await published(engine)} == {"w"}
    await forget(engine)
    assert await republish(engine, by_ones(engine), everywhere=True) == 3
    assert [one.workspace for one in await published(engine)] == ["other", "other", "w"]
    weak = mint("w", "ann", ["ops"], timedelta(hours=1))
    headers = {"Authorization": f"Bearer {weak}"}
    path = "/v1/profiles/republish"
    refused = await client.post(path, json={"everywhere": True}, headers=headers)
    assert (refused.status_code, refused.json()["details"]) == (403, {"needed": "installation"})
    assert (await client.post(path, json={}, headers=headers)).status_code == 202
    reader = bearer("w", "profiles:read")
    assert (await client.post(path, json={}, headers=reader)).status_code == 403


async def test_a_workspace_without_anybody_is_done_at_once(engine: AsyncEngine) -> None:
    assert await republish(engine, by_ones(engine)) == 0
    assert await republish(engine, by_ones(engine), everywhere=True) == 0


async def test_the_request_makes_one_job_and_an_operator_may_end_it(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, people(1, 2))
    headers = {"Idempotency-Key": "k"}
    made = await client.post("/v1/profiles/republish", json={}, headers=headers)
    again = await client.post("/v1/profiles/republish", json={}, headers=headers)
    assert (made.status_code, made.json()) == (202, again.json())
    assert made.json()["kind"] == "republish"
    path = f"/v1/jobs/{made.json()['id']}"
    ended = await client.post(f"{path}/cancel")
    assert ended.json()["state"] == "cancelled"
    assert not await Jobs(engine, JOBS, {REPUBLISH: by_ones(engine).work}).turn(asyncio.Event())
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM profile.job"))
    forgotten = await client.post("/v1/profiles/republish", json={}, headers=headers)
    assert (forgotten.status_code, forgotten.json()["code"]) == (404, "not_found")


async def test_pages_have_their_pace(engine: AsyncEngine) -> None:
    """A page per turn, and never so long a turn that a stop would wait for it."""
    await feed(engine, people(*range(5)))
    paces: list[float] = []
    waited: list[float] = []

    def pace(seconds: float) -> Pace:
        async def sleep(left: float) -> None:
            waited.append(left)

        paces.append(seconds)
        return Pace(seconds, now=lambda: 0.0, sleep=sleep)

    for rate in (1, 8, 2_000, 100_000):
        assert await republish(engine, Republishing(engine, rate, pace)) == 5
    assert paces == [1.0, 0.25, 0.25, 0.005]
    # Five pages of one and the end; three pages of two and the end; one page and the end.
    assert waited == [1.0] * 5 + [0.25] * 3 + [0.25, 0.005]


async def test_a_page_has_no_more_than_there_is_room_for(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retelling, "PAGE_BYTES", 1)
    await feed(engine, people(*range(3)))
    stretch = retelling.Stretch("w", None, "ffffffff-ffff-ffff-ffff-ffffffffffff", 10)
    async with engine.begin() as tx:
        first = await retelling.page(tx, stretch)
    assert len(first) == 1
    assert await republish(engine, Republishing(engine, 2_000, unhurried)) == 3


async def test_what_is_told_again_stands_in_its_place_among_the_events(
    engine: AsyncEngine,
) -> None:
    """Jobs beside batches in opposite orders: no old state comes behind a newer one."""
    numbers = range(30)
    await feed(engine, people(*numbers))

    async def batches(step: int) -> None:
        for at in range(1, 13):
            await feed(engine, people(*numbers[::step], at=at * step))

    async with asyncio.timeout(HANG_SECONDS):
        feeding = asyncio.gather(batches(1), batches(-1))
        told = 0
        while not feeding.done():
            told += await republish(engine, Republishing(engine, 20, unhurried))
        await feeding
    records = await published(engine)
    assert sum(one.republished for one in records) >= told > 0
    versions: dict[str, int] = {}
    for one in records:
        assert one.version == versions.get(one.profile_id, 0) + (not one.republished)
        versions[one.profile_id] = one.version
    history = [*people(*numbers), *(one for at in range(1, 13) for one in people(*numbers, at=at))]
    history += [one for at in range(1, 13) for one in people(*numbers, at=-at)]
    assert content(followed(records).states()) == expected(history)
    # Who has lost the first half of it all, and is told again.
    await republish(engine, by_ones(engine))
    emptied = Follower()
    for one in (await published(engine))[len(records) // 2 :]:
        emptied.read(one)
    assert content(emptied.states()) == expected(history)
