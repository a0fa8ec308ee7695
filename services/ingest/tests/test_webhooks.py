"""Webhooks: what becomes of bodies of any shape, and under which ids."""

import hashlib
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from rapport_common.errors import AppError
from rapport_ingest.domain.dialects import Opened, Request
from rapport_ingest.domain.dialects.originals import UnfitError
from rapport_ingest.domain.dialects.webhook import Webhook, reopen
from rapport_ingest.domain.mapping import Field, Mapping
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

FORM = "application/x-www-form-urlencoded"
MAPPED = SourcePolicy(
    webhook=Mapping(
        event="Paid",
        fields={"userId": "customer.id", "properties.total": Field(path="sum", type="number")},
    )
)


def opened(
    body: Any, policy: SourcePolicy | None = None, media: str = "application/json", **headers: str
) -> Opened:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    told = {name.replace("_", "-").encode(): one.encode() for name, one in headers.items()}
    request = Request(
        "POST", "/v1/webhook", b"", {b"content-type": media.encode(), **told}, content
    )
    return Webhook().open(request, policy)


def events(found: Opened) -> list[dict[str, Any]]:
    assert not found.refusals
    return [msgspec.json.decode(one) for one in found.items]


def digest(content: bytes) -> str:
    return f"sha256-{hashlib.sha256(content).hexdigest()[:40]}"


def test_a_mapping_makes_the_event() -> None:
    [event] = events(opened({"customer": {"id": "u-1"}, "sum": "9.50"}, MAPPED))
    assert event == {
        "type": "track",
        "event": "Paid",
        "userId": "u-1",
        "properties": {"total": 9.5},
        "messageId": digest(b'{"customer":{"id":"u-1"},"sum":"9.50"}'),
    }


def test_without_a_mapping_a_body_that_names_a_person_is_an_event() -> None:
    body = {"userId": "u-1", "total": 3}
    [event] = events(opened(body, None, x_event_type="paid"))
    assert (event["event"], event["userId"]) == ("Webhook Received", "u-1")
    # What the headers say is for mappings, not a property.
    assert event["properties"] == body


def test_without_a_person_the_refusal_shows_the_paths_that_a_mapping_can_use() -> None:
    deep: dict[str, Any] = {
        "a": {"b": {"c": {"d": {"e": 1}}}},
        "empty": None,
        "list": [{"x": 1}, 2],
    }
    found = opened({**deep, "n\0": 1})
    refusal = found.refusals[0]
    assert (refusal.code, refusal.path) == ("no_mapping", "userId")
    assert refusal.reason.endswith("Paths with a value: a.b.c.d, list.0.x, n\ufffd.")
    assert found.items == found.originals
    assert opened({}).refusals[0].reason.endswith("Paths with a value: none.")
    many = opened({f"p{n:02}": n for n in range(40)}).refusals[0].reason
    assert many.endswith("p18, p19, ….")


def test_a_shop_is_known_without_a_mapping() -> None:
    policy = SourcePolicy(webhook_preset="shopify")
    order = {"id": 1, "customer": {"id": 7}, "total_price": "9.00"}
    [event] = events(opened(order, policy, x_shopify_topic="orders/paid"))
    assert (event["event"], event["properties"]["order_id"]) == ("Order Completed", "1")
    refusal = opened(order, policy, x_shopify_topic="themes/publish").refusals[0]
    assert (refusal.code, refusal.path) == ("mapping_failed", "_headers.x-shopify-topic")


def test_what_the_mapping_can_not_read_is_refused_with_the_field() -> None:
    refusal = opened({"customer": {"id": "u-1"}, "sum": "much"}, MAPPED).refusals[0]
    assert (refusal.code, refusal.path) == ("mapping_failed", "properties.total")


def test_a_mapping_that_was_stored_and_is_no_longer_good_is_said_to_be_so() -> None:
    broken = SourcePolicy(webhook=Mapping(event="Paid", fields={"nowhere": "a"}))
    refusal = opened({"a": 1}, broken).refusals[0]
    assert (refusal.code, refusal.path) == ("invalid_mapping", "policy.webhook")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[1]", "not_an_object"),
        (b"7", "not_an_object"),
        (b"{", "invalid_json"),
        (b"", "invalid_json"),
    ],
)
def test_what_is_no_object_is_kept_and_refused(body: bytes, code: str) -> None:
    found = opened(body, MAPPED)
    assert [one.code for one in found.refusals.values()] == [code]


