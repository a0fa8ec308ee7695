"""Pixels, beacons, webhooks and CloudEvents, through a whole ingest."""

import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from services.ingest.tests.driving import names
from sqlalchemy import text

from rapport_ingest.domain.dialects.cloudevents import message_id_of
from rapport_ingest.domain.dialects.pixel import GIF
from rapport_ingest.domain.dialects.reopening import Reopener
from rapport_ingest.domain.dialects.webhook import reopen
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import Caller, Policy
from rapport_ingest.handlers.quarantine import Bench
from rapport_ingest.store.quarantine import Row

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

pytestmark = pytest.mark.integration

Log = Callable[[str], Awaitable[list[dict[str, Any]]]]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
SHOP = {
    "event": "Order {status}",
    "fields": {
        "userId": "customer.id",
        "traits.email": "customer.email",
        "properties.total": "amount",
        "messageId": {"template": "order-{id}"},
    },
}


@pytest.fixture
def ingest(standing_ingest: "Ingest") -> "Ingest":
    """These only ask."""
    return standing_ingest


async def quarantined(ingest: "Ingest") -> list[dict[str, Any]]:
    """All of the workspace's quarantine, oldest first, with the dialects."""
    async with ingest.parts.engine.connect() as tx:
        result = await tx.execute(
            text(
                "SELECT message_id, code, path, reason, body, dialect FROM ingest.quarantine "
                "WHERE workspace = :workspace ORDER BY id"
            ),
            {"workspace": ingest.workspace},
        )
        return [dict(row._mapping) for row in result]


async def set_mapping(ingest: "Ingest", mapping: dict[str, Any]) -> None:
    async with ingest.parts.engine.begin() as tx:
        await tx.execute(
            text(
                "UPDATE ingest.source SET policy = CAST(:policy AS jsonb), "
                "revision = revision + 1 WHERE workspace = :workspace"
            ),
            {"policy": json.dumps({"webhook": mapping}), "workspace": ingest.workspace},
        )
    await ingest.process.keys.check()


def one_pixel(answer: httpx.Response, status: int = 200) -> None:
    assert answer.status_code == status
    assert answer.content == GIF
    assert len(answer.content) == 43
    assert answer.headers["content-type"] == "image/gif"
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["access-control-allow-origin"] == "*"


# ---- pixels and beacons


async def test_a_pixel_is_an_event(ingest: "Ingest", log_of: Log) -> None:
    query = {
        "writeKey": ingest.key,
        "event": "Newsletter Opened",
        "userId": "u-1",
        "messageId": "open-1",
        "properties.campaign.id": "c 1&ü",
    }
    one_pixel(await ingest.client.get(f"/v1/pixel.gif?{urlencode(query)}"))
    assert await quarantined(ingest) == []
    (event,) = await log_of(ingest.workspace)
    assert (event["type"], event["name"]) == ("track", "Newsletter Opened")
    assert (event["message_id"], names(event)["user_id"]) == ("open-1", "u-1")
    assert event["properties"] == {"campaign": {"id": "c 1&ü"}}


@pytest.mark.parametrize("folder", ["/v1/pixel", "/pixel/v1"])
async def test_pixels_of_segment_and_rudderstack(
    ingest: "Ingest", log_of: Log, folder: str
) -> None:
    whole = {"writeKey": ingest.key, "userId": "u", "name": "Home>>>", "properties": {"n": 1.5}}
    data = base64.urlsafe_b64encode(json.dumps(whole).encode()).decode().rstrip("=")
    one_pixel(await ingest.client.get(f"{folder}/page?data={data}"))
    named = {"writeKey": ingest.key, "anonymousId": "a", "traits.email": "a@shop.example"}
    one_pixel(await ingest.client.get(f"{folder}/identify?{urlencode(named)}"))
    events = sorted(await log_of(ingest.workspace), key=lambda one: one["type"])
    assert [one["type"] for one in events] == ["identify", "page"]
    assert names(events[0])["email"] == "a@shop.example"
    assert events[1]["properties"] == {"n": 1.5}
    assert all(one["message_id"] for one in events)


