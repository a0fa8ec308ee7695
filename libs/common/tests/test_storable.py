"""What no table keeps and no reader of JSON is told of is refused with its place."""

import json
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.http import Health, create_app
from rapport_common.routes import Router, add_routes
from rapport_common.storable import unstorable
from rapport_common.testing.credentials import authenticator, mint

NUL, HALF, ENDLESS = "NUL", "half a surrogate pair", "finite"
BAD = [
    (b'{"a": "x\\u0000y"}', ("a",), NUL),
    (b'{"a": [1, {"b": "\\uD83D"}]}', ("a", 1, "b"), HALF),
    (b'{"a": {"\\u0000": 1}}', ("a",), NUL),
    (b'{"a": {"\\udfff": 1}}', ("a",), HALF),
    (b'{"a": NaN}', ("a",), ENDLESS),
    (b'{"a": [-Infinity]}', ("a", 0), ENDLESS),
    (b'{"a": 1e999}', ("a",), ENDLESS),
    (b'{"a": ' + b"9" * 309 + b".0}", ("a",), ENDLESS),
    (b'"\\u0000"', (), NUL),
]
HEADERS = {
    "content-type": "application/json",
    "authorization": f"Bearer {mint('demo', 'ada', ['*'], timedelta(hours=1))}",
}
GOOD = [
    b'{"a": "\\\\u0000", "b": "NaN", "c": "\\ud83d\\ude00", "d": 1e100}',
    b"{",
    b"[" * 100_000,
    b"\xff",
    b"9" * 5_000,
]


@pytest.mark.parametrize(("body", "place", "why"), BAD)
def test_what_can_not_be_kept_is_found(body: bytes, place: tuple[Any, ...], why: str) -> None:
    found = unstorable(body)
    assert found is not None
    assert (found[0], why in found[1]) == (place, True)


@pytest.mark.parametrize("body", GOOD)
def test_what_can_be_kept_or_is_no_json_is_left_to_its_reader(body: bytes) -> None:
    assert unstorable(body) is None


@given(
    st.recursive(
        st.none() | st.floats() | st.text(st.characters(), max_size=5) | st.text("\0\ud800a"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a\0"), inner),
        max_leaves=8,
    )
)
def test_what_is_not_found_can_be_kept(value: Any) -> None:
    if unstorable(json.dumps(value).encode()) is None:
        assert msgspec.json.decode(json.dumps(value, allow_nan=False)) == value
        assert "\0" not in json.dumps(value, ensure_ascii=False).encode().decode()
        assert "\\u0000" not in json.dumps(value)


@pytest.mark.parametrize(("body", "place", "why"), BAD)
async def test_no_route_gets_to_see_it(body: bytes, place: tuple[Any, ...], why: str) -> None:
    app = create_app("segment", Health(), authenticator())
    router = Router()
    seen: list[Any] = []

    @router.put("/v1/things")
    async def put(thing: dict[str, Any]) -> None:
        seen.append(thing)

    add_routes(app, router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.put("/v1/things", content=body, headers=HEADERS)
    assert (answer.status_code, seen) == (422, [])
    [problem] = answer.json()["details"]["problems"]
    assert problem["path"] == ".".join(map(str, ("body", *place)))
    assert why in problem["message"]
