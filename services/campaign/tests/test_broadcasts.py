"""Broadcasts through the API, over a real database and mail server; loops are driven by hand."""

import asyncio
import base64
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from services.campaign.tests.conftest import LOOKING, SEGMENT, publisher, taken
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain.delivery import Limits
from rapport_campaign.domain.model import send_key
from rapport_campaign.handlers.conducting import Conductor
from rapport_campaign.handlers.dispatch import Dispatcher
from rapport_campaign.handlers.work import Works
from rapport_campaign.store.jobs import JOBS
from rapport_common import clock
from rapport_common.zones import zone_of

pytestmark = pytest.mark.integration
OTHER = "22222222-2222-2222-2222-222222222222"
SAID = ("purpose", "from_address", "subject", "html")


class Broadcasts:
    """What the tests do with them."""

    def __init__(self, scenario: Any) -> None:
        self.all = scenario
        self.body = {name: scenario.campaign_body[name] for name in SAID}

    async def people(self, *names: str, segment: str = SEGMENT) -> None:
        for name in names:
            await self.all.topics.person(name, f"{name}@example.com")
        for name in names:
            await self.all.topics.entered(name, f"{segment[:4]}-{name}", segment_id=segment)

    async def made(self, **more: Any) -> str:
        body = {"name": "Spring", "audience": {"any": [SEGMENT]}, **self.body, **more}
        answer = await self.all.client.post("/v1/broadcasts", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def step(self, broadcast: str, verb: str, client: Any = None) -> dict[str, Any]:
        answer = await (client or self.all.client).post(f"/v1/broadcasts/{broadcast}/{verb}")
        assert answer.status_code in {200, 201}, answer.text
        return dict(answer.json())

    async def refused(self, broadcast: str, verb: str, client: Any = None) -> tuple[int, str]:
        answer = await (client or self.all.client).post(f"/v1/broadcasts/{broadcast}/{verb}")
        return answer.status_code, str(answer.json().get("message"))

    async def shown(self, broadcast: str) -> dict[str, Any]:
        return dict((await self.all.client.get(f"/v1/broadcasts/{broadcast}")).json())

    async def runs(self, broadcast: str) -> list[dict[str, Any]]:
        return list((await self.all.client.get(f"/v1/broadcasts/{broadcast}/runs")).json()["items"])

    async def conduct(self, now: datetime | None = None, **more: Any) -> None:
        at = now or clock.now()
        await Conductor(self.all.engine, now=lambda: at, **more).turn()

    async def sent_all(self) -> dict[str, int]:
        while await self.all.turn():
            pass
        return dict(await self.all.ledger.states())

    async def whole(self, broadcast: str) -> dict[str, int]:
        """Schedule it, and let everything happen that follows at once."""
        await self.step(broadcast, "schedule")
        await self.conduct()
        await self.all.work()
        found = await self.sent_all()
        await self.conduct()
        return found


@pytest.fixture
def cast(scenario: Any) -> Broadcasts:
    return Broadcasts(scenario)


async def test_everybody_in_the_segment_gets_it_once(cast: Broadcasts) -> None:
    await cast.people("ada", "ben", "cem", "dan", "eve")
    broadcast = await cast.made()
    assert (await cast.shown(broadcast))["state"] == "draft"
    assert await cast.whole(broadcast) == {"sent": 5}
    shown = await cast.shown(broadcast)
    assert (shown["state"], shown["counts"]["sent"], shown["runs"]) == ("done", 5, 1)
    [run] = await cast.runs(broadcast)
    assert (run["state"], run["counts"]["sent"]) == ("done", 5)
    assert len(cast.all.mail_server.mails) == 5
    # What is over sends nothing to who comes later.
    await cast.people("fay")
    assert await cast.sent_all() == {"sent": 5}
    campaigns = (await cast.all.client.get("/v1/campaigns")).json()["items"]
    assert campaigns == []
    history = (await cast.all.client.get(f"/v1/broadcasts/{broadcast}/history")).json()["items"]
    told = [(one["actor"], one["action"]) for one in reversed(history)]
    assert told == [
        ("ada", "created"),
        ("ada", "scheduled"),
        ("rapport", "begun"),
        ("rapport", "done"),
    ]


async def test_nobody_is_lost_or_met_twice_wherever_the_planner_dies(
    cast: Broadcasts, engine: AsyncEngine
) -> None:
    """After each of its pages it is killed before it could note how far it came."""
    await cast.people(*"abcdefg")
    broadcast = await cast.made(throttle={"at_most": 60_000})
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    planning = Works(engine, LOOKING, page=2).kinds["broadcast"]
    async with engine.begin() as tx:
        [job] = await JOBS.latest(tx, "acme", kind="broadcast", limit=1)
    for _ in range(3):
        async for step in planning(job):
            assert step.done
            break
    # Somebody else takes it meanwhile: both plan, page by page.
    first, second = planning(job), planning(job)
    await asyncio.gather(anext(first, None), anext(second, None))
    await cast.all.work()
    rows = await cast.all.ledger.query("SELECT profile_id, due_at FROM campaign.plan")
    assert sorted(row["profile_id"] for row in rows) == list("abcdefg")
    assert len({row["due_at"] for row in rows}) == len("abcdefg"), "each has a place of its own"
    assert (await cast.shown(broadcast))["state"] == "sending"


async def test_after_merges_a_person_gets_it_once(cast: Broadcasts, engine: AsyncEngine) -> None:
    await cast.people("a", "b", "c", "d")
    broadcast = await cast.made()
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    async with engine.begin() as tx:
        [job] = await JOBS.latest(tx, "acme", kind="broadcast", limit=1)
    async for _ in Works(engine, LOOKING, page=2).kinds["broadcast"](job):
        break
    # Who is planned for becomes who is not yet, and two who are not become one.
    await cast.all.topics.merged("a", "c", version=2)
    await cast.all.topics.merged("b", "d", version=2)
    await cast.all.work()
    rows = await cast.all.ledger.rows()
    assert sorted(row["profile_id"] for row in rows) == ["a", "b"]


async def test_who_is_told_of_late_gets_it_and_who_comes_late_if_it_is_for_them(
    cast: Broadcasts,
) -> None:
    await cast.people("ada")
    before = clock.now() - timedelta(minutes=1)
    plain = await cast.made()
    ends = (clock.now() + timedelta(hours=1)).isoformat()
    longer = await cast.made(joins_end_at=ends)
    for broadcast in (plain, longer):
        await cast.whole(broadcast)
    # It is for newcomers until its end, so it is not over.
    assert (await cast.shown(longer))["state"] == "sending"
    await cast.all.topics.person("new", "new@example.com")
    await cast.all.topics.entered("new", "new-1")
    await cast.all.topics.entered("new", "new-2")
    await cast.all.topics.entered("late", "late-1", at=before)
    found = await cast.all.ledger.query(
        "SELECT profile_id, count(*) AS n FROM campaign.every_message GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row.values()) for row in found] == [("ada", 2), ("late", 1), ("new", 1)]
    await cast.conduct(clock.now() + timedelta(hours=2))
    await cast.all.topics.entered("after", "after-1", at=clock.now() + timedelta(hours=2))
    assert len(await cast.all.ledger.rows()) == 4


async def test_it_goes_to_who_is_there_at_its_instant(cast: Broadcasts) -> None:
    await cast.people("ada", "ben")
    broadcast = await cast.made()
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    # Before it is planned somebody leaves, and somebody comes.
    await cast.all.topics.exited("ben", f"{SEGMENT[:4]}-ben")
    await cast.people("cem")
    await cast.all.work()
    rows = await cast.all.ledger.rows()
    assert sorted(row["profile_id"] for row in rows) == ["ada", "ben"]


@pytest.mark.parametrize(
    ("audience", "who"),
    [
        ({"any": [SEGMENT, OTHER]}, "abcd"),
        ({"any": [SEGMENT], "all": [OTHER]}, "bc"),
        ({"any": [OTHER, SEGMENT], "except": [OTHER]}, "a"),
    ],
)
async def test_segments_together(cast: Broadcasts, audience: Any, who: str) -> None:
    await cast.all.topics.defined(OTHER)
    await cast.people("a", "b", "c")
    await cast.people("b", "c", "d", segment=OTHER)
    # Whom both know under another id.
    await cast.all.topics.merged("c", "e", version=2)
    await cast.all.topics.person("e", "c@example.com", version=2)
    broadcast = await cast.made(audience=audience)
    await cast.whole(broadcast)
    rows = await cast.all.ledger.rows()
    assert sorted(row["profile_id"] for row in rows) == sorted(who.replace("c", "e"))


async def test_pages_planned_at_once_are_those_planned_person_by_person(
    cast: Broadcasts, engine: AsyncEngine
) -> None:
    """Order, places, times and versions; with merges, people who stay twice or have it already."""
    nobody = "33333333-3333-3333-3333-333333333333"
    for segment in (OTHER, nobody):
        await cast.all.topics.defined(segment)
    await cast.people(*"abcdefghijkl")
    await cast.people(*"klmnop", segment=OTHER)
    await cast.all.topics.entered("a", f"{SEGMENT[:4]}-aa")
    await cast.all.topics.merged("d", "n", version=2)
    # Who excludes a segment, if only one that nobody is in, is asked of each person.
    planned = []
    for more in ({}, {"except": [nobody]}):
        audience = {"any": [SEGMENT, OTHER], **more}
        broadcast = await cast.made(audience=audience, throttle={"at_most": 60_000})
        await cast.step(broadcast, "schedule")
        await cast.conduct()
        async with engine.begin() as tx:
            [job] = await JOBS.latest(tx, "acme", kind="broadcast", limit=1)
        steps = [one async for one in Works(engine, LOOKING, page=4).kinds["broadcast"](job)]
        [run] = await cast.all.ledger.query(
            f"SELECT * FROM campaign.broadcast_run WHERE broadcast_id = '{broadcast}'"
        )
        rows = await cast.all.ledger.query(
            "SELECT profile_id, occasion, needed_version, purpose, channel, kind, step, due_at, "
            f"late_at, send_key FROM campaign.plan WHERE queue = '{run['run_id']}' ORDER BY due_at"
        )
        second = run["at"].replace(microsecond=0)
        found = [(one.pop("due_at") - second, one.pop("late_at") - run["at"], one) for one in rows]
        for _, _, one in found:
            assert one.pop("send_key") == send_key("acme", str(run["run_id"]), one["profile_id"])
        planned.append((found, run["slots"], [(one.done, one.accepted) for one in steps]))
    assert planned[0] == planned[1]
    assert len(planned[0][0]) == 15
    states = await cast.all.ledger.query("SELECT state, number FROM campaign.message_total")
    assert sum(one["number"] for one in states if one["state"] == "planned") == 30


async def test_it_is_held_goes_on_and_is_ended(cast: Broadcasts, engine: AsyncEngine) -> None:
    await cast.people(*"abcdefghijkl")
    broadcast = await cast.made()
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    assert (await cast.step(broadcast, "pause"))["state"] == "paused"
    await cast.all.work()
    assert await cast.sent_all() == {"planned": 12}
    assert (await cast.step(broadcast, "resume"))["state"] == "sending"
    assert await cast.all.turn(sender_batch=5)
    assert (await cast.step(broadcast, "cancel"))["state"] == "cancelled"
    assert await cast.sent_all() == {"sent": 5, "planned": 7}
    async with engine.begin() as tx:
        assert await Dispatcher(publisher(), Limits(60.0, 3, 0.1)).withdraw(tx) == 0
    await cast.conduct()
    assert await cast.all.ledger.states() == {"sent": 5, "suppressed": 7}
    assert {row["reason"] for row in await cast.all.ledger.rows("state <> 'sent'")} == {"cancelled"}
    counts = (await cast.shown(broadcast))["counts"]
    assert (counts["sent"], counts["suppressed"], counts["planned"]) == (5, 7, 0)
    for verb in ("pause", "resume", "schedule", "approve"):
        assert (await cast.refused(broadcast, verb))[0] == 409, verb


async def test_what_is_cancelled_while_it_is_planned_is_planned_no_further(
    cast: Broadcasts, engine: AsyncEngine
) -> None:
    await cast.people(*"abcd")
    broadcast = await cast.made()
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    async with engine.begin() as tx:
        [job] = await JOBS.latest(tx, "acme", kind="broadcast", limit=1)
    async for _ in Works(engine, LOOKING, page=2).kinds["broadcast"](job):
        break
    await cast.step(broadcast, "cancel")
    await cast.all.work()
    await cast.conduct()
    assert await cast.all.ledger.states() == {"suppressed": 2}
    assert (await cast.all.client.get(f"/v1/jobs/{job.id}")).status_code in {200, 404}


@pytest.mark.parametrize("why", ["too late", "restored", "too late while held"])
async def test_a_run_that_comes_too_late_sends_nothing(cast: Broadcasts, why: str) -> None:
    await cast.people("ada")
    at = clock.now() + timedelta(hours=1)
    broadcast = await cast.made(schedule={"kind": "at", "at": at.isoformat()})
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    assert (await cast.shown(broadcast))["state"] == "scheduled"
    late = at + timedelta(hours=6, seconds=1)
    if why == "restored":
        await cast.conduct(at + timedelta(hours=1), restored_at=at + timedelta(minutes=1))
    elif why == "too late":
        await cast.conduct(late)
    else:
        await cast.step(broadcast, "pause")
        await cast.conduct(late)
        assert await cast.runs(broadcast) == []
        await cast.step(broadcast, "resume")
        await cast.conduct(late)
    await cast.all.work()
    assert await cast.sent_all() == {}
    shown = await cast.shown(broadcast)
    assert shown["state"] == "cancelled"
    expected = "from before the database was restored from a backup"
    assert shown["reason"] == (expected if why == "restored" else "too late")


async def test_a_message_behind_its_time_is_not_sent(cast: Broadcasts) -> None:
    await cast.people("ada", "ben")
    broadcast = await cast.made(lateness_seconds=60)
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    await cast.all.work()
    await cast.all.ledger.change(
        "UPDATE campaign.plan SET late_at = now() - interval '1 s' WHERE profile_id = 'ben'"
    )
    assert await cast.sent_all() == {"sent": 1, "suppressed": 1}
    [row] = await cast.all.ledger.rows("state = 'suppressed'")
    assert (row["profile_id"], row["reason"]) == ("ben", "too late")


async def test_each_gets_it_when_it_is_time_where_they_are(cast: Broadcasts) -> None:
    zones = {"ben": "Europe/Berlin", "kim": "Pacific/Kiritimati", "lea": "Atlantis", "una": None}
    for name, zone in zones.items():
        traits = {} if zone is None else {"timezone": zone}
        await cast.all.topics.person(name, f"{name}@example.com", **traits)
        await cast.all.topics.entered(name, f"1-{name}")
    day = (clock.now() + timedelta(days=2)).date()
    body = {"kind": "local", "local_at": f"{day}T09:00:00", "past": "skip"}
    broadcast = await cast.made(schedule=body)
    shown = await cast.step(broadcast, "schedule")
    begins = datetime.fromisoformat(shown["next_at"])
    assert begins == datetime.fromisoformat(f"{day}T09:00:00Z") - timedelta(hours=14)
    # Begun an hour late it is over in Kiritimati.
    await cast.conduct(begins + timedelta(hours=1))
    await cast.all.ledger.change("UPDATE campaign.broadcast_run SET at = at + interval '1 hour'")
    await cast.all.work()
    rows = {row["profile_id"]: row for row in await cast.all.ledger.rows()}
    assert (rows["kim"]["state"], rows["kim"]["reason"]) == ("suppressed", "local time past")
    for name, zone in (("ben", "+01:00"), ("lea", "+00:00"), ("una", "+00:00")):
        due = rows[name]["due_at"].replace(microsecond=0)
        summer = due.astimezone(zone_of("Europe/Berlin")).dst() and name == "ben"
        expected = datetime.fromisoformat(f"{day}T09:00:00{'+02:00' if summer else zone}")
        assert due == expected, name


async def test_what_repeats_has_a_run_of_its_own_for_each_occurrence(cast: Broadcasts) -> None:
    await cast.people("ada")
    schedule = {"kind": "recurring", "cron": "0 9 * * *", "timezone": "Asia/Shanghai"}
    broadcast = await cast.made(schedule=schedule)
    at = datetime.fromisoformat((await cast.step(broadcast, "schedule"))["next_at"])
    for day in range(3):
        await cast.conduct(at + timedelta(days=day))
        await cast.conduct(at + timedelta(days=day, hours=1))
    # Nobody was there for two days: one run, and it is too late.
    await cast.conduct(at + timedelta(days=4, hours=7))
    await cast.all.work()
    runs = await cast.runs(broadcast)
    assert [(one["number"], one["state"]) for one in runs] == [
        (4, "cancelled"),
        (3, "sending"),
        (2, "sending"),
        (1, "sending"),
    ]
    assert await cast.all.ledger.states() == {"planned": 3}
    shown = await cast.shown(broadcast)
    assert shown["state"] == "scheduled"
    assert datetime.fromisoformat(shown["next_at"]) == at + timedelta(days=5)
    await cast.step(broadcast, "pause")
    await cast.conduct(at + timedelta(days=5))
    assert len(await cast.runs(broadcast)) == 4
    assert (await cast.step(broadcast, "resume"))["state"] == "scheduled"
    assert (await cast.step(broadcast, "cancel"))["state"] == "cancelled"
    await cast.conduct(at + timedelta(days=6))
    assert await cast.all.ledger.states() == {"suppressed": 3}


async def test_what_goes_to_many_a_second_person_approves(cast: Broadcasts) -> None:
    client = cast.all.client
    answer = await client.patch("/v1/policy", json={"broadcast_approval_above": 2})
    assert answer.json()["broadcast_approval_above"] == 2
    assert (await client.patch("/v1/policy", json={})).json()["broadcast_approval_above"] == 2
    await cast.people("ada", "ben")
    small = await cast.made()
    assert (await cast.step(small, "schedule"))["state"] == "scheduled"
    await cast.people("cem")
    # More than were there when it was scheduled.
    await cast.conduct()
    assert (await cast.shown(small))["state"] == "awaiting_approval"
    broadcast = await cast.made()
    assert (await cast.step(broadcast, "schedule"))["state"] == "awaiting_approval"
    assert (await cast.refused(broadcast, "approve"))[0] == 403
    async with cast.all.client_of(subject="grace") as other:
        assert (await cast.step(broadcast, "approve", other))["approved_by"] == "grace"
        # Whoever changes it takes the approval away, and is who may not give it.
        path = f"/v1/broadcasts/{broadcast}"
        changed = (await other.patch(path, json={"subject": "Better"})).json()
        assert (changed["state"], changed["approved_by"]) == ("awaiting_approval", None)
        assert (await cast.refused(broadcast, "approve", other))[0] == 403
    await cast.conduct()
    assert await cast.runs(broadcast) == []
    assert (await cast.step(broadcast, "approve"))["state"] == "scheduled"
    await cast.conduct()
    await cast.all.work()
    assert await cast.sent_all() == {"sent": 3}
    gone = await client.patch("/v1/policy", json={"broadcast_approval_above": None})
    assert gone.json()["broadcast_approval_above"] is None


async def test_only_those_who_failed_get_it_again(cast: Broadcasts, engine: AsyncEngine) -> None:
    await cast.people("ada", "ben", "cem")
    broadcast = await cast.made()
    assert (await cast.refused(broadcast, "again"))[0] == 409
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    await cast.all.work()
    assert await cast.all.turn(sender_batch=1)
    assert (await cast.refused(broadcast, "again"))[0] == 409, "it has not ended"
    # A sender dies with the others, and somebody knows that they were not taken.
    await taken(engine, str(uuid.uuid4()), "now() - interval '1 s'")
    async with engine.begin() as tx:
        await Dispatcher(publisher(), Limits(60.0, 3, 0.1)).expire(tx)
    await cast.conduct()
    assert (await cast.refused(broadcast, "again"))[0] == 409, "nobody has failed yet"
    [first] = await cast.runs(broadcast)
    body = {"campaign_id": first["id"], "state": "failed", "reason": "the server's log"}
    answer = await cast.all.client.post("/v1/uncertain/settle", json=body)
    assert answer.status_code == 200, answer.text
    run = await cast.step(broadcast, "again")
    assert run["again_of_id"] == first["id"]
    await cast.all.work()
    assert await cast.sent_all() == {"sent": 3, "failed": 2}
    await cast.conduct()
    assert (await cast.refused(broadcast, "again"))[0] == 409, "nobody has failed"
    assert (await cast.shown(broadcast))["state"] == "done"


async def test_one_that_can_not_be_begun_keeps_no_other_from_it(cast: Broadcasts) -> None:
    await cast.people("ada")
    broken, whole = await cast.made(), await cast.made()
    for broadcast in (broken, whole):
        await cast.step(broadcast, "schedule")
    await cast.all.ledger.change(
        f"UPDATE campaign.broadcast SET runs = -1 WHERE broadcast_id = '{broken}'"
    )
    await cast.all.ledger.change(
        "INSERT INTO campaign.broadcast_run (workspace, run_id, broadcast_id, number, at, "
        "began_at, state, planned, position) SELECT workspace, broadcast_id, broadcast_id, 0, "
        "now(), now(), 'done', true, '{}' FROM campaign.broadcast "
        f"WHERE broadcast_id = '{broken}'"
    )
    await cast.conduct()
    assert [(await cast.shown(one))["state"] for one in (broken, whole)] == ["failed", "planning"]


async def test_what_a_template_says_later_is_not_said(cast: Broadcasts) -> None:
    client = cast.all.client
    texts = {"format": "html", "subject": "Old", "body": "<p>Hi</p>", "reason": "new"}
    made = await client.post("/v1/templates", json={"name": "Spring", **texts})
    assert made.status_code == 201, made.text
    del cast.body["subject"], cast.body["html"]
    broadcast = await cast.made(template_id=made.json()["id"])
    await cast.people("ada")
    await cast.step(broadcast, "schedule")
    path = f"/v1/templates/{made.json()['id']}"
    changed = await client.patch(path, json={"subject": "New", "version": 1, "reason": "why"})
    assert changed.status_code == 200, changed.text
    assert (await cast.shown(broadcast))["subject"] == "Old"


async def test_campaigns_are_not_what_broadcasts_are(cast: Broadcasts) -> None:
    broadcast = await cast.made()
    await cast.step(broadcast, "schedule")
    await cast.conduct()
    [run] = await cast.runs(broadcast)
    for place in (broadcast, run["id"]):
        for verb in ("start", "pause", "resume"):
            answer = await cast.all.client.post(f"/v1/campaigns/{place}/{verb}")
            assert answer.status_code == 409, answer.text
        assert (await cast.all.client.delete(f"/v1/campaigns/{place}")).status_code == 409
    answer = await cast.all.client.post(
        f"/v1/campaigns/{broadcast}/test", json={"to": "me@example.com"}
    )
    assert answer.status_code == 202


WRONG: list[dict[str, Any]] = [
    {"schedule": {"kind": "at", "at": "0001-01-01T00:00:00Z"}},
    {"schedule": {"kind": "at", "at": "2199-12-31T23:59:59-14:00"}},
    {"schedule": {"kind": "local", "local_at": "2026-12-24T09:00:00Z"}},
    {"schedule": {"kind": "recurring", "cron": "61 * * * *", "timezone": "UTC"}},
    {"schedule": {"kind": "recurring", "cron": "0 0 * * *", "timezone": "X"}},
    {"schedule": {"kind": "never"}},
    {"audience": {"any": []}},
    {"audience": {"any": ["Big spenders"]}},
    {"throttle": {"at_most": 0}},
    {"lateness_seconds": 1},
    {"joins_end_at": "9999-12-31T23:59:59-14:00"},
    {"joins_end_at": "2030-01-01T00:00:00Z", "audience": {"any": [SEGMENT, OTHER]}},
    {"subject": None},
    {"segment_id": SEGMENT},
]


async def test_what_can_not_be_is_refused(cast: Broadcasts) -> None:
    await cast.all.topics.defined(OTHER)
    for more in WRONG:
        body = {"name": "Spring", "audience": {"any": [SEGMENT]}, **cast.body, **more}
        answer = await cast.all.client.post("/v1/broadcasts", json=body)
        assert answer.status_code == 422, (more, answer.text)
        assert answer.json()["message"], more
    broadcast = await cast.made()
    for change in (
        {},
        {"audience": None},
        {"schedule": {"kind": "at", "at": "x"}},
        {"subject": None},
    ):
        path = f"/v1/broadcasts/{broadcast}"
        answer = await cast.all.client.patch(path, json=change)
        assert answer.status_code == 422, (change, answer.text)


async def test_what_is_over_is_not_scheduled_and_others_see_nothing(cast: Broadcasts) -> None:
    past = (clock.now() - timedelta(hours=7)).isoformat()
    broadcast = await cast.made(schedule={"kind": "at", "at": past})
    assert (await cast.refused(broadcast, "schedule"))[0] == 409
    async with cast.all.client_of("other") as other:
        for path in ("", "/runs", "/history", "/dry-runs/j/people"):
            answer = await other.get(f"/v1/broadcasts/{broadcast}{path}")
            assert answer.status_code == 404, path
        for verb in ("schedule", "approve", "pause", "resume", "cancel", "again", "dry-runs"):
            assert (await cast.refused(broadcast, verb, other))[0] == 404, verb
    assert (await cast.all.client.get("/v1/broadcasts/x")).status_code == 404
    # Of another list, with a number that is greater than any run's.
    page = {"cursor": base64.urlsafe_b64encode(b"[1099511627776]").decode()}
    answer = await cast.all.client.get(f"/v1/broadcasts/{broadcast}/runs", params=page)
    assert answer.json() == {"items": [], "next": None}
