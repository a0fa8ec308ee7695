"""Bodies that are broken, strange or meant to hurt: each has a verdict, none an exception."""

import gzip
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import AppError
from rapport_ingest.domain.body import (
    MAX_BODY_BYTES,
    Envelope,
    depth_of,
    open_batch,
    open_single,
    unpack,
)
from rapport_ingest.domain.event import MAX_EVENT_BYTES, Origin, judge
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import Caller, Policy
from rapport_ingest.domain.verdict import Refusal

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Ingest

ORIGIN = Origin(
    compiled(Caller("demo", "web"), Policy(ip="keep"), []), datetime(2026, 3, 1, tzinfo=UTC)
)
GOOD = b'{"type":"track","event":"x","userId":"u"}'


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * levels + b"1" + closing * levels


def of(member: bytes) -> bytes:
    """An event that is good but for one member."""
    return GOOD[:-1] + b"," + member + b"}"


# A single event's body, and "ok", the code of its refusal, or "!" and the error of the request.
SINGLES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "!invalid_json"),
    "space": (b"  \n", "!invalid_json"),
    "not json": (b"hello", "!invalid_json"),
    "form": (b"userId=1&event=x", "!invalid_json"),
    "cut off": (GOOD[:-5], "!invalid_json"),
    "trailing comma": (GOOD[:-1] + b",}", "!invalid_json"),
    "two documents": (GOOD + GOOD, "!invalid_json"),
    "trailing garbage": (GOOD + b"x", "!invalid_json"),
    "single quotes": (b"{'userId': 1}", "!invalid_json"),
    "comment": (b"{/*x*/}", "!invalid_json"),
    "array": (b"[]", "!not_an_object"),
    "array of events": (b"[" + GOOD + b"]", "!not_an_object"),
    "string": (b'"event"', "!not_an_object"),
    "number": (b"17", "!not_an_object"),
    "null": (b"null", "!not_an_object"),
    "true": (b"true", "!not_an_object"),
    "nan alone": (b"NaN", "!not_an_object"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, "ok"),
    "utf-16": (GOOD.decode().encode("utf-16"), "!invalid_json"),
    "latin-1": (of(b'"x":"caf\xe9"'), "invalid_json"),
    "overlong utf-8": (of(b'"x":"\xc0\x80"'), "invalid_json"),
    "utf-8 surrogate": (of(b'"x":"\xed\xa0\x80"'), "invalid_json"),
    "nul byte": (of(b'"x":"\x00"'), "!invalid_json"),
    "control character": (of(b'"x":"\x01"'), "!invalid_json"),
    "bad escape": (of(b'"x":"\\x41"'), "!invalid_json"),
    "half escape": (of(b'"x":"\\u12"'), "!invalid_json"),
    "leading zero": (of(b'"x":01'), "!invalid_json"),
    "plus sign": (of(b'"x":+1'), "!invalid_json"),
    "hex number": (of(b'"x":0x1F'), "!invalid_json"),
    "nan": (of(b'"x":NaN'), "invalid_json"),
    "infinity": (of(b'"x":-Infinity'), "invalid_json"),
    "high surrogate": (of(b'"x":"\\ud83d"'), "invalid_json"),
    "low surrogate": (of(b'"x":"\\udc00 "'), "invalid_json"),
    "surrogates reversed": (of(b'"x":"\\udc00\\ud800"'), "invalid_json"),
    "surrogate pair": (of(b'"x":"\\ud83d\\ude00"'), "ok"),
    "nul escape in value": (of(b'"properties":{"x":"a\\u0000b"}'), "nul_character"),
    "nul escape in key": (of(b'"properties":{"\\u0000":1}'), "nul_character"),
    "nul escape in traits": (of(b'"traits":{"x":[{"y":"\\u0000"}]}'), "nul_character"),
    "nul escape in an unread field": (of(b'"x":"\\u0000"'), "nul_character"),
    "nul escape in message id": (of(b'"messageId":"\\u0000"'), "nul_character"),
    "escaped backslash": (of(b'"x":"\\\\u0000"'), "ok"),
    "huge exponent": (of(b'"x":1e999'), "invalid_json"),
    "huge negative": (of(b'"x":-1e999'), "invalid_json"),
    "tiny number": (of(b'"x":1e-999'), "ok"),
    "400 digits": (of(b'"x":' + b"9" * 400), "ok"),
    "5000 digits": (of(b'"x":' + b"9" * 5000), "invalid_json"),
    "5000 digit user id": (
        b'{"type":"track","event":"x","userId":' + b"9" * 5000 + b"}",
        "invalid_json",
    ),
    "400 digit user id": (
        b'{"type":"track","event":"x","userId":' + b"9" * 400 + b"}",
        "ok",
    ),
    "user id minus zero": (b'{"event":"x","userId":-0}', "ok"),
    "duplicate keys": (b'{"event":"x","userId":"a","userId":"b"}', "ok"),
    "duplicate, last one bad": (b'{"event":"x","userId":"a","userId":[]}', "invalid_type"),
    "depth 64": (of(b'"x":' + nested(63)), "ok"),
    "depth 65": (of(b'"x":' + nested(64)), "too_deep"),
    "depth 5000": (of(b'"x":' + nested(5000)), "too_deep"),
    "depth 100000": (of(b'"x":' + nested(100_000)), "event_too_large"),
    "deep objects": (of(b'"x":' + nested(3000, b'{"a":', b"}")), "too_deep"),
    "unclosed brackets": (of(b'"x":' + b"[" * 5000), "!invalid_json"),
    "wrong closing": (b'{"event":"x","userId":"u"]', "!invalid_json"),
    "32 KB": (of(b'"x":"' + b"y" * (MAX_EVENT_BYTES - 48) + b'"'), "ok"),
    "over 32 KB": (of(b'"x":"' + b"y" * MAX_EVENT_BYTES + b'"'), "event_too_large"),
    "1 MB": (of(b'"x":"' + b"y" * 2**20 + b'"'), "event_too_large"),
    "many keys": (of(b",".join(b'"k%d":1' % i for i in range(2000))), "ok"),
    "properties a list": (of(b'"properties":[1]'), "invalid_type"),
    "properties null": (of(b'"properties":null'), "ok"),
    "traits a text": (of(b'"traits":"x"'), "invalid_type"),
    "context a number": (of(b'"context":1'), "invalid_type"),
    "context traits a list": (of(b'"context":{"traits":[]}'), "ok"),
    "name as object": (b'{"type":"track","event":{},"userId":"u"}', "invalid_type"),
    "year 0": (of(b'"timestamp":"0000-01-01T00:00:00Z"'), "invalid_timestamp"),
    "before year 1": (of(b'"timestamp":"0001-01-01T00:00:00+14:00"'), "invalid_timestamp"),
    "year 9999": (of(b'"timestamp":"9999-12-31T23:59:59Z"'), "ok"),
    "after year 9999": (of(b'"timestamp":"9999-12-31T23:59:59-14:00"'), "invalid_timestamp"),
    "offset of 99 hours": (of(b'"timestamp":"2026-01-01T00:00:00+99:00"'), "invalid_timestamp"),
    "timestamp object": (of(b'"timestamp":{}'), "invalid_timestamp"),
    "timestamp full-width": (of('"timestamp":"２０２６-01-01"'.encode()), "invalid_timestamp"),
    "prototype": (of(b'"__proto__":{"x":1}'), "ok"),
    "sql": (of(b'"messageId":"\'; DROP TABLE ingest.source; --"'), "ok"),
}


