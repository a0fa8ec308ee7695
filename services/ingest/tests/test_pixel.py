"""Events in the address of an image."""

import base64
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Opened, Request
from rapport_ingest.domain.dialects.pixel import GIF, MAX_FIELDS, Pixel

KEY = "rk_0123456789ab_0123456789abcdef0123456789abcdef"


def opened(query: str, kind: EventType | None = None) -> Opened:
    return Pixel(kind).open(Request("GET", "/v1/pixel.gif", query.encode(), {}, b""), None)


def event(query: str, kind: EventType | None = None) -> dict[str, Any]:
    found = opened(query, kind)
    assert not found.refusals
    decoded: dict[str, Any] = msgspec.json.decode(found.items[0])
    return decoded


def packed(document: Any) -> str:
    content = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return base64.b64encode(content).decode()


def test_dotted_names_are_paths() -> None:
    query = (
        f"writeKey={KEY}&userId=u-1&event=Seen&properties.cart.total=3&properties.cart.n=&a=1&a=2"
    )
    assert event(query) == {
        "type": "track",
        "userId": "u-1",
        "event": "Seen",
        "properties": {"cart": {"total": "3", "n": ""}},
        "a": "2",
    }
    assert opened(query).write_key == KEY


def test_a_dot_of_a_name_has_a_backslash() -> None:
    assert event(r"event=Seen&properties.site%5C.name=North&properties.a%5Cb=1")["properties"] == {
        "site.name": "North",
        "a\\b": "1",
    }


def test_the_address_may_mean_a_type() -> None:
    assert "type" not in event("userId=u-1", "page")
    assert event("userId=u-1&type=screen")["type"] == "screen"


@pytest.mark.parametrize(
    "data",
    [
        packed({"userId": "u?>1", "writeKey": KEY}),
        packed({"userId": "u?>1", "writeKey": KEY}).rstrip("="),
        packed({"userId": "u?>1", "writeKey": KEY}).replace("+", "-").replace("/", "_"),
        packed({"userId": "u?>1", "writeKey": KEY}).replace("+", " "),
    ],
)
def test_data_is_the_whole_event_in_either_alphabet(data: str) -> None:
    found = opened(urlencode({"data": data}))
    assert found.write_key == KEY
    assert msgspec.json.decode(found.items[0]) == {"userId": "u?>1", "type": "track"}


def test_the_key_inside_counts_and_is_a_text() -> None:
    inner = packed({"userId": "u-1", "writeKey": KEY})
    assert opened(urlencode({"data": inner, "writeKey": "other"})).write_key == KEY
    assert opened(urlencode({"data": packed({"userId": "u-1"}), "writeKey": KEY})).write_key == KEY
    assert opened(urlencode({"data": packed({"writeKey": 7})})).write_key is None
    for unread in (b'{"writeKey":"\xff"}', b'{"writeKey":1e999}'):
        assert opened(urlencode({"data": packed(unread)})).write_key is None
    assert opened("userId=u-1").write_key is None


@pytest.mark.parametrize(
    ("query", "code", "path"),
    [
        ("a..b=1", "invalid_field", "a..b"),
        (".=1", "invalid_field", "."),
        (".".join("a" * 17) + "=1", "invalid_field", ".".join("a" * 17)),
        ("a=1&a.b=2", "invalid_field", "a.b"),
        ("a=1&a.b.c=2", "invalid_field", "a.b.c"),
        ("a.b=1&a=2", "invalid_field", "a"),
        ("data=%3F", "invalid_data", "data"),
        (urlencode({"data": packed([1])}), "invalid_data", "data"),
        (urlencode({"data": packed(b"\xff")}), "invalid_data", "data"),
        ("&".join(f"f{n}=1" for n in range(MAX_FIELDS + 1)), "too_many_fields", ""),
    ],
)
def test_what_can_not_be_read_is_refused_and_kept(query: str, code: str, path: str) -> None:
    found = opened(query)
    refusal = found.refusals[0]
    assert (refusal.code, refusal.path) == (code, path)
    assert refusal.message_id
    assert Pixel().answer(found, []).body == GIF


def test_a_refused_pixel_still_says_whose_it_is() -> None:
    assert opened(f"writeKey={KEY}&a..b=1").write_key == KEY
