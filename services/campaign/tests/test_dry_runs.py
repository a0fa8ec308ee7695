"""A dry run says of each person what becomes of their message; and what paces do to senders."""

import random
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from services.campaign.tests.conftest import membership, profile_state, publisher
from services.campaign.tests.test_broadcasts import OTHER, Broadcasts
from services.campaign.tests.test_contacting import overlapping
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain.delivery import Limits
from rapport_campaign.domain.permission import SAME_ADDRESS
from rapport_campaign.handlers.dispatch import Dispatcher
from rapport_campaign.store.jobs import JOBS
from rapport_common import clock
from rapport_common.events.activity import (
    SECTIONS,
    ContactPoint,
    ProfileActivity,
    SectionVersions,
)

pytestmark = pytest.mark.integration
CAP = {"id": "weekly", "purpose": "promotion", "at_most": 1, "period": {"days": 7}}
KINDS: dict[int, dict[str, Any]] = {
    2: {"consent": "denied"},
    3: {"consent": None},
    4: {"open_cases": 1},
    5: {"confirmed": False},
}
ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "nowhere", ""]


@pytest.fixture
def cast(scenario: Any) -> Broadcasts:
    return Broadcasts(scenario)


def quiet_in_utc() -> dict[str, Any]:
    """Quiet hours that it is in the middle of in UTC, and in none of the other zones."""
    now = clock.now()
    since, until = now - timedelta(hours=1), now + timedelta(hours=1)
    return {"from": f"{since:%H:%M}", "to": f"{until:%H:%M}"}


def activity(name: str, *emails: str, **more: Any) -> ProfileActivity:
    """What is told of somebody."""
    return ProfileActivity(
        workspace="acme",
        profile_id=name,
        version=1,
        versions=SectionVersions(*[1] * len(SECTIONS)),
        **profile_state(*emails, **more),
    )


async def population(cast: Broadcasts, rng: random.Random, number: int) -> None:
    """People of all kinds; some share an address, some have got something, some became others."""
    client, topics = cast.all.client, cast.all.topics
    names = [f"p{place:02}" for place in range(number)]
    told = []
    for name in names:
        own = f"{rng.choice([name, name, f'family{rng.randrange(12)}'])}@example.com"
        kind = rng.randrange(9)
        traits = {"timezone": rng.choice(ZONES)}
        if kind == 0:
            continue  # nothing is known of them yet
        if kind == 1:
            point = ContactPoint(channel="email", value=own, verified=False)
            told.append(activity(name, own, contact_points=[point], **traits))
            continue
        more = KINDS.get(kind, {})
        told.append(activity(name, *([] if kind == 6 else [own]), **more, **traits))
    twins = ["t1", "t2"]
    told += [activity(one, "twins@example.com", timezone="Asia/Shanghai") for one in twins]
    await topics.bring("profile.activity", *told)
    listed = [{"address": f"{name}@example.com"} for name in rng.sample(names, 5)]
    body = {"addresses": listed, "reason": "asked"}
    answer = await client.post("/v1/suppressions/add", json=body)
    assert answer.status_code == 200, answer.text
    others = [membership(one, f"o-{one}", segment_id=OTHER) for one in rng.sample(names, 8)]
    await topics.bring("segment.membership", *others)
    await cast.whole(await cast.made(audience={"any": [OTHER]}))
    entries = [membership(name, f"{rng.randrange(10**6):06}-{name}") for name in [*names, *twins]]
    await topics.bring("segment.membership", *entries)
    await topics.merged(names[0], names[1], version=9)
    await topics.merged(names[2], "gone", version=9)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
async def test_a_dry_run_is_right_of_everybody(
    cast: Broadcasts, engine: AsyncEngine, seed: int
) -> None:
    rules = {"caps": [CAP], "quiet_hours": [quiet_in_utc()], "version": 0, "reason": "spring"}
    await cast.all.topics.defined(OTHER)
    await population(cast, random.Random(seed), 60)
    answer = await cast.all.client.put("/v1/contact-rules", json=rules)
    assert answer.status_code == 200, answer.text
    broadcast = await cast.made(lateness_seconds=2 * 86_400)
    path = f"/v1/broadcasts/{broadcast}/dry-runs"
    job = (await cast.all.client.post(path)).json()["id"]
    before = await cast.all.ledger.states()
    await cast.all.work(7)
    assert await cast.all.ledger.states() == before, "nothing is planned by it"
    people = f"{path}/{job}/people"
    told = (await cast.all.client.get(people, params={"limit": 1000})).json()["items"]
    said = {one["profile_id"]: (one["outcome"], one["reason"]) for one in told}
    async with engine.begin() as tx:
        found = await JOBS.find(tx, "acme", job)
    assert found is not None
    assert (found.state, found.done) == ("done", 62)
    report = found.report
    counted = Counter((outcome, reason or "") for outcome, reason in said.values())
    assert {(o, r): n for o, each in report.items() for r, n in each.items()} == dict(counted)
    assert len(counted) >= 8, "people of many kinds"
    assert counted["never", SAME_ADDRESS], "some share an address"
    await cast.whole(broadcast)
    [run] = await cast.runs(broadcast)
    outcomes = {"sent": "gets", "planned": "waits", "suppressed": "never"}
    became = {
        row["profile_id"]: (outcomes[row["state"]], row["reason"])
        for row in await cast.all.ledger.rows(f"campaign_id = '{run['id']}'")
    }
    assert said == became
    only = {"profile_id": "p03", "outcome": said["p03"][0]}
    [one] = (await cast.all.client.get(people, params=only)).json()["items"]
    assert (one["profile_id"], one["reason"]) == ("p03", said["p03"][1])


async def test_all_senders_together_keep_to_the_pace_and_hold_up_nobody(
    cast: Broadcasts, engine: AsyncEngine
) -> None:
    await cast.people(*"abcdef")
    slow = await cast.made(throttle={"at_most": 2, "per": "hour"})
    await cast.step(slow, "schedule")
    await cast.conduct()
    await cast.all.work()
    senders = [Dispatcher(publisher(), Limits(60.0, 3, 0.1)) for _ in range(3)]

    async def taken() -> list[int]:
        found = []
        for one in senders:
            async with engine.begin() as tx:
                batch = await one.claim(tx, 3, str(uuid.uuid4()))
            found.append(len(batch.jobs))
        return found

    assert await taken() == [1, 0, 0], "the next slot is in half an hour"
    # One of the same people gets something else meanwhile, and the queue that waits takes no place.
    await cast.all.topics.requested("now")
    assert sum(await taken()) == 1
    await cast.all.ledger.change("UPDATE campaign.broadcast_pace SET free_at = 0")
    # What is suppressed takes no slot.
    await cast.all.ledger.change("UPDATE campaign.plan SET late_at = now() WHERE profile_id < 'd'")
    assert sum(await taken()) + sum(await taken()) == 1
    assert await cast.all.ledger.states() == {"sending": 3, "suppressed": 2, "planned": 2}
    await cast.step(slow, "cancel")
    assert await cast.all.ledger.query("SELECT * FROM campaign.broadcast_pace") == []


async def test_paces_are_taken_one_after_the_other(
    cast: Broadcasts, engine: AsyncEngine, database_url: str
) -> None:
    """Two senders claim at once; the second one waits for the first, and finds no slot."""
    await cast.people(*"abcd")
    slow = await cast.made(throttle={"at_most": 1, "per": "hour"})
    await cast.step(slow, "schedule")
    await cast.conduct()
    await cast.all.work()
    assert len(await overlapping(engine, database_url)) == 1
