"""What the topics bring, against a real Postgres: in any order, batching and number."""

import asyncio
import itertools
import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from services.campaign.tests.conftest import LOOKING
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.support.locks import somebody_waits

from rapport_campaign.domain.planning import plan_existing
from rapport_campaign.handlers.activity import on_activity
from rapport_campaign.handlers.membership import on_membership
from rapport_campaign.handlers.needs import on_needs
from rapport_campaign.handlers.requests import on_requests
from rapport_campaign.handlers.work import Works
from rapport_campaign.store import campaigns, jobs, locks, people
from rapport_campaign.store.jobs import JOBS
from rapport_common import clock
from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import ProfileActivity, SectionVersions
from rapport_common.events.membership import Membership
from rapport_common.events.message import MessageRequest
from rapport_common.events.needs import ConsentNeeds
from rapport_common.jobs.worker import Jobs
from rapport_common.kafka.batch import Record

pytestmark = pytest.mark.integration
SEGMENT = "11111111-1111-1111-1111-111111111111"


async def people_rows(ledger: Any) -> list[tuple[Any, ...]]:
    rows = await ledger.query(
        "SELECT profile_id, version, heir, NOT known AS gone FROM campaign.person "
        "ORDER BY profile_id"
    )
    return [tuple(row.values()) for row in rows]


# --- people ----------------------------------------------------------------------------------


async def test_the_newest_word_on_a_profile_stays(scenario: Any) -> None:
    await scenario.topics.person("p1", "new@example.com", version=5)
    await scenario.topics.person("p1", "old@example.com", version=4)
    await scenario.topics.person("p1", "other@example.com", version=5)
    (row,) = await scenario.ledger.query(
        "SELECT version, contact_points::text AS at FROM campaign.person"
    )
    assert row["version"] == 5
    assert "new@example.com" in row["at"]
    await scenario.topics.merged("p1", "p2", version=5)
    await scenario.topics.person("p1", "late@example.com", version=5)
    assert await people_rows(scenario.ledger) == [("p1", 5, "p2", True)]
    await scenario.topics.person("p1", "alive@example.com", version=6)
    await scenario.topics.merged("p1", "p2", version=5)
    assert await people_rows(scenario.ledger) == [("p1", 6, None, False)]


async def test_any_order_gives_the_same_people(scenario: Any) -> None:
    records = [
        ProfileActivity(workspace="acme", profile_id="a", version=3, merged_into="b"),
        ProfileActivity(workspace="acme", profile_id="b", version=9, merged_into="c"),
    ]
    for order in itertools.permutations(records):
        async with scenario.engine.begin() as tx:
            await tx.execute(text("TRUNCATE campaign.person"))
        for one in order:
            await scenario.topics.bring("profile.activity", one)
        async with scenario.engine.begin() as tx:
            found = await people.resolve(tx, [("acme", "a"), ("acme", "b"), ("acme", "x")])
        assert found == {("acme", "a"): "c", ("acme", "b"): "c", ("acme", "x"): "x"}


async def test_a_circle_of_merges_ends(scenario: Any) -> None:
    await scenario.topics.merged("a", "b", version=1)
    await scenario.topics.merged("b", "a", version=1)
    async with scenario.engine.begin() as tx:
        found = await people.resolve(tx, [("acme", "a")])
        assert found["acme", "a"] in {"a", "b"}


@pytest.mark.parametrize("bad", ["nul", "traits"])
async def test_poison_is_named(bad: str, scenario: Any) -> None:
    good = ProfileActivity(workspace="acme", profile_id="p", version=1, merged_into="q")
    if bad == "nul":
        poison = ProfileActivity(workspace="acme", profile_id="p\0", version=1, merged_into="q")
    else:
        poison = ProfileActivity(
            workspace="acme",
            profile_id="p",
            version=1,
            versions=SectionVersions(traits=1),
            traits=msgspec.Raw(b"[]"),
        )
    batch = [Record("t", 0, index, b"", one) for index, one in enumerate([good, poison])]
    with pytest.raises(InvalidEvent) as caught:
        async with scenario.engine.begin() as tx:
            await on_activity(batch, tx)
    assert caught.value.index == 1


# --- entries ---------------------------------------------------------------------------------


async def open_stays(ledger: Any) -> set[str]:
    rows = await ledger.query("SELECT entry_id FROM campaign.entry WHERE ended_at IS NULL")
    return {row["entry_id"] for row in rows}


async def test_a_stay_ends_whatever_comes_first(scenario: Any) -> None:
    await scenario.topics.entered("p1", "e1")
    await scenario.topics.entered("p2", "e2")
    await scenario.topics.exited("p1", "e1")
    await scenario.topics.exited("p9", "e9")
    await scenario.topics.entered("p3", "e9")
    gone = [stay("p4", 1, "exited"), stay("p4", 1, "entered")]
    await scenario.topics.bring("segment.membership", *gone)
    assert await open_stays(scenario.ledger) == {"e2"}