async def test_opens_without_an_id_are_each_an_event(ingest: "Ingest", log_of: Log) -> None:
    query = urlencode({"writeKey": ingest.key, "event": "Newsletter Opened", "userId": "u"})
    for _ in range(2):
        one_pixel(await ingest.client.get(f"/v1/pixel.gif?{query}"))
    assert len({one["message_id"] for one in await log_of(ingest.workspace)}) == 2


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("event=Opened", "no_identifier"),
        ("userId=u", "missing_field"),
        ("userId=u&event=x&properties.a=1&properties.a.b=2", "invalid_field"),
        ("userId=u&event=x&properties..a=1", "invalid_field"),
        ("data=%FF%00", "invalid_data"),
        ("data=WzFd", "invalid_data"),
        ("data=eyJ1c2VySWQiOk5hTn0", "invalid_data"),
    ],
)
async def test_a_bad_pixel_is_an_image_all_the_same(
    ingest: "Ingest", query: str, code: str
) -> None:
    one_pixel(await ingest.client.get(f"/v1/pixel.gif?writeKey={ingest.key}&{query}"))
    (kept,) = await quarantined(ingest)
    assert (kept["code"], kept["dialect"]) == (code, "pixel")
    assert kept["message_id"]
    assert ingest.key.encode() not in kept["body"]


async def test_a_pixel_without_a_key_shows_it_by_its_status(ingest: "Ingest") -> None:
    one_pixel(await ingest.client.get("/v1/pixel.gif?event=x&userId=u"), 401)
    one_pixel(await ingest.client.get("/v1/pixel/track?data=%00&writeKey=rk_no"), 401)
    one_pixel(await ingest.client.get("/v1/pixel/track?data=%00"), 401)
    one_pixel(await ingest.client.post("/v1/pixel.gif"), 405)


async def test_a_beacon_needs_no_preflight(ingest: "Ingest", log_of: Log) -> None:
    """What `navigator.sendBeacon(url, string)` sends: a simple request of the Fetch standard."""
    event = {"type": "track", "event": "Left", "anonymousId": "a", "messageId": "b-1"}
    headers = {"content-type": "text/plain;charset=UTF-8", "origin": "https://shop.example"}
    for path, body in (("/v1/track", event), ("/v1/batch", {"batch": [event]})):
        answer = await ingest.client.post(
            f"{path}?writeKey={ingest.key}", content=json.dumps(body), headers=headers
        )
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] in {"*", headers["origin"]}
    assert {one["message_id"] for one in await log_of(ingest.workspace)} == {"b-1"}


# ---- webhooks


async def test_an_unmapped_webhook_is_kept_as_it_came_and_mapped_later(
    ingest: "Ingest", log_of: Log
) -> None:
    body = b'{ "id": 7, "status":"paid", "amount":"12.50","customer":{"id":"u7"} }'
    for _ in range(2):
        answer = await ingest.client.post(
            f"/v1/webhook/{ingest.key}",
            content=body,
            headers={"authorization": "Bearer the-senders-own", "content-type": "application/json"},
        )
        assert answer.status_code == 200
        (result,) = answer.json()["results"]
        assert (result["status"], result["code"]) == ("rejected", "no_mapping")
        assert "customer.id" in result["message"]
        assert "policy.webhook" in result["message"]
    kept = await quarantined(ingest)
    assert [(bytes(one["body"]), one["dialect"]) for one in kept] == [(body, "webhook")] * 2
    assert kept[0]["message_id"] == kept[1]["message_id"]

    await set_mapping(ingest, SHOP)
    answer = await ingest.client.post(f"/v1/webhook?writeKey={ingest.key}", content=body)
    assert answer.json()["accepted"] == 1
    (event,) = await log_of(ingest.workspace)
    assert (event["name"], names(event)["user_id"]) == ("Order paid", "u7")
    assert event["message_id"] == "order-7"
    # What a replay does with the kept body.
    policy = msgspec.convert({"webhook": SHOP}, Policy)
    again = msgspec.json.decode(reopen(msgspec.Raw(kept[0]["body"]), policy, "x"))
    assert again["messageId"] == "order-7"


async def test_a_webhook_names_its_delivery_in_a_header(ingest: "Ingest", log_of: Log) -> None:
    mapping = {"event": "{_headers.x-github-event}", "fields": {"userId": "sender"}}
    await set_mapping(ingest, mapping)
    headers = {"x-github-delivery": "d-1", "x-github-event": "push"}
    bodies: list[Any] = [{"sender": 1}, [{"sender": 2}, {"sender": 3}]]
    for body in bodies:
        answer = await ingest.send(f"/v1/webhook/{ingest.key}", body, **headers)
        assert answer.status_code == 200, answer.text
    events = await log_of(ingest.workspace)
    assert {one["message_id"] for one in events} == {"d-1", "d-1-0", "d-1-1"}
    assert {one["name"] for one in events} == {"push"}


async def test_equal_bodies_are_one_event(ingest: "Ingest", log_of: Log) -> None:
    await set_mapping(ingest, {"event": "x", "fields": {"userId": "id"}})
    for body in ([{"id": 1}, {"id": 1}], {"id": 1}, {"id": 2}):
        await ingest.send(f"/v1/webhook/{ingest.key}", body)
    assert len({one["message_id"] for one in await log_of(ingest.workspace)}) == 2


