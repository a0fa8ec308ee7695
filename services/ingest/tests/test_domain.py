"""The verdict on an event, its time, and the forms of keys: pure functions, no server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import AppError, UnauthorizedError
from rapport_common.events.codec import encode
from rapport_common.events.contact import email_address
from rapport_common.events.envelope import Event
from rapport_ingest.domain.credentials import (
    credential,
    key_hash,
    key_id_of,
    slug,
    write_key,
)
from rapport_ingest.domain.event import Origin, judge
from rapport_ingest.domain.moments import SenderClock, iso_moment, parse_moment
from rapport_ingest.domain.reading import Refused, identifier, members
from rapport_ingest.domain.salvage import MAX_SALVAGE_BYTES, cut_out, is_json, loose
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import Caller, SourcePolicy
from rapport_ingest.domain.verdict import Refusal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = Origin(
    compiled(Caller("demo", "web"), SourcePolicy(ip="keep"), []), SenderClock(None, NOW)
)
NUL = "\\u0000"
TRACK = {"type": "track", "event": "Viewed", "userId": "u-1", "messageId": "m-1"}


def verdict(fields: Any, origin: Origin = ORIGIN, kind: Any = None) -> Event | Refusal:
    found = judge(msgspec.Raw(msgspec.json.encode(fields)), kind, origin, "spare")
    return found if isinstance(found, Refusal) else found[0]


def accepted(fields: Any, origin: Origin = ORIGIN, kind: Any = None) -> Event:
    found = verdict(fields, origin, kind)
    assert isinstance(found, Event), found
    return found


def refused(fields: Any, kind: Any = None) -> tuple[str, str]:
    found = verdict(fields, kind=kind)
    assert isinstance(found, Refusal), found
    return found.code, found.path


def test_a_track_event_becomes_the_canonical_record() -> None:
    event = accepted({**TRACK, "properties": {"total": 9.5}, "context": {"ip": "10.0.0.1"}})
    assert (event.workspace, event.source, event.message_id) == ("demo", "web", "m-1")
    assert (event.type, event.name) == ("track", "Viewed")
    assert event.identifiers == [("user_id", "u-1")]
    assert event.timestamp == event.received_at == NOW
    assert bytes(event.context) == b'{"ip":"10.0.0.1"}'


def test_objects_go_on_byte_for_byte() -> None:
    raw = b'{"type":"track","event":"x","userId":"u","properties":{"a" : 1.10, "b":[ 1e2 ]}}'
    found = judge(msgspec.Raw(raw), None, ORIGIN, "spare")
    assert not isinstance(found, Refusal)
    event = found[0]
    assert bytes(event.properties) == b'{"a" : 1.10, "b":[ 1e2 ]}'
    assert b'"properties":{"a" : 1.10, "b":[ 1e2 ]}' in encode(event)


def test_the_route_says_the_type_whatever_the_body_says() -> None:
    assert accepted({"userId": "u", "type": "track"}, kind="page").type == "page"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("missing_field", "type")),
        ({"type": "Track"}, ("unknown_type", "type")),
        ({"type": 7}, ("unknown_type", "type")),
        ({"type": "track", "userId": "u"}, ("missing_field", "event")),
        ({"type": "track", "userId": "u", "event": " "}, ("missing_field", "event")),
        ({"type": "track", "userId": "u", "event": ["x"]}, ("invalid_type", "event")),
        ({"type": "alias", "userId": "u"}, ("missing_field", "previousId")),
        ({"type": "group", "userId": "u"}, ("missing_field", "groupId")),
        ({"type": "identify"}, ("no_identifier", "userId")),
        ({"type": "identify", "anonymousId": None, "userId": ""}, ("no_identifier", "userId")),
        ({"type": "identify", "traits": {"email": "not one"}}, ("no_identifier", "userId")),
        ({**TRACK, "userId": True}, ("invalid_type", "userId")),
        ({**TRACK, "userId": 1.5}, ("invalid_type", "userId")),
        ({**TRACK, "userId": {"id": 1}}, ("invalid_type", "userId")),
        ({**TRACK, "userId": "u" * 513}, ("too_long", "userId")),
        ({**TRACK, "anonymousId": []}, ("invalid_type", "anonymousId")),
        ({**TRACK, "messageId": "m" * 101}, ("too_long", "messageId")),
        ({**TRACK, "properties": [1]}, ("invalid_type", "properties")),
        ({**TRACK, "context": "x"}, ("invalid_type", "context")),
        ({**TRACK, "timestamp": "yesterday"}, ("invalid_timestamp", "timestamp")),
        ({**TRACK, "timestamp": 10**20}, ("invalid_timestamp", "timestamp")),
        ({**TRACK, "timestamp": True}, ("invalid_timestamp", "timestamp")),
        ({**TRACK, "originalTimestamp": "x"}, ("invalid_timestamp", "originalTimestamp")),
        ({**TRACK, "properties": {"a": ["\0"]}}, ("nul_character", "properties.a[0]")),
        ({**TRACK, "properties": {"a\0": 1}}, ("nul_character", "properties.a\ufffd")),
        ({**TRACK, "x": "y" * 33_000}, ("event_too_large", "")),
        ([], ("not_an_object", "")),
        ("text", ("not_an_object", "")),
        (None, ("not_an_object", "")),
    ],
)
def test_what_is_refused_and_where(fields: Any, expected: tuple[str, str]) -> None:
    assert refused(fields) == expected


def test_whole_numbers_are_ids_and_null_is_none() -> None:
    event = accepted({**TRACK, "userId": 42, "anonymousId": None, "messageId": 1001})
    assert (event.identifiers, event.message_id) == ([("user_id", "42")], "1001")


def test_a_literal_backslash_u0000_is_no_nul() -> None:
    assert accepted({**TRACK, "properties": {"path": "\\u0000"}}).type == "track"


@pytest.mark.parametrize("member", ["properties", "traits", "context"])
def test_a_nul_that_a_later_member_of_its_name_hides_is_one(member: str) -> None:
    hidden = f'{{"type":"identify","userId":"u","{member}":{{"o":{{"a":"{NUL}","a":"y"}}}}}}'
    found = judge(msgspec.Raw(hidden.encode()), None, ORIGIN, "spare")
    assert isinstance(found, Refusal)
    assert found.code == "nul_character"


def test_an_event_without_an_id_gets_the_spare_one() -> None:
    assert accepted({**TRACK, "messageId": None}).message_id == "spare"


@pytest.mark.parametrize(
    ("fields", "email"),
    [
        ({"traits": {"email": " Ada@Example.COM "}}, "ada@example.com"),
        ({"context": {"traits": {"email": "ada@example.com"}}}, "ada@example.com"),
        ({"traits": {"email": "bad"}, "context": {"traits": {"email": "a@b.de"}}}, "a@b.de"),
        ({"userId": "u", "traits": {"email": 7}}, None),
        ({"userId": "u", "traits": {"email": "a b@example.com"}}, None),
        ({"userId": "u", "traits": {"email": "a@example"}}, None),
        ({"userId": "u", "traits": {"email": "x" * 250 + "@example.com"}}, None),
    ],
)
def test_email_is_an_identifier_only_if_it_is_an_address(
    fields: dict[str, Any], email: str | None
) -> None:
    assert accepted({"type": "identify", **fields}).value("email") == email


def test_the_address_of_a_group_is_not_the_persons() -> None:
    event = accepted(
        {"type": "group", "groupId": "g", "userId": "u", "traits": {"email": "office@example.com"}}
    )
    assert event.identifiers == [("user_id", "u")]


def test_identify_takes_its_traits_from_the_context_if_it_has_no_other() -> None:
    event = accepted({"type": "identify", "userId": "u", "context": {"traits": {"plan": "gold"}}})
    assert bytes(event.traits) == b'{"plan":"gold"}'


def test_depth_counts_and_brackets_in_texts_do_not() -> None:
    deep: Any = "x"
    for _ in range(63):
        deep = [deep]
    assert accepted({**TRACK, "x": deep}).type == "track"
    assert refused({**TRACK, "x": [deep]}) == ("too_deep", "")
    assert accepted({**TRACK, "properties": {"x": "[{" * 200}}).type == "track"


def test_a_refused_event_keeps_the_id_it_came_with() -> None:
    found = judge(msgspec.Raw(b'{"messageId": "m-7", "x": NaN}'), None, ORIGIN, "spare")
    assert isinstance(found, Refusal)
    assert (found.message_id, found.code) == ("m-7", "invalid_json")


# ---- time


def at(stated: str | None, sent: datetime | None = None) -> datetime:
    parsed = None if stated is None else parse_moment(stated)
    return NOW if parsed is None else SenderClock(sent, NOW).corrected(parsed)


def test_a_missing_time_is_ours() -> None:
    assert at(None) == NOW


def test_without_sent_at_the_sender_is_believed() -> None:
    assert at("2026-03-01T10:00:00Z") == NOW - timedelta(hours=2)


def test_a_time_without_an_offset_is_utc() -> None:
    assert at("2026-03-01T10:00:00") == at("2026-03-01T11:00:00+01:00")


def test_a_wrong_clock_is_corrected_both_ways() -> None:
    for skew in (timedelta(hours=3), -timedelta(hours=3)):
        sent = NOW + skew
        stated = (sent - timedelta(minutes=5)).isoformat()
        assert at(stated, sent) == NOW - timedelta(minutes=5)


def test_a_slow_network_is_not_a_wrong_clock() -> None:
    assert at("2026-03-01T11:59:00Z", NOW - timedelta(seconds=29)) == NOW - timedelta(minutes=1)


def test_a_date_from_a_history_stays_exact_whatever_the_clock() -> None:
    midnight = datetime(1997, 1, 1, tzinfo=UTC)
    for sent in (NOW, NOW - timedelta(seconds=1), NOW + timedelta(hours=5), None):
        assert at("1997-01-01T00:00:00Z", sent) == midnight


def test_the_far_future_has_not_happened() -> None:
    assert at("2026-03-02T11:59:00Z") == NOW + timedelta(hours=23, minutes=59)
    assert at("2026-03-02T12:01:00Z") == NOW
    assert at("9999-12-31T23:59:59Z") == NOW


def test_a_bad_sent_at_costs_no_event() -> None:
    assert (
        accepted({**TRACK, "sentAt": "soon", "timestamp": "2026-03-01T10:00:00Z"}).timestamp < NOW
    )


moments = st.datetimes(timezones=st.just(UTC))
received_moments = st.datetimes(max_value=datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(stated=moments, sent=st.none() | moments, received=received_moments)
def test_any_three_times_give_one_that_is_not_in_the_far_future(
    stated: datetime, sent: datetime | None, received: datetime
) -> None:
    found = SenderClock(sent, received).corrected(stated)
    assert found - received <= timedelta(hours=24)
    assert found.utcoffset() == timedelta(0)


# ---- anything at all

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    "type", "event", "name", "userId", "anonymousId", "previousId", "groupId", "messageId",
    "timestamp", "originalTimestamp", "sentAt", "properties", "traits", "context",
)  # fmt: skip
plausible = (
    json_values
    | st.sampled_from(["track", "identify", "alias", "group", "2026-01-01T00:00:00Z"])
    | st.fixed_dictionaries({"email": st.emails() | json_values})
)


@given(st.dictionaries(st.sampled_from(FIELDS), plausible), st.sampled_from([None, "track"]))
def test_any_json_gets_a_verdict_that_readers_can_live_with(
    fields: dict[str, Any], kind: Any
) -> None:
    found = verdict(fields, kind=kind)
    if isinstance(found, Refusal):
        assert found.code
        assert found.reason
        assert "\0" not in found.message_id + found.path + found.reason
        assert len(found.message_id) <= 100
        return
    wire = encode(found)
    again = msgspec.json.decode(wire, type=Event)
    assert again.identifiers == found.identifiers != []
    assert "\0" not in repr(msgspec.json.decode(wire))
    for name in ("properties", "context"):
        assert msgspec.json.decode(getattr(again, name)) == (fields.get(name) or {})


@given(st.binary(max_size=200))
def test_any_bytes_get_a_verdict(data: bytes) -> None:
    assert judge(msgspec.Raw(data), None, ORIGIN, "spare") is not None


# ---- keys


def test_a_key_has_a_public_part_and_is_stored_as_a_digest() -> None:
    key = write_key("0123456789ab", "0" * 32)
    assert key_id_of(key) == "0123456789ab"
    assert key_hash(b"pepper", key) != key_hash(b"other", key)
    assert key.encode() not in key_hash(b"pepper", key)


@given(st.text())
def test_no_other_text_is_a_key(text: str) -> None:
    assert key_id_of(text) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({b"authorization": b"Basic a2V5Og=="}, "key"),
        ({b"authorization": b"basic a2V5"}, "key"),
        ({b"authorization": b"Bearer key "}, "key"),
        ({b"authorization": b"Basic Og==", b"x-write-key": b"other"}, "other"),
        ({b"x-write-key": b"key"}, "key"),
        ({b"authorization": b"Digest x"}, None),
    ],
)
def test_where_a_key_may_stand(headers: dict[bytes, bytes], expected: str | None) -> None:
    assert credential(headers) == expected


@pytest.mark.parametrize("value", [b"Basic %%%", b"Basic /w==", b"Basic a"])
def test_a_damaged_basic_credential_is_said_to_be_one(value: bytes) -> None:
    with pytest.raises(UnauthorizedError, match="base64"):
        credential({b"authorization": value})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Web Shop", "web-shop"), ("  POS #3 ", "pos-3"), ("Café", "cafe"), ("x" * 99, "x" * 60)],
)
def test_the_id_of_a_source_comes_from_its_name(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_name_without_latin_letters_has_an_id_too() -> None:
    assert slug("微信") != slug("门店")
    assert slug("微信").startswith("source-")


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        (1_769_851_800, "2026-01-31T09:30:00+00:00"),
        ("2026-01-31T10:30:00+01:00", "2026-01-31T09:30:00+00:00"),
        ("soon", None),
        (None, None),
        (True, None),
        ([1], None),
    ],
)
def test_a_moment_as_text_or_none(stated: object, found: str | None) -> None:
    assert iso_moment(stated) == found


def test_a_time_at_the_end_of_the_calendar_from_a_slow_clock_is_the_time_of_receipt() -> None:
    end = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    received = datetime(9999, 12, 30, tzinfo=UTC)
    clock = SenderClock(received - timedelta(days=3), received)
    assert clock.corrected(end) is received


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_identifier_that_is_missing_is_none(value: object) -> None:
    assert identifier(value, "userId", frozenset()) is None


def test_a_workspaces_placeholder_is_none() -> None:
    assert identifier("Walk-In", "userId", frozenset({"walk-in"})) is None
    assert identifier("Walk-In 2", "userId", frozenset({"walk-in"})) == "Walk-In 2"


def test_an_object_is_required_where_one_belongs() -> None:
    fields: dict[str, Any] = {"a": {"b": 1}, "list": [], "none": None, "text": "x"}
    assert members(fields, "a") == {"b": 1}
    assert dict(members(fields, "none")) == dict(members(fields, "missing")) == {}
    assert dict(members(fields, "list")) == {}
    assert fields["list"] == {}  # what goes on is PHP's empty map as JSON writes it
    with pytest.raises(Refused, match="must be an object"):
        members(fields, "text")


def test_an_address_is_one_only_within_its_length() -> None:
    assert email_address("Ada@Example.com") == "ada@example.com"
    assert email_address(f"{'a' * 400}@example.com") is None
    assert email_address(f"{'a' * 100_000}@example.com") is None


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b' {"a":NaN,"b":["\\ud800"]} ', True),
        (b"[" * 3_000 + b"]" * 3_000, True),
        (b"[" * 3_000 + b"]" * 2_000, False),
        (b'[""' + b',""' * 3_000 + b"," + b"[" * 3_000 + b"]" * 3_000 + b"]", True),
        (b'["",' * 20_000 + b"]" * 20_000, False),
        (b"{} x", False),
        (b"", False),
        (b'"' + b"x" * MAX_SALVAGE_BYTES + b'"', False),
    ],
    ids=range(8),
)
def test_what_a_lenient_reader_takes(body: bytes, found: bool) -> None:  # noqa: FBT001 - a column
    assert is_json(body) is found


def test_what_is_too_deep_for_the_lenient_reader_is_none() -> None:
    assert loose(b'{"a":1.5,"b":["x"],"c":"\\ud800"}') == {"a": True, "b": ["x"], "c": "\ud800"}
    assert loose(b"[" * 100_000) is None
    assert loose(b"{") is None


@pytest.mark.parametrize(
    "body", [b'{"batch":[]}', b'{"batch":[ ] , "x":1}', b'{"x":[],"batch":[]}']
)
def test_an_empty_batch_has_no_items(body: bytes) -> None:
    around, items = cut_out(body, "batch", ValueError("x"))
    assert (msgspec.json.decode(around), items) == (msgspec.json.decode(body), [])


@pytest.mark.parametrize(
    "body", [b'{"batch":[1,]}', b'{"batch":[1', b"{batch:[]}", b'{"a":1}', b"[]", b'{"bat']
)
def test_a_body_that_is_broken_around_its_events_is_refused(body: bytes) -> None:
    with pytest.raises(AppError, match="not valid JSON"):
        cut_out(body, "batch", ValueError("x"))


def test_a_batch_is_not_cut_out_beyond_its_bounds() -> None:
    with pytest.raises(AppError) as caught:
        cut_out(b'{"batch":[' + b",".join([b"1"] * 5_001) + b"]}", "batch", ValueError("x"))
    assert caught.value.status == 413
