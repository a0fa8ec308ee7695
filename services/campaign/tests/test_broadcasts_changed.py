"""Broadcasts that are changed, held or ended while their runs are under way; loops by hand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from services.campaign.tests.conftest import LOOKING, SEGMENT, membership
from services.campaign.tests.test_broadcasts import OTHER, Broadcasts
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.engines import patient_engine
from tests.support.waiting import between_looks

from rapport_campaign.handlers.work import Works
from rapport_campaign.store.jobs import JOBS
from rapport_common import clock

pytestmark = pytest.mark.integration
DAILY = {"kind": "recurring", "cron": "0 9 * * *", "timezone": "Asia/Shanghai"}
FAILED = (
    "WITH gone AS (DELETE FROM campaign.plan RETURNING *) INSERT INTO campaign.message ("
    "workspace, send_key, planned_at, kind, purpose, campaign_id, occasion, step, channel, "
    "profile_id, traceparent, attempt, state, reason) SELECT workspace, send_key, planned_at, "
    "kind, purpose, campaign_id, occasion, step, channel, profile_id, traceparent, 1, 'failed', "
    "'no' FROM gone"
)
TOTALS = "UPDATE campaign.message_total SET state = 'failed' WHERE state = 'planned'"


@pytest.fixture
def cast(scenario: Any) -> Broadcasts:
    return Broadcasts(scenario)


async def changed(cast: Broadcasts, broadcast: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    answer = await cast.all.client.patch(f"/v1/broadcasts/{broadcast}", json=fields)
    return answer.status_code, dict(answer.json())


async def daily(cast: Broadcasts, **more: Any) -> tuple[str, datetime]:
    """One that repeats, and its first occurrence, which has begun and is not planned yet."""
    broadcast = await cast.made(**{"schedule": DAILY, **more})
    at = datetime.fromisoformat((await cast.step(broadcast, "schedule"))["next_at"])
    await cast.conduct(at)
    return broadcast, at


async def test_a_run_goes_to_whom_it_was_begun_for(cast: Broadcasts, engine: AsyncEngine) -> None:
    """Changed in the middle of its planning the rest would go to others, whom nobody approved."""
    await cast.all.topics.defined(OTHER)
    await cast.people(*"abcd")
    await cast.people(*"wxyz", segment=OTHER)
    broadcast, _ = await daily(cast)
    async with engine.begin() as tx:
        [job] = await JOBS.latest(tx, "acme", kind="broadcast", limit=1)
    async for _ in Works(engine, LOOKING, page=2).kinds["broadcast"](job):
        break
    [run] = await cast.runs(broadcast)
    why = f"/v1/people/w/why?campaign={run['id']}"
    assert "still being planned" in (await cast.all.client.get(why)).json()["sentence"]
    code, told = await changed(cast, broadcast, audience={"any": [OTHER]})
    assert (code, told["details"]["job_id"]) == (409, job.id)
    # What it says is another's: the run has a copy.
    assert (await changed(cast, broadcast, subject="Other"))[0] == 200
    await cast.all.work()
    assert {row["profile_id"] for row in await cast.all.ledger.rows()} == set("abcd")
    assert "not in the broadcast's audience" in (await cast.all.client.get(why)).json()["sentence"]
    assert (await changed(cast, broadcast, audience={"any": [OTHER]}))[0] == 200


async def test_those_who_failed_get_what_they_did_not_get(cast: Broadcasts) -> None:
    await cast.people("ada")
    broadcast, at = await daily(cast)
    await cast.all.work()
    await cast.all.ledger.change(FAILED)
    await cast.all.ledger.change(TOTALS)
    await cast.conduct(at)
    assert (await changed(cast, broadcast, subject="Not approved"))[0] == 200
    for verb, back in (("pause", "resume"), ("cancel", None)):
        if back is None:
            run = await cast.step(broadcast, "again")
            found = await cast.all.client.get(f"/v1/campaigns/{run['id']}")
            assert found.json()["subject"] == cast.body["subject"]
        await cast.step(broadcast, verb)
        assert (await cast.refused(broadcast, "again"))[0] == 409, verb
        if back is not None:
            await cast.step(broadcast, back)


async def test_it_is_not_over_before_all_of_its_runs_are(cast: Broadcasts) -> None:
    await cast.people("ada")
    ends = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    broadcast, at = await daily(cast, schedule={**DAILY, "ends_at": ends.isoformat()})
    await cast.all.work()
    last = at
    while (shown := await cast.shown(broadcast))["next_at"] is not None:
        last = datetime.fromisoformat(shown["next_at"])
        # The others are too late, and the first one still sends.
        await cast.conduct(last + timedelta(hours=7))
    assert last > at
    assert {one["state"] for one in await cast.runs(broadcast)} == {"cancelled", "sending"}
    assert (shown["state"], shown["reason"]) == ("sending", None)
    assert (await cast.step(broadcast, "pause"))["state"] == "paused"
    assert (await cast.step(broadcast, "cancel"))["state"] == "cancelled"
    await cast.conduct(last)
    assert await cast.all.ledger.states() == {"suppressed": 1}


async def test_an_approval_is_waited_for_whatever_ends_meanwhile(cast: Broadcasts) -> None:
    await cast.people("ada")
    broadcast, at = await daily(cast)
    await cast.all.work()
    old = await cast.made()
    await cast.step(old, "schedule")
    policy = {"broadcast_approval_above": 0}
    async with cast.all.client_of(scopes=("campaigns:read", "campaigns:write")) as writer:
        assert (await writer.patch("/v1/policy", json=policy)).status_code == 403
    assert (await cast.all.client.patch("/v1/policy", json=policy)).status_code == 200
    await cast.conduct(at + timedelta(days=1))
    assert (await cast.shown(broadcast))["state"] == "awaiting_approval"
    # What is too late is over, and nobody is asked to approve it.
    assert (await cast.shown(old))["reason"] == "too late"
    await cast.all.ledger.change("DELETE FROM campaign.plan")
    await cast.conduct(at + timedelta(days=1))
    assert [one["state"] for one in await cast.runs(broadcast)] == ["done"]
    assert (await cast.shown(broadcast))["state"] == "awaiting_approval"
    async with cast.all.client_of(subject="grace") as grace:
        approved = await cast.step(broadcast, "approve", grace)
    # The occurrence that has waited is begun, and not only the next.
    assert datetime.fromisoformat(approved["next_at"]) == at + timedelta(days=1)
    # Of newcomers nobody knows how many there will be.
    assert (await cast.all.client.patch("/v1/policy", json={"broadcast_approval_above": 9})).json()
    joins = await cast.made(joins_end_at=(clock.now() + timedelta(hours=1)).isoformat())
    assert (await cast.step(joins, "schedule"))["state"] == "awaiting_approval"


async def test_what_is_for_an_archived_segment_is_not_begun(cast: Broadcasts) -> None:
    """Who is in it is as of its end: who has left since is not told any more."""
    await cast.all.topics.defined(OTHER)
    await cast.people("ada")
    broadcast = await cast.made(audience={"any": [SEGMENT], "except": [OTHER]})
    await cast.step(broadcast, "schedule")
    await cast.all.topics.defined(OTHER, version=2, archived_at=clock.now())
    await cast.conduct()
    shown = await cast.shown(broadcast)
    assert (shown["state"], shown["runs"]) == ("failed", 0)
    assert "archived" in shown["reason"]


async def test_who_is_told_of_late_gets_it_at_their_time_or_not_at_all(cast: Broadcasts) -> None:
    day = (clock.now() + timedelta(days=2)).date()
    body = {"kind": "local", "local_at": f"{day}T09:00:00"}
    broadcast = await cast.made(schedule=body, lateness_seconds=3600)
    begins = datetime.fromisoformat((await cast.step(broadcast, "schedule"))["next_at"])
    await cast.conduct(begins)
    await cast.all.work()
    for name, zone in (("kim", "Pacific/Kiritimati"), ("una", "UTC")):
        await cast.all.topics.person(name, f"{name}@example.com", timezone=zone)
        await cast.all.topics.entered(name, f"1-{name}", at=begins - timedelta(days=3))
    rows = {
        row["profile_id"]: row for row in await cast.all.ledger.query("SELECT * FROM campaign.plan")
    }
    assert rows["kim"]["due_at"] == begins
    assert rows["una"]["due_at"] == begins + timedelta(hours=14)
    for row in rows.values():
        assert row["late_at"] == row["due_at"] + timedelta(hours=1)


async def test_who_was_there_and_who_came_since_get_what_begins_late(cast: Broadcasts) -> None:
    at, minute = clock.now() + timedelta(minutes=5), timedelta(minutes=1)
    joins = {"joins_end_at": (at + 25 * minute).isoformat()}
    await cast.people("gone")
    broadcast = await cast.made(schedule={"kind": "at", "at": at.isoformat()}, **joins)
    await cast.step(broadcast, "schedule")
    left = membership("gone", f"{SEGMENT[:4]}-gone", change="exited", at=at + 10 * minute)
    came = [membership(who, f"1-{who}", at=at + n * minute) for who, n in (("new", 20), ("no", 28))]
    await cast.all.topics.bring("segment.membership", left, *came)
    await cast.conduct(at + 30 * minute)
    await cast.all.work()
    rows = await cast.all.ledger.rows()
    assert sorted(row["profile_id"] for row in rows) == ["gone", "new"]


async def test_a_dry_run_keeps_nothing_of_who_is_erased_meanwhile(
    cast: Broadcasts, engine: AsyncEngine
) -> None:
    await cast.people("ada", "ben")
    path = f"/v1/broadcasts/{await cast.made()}/dry-runs"
    made = (await cast.all.client.post(path)).json()["id"]
    async with engine.begin() as tx:
        job = await JOBS.find(tx, "acme", made)
    assert job is not None
    async for _ in Works(engine, LOOKING, page=1).kinds["dry_run"](job):
        break
    await cast.all.ledger.change(
        "INSERT INTO campaign.erased (workspace, subject, at) VALUES ('acme', 'ada', now())"
    )
    await cast.all.work(1)
    told = (await cast.all.client.get(f"{path}/{made}/people")).json()["items"]
    assert [one["profile_id"] for one in told] == ["ben"]


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = patient_engine(database_url, application="campaign-other", pool=3)
    yield engine
    await engine.dispose()


async def test_what_is_ended_while_a_page_is_planned_stays_ended(
    cast: Broadcasts, engine: AsyncEngine, other: AsyncEngine
) -> None:
    """The planner has read the run and not written it yet: it must not write its state back."""
    await cast.people("ada")
    broadcast = await cast.made()
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    async with engine.begin() as tx:
        [job] = await JOBS.latest(tx, "acme", kind="broadcast", limit=1)

    async def waiting(number: int, *tasks: asyncio.Task[Any]) -> None:
        looks = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while not any(one.done() for one in tasks):
            async with other.begin() as looking:
                if await looking.scalar(looks) >= number:
                    return
            await between_looks()

    async with other.connect() as holder:
        await holder.execute(text("LOCK TABLE campaign.plan IN SHARE MODE"))
        planning = asyncio.ensure_future(
            anext(Works(engine, LOOKING, page=2).kinds["broadcast"](job))
        )
        await waiting(1, planning)
        ending = asyncio.create_task(cast.step(broadcast, "cancel"))
        await waiting(2, ending)
        await holder.rollback()
    await asyncio.gather(planning, ending)
    [run] = await cast.runs(broadcast)
    assert (run["state"], (await cast.shown(broadcast))["state"]) == ("cancelled", "cancelled")
    await cast.conduct()
    assert await cast.all.ledger.states() == {"suppressed": 1}


async def test_one_that_can_not_be_ended_keeps_no_other_from_it(cast: Broadcasts) -> None:
    await cast.people("ada")
    broken, whole = await cast.made(), await cast.made()
    for broadcast in (broken, whole):
        await cast.step(broadcast, "schedule")
    await cast.conduct()
    await cast.all.work()
    await cast.sent_all()
    await cast.all.ledger.change(
        f"UPDATE campaign.broadcast SET audience = '[]' WHERE broadcast_id = '{broken}'"
    )
    await cast.conduct()
    assert (await cast.shown(whole))["state"] == "done"