async def test_forms_are_webhooks_too(ingest: "Ingest", log_of: Log) -> None:
    await set_mapping(ingest, {"event": "x", "fields": {"userId": "id", "properties": "."}})
    form = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"id=u1&tag=a&tag=b", urlencode({"payload": '{"id": "u2"}'}).encode()):
        await ingest.send(f"/v1/webhook/{ingest.key}", body, **form)
    events = {names(one)["user_id"]: one for one in await log_of(ingest.workspace)}
    assert set(events) == {"u1", "u2"}
    assert events["u1"]["properties"] == {"id": "u1", "tag": ["a", "b"]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"not json", "invalid_json"),
        (b"", "invalid_json"),
        (b"12", "not_an_object"),
        (b'[{"id": "u1", "status": "x"}, 3]', "not_an_object"),
        (b'{"customer": {"id": "u1"}}', "mapping_failed"),
        (b'{"status": "paid", "id": 1}', "no_identifier"),
        (b'{"a": NaN}', "invalid_json"),
        (b"[" * 2000, "invalid_json"),
    ],
)
async def test_no_bad_webhook_disappears(ingest: "Ingest", body: bytes, code: str) -> None:
    await set_mapping(ingest, SHOP)
    answer = await ingest.client.post(f"/v1/webhook/{ingest.key}", content=body)
    assert answer.status_code == 200
    kept = (await quarantined(ingest))[-1]
    assert (kept["code"], kept["dialect"]) == (code, "webhook")
    assert bytes(kept["body"]) == (b"3" if body[-1:] == b"]" else body)


async def test_a_webhook_needs_the_key_in_its_address(ingest: "Ingest") -> None:
    assert (await ingest.client.post("/v1/webhook/rk_wrong", content=b"{}")).status_code == 401
    assert (await ingest.client.post("/v1/webhook", content=b"{}")).status_code == 401
    assert (await ingest.send("/v1/webhook", {"userId": "u"})).json()["accepted"] == 1


@pytest.mark.parametrize("dialect", ["webhook", "cloudevents"])
def test_a_replay_makes_the_event_anew(dialect: str) -> None:
    body = {"id": 7, "status": "paid", "customer": {"id": "u7"}}
    if dialect == "cloudevents":
        body = cloud_event()
    row = Row(
        source="s",
        message_id="kept",
        received_at=datetime(2026, 1, 31, tzinfo=UTC),
        code="no_mapping",
        path="",
        reason="",
        body=msgspec.json.encode(body),
        dialect=dialect,
    )
    unmapped, mapped = (
        Bench([], {"s": compiled(Caller("w", "s"), policy, ())}, Reopener()).try_row(row)
        for policy in (Policy(), msgspec.convert({"webhook": SHOP}, Policy))
    )
    assert mapped.passes
    made = "order-7" if dialect == "webhook" else message_id_of("/till/1", "1001")
    assert msgspec.json.decode(mapped.raw)["messageId"] == made
    if dialect == "webhook":
        assert unmapped.refusal is not None
        assert (unmapped.refusal.code, unmapped.refusal.message_id) == ("no_mapping", "kept")


# ---- CloudEvents


def cloud_event(**fields: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "1001",
        "source": "/till/1",
        "type": "com.shop.order.paid",
        "subject": "u-9",
        "time": "2026-01-31T09:30:00.5+01:00",
        "data": {"total": 12.50},
        **fields,
    }


async def test_a_structured_cloud_event(ingest: "Ingest", log_of: Log) -> None:
    event = cloud_event(traceparent="00-x", sampled=True)
    answer = await ingest.send("/v1/cloudevents", event, **{"content-type": STRUCTURED})
    assert answer.status_code == 200
    (found,) = await log_of(ingest.workspace)
    assert found["message_id"] == message_id_of("/till/1", "1001")
    assert (found["type"], found["name"]) == ("track", "com.shop.order.paid")
    assert (names(found)["user_id"], found["properties"]) == ("u-9", {"total": 12.5})
    assert found["timestamp"].startswith("2026-01-31T08:30:00.5")
    told = {name: value for name, value in event.items() if name != "data"}
    assert found["context"] == {"cloudevents": told}


