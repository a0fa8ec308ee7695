"""Webhooks of a message's outcome: each at least once, signed, in a message's order; nobody waits
for somebody else's receiver.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from services.campaign.tests.conftest import publisher, quick_settings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.receiving import Receiver, receiving
from tests.support.waiting import HANG_SECONDS, eventually

from rapport_campaign.announcer import Announcer
from rapport_campaign.domain.announcements import body_of, of_outcome, of_state, scopes
from rapport_campaign.domain.outcomes import Report
from rapport_campaign.domain.webhook_keys import WebhookKeys
from rapport_campaign.domain.webhook_keys import place_of as kept_at
from rapport_campaign.handlers.outcomes import Outcomes, place_of
from rapport_campaign.store.webhooks import WEBHOOKS
from rapport_common import clock
from rapport_common.outside import webhooks as rules
from rapport_common.outside.addresses import networks
from rapport_common.outside.posting import Poster
from rapport_common.outside.signed_posts import signed
from rapport_common.secret_keys import SealedSecretError
from rapport_common.webhooks.worker import TURNED_OFF

RECEIPT = {"to": "ada@example.com", "subject": "Order 7", "html": "<p>Thank you</p>"}


def test_what_is_told_of_a_message() -> None:
    assert [of_state(one) for one in ("planned", "sending", "sent")] == [None, None, "sent"]
    assert of_outcome("bounced", "hard") == "bounced"
    assert of_outcome("clicked", "human") == "clicked"
    assert of_outcome("opened", "machine") is None
    assert of_outcome("delayed", "") is None
    assert scopes("request") == scopes("opt_in") == ("all", "transactional")
    assert (scopes("entry"), scopes("test")) == (("all",), ())
    at = datetime(2026, 3, 1, tzinfo=clock.now().tzinfo)
    whose = {"send_key": "k", "kind": "request", "channel": "email", "campaign_id": ""}
    body = msgspec.json.decode(body_of("failed", at, profile_id="", reason=None, **whose))  # type: ignore[arg-type] # texts
    data = {"id": "k", "kind": "request", "channel": "email"}
    assert body["data"] == {**data, "campaign_id": None, "profile_id": None}
    assert (body["type"], body["timestamp"]) == ("message.failed", "2026-03-01T00:00:00Z")


def test_a_secret_opens_at_its_own_webhook_only() -> None:
    keys = WebhookKeys((b"k" * 32,))
    kept = keys.sealed(kept_at("acme", "w1"), "whsec_x", bytes(12))
    assert keys.opened(kept_at("acme", "w1"), kept) == "whsec_x"
    with pytest.raises(SealedSecretError):
        keys.opened(kept_at("acme", "w2"), kept)


class Desk:
    """A workspace with webhooks, and the worker that posts to them."""

    def __init__(self, scenario: Any) -> None:
        self.client: httpx.AsyncClient = scenario.client
        self.scenario = scenario
        self.late = timedelta(0)
        self.poster = Poster(networks("127.0.0.0/8"), seconds=HANG_SECONDS)
        keys = quick_settings(1).webhook_keys()
        self.announcer = Announcer(scenario.engine, self.poster, keys, self.now)

    def now(self) -> datetime:
        return clock.now() + self.late

    async def webhook(self, to: Receiver, **told: Any) -> dict[str, Any]:
        answer = await self.client.post("/v1/webhooks", json={"url": to.url, **told})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def write(self, number: int = 1) -> list[str]:
        """So many single messages that are sent; their ids."""
        made = [await self.client.post("/v1/messages", json=RECEIPT) for _ in range(number)]
        while await self.scenario.turn():
            pass
        return [one.json()["id"] for one in made]

    async def reported(self, send_key: str, kind: Any, grade: Any = "") -> None:
        report = Report(kind, f"{kind}-{grade}", grade, "5.1.1", "no <ada@example.com> here")
        async with self.scenario.engine.begin() as tx:
            taking = Outcomes(publisher())
            await taking.take(tx, place_of("acme", send_key), report, "webhook", [])

    async def post(self) -> None:
        """Post all that is due, and what is due by that."""
        while await self.announcer.turn():
            await self.announcer.drain()

    async def shown(self, made: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/webhooks/{made['id']}")).json()
        return found

    async def deliveries(self, made: dict[str, Any], **asked: str) -> list[dict[str, Any]]:
        answer = await self.client.get(f"/v1/webhooks/{made['id']}/deliveries", params=asked)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


@pytest.fixture
async def desk(scenario: Any) -> AsyncIterator[Desk]:
    made = Desk(scenario)
    yield made
    await made.announcer.drain()
    await made.poster.close()


@pytest.mark.integration
async def test_what_becomes_of_a_message_is_posted_signed_and_in_order(desk: Desk) -> None:
    async with receiving() as to, receiving() as bounces:
        made = await desk.webhook(to)
        await desk.webhook(bounces, events=["bounced"], scope="all")
        [key] = await desk.write()
        await desk.reported(key, "delivered")
        await desk.reported(key, "delayed")
        await desk.reported(key, "replied")
        await desk.reported(key, "bounced", "hard")
        await desk.reported(key, "bounced", "hard")
        await desk.post()
        told = [msgspec.json.decode(one.body) for one in to.came]
        assert [one["type"] for one in told] == [
            *("message.sent", "message.delivered", "message.bounced")
        ]
        assert {one["data"]["id"] for one in told} == {key}
        assert told[-1]["data"]["class"] == "hard"
        assert b"example.com" not in b"".join(one.body for one in to.came), "nobody's address"
        assert [one.data["id"] for one in bounces.came] == [key]
        for one in to.came:
            at = datetime.fromtimestamp(int(one.headers["webhook-timestamp"]), clock.now().tzinfo)
            expected = dict(signed(one.id, at, one.body, [made["secret"]]))
            assert one.headers["webhook-signature"] == expected["webhook-signature"]
        kept = await desk.deliveries(made)
        assert [(one["id"], one["state"]) for one in reversed(kept)] == [
            (one.id, "delivered") for one in to.came
        ]
        assert {(one["attempts"], one["status"]) for one in kept} == {(1, 204)}
        assert await desk.deliveries(made, state="waiting") == []


@pytest.mark.integration
async def test_campaigns_are_told_of_if_asked_and_strangers_hear_nothing(
    desk: Desk, client_of: Callable[..., httpx.AsyncClient]
) -> None:
    scenario = desk.scenario
    async with receiving() as some, receiving() as every, receiving() as strangers:
        await desk.webhook(some)
        made = await desk.webhook(every, scope="all", events=["sent", "suppressed", "opened"])
        async with client_of("globex") as stranger:
            await stranger.post("/v1/webhooks", json={"url": strangers.url, "scope": "all"})
            path = f"/v1/webhooks/{made['id']}"
            assert (await stranger.get(path)).status_code == 404
            assert (await stranger.delete(path)).status_code == 404
        await scenario.started()
        await scenario.topics.person("p1", "ada@example.com")
        await scenario.topics.person("p2", "bob@example.com", consent=None)
        for who in ("p1", "p2"):
            await scenario.topics.entered(who)
        while await scenario.turn():
            pass
        await desk.post()
        assert some.came == strangers.came == []
        told = {(one.data["profile_id"], one.data.get("reason")) for one in every.came}
        assert told == {("p1", None), ("p2", "no consent")}
        # Whoever is not active hears nothing, and nothing waits for them.
        assert (await desk.client.patch(path, json={"active": False})).status_code == 200
        await desk.write()
        assert (await desk.shown(made))["waiting"] == 0


@pytest.mark.integration
async def test_what_fails_is_tried_again_before_what_comes_after_it(desk: Desk) -> None:
    status = [503]
    async with receiving(answer=lambda _came: status[0]) as to:
        made = await desk.webhook(to)
        [key] = await desk.write()
        await desk.reported(key, "delivered")
        await desk.post()
        assert len(to.came) == 1, "what comes after it waits"
        [_later, first] = await desk.deliveries(made)
        assert (first["state"], first["attempts"], first["status"]) == ("waiting", 1, 503)
        status[0] = 200
        desk.late = rules.WAITS[0] * 1.2
        await desk.post()
        assert to.came[0].id == to.came[1].id != to.came[2].id
        [_, post] = await desk.deliveries(made)
        path = f"/v1/webhooks/{made['id']}/deliveries/{post['id']}/replay"
        assert (await desk.client.post(path)).json() == {"replayed": 1}
        await desk.post()
        assert to.came[-1].id == post["id"]
        for wrong in ("msg_x", f"msg_{'0' * 32}"):
            gone = await desk.client.post(path.replace(post["id"], wrong))
            assert gone.status_code == 404


@pytest.mark.integration
async def test_who_takes_nothing_for_days_is_turned_off_and_can_be_told_again(desk: Desk) -> None:
    status = [500]
    async with receiving(answer=lambda _came: status[0]) as to:
        made = await desk.webhook(to)
        await desk.write(2)
        await desk.post()
        desk.late = rules.OLDEST + timedelta(minutes=1)
        await desk.post()
        shown = await desk.shown(made)
        assert (shown["active"], shown["reason"]) == (False, TURNED_OFF)
        waiting, dead = await desk.announcer.bury()
        assert (waiting, dead) == (0, 2)
        status[0] = 200
        path = f"/v1/webhooks/{made['id']}"
        assert (await desk.client.patch(path, json={"active": True})).json()["failures"] == 0
        assert (await desk.client.post(f"{path}/replay")).json() == {"replayed": 2}
        await desk.post()
        shown = await desk.shown(made)
        assert (shown["waiting"], shown["dead"], shown["failing_since_at"]) == (0, 0, None)
        async with desk.scenario.engine.begin() as tx:
            assert await WEBHOOKS.posts.clear(tx, timedelta(days=7), 10) == 0
            assert await WEBHOOKS.posts.clear(tx, -timedelta(days=9), 10) == 2


@pytest.mark.integration
async def test_a_slow_receiver_holds_up_nobody_and_410_is_the_end(desk: Desk) -> None:
    async with receiving() as slow, receiving(answer=lambda _came: 410) as gone:
        slow.open.clear()
        await desk.webhook(slow)
        made = await desk.webhook(gone)
        async with receiving() as quick:
            await desk.webhook(quick)
            await desk.write(3)
            await desk.announcer.turn()
            await eventually("posts to the quick one", lambda: len(quick.came) == 3)
        slow.open.set()
        await desk.announcer.drain()
        assert not (await desk.shown(made))["active"]


@pytest.mark.integration
async def test_a_secret_is_kept_sealed_and_rotated_with_both_valid(
    desk: Desk, engine: AsyncEngine
) -> None:
    async with receiving() as to:
        made = await desk.webhook(to)
        path = f"/v1/webhooks/{made['id']}"
        new = (await desk.client.post(f"{path}/rotate", json={"overlap_hours": 1})).json()
        again = await desk.client.post(f"{path}/rotate", json={})
        assert (again.status_code, again.json()["code"]) == (409, "rotated_already")
        async with engine.begin() as tx:
            kept = str((await tx.execute(text("SELECT * FROM campaign.webhook"))).all())
        assert made["secret"] not in kept
        assert new["secret"] not in kept
        await desk.write()
        await desk.post()
        [came] = to.came
        at = datetime.fromtimestamp(int(came.headers["webhook-timestamp"]), clock.now().tzinfo)
        both = dict(signed(came.id, at, came.body, [new["secret"], made["secret"]]))
        assert came.headers["webhook-signature"] == both["webhook-signature"]
        assert "secret" not in await desk.shown(made)
        # Under a newer key all is sealed anew, and what is over is forgotten.
        desk.late = timedelta(hours=2)
        other = WebhookKeys((b"n" * 32, *quick_settings(1).webhook_keys().keys))
        moved = Announcer(engine, desk.poster, other, desk.now)
        assert [await moved.seal_anew() for _ in range(2)] == [1, 0]
        assert (await desk.client.delete(path)).status_code == 204
        assert (await desk.client.get(path)).status_code == 404


@pytest.mark.integration
@pytest.mark.parametrize(
    "body",
    [
        {"url": "https://169.254.169.254/latest"},
        {"url": "http://shop.example.com/"},
        {"url": "https://shop.example.com/", "events": []},
        {"url": "https://shop.example.com/", "events": ["exploded"]},
        {"url": "https://shop.example.com/", "scope": "some"},
        {"url": "https://shop.example.com/", "secret": "mine"},
    ],
)
async def test_what_can_be_no_webhook_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await client.post("/v1/webhooks", json=body)
    assert answer.status_code in {400, 422}, answer.text
    assert set(answer.json()) == {"code", "message", "details"}
