"""Bodies that are broken, strange or meant to hurt: each has a verdict, none an exception."""

import gzip
import json
import sys
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from services.ingest.tests.hostile.corpus.case import GOOD, nested, of
from services.ingest.tests.hostile.corpus.singles import SINGLES

from rapport_common.errors import AppError
from rapport_ingest.domain.body import (
    MAX_BODY_BYTES,
    MAX_MEMBERS,
    Envelope,
    open_batch,
    open_single,
    unpack,
)
from rapport_ingest.domain.event import Origin, judge
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.salvage import deeper_than
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import Caller, SourcePolicy
from rapport_ingest.domain.verdict import Refusal

ORIGIN = Origin(
    compiled(Caller("demo", "web"), SourcePolicy(ip="keep"), []),
    SenderClock(None, datetime(2026, 3, 1, tzinfo=UTC)),
)


def packed(body: bytes) -> bytes:
    """Gzip without a time in it: a test is named by its body, alike in every worker of a run."""
    return gzip.compress(body, mtime=0)


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
    text = b'[{"]]":[]},' + nested(levels, *pair) + b',"[[[\\"[["]'
    deepest = max(levels + 1, 3)
    assert not deeper_than(text, deepest)
    assert deeper_than(text, deepest - 1)


CLOSED = b"]" * 120_000


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b'{"batch":[' + b"[" * 120_000 + CLOSED + b"]}", {"ok", "invalid_json"}),
        (b'{"batch":[' + b'{"a":' * 80_000 + b"1" + b"}" * 80_000 + b"]}", {"invalid_json"}),
        (b'{"batch":[' + b'[{"a":' * 50_000 + b"1" + b"}]" * 50_000 + b"]}", {"invalid_json"}),
        (b'{"batch":[' + b"[" * 500_000, {"invalid_json"}),
        (b'{"batch":[NaN' + b",[]" * 160_000 + b"]}", {"too_many_events"}),
        (b'{"batch":[NaN' + b',""' * 160_000 + b"]}", {"too_many_events"}),
        (b'{"batch":[0' + b",0" * 4_000_000 + b"]}", {"too_many_values"}),
        (b'{"batch":[{}' + b",{}" * 2_700_000 + b"]}", {"too_many_values"}),
        (b'{"batch":[{"a":0' + b',"a":0' * 1_000_000 + b"}]}", {"too_many_values"}),
        (b'{"batch":[' + b"1" * 10**6 + b"]}", {"ok"}),
        (b'{"batch":[],"sentAt":' + b"1" * 10**6 + b"}", {"invalid_batch", "invalid_json"}),
        (b'{"batch":[],"sentAt":1e999999}', {"invalid_batch", "invalid_json"}),
        (b'{"batch":[],"sentAt":1e' + b"9" * 10**6 + b"}", {"invalid_batch", "invalid_json"}),
        (b'{"batch":["' + b"\\" * 500_001 + b'"]}', {"invalid_json"}),
    ],
)
def test_no_body_costs_many_times_its_bytes(body: bytes, codes: set[str]) -> None:
    # In lines of Python, which load on the machine does not change: what C does is linear.
    lines = 0

    def count(_frame: object, event: str, _arg: object) -> Callable[..., Any]:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        error = error_of(lambda: open_batch(unpack(body, "")))
    finally:
        sys.settrace(before)
    assert (error.code if error else "ok") in codes
    assert lines < 150_000


def test_a_deep_event_costs_no_other() -> None:
    deep = b"[" * 3000 + b"{}" + b"]" * 3000
    found = open_batch(b'{"batch":[' + GOOD + b" , " + deep + b"," + GOOD + b"]}")
    assert [bytes(one) for one in found.batch] == [GOOD, deep, GOOD]


def test_many_pieces_packed_one_by_one_are_one_body() -> None:
    half = len(GOOD) // 2
    pieces = packed(GOOD[:half]) + packed(b"") + packed(GOOD[half:])
    assert unpack(pieces, "gzip") == GOOD
    frames = zstandard.compress(GOOD[:half]) + zstandard.compress(GOOD[half:])
    assert unpack(frames, "zstd") == GOOD


@pytest.mark.parametrize("pack", [packed, zstandard.compress])
def test_pieces_are_bounded_together(pack: Callable[[bytes], bytes]) -> None:
    for body, code in [
        (pack(b" " * 2**20) * 8 + pack(b" "), "too_large"),
        (pack(b"") * (MAX_MEMBERS + 1), "bad_encoding"),
        (pack(GOOD) + b"more", "bad_encoding"),
        (pack(GOOD) + pack(GOOD)[:-3], "bad_encoding"),
    ]:
        error = error_of(lambda body=body: unpack(body, ""))  # type: ignore[misc] # bound now
        assert error is not None
        assert error.code == code


# ---- compression


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (GOOD, ""),
        (GOOD, "identity"),
        (packed(GOOD), "gzip"),
        (packed(GOOD), ""),
        (packed(GOOD), "x-gzip"),
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
        (packed(GOOD)[:-9], "gzip", 400),
        (packed(GOOD) + b"x", "gzip", 400),
        (b"\x1f\x8bgarbage", "gzip", 400),
        (b"", "deflate", 400),
        (b"\xff\xff\xff", "deflate", 400),
        (GOOD, "br", 415),
        (GOOD, "gzip, gzip", 415),
        (packed(b" " * (MAX_BODY_BYTES + 1)), "gzip", 413),
    ],
)
def test_damaged_unknown_or_too_much(body: bytes, encoding: str, status: int) -> None:
    with pytest.raises(AppError) as caught:
        unpack(body, encoding)
    assert caught.value.status == status


def test_a_body_of_exactly_the_limit_is_unpacked() -> None:
    assert len(unpack(packed(b" " * MAX_BODY_BYTES), "gzip")) == MAX_BODY_BYTES


@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "deflate"]))
def test_any_bytes_unpack_or_are_an_app_error(data: bytes, encoding: str) -> None:
    for body in (data, b"\x1f\x8b\x08" + data, b"\x78\x9c" + data):
        error = error_of(lambda body=body: unpack(body, encoding))  # type: ignore[misc] # bound now
        assert error is None or error.status in {400, 413, 415}


def test_a_number_too_long_for_python_takes_no_other_event_with_it() -> None:
    digits = of(b'"x":' + b"9" * 5000)
    found = open_batch(b'{"batch":[' + GOOD + b"," + digits + b"," + of(b'"x":NaN') + b"]}")
    assert [judged(one) for one in found.batch] == ["ok", "invalid_json", "invalid_json"]