async def test_a_binary_cloud_event(ingest: "Ingest", log_of: Log) -> None:
    headers = {
        "content-type": "application/json; charset=utf-8",
        "ce-specversion": "1.0",
        "ce-id": '"a \\"b\\" %E2%82%AC"',
        "ce-source": "/m%C3%BCnchen",
        "ce-type": "com.rapport.identify",
        "ce-subject": "u-1",
    }
    body = {"traits": {"email": "a@shop.example"}, "context": {"locale": "de"}}
    answer = await ingest.send("/v1/cloudevents", body, **headers)
    assert answer.status_code == 200, answer.text
    (found,) = await log_of(ingest.workspace)
    assert found["message_id"] == message_id_of("/münchen", 'a "b" €')
    assert (found["type"], names(found)["user_id"]) == ("identify", "u-1")
    assert names(found)["email"] == "a@shop.example"
    assert found["context"]["locale"] == "de"
    assert found["context"]["cloudevents"]["source"] == "/münchen"


@pytest.mark.parametrize(
    ("media", "body", "properties"),
    [
        ("text/plain", "grüß".encode(), {"data": "grüß"}),
        ("application/octet-stream", b"\x00\xff", {"data_base64": "AP8="}),
        ("application/vnd.shop+json", b"[1,2]", {"data": [1, 2]}),
        ("application/json", b"", {}),
    ],
)
async def test_data_of_any_kind(
    ingest: "Ingest", log_of: Log, media: str, body: bytes, properties: dict[str, Any]
) -> None:
    attributes = {k: v for k, v in cloud_event().items() if isinstance(v, str)}
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    answer = await ingest.send("/v1/cloudevents", body, **headers, **{"content-type": media})
    assert answer.status_code == 200, answer.text
    (found,) = await log_of(ingest.workspace)
    assert found["properties"] == properties


BAD = {
    "id": (cloud_event(id=""), "missing_field"),
    "type": (cloud_event(type=None), "missing_field"),
    "source": (cloud_event(source=5), "missing_field"),
    "specversion": (cloud_event(specversion="0.3"), "unsupported_version"),
    "time": (cloud_event(time="yesterday"), "invalid_timestamp"),
    "Upper": (cloud_event(Upper=1), "invalid_attribute"),
    "list": (cloud_event(list=[1]), "invalid_attribute"),
    "subject": (cloud_event(subject=""), "invalid_attribute"),
    "data": (cloud_event(data_base64="AA=="), "invalid_data"),
    "data_base64": ({**cloud_event(data_base64="!"), "data": None}, "invalid_data"),
}


async def test_each_bad_event_of_a_batch_is_refused_by_its_index(
    ingest: "Ingest", log_of: Log
) -> None:
    del BAD["data_base64"][0]["data"]
    events = [one for one, _ in BAD.values()]
    whole = cloud_event(id="2", data_base64=base64.b64encode(b'{"a": 1}').decode())
    del whole["data"]
    batch = [cloud_event(), *events, cloud_event(source="/till/2"), whole, cloud_event(id="3")]
    del batch[-1]["subject"]
    answer = await ingest.send("/v1/cloudevents", batch, **{"content-type": BATCH})
    assert answer.status_code == 200
    results = answer.json()["results"]
    codes = [one.get("code") for one in results]
    assert codes == [None, *(code for _, code in BAD.values()), None, None, "no_identifier"]
    assert [one.get("path") for one in results[1:-3]] == list(BAD)
    found = await log_of(ingest.workspace)
    assert len({one["message_id"] for one in found}) == 3
    assert {"a": 1} in [one["properties"] for one in found]
    kept = await quarantined(ingest)
    assert [msgspec.json.decode(one["body"]) for one in kept] == [*events, batch[-1]]
    assert {one["dialect"] for one in kept} == {"cloudevents"}


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        (STRUCTURED, b"{", 400),
        (STRUCTURED, b"[]", 400),
        (BATCH, b'{"id": 1}', 400),
        (BATCH, b"[", 400),
        ("application/cloudevents+avro", b"{}", 415),
        ("application/json", b"{}", 415),
    ],
)
async def test_what_is_no_cloud_event(
    ingest: "Ingest", media: str, body: bytes, status: int
) -> None:
    answer = await ingest.send("/v1/cloudevents", body, **{"content-type": media})
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "details"}


async def test_the_handshake_of_a_sender_of_webhooks(ingest: "Ingest") -> None:
    headers = {"webhook-request-origin": "events.example", "webhook-request-rate": "120"}
    answer = await ingest.client.options("/v1/cloudevents", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "events.example"
    assert answer.headers["webhook-allowed-rate"] == "*"
    plain = await ingest.client.options("/v1/cloudevents")
    assert "webhook-allowed-origin" not in plain.headers


@pytest.mark.parametrize("event_id", ["x" * 79, "x" * 80, "x" * 5000, "ü" * 90])
def test_an_id_of_any_length_fits(event_id: str) -> None:
    made = message_id_of("/s", event_id)
    assert len(made) <= 100
    assert made != message_id_of("/t", event_id)
    assert made != message_id_of("/s", event_id + "x")
