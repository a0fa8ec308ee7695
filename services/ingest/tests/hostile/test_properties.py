"""Anything at all as a body or an event: a verdict for each item or an AppError, nothing else."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from services.ingest.tests.hostile.corpus.fields import KINDS

from rapport_common.errors import AppError
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event
from rapport_ingest.domain.body import open_batch, open_single, unpack
from rapport_ingest.domain.event import Origin, judge
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.shape import MAX_KEYS
from rapport_ingest.domain.source import Caller, Policy
from rapport_ingest.domain.verdict import Refusal

ORIGIN = Origin(
    compiled(Caller("demo", "web"), Policy(), []),
    SenderClock(None, datetime(2026, 3, 1, tzinfo=UTC)),
)
FIELDS = (
    *("messageId", "type", "event", "name", "userId", "anonymousId", "previousId", "groupId"),
    *("timestamp", "originalTimestamp", "sentAt", "properties", "traits", "context", "batch"),
)
FULL = {
    "messageId": "m-1",
    "event": "Order Completed",
    "userId": "u-1",
    "anonymousId": "a-1",
    "groupId": "g",
    "previousId": "p",
    "timestamp": "2026-02-28T23:59:59.999Z",
    "properties": {"total": 12.5, "items": [{"sku": "ä\n", "count": 2}], "big": 2**70},
    "context": {"ip": "192.0.2.1", "traits": {"email": "Ada@Example.com"}, "locale": "de-AT"},
    "traits": {"email": "ada@example.com", "emoji": "👩‍🚀"},
}

anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=15,
)
events = st.dictionaries(st.sampled_from(FIELDS), anything | st.sampled_from([*KINDS]), max_size=9)


def check(raw: bytes) -> None:
    """Judge it as every type: nothing is raised, and what is accepted survives the log."""
    for kind in (None, *KINDS):
        found = judge(msgspec.Raw(raw), kind, ORIGIN, "spare")  # type: ignore[arg-type] # a name of a type
        if isinstance(found, Refusal):
            assert found.code
            assert found.reason
            assert 0 < len(found.message_id) <= 100
            continue
        event = found[0]
        written = encode(event)
        again = msgspec.json.decode(written, type=Event)
        assert again == event
        assert encode(again) == written
        assert event.identifiers


def check_body(body: bytes) -> None:
    """Both kinds of routes take it or refuse it with a 4xx; of a batch each item has a verdict."""
    refused: list[AppError] = []
    for opened in (_batch, _single):
        try:
            items = opened(body)
        except AppError as error:
            refused.append(error)
            continue
        for item in items:
            check(bytes(item))
    for one in refused:
        assert 400 <= one.status < 500
        assert one.message


def _batch(body: bytes) -> list[msgspec.Raw]:
    found = open_batch(unpack(body, ""))
    try:
        stated = json.loads(body.decode("utf-8-sig", "replace"))["batch"]
    except (ValueError, RecursionError):
        return found.batch  # packed, or too deep for this reader
    assert len(found.batch) == len(stated)
    return found.batch


def _single(body: bytes) -> list[msgspec.Raw]:
    plain = unpack(body, "")
    open_single(plain)
    return [msgspec.Raw(plain)]


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    check(data)
    check_body(data)
    check_body(b'{"batch":[' + data + b"]}")
    check_body(b'{"batch":[{},' + data + b",{}]}")


@given(events)
def test_any_json_in_the_fields_of_an_event(event: dict[str, Any]) -> None:
    check(json.dumps(event).encode())
    check(json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@given(st.lists(events | anything, max_size=5))
def test_any_json_in_a_batch(items: list[Any]) -> None:
    check_body(json.dumps({"batch": items}).encode())


def flipped(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]


def inserted(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at:]


def deleted(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + data[at + 1 + value % 8 :]


def doubled(data: bytes, at: int, value: int) -> bytes:
    return data[: at + value] + data[at:]


MUTATIONS: list[Callable[[bytes, int, int], bytes]] = [flipped, inserted, deleted, doubled]
steps = st.tuples(st.sampled_from(MUTATIONS), st.integers(0, 10_000), st.integers(0, 255))


@given(st.lists(steps, min_size=1, max_size=4), st.booleans())
def test_a_good_event_with_damaged_bytes(
    chosen: list[tuple[Callable[[bytes, int, int], bytes], int, int]],
    ascii_only: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    body = json.dumps(FULL, ensure_ascii=ascii_only).encode()
    batch = b'{"batch":[' + body + b"," + body + b'],"sentAt":"2026-03-01T00:00:00Z"}'
    for mutate, at, value in chosen:
        body = mutate(body, at % (len(body) + 1), value) or b"{"
        batch = mutate(batch, at % (len(batch) + 1), value) or b"{"
    check(body)
    check_body(body)
    check_body(batch)


@given(st.sampled_from([*FULL]), anything)
def test_a_good_event_with_one_value_of_another_kind(field: str, value: Any) -> None:
    check(json.dumps({**FULL, field: value}).encode())


@given(
    st.recursive(
        st.just(1),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=60)
        ),
        max_leaves=150,
    ),
    st.integers(1, 20),
)
def test_keys_are_counted_on_all_levels(value: Any, times: int) -> None:
    event = {"event": "x", "userId": "u", "x": [value] * times}
    raw = msgspec.json.encode(event)
    found = judge(msgspec.Raw(raw), "track", ORIGIN, "spare")
    over = keys_of(event) > MAX_KEYS
    assert (isinstance(found, Refusal) and found.code == "too_many_keys") == (
        over and len(raw) <= 32 * 1024
    )


def keys_of(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(keys_of, value.values()))
    return sum(map(keys_of, value)) if isinstance(value, list) else 0