def error_of(call: Callable[[], object]) -> AppError | None:
    """The error it is refused with; any other exception is a failure of the test."""
    try:
        call()
    except AppError as error:
        return error
    return None


def judged(raw: msgspec.Raw) -> str:
    found = judge(raw, "track", ORIGIN, "spare")
    return found.code if isinstance(found, Refusal) else "ok"


def outcome_single(body: bytes) -> str:
    try:
        plain = unpack(body, "")
        open_single(plain)
    except AppError as error:
        return "!" + error.code
    return judged(msgspec.Raw(plain))


@pytest.mark.parametrize("name", SINGLES)
def test_a_single_body_has_the_verdict_it_deserves(name: str) -> None:
    body, expected = SINGLES[name]
    assert outcome_single(body) == expected


@pytest.mark.parametrize("name", [name for name, (_, code) in SINGLES.items() if code[0] != "!"])
def test_in_a_batch_it_takes_no_other_event_with_it(name: str) -> None:
    body, expected = SINGLES[name]
    event = body.removeprefix(b"\xef\xbb\xbf")
    found = open_batch(
        b'{"batch":[' + GOOD + b", " + event + b" ,\n" + GOOD + b'],"x":{"batch":1}}'
    )
    assert [judged(one) for one in found.batch] == ["ok", expected, "ok"]


