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
from rapport_campaign.domain.permission import QUIET, SAME_ADDRESS
from rapport_campaign.handlers.coupons import dry
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
        kind = rng.randrange(12)
        traits = {"timezone": rng.choice(ZONES), "n": rng.choice([3, 3, 3, 3, 20_000])}
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


BODY = {
    "html": "{% for i in (1..profile.traits.n) %}.{% endfor %}<p>{{ coupon.code }}</p>",
    "coupon_pool": "spring",
}
"""Of a template that says more than it may to some."""
QUIET_ENDS = (
    "UPDATE campaign.plan SET due_at = due_at - interval '1 day' WHERE reason = 'quiet hours'"
)
CODES_END = "UPDATE campaign.coupon SET expires_at = '-infinity' WHERE expires_at < 'infinity'"
OUTCOMES = {"sent": "gets", "planned": "waits", "suppressed": "never", "failed": "fails"}


async def told(cast: Broadcasts, broadcast: str, **asked: Any) -> tuple[dict[str, Any], Any]:
    """What a dry run says of each person, and its job."""
    path = f"/v1/broadcasts/{broadcast}/dry-runs"
    answer = await cast.all.client.post(path, params=asked)
    assert answer.status_code == 202, answer.text
    job = answer.json()["id"]
    before = await cast.all.ledger.states()
    await cast.all.work(7)
    assert await cast.all.ledger.states() == before, "nothing is planned by it"
    people = await cast.all.client.get(f"{path}/{job}/people", params={"limit": 1000})
    async with cast.all.engine.begin() as tx:
        found = await JOBS.find(tx, "acme", job)
    assert found is not None
    assert found.state == "done", found.error
    return {one["profile_id"]: one for one in people.json()["items"]}, found


async def became(cast: Broadcasts, broadcast: str) -> dict[str, tuple[str, str | None]]:
    """What has become of each person's message by now, in the words of dry runs."""
    [run] = await cast.runs(broadcast)
    rows = await cast.all.ledger.rows(f"campaign_id = '{run['id']}'")
    return {row["profile_id"]: (OUTCOMES[row["state"]], row["reason"]) for row in rows}


async def claimed_all(cast: Broadcasts) -> None:
    """Senders take what is due, batch after batch; who nothing is known of comes no second time."""
    while await cast.all.turn():
        await cast.all.ledger.change(
            "UPDATE campaign.plan SET due_at = due_at + interval '1 day' "
            "WHERE reason = 'profile unknown' AND due_at < now() + interval '1 hour'"
        )


async def pooled(cast: Broadcasts, number: int, name: str = "spring") -> None:
    """A pool of codes, some of which end in half an hour."""
    soon = (clock.now() + timedelta(minutes=30)).isoformat()
    lines = [f"C{place},{soon if place < 4 else ''}" for place in range(number)]
    client = cast.all.client
    await client.post("/v1/coupon-pools", json={"name": name})
    content = "\n".join(["code,expires_at", *lines])
    answer = await client.post(f"/v1/coupon-pools/{name}/imports?format=csv", content=content)
    assert answer.status_code == 202, answer.text
    await cast.all.work(50)


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 3))])
async def test_a_dry_run_is_right_of_everybody(
    cast: Broadcasts, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {"caps": [CAP], "quiet_hours": [quiet_in_utc()], "version": 0, "reason": "spring"}
    rng = random.Random(seed)
    await cast.all.topics.defined(OTHER)
    await population(cast, rng, 110)
    await pooled(cast, 7 + rng.randrange(4))
    answer = await cast.all.client.put("/v1/contact-rules", json=rules)
    assert answer.status_code == 200, answer.text
    broadcast = await cast.made(lateness_seconds=2 * 86_400, **BODY)
    people, found = await told(cast, broadcast)
    said = {name: (one["outcome"], one["reason"]) for name, one in people.items()}
    report = dict(found.report)
    about = report.pop("run")
    assert (found.done, about["rendered"], about["not_begun"]) == (112, True, None)
    counted = Counter((outcome, reason or "") for outcome, reason in said.values())
    assert {(o, r): n for o, each in report.items() for r, n in each.items()} == dict(counted)
    assert len(counted) >= 10, "people of many kinds"
    some = [("never", SAME_ADDRESS), ("fails", dry("spring")), ("gets", "")]
    assert all(counted[one] for one in some), counted
    assert sum("template" in reason for outcome, reason in counted if outcome == "fails") == 1
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    await cast.all.work()
    await claimed_all(cast)
    now_is = await became(cast, broadcast)
    later = {name for name, one in now_is.items() if one == ("waits", QUIET)}
    gone_by = {name for name in now_is if name not in later}
    assert {name: said[name] for name in gone_by} == {name: now_is[name] for name in gone_by}
    # The quiet hours end.
    end = clock.now() + timedelta(hours=2)
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: end)
        await cast.all.ledger.change(QUIET_ENDS)
        await cast.all.ledger.change(CODES_END)
        await claimed_all(cast)
    at_last = await became(cast, broadcast)
    gets = ("gets", None)
    waited = {name: ("waits", QUIET) if at_last[name] == gets else at_last[name] for name in later}
    assert {name: said[name] for name in later} == waited
    assert later, "some wait for the end of their quiet hours"


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
