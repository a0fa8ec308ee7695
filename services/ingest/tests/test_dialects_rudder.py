"""RudderStack's header: where it fills an anonymousId in, and what it leaves alone."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_ingest.domain.dialects import Opened, Request
from rapport_ingest.domain.dialects.jitsu import Jitsu
from rapport_ingest.domain.dialects.rudder import with_anonymous_id
from rapport_ingest.domain.dialects.segment import Segment

VALUES = st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=9)
EVENTS = st.dictionaries(st.sampled_from(["anonymousId", "userId", "x", "}"]), VALUES)


def filled(event: bytes, anonymous_id: str) -> bytes:
    opened = Opened([msgspec.Raw(event)])
    with_anonymous_id(opened, base64.b64encode(anonymous_id.encode()))
    return bytes(opened.items[0])


@given(event=EVENTS, anonymous_id=st.text(min_size=1), space=st.sampled_from(["", " ", "\n"]))
def test_only_a_missing_id_is_filled_in(
    event: dict[str, Any], anonymous_id: str, space: str
) -> None:
    body = msgspec.json.encode(event)
    spaced = body[:-1] + space.encode() + b"}" + space.encode()
    expected = dict(event)
    if event.get("anonymousId") in {None, ""} and not anonymous_id.isspace():
        expected["anonymousId"] = anonymous_id
    assert msgspec.json.decode(filled(spaced, anonymous_id)) == expected


@pytest.mark.parametrize("event", [b"[]", b"3", b"x", b'{"anonymousId":[]}', b'{"x":NaN}'])
def test_what_is_no_event_is_left_to_its_verdict(event: bytes) -> None:
    assert filled(event, "d-1") == event


@pytest.mark.parametrize("header", [b"", b"*", base64.b64encode(b" "), base64.b64encode(b"\xff")])
def test_a_header_that_names_nobody_costs_nothing(header: bytes) -> None:
    opened = Opened([msgspec.Raw(b"{}")])
    with_anonymous_id(opened, header)
    assert (bytes(opened.items[0]), opened.device) == (b"{}", True)


def test_whose_device_it_is() -> None:
    event = b'{"event":"x","userId":"u"}'
    server = Request("POST", "/v1/track", b"", {}, event)
    browser = Request("POST", "/v1/track", b"", {b"anonymousid": b"ZC0x"}, event)
    assert Segment("track").open(server, None).device is None
    assert Segment("track").open(browser, None).device is True


@pytest.mark.parametrize(("policy", "device"), [("keep", None), ("remove", False)])
def test_jitsu_may_ask_not_to_be_looked_at(policy: str, *, device: bool | None) -> None:
    asked = Request("POST", "/api/s/track", b"", {b"x-ip-policy": policy.encode()}, b"{}")
    assert Jitsu("track", browser=True).open(asked, None).device is device
