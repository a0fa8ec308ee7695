"""Answers to mails open a case or go on with it; each once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from services.feedback.tests.conftest import Service, make_settings
from tests.support.outbox import waiting

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.events.topics import EVENTS
from rapport_common.kafka.batch import Record
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes
from rapport_feedback.api import cases_of
from rapport_feedback.consumer import subscriptions
from rapport_feedback.domain.replies import MAX_BODY, MAX_SUBJECT, reply_of
from rapport_feedback.handlers import replies as handlers
from rapport_feedback.handlers.replies import ANSWERED, Replies

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def told(message_id: str = "replied-1", *, workspace: str = "acme", **more: Any) -> ProfileActivity:
    """That Ada has answered a mail."""
    said = {
        "contact_point": "Ada@example.com",
        "channel": "email",
        "send_key": "k1",
        "subject": "Re: Your order",
        "text": "It has\r\nnot come.",
        **more.pop("said", {}),
    }
    event = Event(
        workspace=workspace,
        source=more.pop("source", "campaign"),
        message_id=message_id,
        type="track",
        name=more.pop("name", "Email Replied"),
        timestamp=AT,
        received_at=AT,
        identifiers=more.pop("identifiers", [("user_id", "42")]),
        properties=more.pop("properties", msgspec.Raw(msgspec.json.encode(said))),
    )
    return ProfileActivity(workspace=workspace, profile_id="p", version=1, event=event, **more)


def test_what_an_answer_says_is_bounded_and_can_be_read() -> None:
    said = {"subject": "\0Re:\n" + "x" * 999, "text": "a\x07b\r\n\tc\u202e" + "y" * 9999}
    found = reply_of(told(said=said))
    assert found is not None
    assert found.subject == ("Re: " + "x" * 999)[:MAX_SUBJECT]
    assert found.body.startswith("ab\n\tcyy")
    assert len(found.body) == MAX_BODY
    assert (found.contact.user_id, found.contact.email) == ("42", "ada@example.com")
    kept = "Liebe\u00a0Gr\u00fc\u00dfe \u4f60\u597d\u3000\u5417 \U0001f469\u200d\U0001f467"
    shown = reply_of(told(said={"text": kept}))
    assert shown is not None
    assert shown.body == kept
    bare = reply_of(told(said={"subject": None, "text": 7}))
    assert bare is not None
    assert (bare.subject, bare.body) == ("(no subject)", "(no text)")


@pytest.mark.parametrize(
    "other",
    [
        told(source="shop"),
        told(name="Email Opened"),
        told(republished=True),
        told(properties=msgspec.Raw(b"[]")),
        told(said={"send_key": None}),
        told(said={"contact_point": None}, identifiers=[("device", "x")]),
        ProfileActivity(workspace="acme", profile_id="p", version=1, gone=True),
    ],
)
def test_what_is_no_answer(other: ProfileActivity) -> None:
    assert reply_of(other) is None


async def bring(service: Service, *records: ProfileActivity) -> None:
    """One batch in one transaction."""
    settings = make_settings()
    publisher = Publisher("feedback", EVENTS, key_bytes(settings.event_key))
    [one, _segments] = subscriptions(Replies(cases_of(publisher, settings)))
    batch = [Record("profile.activity", 0, at, b"p", each) for at, each in enumerate(records)]
    async with service.engine.begin() as tx:
        await one.handle(batch, tx)


async def cases(service: Service) -> list[dict[str, Any]]:
    """All cases, the oldest first, each with all that is shown of it."""
    listed = (await service.client.get("/v1/cases")).json()["items"]
    found = [await service.client.get(f"/v1/cases/{one['id']}") for one in reversed(listed)]
    return [one.json() for one in found]


def of(service: Service, message_id: str, **more: Any) -> ProfileActivity:
    return told(message_id, workspace=service.workspace, **more)


@pytest.mark.integration
async def test_an_answer_opens_a_case_and_the_next_goes_on_with_it(service: Service) -> None:
    first = of(service, "r1")
    await bring(service, first, first)
    await bring(service, first)
    second = of(service, "r2", said={"send_key": "k2", "text": "Still not."})
    await bring(service, second, of(service, "r3", said={"contact_point": "bob@example.com"}))
    adas, bobs = await cases(service)
    assert (adas["subject"], adas["body"], adas["state"]) == (
        *("Re: Your order", "It has\nnot come.", "received"),
    )
    assert (adas["user_id"], adas["email"]) == ("42", "ada@example.com")
    assert [(one["id"], one["in_reply_to"], one["body"]) for one in adas["messages"]] == [
        ("r1", "k1", "It has\nnot come."),
        ("r2", "k2", "Still not."),
    ]
    assert [one["actor"] for one in adas["history"]] == ["customer"]
    assert [one["id"] for one in bobs["messages"]] == ["r3"]
    async with service.engine.begin() as tx:
        rows = await waiting(tx, "feedback", "events")
    told = [msgspec.json.decode(one.value, type=Event) for one in rows]
    names = [one.name for one in told if one.workspace == service.workspace]
    assert names == ["Case Opened", "Case Opened"]


@pytest.mark.integration
async def test_who_was_waited_for_has_answered_and_a_closed_case_stays_closed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(service, of(service, "r1"))
    [case] = await cases(service)
    path = f"/v1/cases/{case['id']}/state"
    for state in ("acknowledged", "assessed", "investigating", "waiting_customer"):
        assert (await service.client.post(path, json={"state": state})).status_code == 200
    await bring(service, of(service, "r2"))
    [case] = await cases(service)
    assert (case["state"], case["history"][-1]["note"]) == ("investigating", ANSWERED)
    # Nobody fills a case without end.
    monkeypatch.setattr(handlers, "MOST_MESSAGES", 2)
    await bring(service, of(service, "r3"))
    assert len((await cases(service))[0]["messages"]) == 2
    for state in ("response_offered", "closed"):
        assert (await service.client.post(path, json={"state": state})).status_code == 200
    await bring(service, of(service, "r1"), of(service, "r2"))
    assert len(await cases(service)) == 1, "what was told before opens nothing"
    await bring(service, of(service, "r4"))
    old, new = await cases(service)
    assert (old["state"], new["state"]) == ("closed", "received")
    assert [one["id"] for one in new["messages"]] == ["r4"]


@pytest.mark.integration
async def test_cases_taken_down_by_staff_are_not_gone_on_with(service: Service) -> None:
    body = {"subject": "Broken", "body": "x", "email": "ada@example.com"}
    assert (await service.client.post("/v1/cases", json=body)).status_code == 201
    await bring(service, of(service, "r1"))
    by_staff, by_mail = await cases(service)
    assert (by_staff["messages"], len(by_mail["messages"])) == ([], 1)
    assert datetime.fromisoformat(by_mail["opened_at"]) > AT + timedelta(days=1)
