"""What Jitsu's SDKs send, and what becomes of it."""

from typing import Any

import msgspec
import pytest

from rapport_ingest.domain.dialects import Dialect, Opened, Request
from rapport_ingest.domain.dialects.jitsu import Jitsu
from rapport_ingest.domain.dialects.jitsu_three import JitsuThree
from rapport_ingest.domain.verdict import Result

KEY = "rk_0123456789ab_0123456789abcdef0123456789abcdef"


def opened(dialect: Dialect, body: Any, query: bytes = b"") -> Opened:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return dialect.open(Request("POST", "/", query, {}, content), None)


def events(found: Opened) -> list[Any]:
    return [msgspec.json.decode(one) for one in found.items]


@pytest.mark.parametrize("kind", ["page", "screen"])
def test_the_name_of_a_page_stands_in_its_properties(kind: Any) -> None:
    """`jitsu.page("Checkout")` sends no name but there."""
    sent = {"type": kind, "anonymousId": "a", "properties": {"name": "Checkout", "n": 1}}
    (alone,) = events(opened(Jitsu(kind), sent))
    assert (alone["name"], alone["properties"]) == ("Checkout", sent["properties"])
    (batched,) = events(opened(Jitsu(None), {"batch": [sent]}))
    assert batched == alone


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "page", "name": "Basket", "properties": {"name": "Checkout"}},
        {"type": "track", "event": "Paid", "properties": {"name": "Checkout"}},
        {"type": "page", "properties": {"name": 5}},
        {"type": "page", "properties": {}},
        {"type": "page", "properties": []},
        {"type": "page"},
        {"type": ["page"], "properties": {"name": "x"}},
    ],
)
def test_nothing_else_is_named_by_its_properties(sent: dict[str, Any]) -> None:
    assert events(opened(Jitsu(None), {"batch": [sent]})) == [sent]


def third(**fields: Any) -> dict[str, Any]:
    """An event as `@jitsu/sdk-js` 3 makes it in a browser."""
    return {
        "api_key": KEY,
        "src": "jitsu",
        "event_type": "product_viewed",
        "event_id": "",
        "user": {"anonymous_id": "a-1", "internal_id": "u-1", "email": "ada@example.com"},
        "ids": {"ga": "GA1.2"},
        "utc_time": "2026-01-31T09:30:00.123000Z",
        "local_tz_offset": -60,
        "url": "https://shop.example/p?utm_source=mail",
        "page_title": "Product",
        "referer": "https://search.example/",
        "screen_resolution": "1280x720",
        "user_language": "de",
        "utm": {"source": "mail", "campaign": "spring"},
        **fields,
    }


def test_the_third_sdks_event_is_a_track() -> None:
    found = opened(JitsuThree(browser=True), third(sku="S-1", price=9.5), b"token=" + KEY.encode())
    (event,) = events(found)
    assert found.write_key == KEY
    assert event.pop("messageId").startswith("sha256-")
    assert event == {
        "type": "track",
        "event": "product_viewed",
        "timestamp": "2026-01-31T09:30:00.123000Z",
        "anonymousId": "a-1",
        "userId": "u-1",
        "context": {
            "page": {
                "url": "https://shop.example/p?utm_source=mail",
                "title": "Product",
                "referrer": "https://search.example/",
            },
            "locale": "de",
            "campaign": {"source": "mail", "name": "spring"},
            "traits": {"email": "ada@example.com"},
        },
        "properties": {"sku": "S-1", "price": 9.5},
    }


def test_the_third_sdk_identifies_and_shows_pages() -> None:
    batch = [third(event_type="user_identify"), third(event_type="pageview", event_id="e-2")]
    who, page = events(opened(JitsuThree(), batch))
    assert (who["type"], who["traits"]) == ("identify", {"email": "ada@example.com"})
    assert (page["type"], page["messageId"]) == ("page", "e-2")
    assert "properties" not in page


def test_the_same_bytes_are_the_same_event_and_another_moment_another() -> None:
    def id_of(**fields: Any) -> str:
        (event,) = events(opened(JitsuThree(), third(**fields)))
        return str(event["messageId"])

    assert id_of() == id_of() != id_of(utc_time="2026-01-31T09:30:00.124000Z")


def test_compatibility_mode_nests_what_the_sdk_adds() -> None:
    context = {"user": {"anonymous_id": "a-1"}, "event_id": "e-1", "page_title": "P"}
    sent = {"api_key": KEY, "src": "eventn", "event_type": "seen", "eventn_ctx": context, "n": 1}
    (event,) = events(opened(JitsuThree(), [sent]))
    assert (event["messageId"], event["anonymousId"]) == ("e-1", "a-1")
    assert event["properties"] == {"n": 1}


def test_a_bad_event_of_the_third_sdk_costs_no_other() -> None:
    found = opened(JitsuThree(), [third(event_type=None), 5, third(user={"id": {}}), third()])
    assert {index: (one.code, one.path) for index, one in found.refusals.items()} == {
        0: ("missing_field", "event_type"),
        1: ("invalid_json", ""),
        2: ("invalid_type", "user.id"),
    }


def test_the_policies_of_the_third_sdk() -> None:
    dialect = JitsuThree(browser=True)
    assert opened(dialect, third(), b"token=k&ip_policy=strict").device is False
    assert opened(dialect, third(), b"token=k").device is None
    assert opened(dialect, third()).write_key == KEY


def test_an_amount_keeps_its_digits() -> None:
    body = msgspec.json.encode(third())[:-1] + b',"total":12345678901234567890.25}'
    assert b'"total":12345678901234567890.25' in bytes(opened(JitsuThree(), body).items[0])


def test_a_page_that_can_not_be_read_goes_on_as_it_came() -> None:
    body = b'{"type":"page","properties":{"name":"\xff"}}'
    assert [bytes(one) for one in opened(Jitsu("page"), body).items] == [body]


@pytest.mark.parametrize("dialect", [Jitsu(None), JitsuThree()])
def test_the_answer_says_ok_beside_the_verdicts(dialect: Dialect) -> None:
    results = [Result("m", "accepted"), Result("n", "rejected", "x", "y", "")]
    told = msgspec.json.decode(dialect.answer(Opened([]), results).body)
    assert (told["ok"], told["accepted"], told["rejected"]) == (True, 1, 1)


@pytest.mark.parametrize(
    ("query", "device"), [(b"ip_policy=strict", False), (b"ip_policy=keep", None)]
)
def test_who_asks_for_it_is_not_located_by_address(query: bytes, device: bool | None) -> None:  # noqa: FBT001 - a column
    assert opened(JitsuThree(), third(), query).device is device
