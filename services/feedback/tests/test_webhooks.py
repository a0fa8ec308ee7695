"""Webhooks of answers and cases: each at least once, signed, in the order of each; no word,
nobody's address, and nothing of an anonymous survey.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from services.feedback.tests.conftest import make_settings
from services.feedback.tests.test_anonymous_surveys import answered, link, made
from tests.support.receiving import Came, Receiver, receiving
from tests.support.waiting import HANG_SECONDS

from rapport_common import clock
from rapport_common.events.envelope import Event
from rapport_common.outside.addresses import networks
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_common.outside.signed_posts import signed
from rapport_common.webhooks.worker import WebhookSender
from rapport_feedback import metrics
from rapport_feedback.domain.announcements import ANNOUNCED, announced
from rapport_feedback.domain.webhook_keys import place_of
from rapport_feedback.store.webhooks import WEBHOOKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.feedback.tests.conftest import Service


def told_of(name: str, **properties: Any) -> Event:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Event(
        workspace="acme",
        source="feedback",
        message_id="m",
        type="track",
        name=name,
        timestamp=at,
        received_at=at,
        identifiers=[("user_id", "u1"), ("email", "ada@example.com")],
        properties=msgspec.Raw(msgspec.json.encode(properties)),
    )


def test_what_is_told_has_no_word_and_no_name() -> None:
    answers = [
        {"question": "score", "kind": "nps", "value": 3, "score": 3},
        {"question": "what", "kind": "choice", "value": "other", "other": "Ada's noise"},
        {"question": "comment", "kind": "text", "value": "I am Ada"},
        {"question": "born", "kind": "date", "value": "1990-01-31"},
    ]
    said = {"response_id": "r", "survey_id": "s", "score": 3, "comment": "Ada", "answers": answers}
    found = announced(told_of("Survey Answered", **said))
    assert found is not None
    assert (found.subject, found.whose, found.event) == ("r", ("user_id", "u1"), "survey.answered")
    text = found.body("p1")
    body = msgspec.json.decode(text)
    assert (body["data"]["profile_id"], body["data"]["score"]) == ("p1", 3)
    assert body["data"]["answers"] == [
        {"question": "score", "kind": "nps", "value": 3},
        {"question": "what", "kind": "choice", "value": "other"},
    ]
    assert "Ada" not in text
    assert "example.com" not in text
    case = {"case_id": "c", "number": 7, "subject": "Ada's parcel", "clock": "resolve", "level": 1}
    late = announced(told_of("Case Escalated", **case))
    assert late is not None
    assert late.event in ANNOUNCED
    assert msgspec.json.decode(late.body("")) == {
        "type": "case.escalated",
        "timestamp": "2026-03-01T00:00:00Z",
        "data": {
            "case_id": "c",
            "number": 7,
            "clock": "resolve",
            "level": 1,
            "profile_id": None,
        },
    }
    assert announced(told_of("Something Else")) is None


class Desk:
    """A workspace with webhooks, and the worker that posts to them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.late = timedelta(0)
        self.poster = Poster(networks("127.0.0.0/8"), seconds=HANG_SECONDS)
        self.sender = WebhookSender(
            service.engine,
            self.poster,
            WEBHOOKS,
            Sealer(make_settings().secret_keys(), place_of),
            gauges=metrics.WEBHOOKS,
            now=self.now,
        )

    def now(self) -> datetime:
        return clock.now() + self.late

    async def webhook(self, to: Receiver, **told: Any) -> dict[str, Any]:
        answer = await self.service.client.post("/v1/webhooks", json={"url": to.url, **told})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def post(self) -> None:
        while await self.sender.turn():
            await self.sender.drain()

    async def shown(self, made: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.service.client.get(f"/v1/webhooks/{made['id']}")).json()
        return found

    async def deliveries(self, made: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self.service.client.get(f"/v1/webhooks/{made['id']}/deliveries")
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


@pytest.fixture
async def desk(service: Service) -> AsyncIterator[Desk]:
    found = Desk(service)
    yield found
    # Other tests' workers post what is due of every workspace.
    await service.change("UPDATE feedback.webhook SET active = false WHERE workspace = :ws")
    await found.sender.drain()
    await found.poster.close()


@pytest.mark.integration
async def test_answers_and_cases_are_posted_signed_and_in_order(
    desk: Desk, service: Service
) -> None:
    async with receiving() as to, receiving() as cases:
        hook = await desk.webhook(to)
        await desk.webhook(cases, events=["case.changed", "case.opened"])
        await service.change("INSERT INTO feedback.identity VALUES (:ws, 'user_id', 'u1', 'p1')")
        path = await service.link(await service.survey(), user_id="u1", email="ada@example.com")
        for score in ("3", "4"):
            await service.answer(path, score=score, comment="I am Ada")
        await service.client.post(f"{path}/complaint", data={"subject": "Ada", "body": "Broken"})
        [case] = (await service.client.get("/v1/cases")).json()["items"]
        await service.client.post(f"/v1/cases/{case['id']}/state", json={"state": "acknowledged"})
        anonymous = await link(service, await made(service))
        for number in (1, 2, 3, 4, 5):
            await answered(service, anonymous, number, "hidden")
        await desk.post()
        told = [msgspec.json.decode(one.body) for one in to.came]
        assert sorted(one["type"] for one in told) == ["case.opened", *["survey.answered"] * 2]
        answers = [one for one in to.came if "score" in one.data]
        assert [one.data["score"] for one in answers] == [3, 4]
        assert {one["data"]["profile_id"] for one in told} == {"p1"}
        assert [msgspec.json.decode(one.body)["type"] for one in cases.came] == [
            "case.opened",
            "case.changed",
        ]
        for one in to.came:
            assert b"Ada" not in one.body
            assert b"example.com" not in one.body
            at = datetime.fromtimestamp(int(one.headers["webhook-timestamp"]), UTC)
            expected = dict(signed(one.id, at, one.body, [hook["secret"]]))
            assert one.headers["webhook-signature"] == expected["webhook-signature"]
        [*_, first] = await desk.deliveries(hook)
        assert (first["state"], first["subject_id"]) == (
            "delivered",
            answers[0].data["response_id"],
        )
        again = await service.client.post(
            f"/v1/webhooks/{hook['id']}/deliveries/{first['id']}/replay"
        )
        assert again.json() == {"replayed": 1}
        await desk.post()
        assert to.came[-1].id == answers[0].id


@pytest.mark.integration
async def test_the_next_of_an_answer_waits_for_the_one_before(desk: Desk, service: Service) -> None:
    def refuses(came: Came) -> int:
        return 500 if came.data.get("score") == 3 else 204

    async with receiving() as to:
        to.answer = refuses
        hook = await desk.webhook(to)
        survey = await service.survey()
        path, other = [await service.link(survey, user_id=one) for one in ("u1", "u2")]
        await service.answer(path, score="3")
        await service.answer(path, score="4")
        await service.answer(other, score="9")
        await desk.post()
        assert sorted(one.data["score"] for one in to.came) == [3, 9]
        assert (await desk.shown(hook))["waiting"] == 2
        to.answer, desk.late = lambda _came: 204, timedelta(hours=1)
        await desk.post()
        assert [one.data["score"] for one in to.came if one.data["score"] < 9] == [3, 3, 4]


@pytest.mark.integration
async def test_webhooks_are_made_changed_and_archived(desk: Desk, service: Service) -> None:
    async with receiving() as to:
        hook = await desk.webhook(to, events=["case.overdue"])
        twice = await service.client.post("/v1/webhooks", json={"url": to.url})
        assert (twice.status_code, twice.json()["details"]["id"]) == (409, hook["id"])
        listed = (await service.client.get("/v1/webhooks")).json()["items"]
        assert [(one["events"], "secret" in one) for one in listed] == [(["case.overdue"], False)]
        [row] = await service.rows("SELECT secret FROM feedback.webhook WHERE workspace = :ws")
        assert hook["secret"] not in row["secret"]
        turned = await service.client.post(f"/v1/webhooks/{hook['id']}/rotate", json={})
        assert turned.json()["secret"] != hook["secret"]
        path = await service.link(await service.survey(), user_id="u1")
        await service.answer(path, score="3")
        assert await desk.deliveries(hook) == [], "it has named other events"
        assert (await service.client.delete(f"/v1/webhooks/{hook['id']}")).status_code == 204
        assert (await service.client.get(f"/v1/webhooks/{hook['id']}")).status_code == 404
    for url in ("http://10.0.0.1/x", "ftp://example.com", "https:///x"):
        refused = await service.client.post("/v1/webhooks", json={"url": url})
        assert (refused.status_code, refused.json()["details"]["path"]) == (422, "body.url"), url
