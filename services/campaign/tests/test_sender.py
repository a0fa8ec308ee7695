"""From an entry to a mail in the mailbox, against a real SMTP server and a real Postgres."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from services.campaign.tests.conftest import taken
from tests.support.locks import somebody_waits
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_campaign.domain import returning
from rapport_campaign.domain.delivery import Limits, Outcome
from rapport_campaign.domain.planning import BEFORE_BACKUP
from rapport_campaign.handlers import operate
from rapport_campaign.handlers.dispatch import Dispatcher, Result
from rapport_campaign.handlers.ledger import equations
from rapport_campaign.render.compose import Office
from rapport_campaign.renderer import Renderer
from rapport_campaign.smtp import UnreachableError
from rapport_common import clock
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_common.testing.credentials import EVENT_KEY, LINK_KEY

pytestmark = pytest.mark.integration
IMPATIENT_SECONDS = 3
"""For the answer to a mail that never comes; everything before it is said at once."""
OFFICE = Office(LINK_KEY, "https://mail.shop.example", "no-reply@mail.shop.example")


async def test_an_entry_becomes_one_mail(scenario: Any) -> None:
    campaign_id = await scenario.started()
    await scenario.topics.person("p1", "ada@example.com", user_id="u1", first_name="Ada <3")
    entry_id = await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    (mail,) = scenario.mail_server.mails
    (row,) = await scenario.ledger.rows()
    assert mail["X-Rapport-Send-Key"] == row["send_key"]
    assert mail["To"] == "ada@example.com"
    assert mail["From"] == "The Shop <hello@shop.example>"
    assert mail["Subject"] == "Hello Ada <3"
    assert "Ada &lt;3" in mail.get_body(("html",)).get_content()
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Unsubscribe"].startswith("<https://mail.shop.example/u/")
    token = returning.signed(LINK_KEY, "acme", row["send_key"])
    assert mail["Message-ID"] == f"<m.{token}@shop.example>"
    assert mail["Date"].datetime - clock.now() < timedelta(minutes=1)
    assert (row["occasion"], str(row["campaign_id"])) == (entry_id, campaign_id)
    (event,) = await scenario.ledger.events()
    assert (event.name, event.source, event.message_id) == (
        "Email Sent",
        "campaign",
        f"sent-{row['send_key']}",
    )
    assert (event.identifiers, event.timestamp) == ([("user_id", "u1")], row["sent_at"])


async def test_the_same_entry_again_sends_nothing(scenario: Any) -> None:
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    for _ in range(3):
        await scenario.topics.entered("p1", "entry-1")
    async with scenario.sending():
        await scenario.settled()
    await scenario.topics.entered("p1", "entry-1")
    assert not await scenario.turn()
    assert await scenario.settled() == {"sent": 1}
    assert len(scenario.mail_server.mails) == 1


@pytest.mark.parametrize(
    ("address", "state", "mails", "attempts"),
    [
        ("refuse@example.com", "failed", 0, 1),
        ("later@example.com", "failed", 0, 3),
        ("drop-rcpt@example.com", "failed", 0, 3),
        ("spam@example.com", "failed", 0, 1),
        ("full@example.com", "failed", 0, 3),
        ("lost@example.com", "uncertain", 0, 1),
        ("taken@example.com", "uncertain", 1, 1),
        ("jürgen@example.com", "sent", 1, 1),
    ],
)
async def test_what_the_server_says_decides(
    address: str, state: str, mails: int, attempts: int, scenario: Any
) -> None:
    await scenario.started()
    await scenario.topics.person("p1", address)
    await scenario.topics.person("p2", "good@example.com")
    await scenario.topics.entered("p1")
    await scenario.topics.entered("p2")
    async with scenario.sending():
        await scenario.settled()
    rows = {row["profile_id"]: row for row in await scenario.ledger.rows()}
    assert (rows["p1"]["state"], rows["p1"]["attempt"]) == (state, attempts)
    assert rows["p1"]["reason"] or state == "sent"
    assert rows["p2"]["state"] == "sent"
    assert scenario.mail_server.send_keys()[rows["p1"]["send_key"]] == mails
    assert scenario.mail_server.send_keys()[rows["p2"]["send_key"]] == 1
    sent = [one for one in await scenario.ledger.events() if one.name == "Email Sent"]
    assert len(sent) == (2 if state == "sent" else 1)


async def test_a_server_that_keeps_a_mail_and_does_not_answer_leaves_it_uncertain(
    scenario: Any,
) -> None:
    await scenario.started()
    await scenario.topics.person("p1", "slow@example.com")
    await scenario.topics.entered("p1")
    async with scenario.sending(smtp_timeout=IMPATIENT_SECONDS):
        assert await scenario.settled() == {"uncertain": 1}
    (row,) = await scenario.ledger.rows()
    assert (row["attempt"], "on its way" in row["reason"]) == (1, True)
    assert scenario.mail_server.send_keys() == {row["send_key"]: 1}
    assert [one.name for one in await scenario.ledger.events()] == []


async def test_a_later_yes_is_heard(scenario: Any) -> None:
    scenario.mail_server.later_replies = 2
    await scenario.started()
    await scenario.topics.person("p1", "later@example.com")
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    assert (await scenario.ledger.rows())[0]["attempt"] == 3


async def test_while_the_server_is_away_nothing_is_lost_or_marked(scenario: Any) -> None:
    await scenario.started()
    await scenario.mail_server.stop()
    for number in range(20):
        await scenario.topics.person(f"p{number}", f"user{number}@example.com")
        await scenario.topics.entered(f"p{number}")
    with pytest.raises(UnreachableError):
        await scenario.turn()
    assert await scenario.ledger.states() == {"planned": 20}
    async with scenario.sending():
        await scenario.mail_server.start(scenario.mail_server.port)
        assert await scenario.settled() == {"sent": 20}
    assert all(row["attempt"] == 1 for row in await scenario.ledger.rows())
    assert set(scenario.mail_server.send_keys().values()) == {1}


async def test_a_message_waits_for_its_person(scenario: Any) -> None:
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com", version=2)
    await scenario.topics.entered("p1", profile_version=3)
    await scenario.turn()
    (row,) = await scenario.ledger.rows()
    assert (row["state"], row["reason"]) == ("planned", "profile unknown")
    await scenario.topics.person("p1", "new@example.com", version=3)
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    assert (await scenario.ledger.rows())[0]["to_address"] == "new@example.com"


async def test_pause_stops_and_loses_nobody(scenario: Any) -> None:
    campaign_id = await scenario.started()
    await scenario.client.post(f"/v1/campaigns/{campaign_id}/pause")
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    await scenario.turn()
    assert await scenario.ledger.states() == {"planned": 1}
    await scenario.client.post(f"/v1/campaigns/{campaign_id}/resume")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}


async def test_a_pause_that_is_being_written_is_waited_for(scenario: Any) -> None:
    """The sender still sees a running campaign, and must not mark anything once it is paused."""
    campaign_id = await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    async with scenario.engine.begin() as tx:
        await operate.pause(tx, "acme", campaign_id)
        sending = asyncio.create_task(scenario.turn())
        await somebody_waits(scenario.engine)
    await sending
    await scenario.turn()
    assert await scenario.ledger.states() == {"planned": 1}
    assert scenario.mail_server.mails == []


@pytest.mark.parametrize(
    ("person", "allowed", "reason"),
    [
        ({"open_cases": 1}, True, "open complaint"),
        ({"consent": None}, False, "no consent"),
        ({"consent": "withdrawn"}, True, "consent withdrawn"),
        ({"consent": "denied"}, True, "consent denied"),
    ],
)
async def test_promotions_that_must_not_go(
    person: dict[str, Any],
    allowed: bool,  # noqa: FBT001 - a column of the table above
    reason: str,
    scenario: Any,
) -> None:
    await scenario.client.patch("/v1/policy", json={"promotion_without_consent": allowed})
    await scenario.started()
    service = await scenario.started(purpose="service")
    await scenario.topics.person("p1", "ada@example.com", **person)
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"suppressed": 1, "sent": 1}
    by_campaign = {str(row["campaign_id"]): row for row in await scenario.ledger.rows()}
    assert by_campaign.pop(service)["state"] == "sent"
    (promotion,) = by_campaign.values()
    assert promotion["reason"] == reason
    (mail,) = scenario.mail_server.mails
    assert mail["List-Unsubscribe"] is None


async def test_policy_opens_the_door(scenario: Any) -> None:
    await scenario.client.patch("/v1/policy", json={"promotion_without_consent": True})
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com", consent=None)
    await scenario.topics.entered("p1")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}


async def test_a_request_is_one_mail_without_consent_or_tracking(scenario: Any) -> None:
    await scenario.topics.person(
        "p1", "ada@example.com", user_id="u1", consent="withdrawn", open_cases=2
    )
    await scenario.topics.requested("r1")
    await scenario.topics.requested("r1")
    await scenario.topics.requested("r1", profile_id="p2")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    (mail,) = scenario.mail_server.mails
    assert mail["Subject"] == "Case 7"
    assert mail.get_body(("html",)).get_content().strip() == "<p>Hello Ada &amp; Bob</p>"
    assert mail.get_body(("plain",)).get_content().strip() == "Hello Ada & Bob"
    assert (mail["List-Unsubscribe"], mail["Auto-Submitted"]) == (None, "auto-generated")
    (event,) = await scenario.ledger.events()
    assert (event.value("user_id"), bytes(event.properties)) == (
        "u1",
        b'{"send_key":"%s"}' % (await scenario.ledger.rows())[0]["send_key"].encode(),
    )


async def test_bad_requests_fail_alone(scenario: Any) -> None:
    await scenario.topics.requested("r1", html="{% for x in %}")
    await scenario.topics.requested("r2", to="not an address")
    await scenario.topics.requested("r3", html="{% for i in (1..10001) %}{% endfor %}")
    await scenario.topics.requested("r4")
    async with scenario.sending():
        assert await scenario.settled() == {"failed": 2, "suppressed": 1, "sent": 1}
    reasons = {row["occasion"]: row["reason"] for row in await scenario.ledger.rows()}
    assert reasons["r1"].startswith("template in line 1")
    assert reasons["r2"] == "no e-mail address"
    assert "turns together" in reasons["r3"]
    assert len(scenario.mail_server.mails) == 1


async def test_a_template_that_does_not_end_holds_up_nobody(scenario: Any) -> None:
    """Neither the rest of its batch, nor the loop that keeps the service alive."""
    await scenario.topics.requested("endless", html="{{" * 32_000)
    for number in range(5):
        await scenario.topics.requested(f"r{number}")
    strict = Renderer(OFFICE, seconds=0.3)
    async with scenario.sending(strict, sender_lanes=1):
        assert await scenario.settled() == {"failed": 1, "sent": 5}
    await strict.close()
    (row,) = await scenario.ledger.rows("state = 'failed'")
    assert (row["occasion"], row["reason"]) == ("endless", "template: it takes more than 0.3 s")


async def test_a_text_of_ones_own_has_a_way_out(scenario: Any) -> None:
    await scenario.started(text="Hi {{ profile.email }}")
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    async with scenario.sending():
        await scenario.settled()
    (mail,) = scenario.mail_server.mails
    way_out = mail["List-Unsubscribe"].strip("<>")
    assert way_out in mail.get_body(("plain",)).get_content()
    assert way_out in mail.get_body(("html",)).get_content()


async def test_a_test_send_goes_anywhere_and_counts_nowhere(scenario: Any) -> None:
    made = (await scenario.client.post("/v1/campaigns", json=scenario.campaign_body)).json()
    await scenario.topics.person("p1", "ada@example.com", first_name="Ada", consent="withdrawn")
    url = f"/v1/campaigns/{made['id']}"
    for _ in range(2):
        answer = await scenario.client.post(
            f"{url}/test", json={"to": "me@shop.example", "profile_id": "p1"}
        )
        assert answer.status_code == 202
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 2}
    assert [one["Subject"] for one in scenario.mail_server.mails] == ["[Test] Hello Ada"] * 2
    assert scenario.mail_server.mails[0]["To"] == "me@shop.example"
    assert scenario.mail_server.mails[0]["X-Rapport-Test"] == "1"
    assert set((await scenario.client.get(url)).json()["counts"].values()) == {0}
    assert [
        one["test"] for one in (await scenario.client.get(f"{url}/messages")).json()["items"]
    ] == [
        True,
        True,
    ]
    assert await scenario.ledger.events() == []


async def test_two_senders_share_the_work(scenario: Any) -> None:
    await scenario.started()
    for number in range(120):
        await scenario.topics.person(f"p{number}", f"user{number}@example.com")
        await scenario.topics.entered(f"p{number}")
    async with scenario.sending(), scenario.sending():
        assert await scenario.settled() == {"sent": 120}
    assert len(scenario.mail_server.send_keys()) == len(scenario.mail_server.mails) == 120
    names = [one.message_id for one in await scenario.ledger.events()]
    assert len(set(names)) == len(names) == 120


async def test_a_connection_is_used_again(scenario: Any) -> None:
    await scenario.started()
    for number in range(60):
        await scenario.topics.person(f"p{number}", f"user{number}@example.com")
        await scenario.topics.entered(f"p{number}")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 60}
    assert scenario.mail_server.connections <= 8


async def test_a_lease_that_ran_out_is_uncertain_and_sent_by_nobody(scenario: Any) -> None:
    await scenario.started()
    await scenario.topics.person("p1", "slow@example.com")
    await scenario.topics.entered("p1")
    # The first process claims and dies; its row says so until the lease ends.
    token = "22222222-2222-2222-2222-222222222222"
    await taken(scenario.engine, token, "now() - interval '1 s'")
    async with scenario.sending():
        assert await scenario.settled() == {"uncertain": 1}
    assert not await scenario.turn()
    assert scenario.mail_server.mails == []
    (row,) = await scenario.ledger.rows()
    assert "died" in row["reason"]


async def test_what_was_planned_before_a_restore_is_uncertain(scenario: Any) -> None:
    """A backup has it as planned; it may have been sent since."""
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    limits = Limits(lease=60, max_attempts=3, first_delay=1)
    dispatcher = Dispatcher(
        Publisher("campaign", EVENTS, EVENT_KEY), limits, clock.now() + timedelta(seconds=5)
    )
    async with scenario.engine.begin() as tx:
        batch = await dispatcher.claim(tx, 10, str(uuid.uuid4()))
    assert (batch.jobs, batch.settled) == ([], 1)
    (row,) = await scenario.ledger.rows()
    assert (row["state"], row["reason"]) == ("uncertain", BEFORE_BACKUP)
    async with scenario.sending():
        assert await scenario.settled() == {"uncertain": 1}
    assert scenario.mail_server.mails == []


async def test_only_the_one_who_tried_may_settle_a_row(scenario: Any) -> None:
    dispatcher = Dispatcher(
        Publisher("campaign", EVENTS, EVENT_KEY), Limits(lease=60, max_attempts=3, first_delay=1)
    )
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    async with scenario.engine.begin() as tx:
        (job,) = (await dispatcher.claim(tx, 10, mine)).jobs
    await ledger_exec(
        scenario.engine, "UPDATE campaign.sending SET lease_until = now() - interval '1 s'"
    )
    async with scenario.engine.begin() as tx:
        assert await dispatcher.expire(tx) == 1

    async def record(token: str, result: Any) -> str:
        async with scenario.engine.begin() as tx:
            await dispatcher.record(tx, token, [Result(job, Outcome(result), clock.now())])
        (row,) = await scenario.ledger.rows()
        return str(row["state"])

    assert await record(other, "released") == "uncertain"
    assert await record(other, "sent") == "uncertain"
    assert await scenario.ledger.events() == []
    assert await record(mine, "sent") == "sent"
    assert await record(mine, "failed") == "sent"
    assert [one.name for one in await scenario.ledger.events()] == ["Email Sent"]


@pytest.mark.parametrize("result", ["retry", "released"])
async def test_what_a_slow_sender_knows_was_not_taken_goes_on(scenario: Any, result: Any) -> None:
    """Its lease was over, as of a process that was frozen: it alone knows."""
    dispatcher = Dispatcher(
        Publisher("campaign", EVENTS, EVENT_KEY), Limits(lease=60, max_attempts=3, first_delay=1)
    )
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    token = str(uuid.uuid4())
    async with scenario.engine.begin() as tx:
        (job,) = (await dispatcher.claim(tx, 10, token)).jobs
    await ledger_exec(
        scenario.engine, "UPDATE campaign.sending SET lease_until = now() - interval '1 s'"
    )
    async with scenario.engine.begin() as tx:
        await dispatcher.expire(tx)
    async with scenario.engine.begin() as tx:
        await dispatcher.record(tx, token, [Result(job, Outcome(result), clock.now())])
    (row,) = await scenario.ledger.rows()
    assert (row["state"], row["attempt"]) == ("planned", 1 if result == "retry" else 0)
    async with scenario.engine.begin() as tx:
        assert set((await equations(tx)).values()) == {0}
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    assert len(scenario.mail_server.mails) == 1


@pytest.mark.parametrize("result", ["retry", "released", "sent", "failed", None])
async def test_what_was_being_sent_when_its_campaign_was_archived_ends(
    scenario: Any, result: Any
) -> None:
    limits = Limits(lease=0 if result is None else 60, max_attempts=3, first_delay=0)
    dispatcher = Dispatcher(Publisher("campaign", EVENTS, EVENT_KEY), limits)
    other = await scenario.started()
    campaign_id = await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.topics.entered("p1")
    await scenario.client.post(f"/v1/campaigns/{other}/pause")
    token = str(uuid.uuid4())
    async with scenario.engine.begin() as tx:
        (job,) = (await dispatcher.claim(tx, 10, token)).jobs
    assert (await scenario.client.delete(f"/v1/campaigns/{campaign_id}")).status_code == 204
    await scenario.work()  # it finds nothing planned
    async with scenario.engine.begin() as tx:
        if result is not None:
            await dispatcher.record(tx, token, [Result(job, Outcome(result), clock.now())])
        await dispatcher.expire(tx)
        assert await dispatcher.withdraw(tx) == (result in {"retry", "released"})
        assert await dispatcher.withdraw(tx) == 0
    (row,) = await scenario.ledger.rows(f"campaign_id = '{campaign_id}'")
    ends = {"retry": "suppressed", "released": "suppressed", None: "uncertain"}
    assert row["state"] == ends.get(result, result)
    if row["state"] == "suppressed":
        assert row["reason"] == "campaign archived"
    (waiting,) = await scenario.ledger.rows(f"campaign_id = '{other}'")
    assert waiting["state"] == "planned"  # it was only paused


async def test_a_running_sender_ends_what_an_archived_campaign_has_planned(scenario: Any) -> None:
    campaign_id = await scenario.started()
    await scenario.topics.person("p1", "ada@example.com")
    await scenario.client.delete(f"/v1/campaigns/{campaign_id}")
    await scenario.work()
    # As a batch that was planning while the campaign was archived leaves it.
    await ledger_exec(scenario.engine, "UPDATE campaign.campaign SET state = 'running'")
    await scenario.topics.entered("p1")
    await ledger_exec(scenario.engine, "UPDATE campaign.campaign SET state = 'archived'")
    async with scenario.sending():
        assert await scenario.settled() == {"suppressed": 1}
    assert scenario.mail_server.mails == []


async def ledger_exec(engine: Any, sql: str) -> None:
    async with engine.begin() as tx:
        await tx.exec_driver_sql(sql)


async def test_stop_gives_back_what_was_not_tried(scenario: Any) -> None:
    await scenario.started()
    for number in range(12):
        await scenario.topics.person(f"p{number}", f"slow+{number}@example.com")
        await scenario.topics.entered(f"p{number}")
    async with scenario.sending(
        sender_lanes=1, sender_connections=1, smtp_timeout=IMPATIENT_SECONDS
    ):
        async with asyncio.timeout(HANG_SECONDS):
            while not scenario.mail_server.mails:
                await between_looks()
    assert await scenario.ledger.states() == {"uncertain": 1, "planned": 11}
    assert len(scenario.mail_server.mails) == 1