async def test_a_stay_ends_under_another_id_after_a_merge(scenario: Any) -> None:
    await scenario.topics.entered("a", "e1")
    await scenario.topics.merged("a", "b", version=2)
    await scenario.topics.merged("b", "c", version=2)
    await scenario.topics.exited("c", "e1")
    assert await open_stays(scenario.ledger) == set()


def stay(profile: str, number: int, change: str) -> Membership:
    return Membership(
        workspace="acme",
        profile_id=profile,
        profile_version=1,
        segment_id=SEGMENT,
        segment_version=1,
        entry_id=f"{profile}-{number}",
        change=change,  # type: ignore[arg-type] # one of the two
        at=clock.now(),
        cause="event",
        reason="r",
    )


async def test_any_batching_plans_the_same(scenario: Any) -> None:
    await scenario.started()
    records = [
        stay(f"p{who}", number, change)
        for who in range(10)
        for number in range(4)
        for change in ("entered", "exited")
    ]
    found = set()
    for seed in range(4):
        async with scenario.engine.begin() as tx:
            tables = ("send", "plan", "entry", "tally")
            await tx.execute(text(f"TRUNCATE {', '.join(f'campaign.{one}' for one in tables)}"))
        order = random.Random(seed)
        left = list(records)
        while left:
            size = order.randint(1, 30)
            await scenario.topics.bring("segment.membership", *left[:size])
            left = left[size:]
        rows = await scenario.ledger.rows()
        found.add(
            (tuple(row["send_key"] for row in rows), frozenset(await open_stays(scenario.ledger)))
        )
        (tally,) = await scenario.ledger.query("SELECT value FROM campaign.tally")
        assert tally["value"] == len(rows) == 40
    assert len(found) == 1


async def test_old_events_are_shown_as_suppressed(scenario: Any) -> None:
    await scenario.started()
    allowing = await scenario.started(allow_old_events=True)
    await scenario.topics.entered("p1", event_timestamp=clock.now() - timedelta(days=2))
    rows = {str(row["campaign_id"]): row for row in await scenario.ledger.rows()}
    assert rows.pop(allowing)["state"] == "planned"
    (other,) = rows.values()
    assert (other["state"], other["reason"]) == ("suppressed", "old event")


async def test_a_rule_change_mails_nobody_unless_asked(scenario: Any) -> None:
    await scenario.started()
    asked = await scenario.started(include_existing=True)
    await scenario.topics.entered("p1", cause="definition")
    assert [str(row["campaign_id"]) for row in await scenario.ledger.rows()] == [asked]


async def test_who_is_in_already_is_planned_at_the_start_once(scenario: Any) -> None:
    before = {"at": clock.now(), "event_timestamp": clock.now() - timedelta(days=300)}
    await scenario.topics.entered("p1", "e1", **before)
    await scenario.topics.entered("p2", "e2")
    await scenario.topics.entered("a", "e3")
    await scenario.topics.entered("b", "e4")
    await scenario.topics.merged("a", "b", version=2)
    await scenario.topics.exited("p2", "e2")
    await scenario.started()
    assert await scenario.ledger.rows() == []
    await scenario.started(include_existing=True)
    rows = {row["occasion"]: row["state"] for row in await scenario.ledger.rows()}
    assert rows.keys() == {"e1", "e3", "e4"}
    assert sorted(rows.values()) == ["planned", "planned", "suppressed"]
    await scenario.topics.entered("p1", "e1", **before)
    assert len(await scenario.ledger.rows()) == 3


async def test_those_who_are_in_get_the_messages_that_the_rules_call_for(scenario: Any) -> None:
    """They are planned in the database, by the same keys as one by one: whatever their ids are."""
    ids = ["e1", "上海", "e'2", "😀:5", "E1"]
    for number, entry in enumerate(ids):
        await scenario.topics.entered(f"p{number}", entry, profile_version=number)
    named = await scenario.started(include_existing=True)
    async with scenario.engine.begin() as tx:
        campaign = await campaigns.find(tx, "acme", named)
        entries = await jobs.entries(tx, "acme", SEGMENT, after="", limit=9)
    assert campaign is not None
    called = plan_existing(campaign, [(one, one.profile_id) for one in entries], ())
    rows = await scenario.ledger.rows()
    kept = ("send_key", "kind", "purpose", "profile_id", "channel", "state")
    wanted = {one.occasion: [str(getattr(one, name)) for name in kept] for one in called}
    assert {row["occasion"]: [str(row[name]) for name in kept] for row in rows} == wanted
    assert wanted.keys() == set(ids)
    versions = await scenario.ledger.query("SELECT profile_id, needed_version FROM campaign.plan")
    assert {row["profile_id"]: row["needed_version"] for row in versions} == {
        f"p{number}": number for number in range(len(ids))
    }
    for number, entry in enumerate(ids):
        await scenario.topics.entered(f"p{number}", entry, profile_version=number)
    assert len(await scenario.ledger.rows()) == len(ids)