@pytest.mark.parametrize(
    "name", [name for name, (_, code) in SINGLES.items() if code == "!invalid_json"]
)
def test_a_batch_with_a_syntax_error_is_refused(name: str) -> None:
    batch = b'{"batch":[' + GOOD + b"," + SINGLES[name][0] + b"]}"
    error = error_of(lambda: open_batch(batch))
    assert error is not None
    assert error.code == "invalid_json"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", "invalid_batch"),
        (b"[]", "invalid_batch"),
        (b'{"batch":null}', "invalid_batch"),
        (b'{"batch":{}}', "invalid_batch"),
        (b'{"batch":"x"}', "invalid_batch"),
        (b'{"x":{"batch":[NaN]}}', "invalid_json"),
        (b'{"batch":[NaN]', "invalid_json"),
        (b'{"batch":[NaN],}', "invalid_json"),
        (b'{"batch":[NaN,]}', "invalid_json"),
        (b'{"batch":[NaN}]', "invalid_json"),
        (b'{"batch":[' + b"[" * 5000, "invalid_json"),
        (b"[" * 100_000, "invalid_batch"),
        (b'{"x":' + b"[" * 100_000, "invalid_json"),
        (b'{"batch":[' + b",".join([b"1"] * 5001) + b"]}", "too_many_events"),
        (b'{"batch":[' + b" " * 2**20 + b"NaN]}", "invalid_json"),
    ],
)
def test_what_is_no_batch(body: bytes, code: str) -> None:
    with pytest.raises(AppError) as caught:
        open_batch(body)
    assert caught.value.code == code
    assert caught.value.status == (413 if code == "too_many_events" else 400)


def test_what_is_around_a_salvaged_batch_is_kept() -> None:
    found = open_batch(
        b'{"a":[{"batch":[2]}],"batch":[{"x":"],[\\"" , "y":NaN},[]],"writeKey":"k"}'
    )
    assert found.write_key == "k"
    assert [bytes(one) for one in found.batch] == [b'{"x":"],[\\"" , "y":NaN}', b"[]"]


json_texts = st.recursive(
    st.none() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(json_texts, max_size=6), st.sampled_from([True, False]))
def test_a_lenient_writers_batch_is_cut_at_the_right_places(
    items: list[Any],
    ascii_only: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    text = json.dumps({"batch": items, "sentAt": "x"}, ensure_ascii=ascii_only)
    body = text.encode("utf-8", "replace")
    items = json.loads(body)["batch"]
    found = open_batch(body)
    assert isinstance(found, Envelope)
    assert [json.dumps(json.loads(bytes(one))) for one in found.batch] == [*map(json.dumps, items)]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_batch_or_an_app_error(data: bytes) -> None:
    for body in (data, b'{"batch":[' + data + b"]}"):
        error = error_of(lambda body=body: open_batch(body))  # type: ignore[misc] # bound now
        assert error is None or error.status in {400, 413}


@given(st.integers(0, 30), st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]))
def test_depth_is_counted_in_brackets(levels: int, pair: tuple[bytes, bytes]) -> None:
    assert depth_of(nested(levels, *pair)) == levels


# ---- compression


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (GOOD, ""),
        (GOOD, "identity"),
        (gzip.compress(GOOD), "gzip"),
        (gzip.compress(GOOD), ""),
        (gzip.compress(GOOD), "x-gzip"),
        (GOOD, "gzip"),
        (zlib.compress(GOOD), "deflate"),
        (raw_deflate(GOOD), "deflate"),
    ],
)
def test_every_way_clients_compress(body: bytes, encoding: str) -> None:
    assert unpack(body, encoding) == GOOD


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(GOOD)[:-9], "gzip", 400),
        (gzip.compress(GOOD) + b"x", "gzip", 400),
        (gzip.compress(GOOD) * 2, "gzip", 400),
        (b"\x1f\x8bgarbage", "gzip", 400),
        (b"", "deflate", 400),
        (b"\xff\xff\xff", "deflate", 400),
        (GOOD, "br", 415),
        (GOOD, "gzip, gzip", 415),
        (gzip.compress(b" " * (MAX_BODY_BYTES + 1)), "gzip", 413),
    ],
)
def test_damaged_unknown_or_too_much(body: bytes, encoding: str, status: int) -> None:
    with pytest.raises(AppError) as caught:
        unpack(body, encoding)
    assert caught.value.status == status


def test_a_body_of_exactly_the_limit_is_unpacked() -> None:
    assert len(unpack(gzip.compress(b" " * MAX_BODY_BYTES), "gzip")) == MAX_BODY_BYTES


@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "deflate"]))
def test_any_bytes_unpack_or_are_an_app_error(data: bytes, encoding: str) -> None:
    for body in (data, b"\x1f\x8b\x08" + data, b"\x78\x9c" + data):
        error = error_of(lambda body=body: unpack(body, encoding))  # type: ignore[misc] # bound now
        assert error is None or error.status in {400, 413, 415}


# ---- over HTTP


@pytest.mark.integration
async def test_over_http_none_of_them_is_an_internal_error(ingest: "Ingest") -> None:
    kept = 0
    for name, (body, expected) in SINGLES.items():
        answer = await ingest.send("/v1/track", body)
        assert answer.status_code == (200 if expected == "ok" else 400), (name, answer.text)
        if expected != "ok":
            assert answer.json()["code"] == expected.removeprefix("!"), name
            assert {"code", "message", "details"} == set(answer.json())
        kept += expected[0] not in "!o"
    assert len((await ingest.get("/v1/quarantine?limit=1000"))["events"]) == kept