@pytest.mark.parametrize(
    ("fields", "properties"),
    [
        ({"userId": "u-1", "a": ["1", "2"]}, {"userId": "u-1", "a": ["1", "2"]}),
        ({"payload": '{"userId":"u-1"}'}, {"userId": "u-1"}),
        ({"payload": "text", "userId": "u-1"}, {"payload": "text", "userId": "u-1"}),
    ],
)
def test_a_form_is_an_object(fields: dict[str, Any], properties: dict[str, Any]) -> None:
    body = urlencode(fields, doseq=True).encode()
    [event] = events(opened(body, None, FORM))
    assert event["properties"] == properties


@pytest.mark.parametrize("body", [b"a=\xff", "&".join(["a=1"] * 501).encode()])
def test_a_form_that_can_not_be_read_is_kept_as_it_came(body: bytes) -> None:
    found = opened(body, None, FORM)
    assert [bytes(one) for one in found.items] == [body]
    assert found.refusals[0].code == "invalid_json"


def test_json_that_calls_itself_a_form_is_json() -> None:
    [event] = events(opened({"userId": "u-1"}, None, FORM))
    assert event["userId"] == "u-1"


def test_each_object_of_a_list_is_an_event_and_a_bad_one_costs_no_other() -> None:
    found = opened(b'[{"userId":"u-1"}, 7, {"userId":"u-2"}]', None, webhook_id="d-1")
    assert [one.code for one in found.refusals.values()] == ["not_an_object"]
    assert found.refusals[1].message_id == "d-1-1"
    ids = [msgspec.json.decode(found.items[index])["messageId"] for index in (0, 2)]
    assert ids == ["d-1-0", "d-1-2"]


def test_a_list_that_is_too_long_is_too_large_and_one_that_is_broken_is_kept() -> None:
    with pytest.raises(AppError) as caught:
        opened(b"[" + b",".join([b"{}"] * 5_001) + b"]")
    assert caught.value.status == 413
    found = opened(b'[{"userId":"u-1"')
    assert [bytes(one) for one in found.items] == [b'[{"userId":"u-1"']


@pytest.mark.parametrize(
    ("headers", "message_id"),
    [
        ({"webhook_id": "d-1"}, "d-1"),
        ({"idempotency_key": "k", "x_github_delivery": "g"}, "g"),
        ({"webhook_id": "d" * 300}, digest(b"d" * 300)),
        ({"webhook_id": ""}, digest(b'{"userId":"u-1"}')),
    ],
)
def test_the_deliverys_id_is_the_events(headers: dict[str, str], message_id: str) -> None:
    [event] = events(opened({"userId": "u-1"}, None, **headers))
    assert event["messageId"] == message_id


def test_a_mapping_reads_the_headers_of_interest_also_of_an_empty_body() -> None:
    policy = SourcePolicy(
        webhook=Mapping(
            event="{_headers.x-github-event}", fields={"anonymousId": "_headers.webhook-id"}
        )
    )
    headers = {"x_github_event": "push", "webhook_id": "w", "authorization": "secret"}
    for body in ({}, {"a": 1}):
        found = opened(body, policy, **headers)
        assert [one["event"] for one in events(found)] == ["push"]
        assert b"secret" not in bytes(found.originals[0]) if found.originals else False
    # A body that has such a member itself is left as it is.
    own = opened({"_headers": {"x-github-event": "mine", "webhook-id": "w"}}, policy, **headers)
    assert events(own)[0]["event"] == "mine"


def test_a_replay_makes_the_event_anew_under_the_id_it_was_refused_under() -> None:
    raw = msgspec.Raw(b'{"customer":{"id":"u-1"}}')
    with pytest.raises(UnfitError) as caught:
        reopen(raw, SourcePolicy(), "m-1")
    assert caught.value.message_id == "m-1"
    assert msgspec.json.decode(reopen(raw, MAPPED, "m-1"))["messageId"] == "m-1"


def test_the_answer_is_200_whatever_the_verdict() -> None:
    answer = Webhook().answer(opened({}), [Result("m", "rejected", "no_mapping", "Set one.")])
    assert (answer.status, msgspec.json.decode(answer.body)["rejected"]) == (200, 1)