async def test_only_the_segments_own_campaigns_of_the_workspace(scenario: Any) -> None:
    await scenario.started()
    await scenario.topics.entered("p1", segment_id="another")
    await scenario.topics.entered("p1", workspace="other")
    assert await scenario.ledger.rows() == []


# --- merges ----------------------------------------------------------------------------------


async def test_an_entry_that_comes_again_under_the_new_id_is_one_message(scenario: Any) -> None:
    """Whichever comes first: the merge, or the entry told again under the survivor's id."""
    await scenario.started()
    await scenario.topics.entered("a", "e1")
    await scenario.topics.entered("b", "e1", cause="merge")
    await scenario.topics.merged("a", "b", version=2)
    await scenario.topics.entered("b", "e1", cause="merge")
    await scenario.topics.entered("a", "e1")
    assert [row["profile_id"] for row in await scenario.ledger.rows()] == ["a"]
    await scenario.topics.entered("a", "e2")
    assert [row["profile_id"] for row in await scenario.ledger.rows("occasion = 'e2'")] == ["b"]


async def test_a_message_planned_before_a_merge_goes_to_the_survivor(scenario: Any) -> None:
    await scenario.started()
    await scenario.topics.person("a", "old@example.com", version=1)
    await scenario.topics.entered("a", "e1", profile_version=1)
    await scenario.topics.merged("a", "b", version=2)
    await scenario.turn()
    assert await scenario.ledger.states() == {"planned": 1}
    await scenario.topics.person("b", "new@example.com", user_id="u1", version=1)
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    assert scenario.mail_server.mails[0]["To"] == "new@example.com"
    assert [one.value("user_id") for one in await scenario.ledger.events()] == ["u1"]


async def test_two_processes_see_one_entry_under_two_ids(scenario: Any) -> None:
    """Neither sees the other's row: the unique key decides."""
    await scenario.started()
    same = [msgspec.structs.replace(stay(who, 1, "entered"), entry_id="e") for who in ("a", "b")]

    async def bring(one: Membership) -> None:
        async with scenario.engine.begin() as tx:
            await on_membership([Record("t", 0, 0, b"", one)], tx)

    await asyncio.gather(*(bring(one) for one in same))
    assert len(await scenario.ledger.rows()) == 1


# --- requests --------------------------------------------------------------------------------


async def test_a_request_id_is_one_message(scenario: Any) -> None:
    await scenario.topics.requested("r1")
    await scenario.topics.requested("r1", subject="again")
    await scenario.topics.requested("r1", profile_id="p2")
    await scenario.topics.requested("r2")
    await scenario.topics.requested("r1", workspace="other")
    assert len(await scenario.ledger.rows()) == 3
    contents = await scenario.ledger.query("SELECT subject FROM campaign.content")
    assert {row["subject"] for row in contents} == {"Case {{ data.number }}"}
    (tally,) = await scenario.ledger.query("SELECT value FROM campaign.tally")
    assert tally["value"] == 3


async def test_a_request_with_nul_is_named(scenario: Any) -> None:
    with pytest.raises(InvalidEvent):
        await scenario.topics.requested("r\0")


async def test_the_trace_travels_from_the_record_to_the_event(scenario: Any) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.bring("segment.membership", stay("p1", 1, "entered"), trace=trace)
    async with scenario.sending():
        await scenario.settled()
    assert [one.traceparent for one in await scenario.ledger.waiting()] == [trace]


# --- locks -----------------------------------------------------------------------------------


async def test_a_start_waits_for_entries_that_are_being_written(scenario: Any) -> None:
    """Otherwise an entry in an open transaction would be seen by neither side."""
    body = {**scenario.campaign_body, "include_existing": True}
    made = (await scenario.client.post("/v1/campaigns", json=body)).json()
    async with scenario.engine.begin() as tx:
        await on_membership([Record("t", 0, 0, b"", stay("p1", 1, "entered"))], tx)
        start = asyncio.create_task(scenario.client.post(f"/v1/campaigns/{made['id']}/start"))
        await somebody_waits(scenario.engine)
        assert not start.done()
    assert (await start).json()["job_id"] is not None
    await scenario.work()
    assert await scenario.ledger.states() == {"planned": 1}


