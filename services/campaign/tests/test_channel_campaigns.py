"""Campaigns by SMS and webhook, from an entry to the provider, and what each person may get."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from services.campaign.tests.conftest import SEGMENT
from services.campaign.tests.test_providers import added
from services.campaign.tests.vendors.chatting import Receiver
from services.campaign.tests.vendors.server import Mood
from services.campaign.tests.vendors.texting import Twilio
from sqlalchemy import text

from rapport_campaign.smtp import UnreachableError
from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import ConsentState
from rapport_common.testing.profiles import sections

pytestmark = pytest.mark.integration
NUMBER = "+4915112345678"
EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def said(state: str, channel: str = "sms", point: str = NUMBER, **more: Any) -> ConsentState:
    fields = {"purpose": "promotion", "at": EARLY, "source": "shop", "confirmed": True, **more}
    return ConsentState(contact_point=point, channel=channel, state=state, **fields)  # type: ignore[arg-type] # one of the words


def person(
    consents: Sequence[ConsentState] = (),
    points: Sequence[tuple[str, str]] = (("sms", NUMBER),),
    **more: Any,
) -> dict[str, Any]:
    known = [ContactPoint(channel=channel, value=value) for channel, value in points]
    return sections([("user_id", "u1")], {"name": "Ada"}, known, list(consents), **more)


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    server = Twilio()
    await server.start()
    yield server
    await server.stop()


def body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "By SMS",
        "segment_id": SEGMENT,
        "purpose": "promotion",
        "channel": "sms",
        "content": {"text": "Hello {{ profile.traits.name }}, 10 €"},
        **changes,
    }


async def started(scenario: Any, **changes: Any) -> str:
    made = await scenario.client.post("/v1/campaigns", json=body(**changes))
    assert made.status_code == 201, made.text
    path = f"/v1/campaigns/{made.json()['id']}"
    assert (await scenario.client.post(f"{path}/start")).status_code == 200
    return path


async def entered(scenario: Any, state: dict[str, Any], profile_id: str = "p1") -> None:
    await scenario.topics.told(profile_id, 1, state)
    await scenario.topics.entered(profile_id)


async def now_due(scenario: Any) -> None:
    async with scenario.engine.begin() as tx:
        await tx.execute(text("UPDATE campaign.plan SET due_at = now()"))


async def shown(scenario: Any, path: str) -> dict[str, Any]:
    found = (await scenario.client.get(f"{path}/messages")).json()["items"]
    assert len(found) == 1
    return dict(found[0])


async def test_an_entry_is_answered_by_a_text(scenario: Any, twilio: Twilio) -> None:
    await added(scenario.client, twilio)
    path = await started(scenario)
    await entered(scenario, person([said("granted")]))
    assert await scenario.turn()
    one = await shown(scenario, path)
    assert (one["state"], one["to_address"], one["reason"]) == ("sent", NUMBER, None)
    assert twilio.taken == [(NUMBER, "Hello Ada, 10 €")]
    [row] = await scenario.ledger.query("SELECT * FROM campaign.delivery")
    assert (row["message_id"], row["provider_id"]) == (one["send_key"], "twilio-1")
    assert (str(row["cost"]), row["segments"]) == ("0.070000", 1)
    [event] = await scenario.ledger.events()
    assert (event.name, event.identifiers) == ("Message Sent", [("user_id", "u1")])
    assert b'"channel":"sms"' in bytes(event.properties)
    view = (await scenario.client.get(path)).json()
    assert (view["channel"], view["counts"]["sent"]) == ("sms", 1)
    assert view["content"]["text"].startswith("Hello {{")
    assert (await scenario.ledger.query("SELECT channel FROM campaign.message"))[0] == {
        "channel": "sms"
    }


NOBODY = [
    ([], "no consent"),
    ([said("granted", "email", "ada@example.com")], "no consent"),
    ([said("granted"), said("withdrawn", at=LATE)], "consent withdrawn"),
    ([said("granted"), said("denied", "all", "ada@example.com")], "consent denied"),
    ([said("granted"), said("denied", purpose="all", at=LATE)], "consent denied"),
    ([said("granted", confirmed=False)], "consent not confirmed"),
    ([said("granted", expires_at=LATE)], "consent expired"),
    ([said("granted", point="+4915100000000")], "no consent"),
]


async def test_who_has_not_agreed_to_texts_gets_none(scenario: Any, twilio: Twilio) -> None:
    await added(scenario.client, twilio)
    path = await started(scenario)
    for number, (consents, _) in enumerate(NOBODY):
        await entered(scenario, person(consents), f"p{number}")
    await entered(scenario, person([said("granted")], [("email", "ada@example.com")]), "none")
    await entered(scenario, person([said("granted")], open_cases=1), "case")
    while await scenario.turn():
        pass
    found = (await scenario.client.get(f"{path}/messages")).json()["items"]
    reasons = {one["profile_id"]: one["reason"] for one in found}
    expected = {f"p{number}": reason for number, (_, reason) in enumerate(NOBODY)}
    assert reasons == {
        **expected,
        "none": "no contact point of this channel",
        "case": "open complaint",
    }
    assert {one["state"] for one in found} == {"suppressed"}
    assert twilio.taken == []


async def test_a_number_on_the_suppression_list_gets_nothing(scenario: Any, twilio: Twilio) -> None:
    await added(scenario.client, twilio)
    path = await started(scenario)
    listed = {"addresses": [{"channel": "sms", "address": NUMBER}]}
    answer = await scenario.client.post("/v1/suppressions/add", json={**listed, "reason": "asked"})
    assert answer.status_code == 200, answer.text
    await entered(scenario, person([said("granted")]))
    await scenario.turn()
    one = await shown(scenario, path)
    assert (one["state"], one["reason"]) == ("suppressed", "on the suppression list")
    assert twilio.taken == []


async def test_texts_count_for_caps_of_texts(scenario: Any, twilio: Twilio) -> None:
    await added(scenario.client, twilio)
    await started(scenario)
    await entered(scenario, person([said("granted")]))
    await scenario.turn()
    rows = await scenario.ledger.query("SELECT channel FROM campaign.contact")
    assert rows == [{"channel": "sms"}]


async def test_texts_go_while_the_mail_server_is_away(scenario: Any, twilio: Twilio) -> None:
    """And no mail is touched, of a campaign or a single one."""
    await added(scenario.client, twilio)
    path = await started(scenario)
    await scenario.started()
    await scenario.topics.requested("r1")
    await entered(scenario, person([said("granted")]))
    # Nobody listens there.
    nowhere = {"smtp_host": "127.0.0.2"}
    assert await scenario.turn(**nowhere)
    assert (await shown(scenario, path))["state"] == "sent"
    mails = await scenario.ledger.rows("channel = 'email'")
    assert [(row["state"], row["attempt"]) for row in mails] == [("planned", 0)] * 2
    with pytest.raises(UnreachableError):
        await scenario.turn(**nowhere)
    assert await scenario.turn()
    mails = await scenario.ledger.rows("channel = 'email'")
    assert {row["state"] for row in mails} == {"sent", "suppressed"}


async def test_wrong_credentials_fail_nobody(scenario: Any, twilio: Twilio) -> None:
    account = await added(scenario.client, twilio, secrets=twilio.wrong())
    path = await started(scenario)
    await entered(scenario, person([said("granted")]))
    await scenario.turn()
    one = await shown(scenario, path)
    assert (one["state"], one["attempt"]) == ("planned", 0)
    assert "20003" in one["reason"]
    right = {"version": 1, "secrets": twilio.account()[1]}
    answer = await scenario.client.patch(f"/v1/provider-accounts/{account['id']}", json=right)
    assert answer.status_code == 200
    await now_due(scenario)
    assert await scenario.turn()
    assert (await shown(scenario, path))["state"] == "sent"


async def test_without_an_account_all_waits(scenario: Any, twilio: Twilio) -> None:
    path = await started(scenario)
    await entered(scenario, person([said("granted")]))
    await scenario.turn()
    one = await shown(scenario, path)
    assert (one["state"], one["reason"]) == (
        "planned",
        "no account of a provider sends by this channel",
    )
    await added(scenario.client, twilio)
    await now_due(scenario)
    await scenario.turn()
    assert (await shown(scenario, path))["state"] == "sent"


async def test_what_a_provider_says_is_the_messages_end(scenario: Any, twilio: Twilio) -> None:
    await added(scenario.client, twilio)
    path = await started(scenario)
    twilio.code = "21614"
    await entered(scenario, person([said("granted")]))
    await scenario.turn()
    one = await shown(scenario, path)
    assert (one["state"], one["reason"]) == ("failed", "400 21614 no")
    twilio.code = None
    twilio.moods.append(Mood(drops=True))
    await entered(scenario, person([said("granted")]), "p2")
    await scenario.turn()
    states = (await scenario.client.get(path)).json()["counts"]
    assert (states["failed"], states["uncertain"]) == (1, 1)
    assert len(twilio.taken) == 1, "and it is not tried again"


async def test_a_person_for_whom_nothing_is_said_gets_nothing(
    scenario: Any, twilio: Twilio
) -> None:
    await added(scenario.client, twilio)
    path = await started(scenario, content={"text": "{{ profile.traits.nothing }}"})
    await entered(scenario, person([said("granted")]))
    await scenario.turn()
    one = await shown(scenario, path)
    assert (one["state"], one["reason"]) == ("failed", "template: text is empty for this person")


async def test_a_program_is_told_by_a_webhook(scenario: Any) -> None:
    receiver = Receiver()
    await receiver.start()
    await added(scenario.client, receiver, "CRM")
    content = {"type": "vip.entered", "parameters": {"name": "{{ profile.traits.name }}"}}
    path = await started(scenario, channel="webhook", purpose="service", content=content)
    await entered(scenario, person(points=[]))
    await scenario.turn()
    assert receiver.taken == [("p1", '{"name": "Ada"}')]
    assert (await shown(scenario, path))["to_address"] == "p1"
    assert await scenario.ledger.query("SELECT * FROM campaign.contact") == []
    await receiver.stop()


async def test_a_text_is_tried_by_its_author(scenario: Any, twilio: Twilio) -> None:
    await added(scenario.client, twilio)
    made = (await scenario.client.post("/v1/campaigns", json=body())).json()
    await scenario.topics.told("p1", 1, person())
    to = {"to": "+491700000000", "profile_id": "p1"}
    answer = await scenario.client.post(f"/v1/campaigns/{made['id']}/test", json=to)
    assert answer.status_code == 202, answer.text
    await scenario.turn()
    assert twilio.taken == [("+491700000000", "Hello Ada, 10 €")]


async def test_what_fits_no_channel_is_refused(scenario: Any, campaign_body: Any) -> None:
    for wrong, told in (
        (body(content=None), "content"),
        (body(content={}), "content.text"),
        (body(channel="push"), "content.title"),
        (body(html="<p>x</p>"), "html"),
        (body(channel="pigeon"), "channel"),
        (body(content={"text": "{{ profile.trait.name }}"}), "content.text"),
        (body(content={"template": "x", "parameters": {"a": "{% if %}"}}), "content.parameters.a"),
        ({**campaign_body, "content": {"text": "x"}}, "content"),
        ({**campaign_body, "html": None}, "html"),
    ):
        answer = await scenario.client.post("/v1/campaigns", json=wrong)
        assert answer.status_code == 422, wrong
        assert told in answer.text
    made = (await scenario.client.post("/v1/campaigns", json=body())).json()
    path = f"/v1/campaigns/{made['id']}"
    changed = await scenario.client.patch(path, json={"content": {"text": "Bye"}})
    assert changed.json()["content"]["text"] == "Bye"
    for wrong in ({"html": "<p>x</p>"}, {"content": {"text": "{{ x.y }}"}}, {"content": None}):
        assert (await scenario.client.patch(path, json=wrong)).status_code == 422, wrong
    mail = (await scenario.client.post("/v1/campaigns", json=campaign_body)).json()
    wrong = {"content": {"text": "x"}}
    answer = await scenario.client.patch(f"/v1/campaigns/{mail['id']}", json=wrong)
    assert answer.status_code == 422


async def test_a_text_has_a_code_of_its_own_too(scenario: Any, twilio: Twilio) -> None:
    await added(scenario.client, twilio)
    text_of = {"content": {"text": "Code: {{ coupon.code }}"}}
    poor = await scenario.client.post("/v1/campaigns", json=body(**text_of))
    assert (poor.status_code, poor.json()["details"]) == (422, {"path": "coupon_pool"})
    await scenario.client.post("/v1/coupon-pools", json={"name": "texts"})
    await scenario.client.post("/v1/coupon-pools/texts/imports", content="code\nFIRST")
    await scenario.work()
    path = await started(scenario, **text_of, coupon_pool="texts")
    await entered(scenario, person([said("granted")]))
    assert await scenario.turn()
    assert twilio.taken == [(NUMBER, "Code: FIRST")]
    assert (await shown(scenario, path))["coupon"] == "FIRST"


async def test_a_text_is_no_template_of_mails(scenario: Any) -> None:
    template = {"name": "x", "subject": "x", "body": "x"}
    made = (await scenario.client.post("/v1/templates", json=template)).json()
    draft = (await scenario.client.post("/v1/campaigns", json=body())).json()
    change = {"template_id": made["id"]}
    answer = await scenario.client.patch(f"/v1/campaigns/{draft['id']}", json=change)
    assert (answer.status_code, answer.json()["details"]) == (422, {"path": "template_id"})
