"""Small rules of the front door: addresses, credentials, what browsers are told."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_ingest.domain import client
from rapport_ingest.domain.addresses import plain
from rapport_ingest.domain.cors import cors, preflight
from rapport_ingest.domain.credentials import credential
from rapport_ingest.domain.dialects.wire import base64_text, campaign_of, page_of

KEY = "rk_0123456789ab_0123456789abcdef0123456789abcdef"
BASIC = b"Basic " + base64.b64encode(f"{KEY}:".encode())


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/batch", "/v1/batch"),
        ("//v1/batch", "/v1/batch"),
        ("/v1//batch///", "/v1/batch"),
        ("/", "/"),
        ("//", "/"),
        ("", "/"),
    ],
)
def test_slashes_do_not_tell_addresses_apart(path: str, found: str) -> None:
    assert plain(path) == found


@given(st.text(alphabet="/ab"))
def test_a_plain_address_stays(path: str) -> None:
    assert plain(plain(path)) == plain(path)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({b"authorization": BASIC}, KEY),
        ({b"authorization": b"Bearer " + KEY.encode()}, KEY),
        ({b"x-write-key": KEY.encode()}, KEY),
        ({b"x-write-key": f"id:{KEY}".encode()}, KEY),
        ({b"x-write-key": f"{KEY}:secret".encode()}, KEY),
        ({b"x-write-key": b"id:secret"}, "id:secret"),
        ({b"authorization": b"Digest x", b"x-write-key": KEY.encode()}, KEY),
        ({b"authorization": b"Bearer "}, None),
        ({}, None),
    ],
)
def test_where_a_write_key_may_stand(headers: dict[bytes, bytes], found: str | None) -> None:
    assert credential(headers) == found


def test_a_page_may_read_answers_and_sees_when_to_come_back() -> None:
    assert dict(cors(None)) == {b"access-control-allow-origin": b"*"}
    told = dict(cors(b"https://shop.example"))
    assert told[b"access-control-allow-origin"] == b"https://shop.example"
    assert told[b"access-control-allow-credentials"] == b"true"
    assert told[b"access-control-expose-headers"] == b"retry-after"
    # Or a cache would give one page's answer to another.
    assert told[b"vary"] == b"origin"


def test_a_browser_is_told_before_it_sends_that_its_headers_are_welcome() -> None:
    told = dict(preflight({b"origin": b"https://a.example"}, ["POST", "GET"]))
    assert told[b"access-control-allow-methods"] == b"POST, GET, OPTIONS"
    assert told[b"access-control-allow-origin"] == b"https://a.example"
    wanted = {b"access-control-request-headers": b"x-of-an-sdk"}
    allowed = dict(preflight(wanted, ["POST"]))[b"access-control-allow-headers"].split(b", ")
    assert {b"authorization", b"x-of-an-sdk"} <= set(allowed)
    assert b"" not in allowed


def test_the_matcher_of_user_agents_can_be_made_beforehand() -> None:
    client.prepare()
    found = client.client_of("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0", None)
    assert found is not None
    assert found.browser == "Firefox"


def test_an_address_that_is_none_is_kept_and_tells_no_more() -> None:
    broken = "http://[::1/?utm_source=x"
    assert page_of(broken) == {"url": broken}
    assert campaign_of(broken) == {}
    assert campaign_of("/?" + "&".join(["utm_source=x"] * 10_000)) == {}


def test_bytes_that_are_no_text_are_none() -> None:
    assert base64_text(base64.b64encode("grün".encode())) == "grün"
    assert base64_text(base64.b64encode(b"\xff")) is None
    assert base64_text("?") is None