async def test_planning_for_those_who_are_in_goes_on_where_it_was(scenario: Any) -> None:
    """A start answers at once; a page that a crash repeats plans nobody twice."""
    for number in range(5):
        await scenario.topics.entered(f"p{number}", f"e{number}")
    body = {**scenario.campaign_body, "include_existing": True}
    made = (await scenario.client.post("/v1/campaigns", json=body)).json()
    started = (await scenario.client.post(f"/v1/campaigns/{made['id']}/start")).json()
    assert await scenario.ledger.rows() == []
    stop = asyncio.Event()
    stop.set()
    await Jobs(scenario.engine, JOBS, Works(scenario.engine, LOOKING, page=2).kinds).turn(stop)
    assert await scenario.ledger.states() == {"planned": 2}
    async with scenario.engine.begin() as tx:
        await tx.execute(text("UPDATE campaign.job SET position = '{}'"))
        job = await JOBS.find(tx, "acme", started["job_id"])
    assert job is not None
    assert (job.state, job.done, job.total) == ("queued", 2, 5)
    await scenario.work()
    assert await scenario.ledger.states() == {"planned": 5}


async def test_a_job_that_is_cancelled_plans_nobody_more(scenario: Any) -> None:
    await scenario.topics.entered("p1")
    body = {**scenario.campaign_body, "include_existing": True}
    made = (await scenario.client.post("/v1/campaigns", json=body)).json()
    started = (await scenario.client.post(f"/v1/campaigns/{made['id']}/start")).json()
    async with scenario.engine.begin() as tx:
        assert await JOBS.cancel(tx, "acme", started["job_id"])
    await scenario.work()
    assert await scenario.ledger.rows() == []


async def test_nothing_is_marked_while_its_address_is_being_suppressed(scenario: Any) -> None:
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    async with scenario.engine.begin() as tx:
        await locks.own_addresses(tx, [("acme", "ada@example.com")])
        await tx.execute(
            text(
                "INSERT INTO campaign.suppression VALUES "
                "('acme', 'ada@example.com', 'promotion', 'test', now())"
            )
        )
        sending = asyncio.create_task(scenario.turn())
        await somebody_waits(scenario.engine)
        assert await scenario.ledger.states() == {"planned": 1}
    await sending
    assert await scenario.settled() == {"suppressed": 1}


async def test_a_lock_is_not_waited_for_for_ever(scenario: Any) -> None:
    async with scenario.engine.begin() as one, scenario.engine.begin() as other:
        await locks.own_segment(one, "acme", "s")
        await other.execute(text("SET LOCAL lock_timeout = '100ms'"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            await locks.share_segments(other, [("acme", "s")])


async def test_a_request_from_before_a_restore_may_have_been_answered(scenario: Any) -> None:
    """Its row says so, and nothing is sent."""
    restored = clock.now()
    requests = [
        MessageRequest(
            workspace="acme",
            request_id=f"r{seconds}",
            profile_id="p1",
            to="ada@example.com",
            subject="Hello",
            html="<p>Hello</p>",
            text="Hello",
            requested_at=restored + timedelta(seconds=seconds),
            reply_to="complaints+x@shop.example",
            references=["<1@example.com>", "<2@example.com>"],
        )
        for seconds in (-1, 0)
    ]
    batch = [Record("message.requests", 0, at, b"", one) for at, one in enumerate(requests)]
    for _ in range(2):
        async with scenario.engine.begin() as tx:
            await on_requests(batch, tx, restored_at=restored)
    kept = await scenario.ledger.query("SELECT reply_to, thread FROM campaign.content")
    assert {tuple(one.values()) for one in kept} == {
        ("complaints+x@shop.example", "<1@example.com> <2@example.com>")
    }
    rows = sorted(await scenario.ledger.rows(), key=lambda row: row["occasion"])
    assert [(row["occasion"], row["state"]) for row in rows] == [
        ("r-1", "uncertain"),
        ("r0", "planned"),
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2, 1)])
async def test_the_newest_rules_say_whether_silence_is_enough(
    scenario: Any, order: tuple[int, ...]
) -> None:
    await scenario.client.patch("/v1/policy", json={"promotion_without_consent": True})
    versions = [
        ConsentNeeds(workspace="acme", version=n, purposes=purposes, at=clock.now())
        for n, purposes in enumerate([[], ["x_tea"], ["promotion"]], 1)
    ]
    for one in order:
        async with scenario.engine.begin() as tx:
            await on_needs([Record("consent.needs", 0, 0, b"", versions[one])] * 2, tx)
    async with scenario.engine.begin() as tx:
        found = (await campaigns.policies(tx, ["acme"]))["acme"]
    assert (found.promotion_without_consent, found.writes_unasked) == (True, False)
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com", consent=None)
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"suppressed": 1}


async def test_on_requests_of_nothing(scenario: Any) -> None:
    async with scenario.engine.begin() as tx:
        await on_requests([], tx)
        await on_membership([], tx)
        await on_activity([], tx)
