"""PostHog's dialect: bodies as its SDKs send them, and the events they become."""

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import AppError
from rapport_ingest.domain.body import MAX_BODY_BYTES
from rapport_ingest.domain.dialects import Opened, Request
from rapport_ingest.domain.dialects.draft import value_of
from rapport_ingest.domain.dialects.posthog import PostHog, PostHogV1, hides_more
from rapport_ingest.domain.salvage import MAX_SALVAGE_BYTES
from rapport_ingest.domain.verdict import Result

KEY = "rk_0123456789ab_0123456789abcdef0123456789abcdef"
SENT = "2026-03-01T10:00:05+00:00"
BROWSER = PostHog(browser=True)

Fields = dict[str, Any]


def opened(
    body: Any, query: bytes = b"", dialect: PostHog = BROWSER, **headers: str
) -> tuple[Opened, list[Fields]]:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    found = dialect.open(Request("POST", "/e/", query, named, content), None)
    # What no reader takes goes on as it came, and is of no interest here.
    return found, [one for one in map(value_of, found.items) if isinstance(one, dict)]


def event_of(item: Fields) -> Fields:
    found, events = opened({"api_key": KEY, "batch": [item], "sent_at": SENT})
    assert found.refusals == {}
    return events[0]


# What an SDK sends, and members of the event it becomes.
MAPPINGS: dict[str, tuple[Fields, Fields]] = {
    "a server's event is a user's": (
        {"event": "Paid", "distinct_id": "u-1", "uuid": "m-1", "properties": {"total": 5}},
        {
            "type": "track",
            "event": "Paid",
            "userId": "u-1",
            "messageId": "m-1",
            "properties": {"total": 5},
            "sentAt": SENT,
        },
    ),
    "a server's event without a profile is nobody's": (
        {
            "event": "Paid",
            "distinct_id": "0191-x",
            "properties": {"$process_person_profile": False},
        },
        {"anonymousId": "0191-x", "userId": None},
    ),
    "a browser's visitor": (
        {"event": "Seen", "properties": {"distinct_id": "d-1", "$is_identified": False}},
        {"anonymousId": "d-1", "userId": None},
    ),
    "a browser's user": (
        {
            "event": "Seen",
            "properties": {"distinct_id": "u-1", "$is_identified": True, "$device_id": "d-1"},
        },
        {"userId": "u-1", "anonymousId": None, "context": {"device": {"id": "d-1"}}},
    ),
    "a phone that does not say whether it is identified": (
        {"event": "Seen", "distinct_id": "d-1", "properties": {"$device_id": "d-1"}},
        {"anonymousId": "d-1", "userId": None},
    ),
    "identify links the two ids": (
        {
            "event": "$identify",
            "distinct_id": "u-1",
            "properties": {"$anon_distinct_id": "d-1", "$is_identified": True},
            "$set": {"email": "ada@example.com", "plan": "pro"},
            "$set_once": {"plan": "free", "first": 1},
        },
        {
            "type": "identify",
            "userId": "u-1",
            "anonymousId": "d-1",
            "traits": {"email": "ada@example.com", "plan": "pro", "$set_once": {"first": 1}},
        },
    ),
    "$set alone": (
        {"event": "$set", "distinct_id": "u-1", "properties": {"$set": {"plan": "pro"}}},
        {"type": "identify", "userId": "u-1", "traits": {"plan": "pro"}},
    ),
    "alias: the alias is the user": (
        {
            "event": "$create_alias",
            "distinct_id": "d-1",
            "properties": {"distinct_id": "d-1", "alias": "u-1"},
        },
        {"type": "alias", "userId": "u-1", "previousId": "d-1"},
    ),
    "alias the other way round": (
        {
            "event": "$create_alias",
            "distinct_id": "u-1",
            "properties": {"alias": "0191e4a2-9c1f-7000-8000-0123456789ab"},
        },
        {
            "type": "alias",
            "userId": "u-1",
            "previousId": "0191e4a2-9c1f-7000-8000-0123456789ab",
        },
    ),
    "a group": (
        {
            "event": "$groupidentify",
            "distinct_id": "$company_acme",
            "properties": {
                "$group_type": "company",
                "$group_key": "acme",
                "$group_set": {"seats": 5},
            },
        },
        {
            "type": "group",
            "groupId": "acme",
            "anonymousId": "$company_acme",
            "traits": {"seats": 5},
            "properties": {"$group_type": "company", "$group_key": "acme"},
        },
    ),
    "a page view": (
        {
            "event": "$pageview",
            "properties": {
                "distinct_id": "d-1",
                "$is_identified": False,
                "$current_url": "https://shop.example/tea?utm_source=mail&utm_campaign=may",
                "$referrer": "$direct",
                "title": "Tea",
                "$lib": "web",
                "$lib_version": "1.449.2",
                "$raw_user_agent": "Mozilla/5.0",
                "$browser_language": "de-AT",
                "$ip": "203.0.113.9",
                "$screen_width": 1920,
                "utm_source": "letter",
            },
        },
        {
            "type": "page",
            "properties": {
                "url": "https://shop.example/tea?utm_source=mail&utm_campaign=may",
                "path": "/tea",
                "search": "?utm_source=mail&utm_campaign=may",
                "title": "Tea",
            },
            "context": {
                "page": {
                    "url": "https://shop.example/tea?utm_source=mail&utm_campaign=may",
                    "path": "/tea",
                    "search": "?utm_source=mail&utm_campaign=may",
                    "title": "Tea",
                },
                "library": {"name": "web", "version": "1.449.2"},
                "userAgent": "Mozilla/5.0",
                "locale": "de-AT",
                "ip": "203.0.113.9",
                "screen": {"width": 1920},
                "campaign": {"source": "letter", "name": "may"},
            },
        },
    ),
    "a screen": (
        {"event": "$screen", "distinct_id": "u", "properties": {"$screen_name": "Basket"}},
        {"type": "screen", "name": "Basket"},
    ),
    "the group an event is in": (
        {"event": "x", "distinct_id": "u", "properties": {"$groups": {"company": "acme"}}},
        {"context": {"groupId": "acme"}, "properties": {"$groups": {"company": "acme"}}},
    ),
    "numbers as ids and times": (
        {"event": "x", "distinct_id": 17, "timestamp": 1772359200000},
        {"userId": "17", "timestamp": "2026-03-01T10:00:00+00:00"},
    ),
    "a time that asks not to be corrected": (
        {"event": "x", "distinct_id": "u", "properties": {"$ignore_sent_at": True}},
        {"sentAt": None},
    ),
    "an offset counts back from the sending": (
        {"event": "x", "distinct_id": "u", "offset": 1500},
        {"timestamp": "1969-12-31T23:59:58.500000+00:00", "sentAt": "1970-01-01T00:00:00+00:00"},
    ),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_an_event_becomes_one_in_segments_shape(name: str) -> None:
    item, expected = MAPPINGS[name]
    made = event_of(item)
    assert {field: made.get(field) for field in expected} == expected


def test_amounts_keep_their_digits() -> None:
    body = b'{"api_key":"k","event":"x","distinct_id":"u","properties":{"total":12.3400}}'
    found, _ = opened(body)
    assert b'"total":12.3400' in bytes(found.items[0])


def test_traits_on_the_way_become_an_event_of_their_own() -> None:
    item = {
        "event": "Paid",
        "uuid": "m-1",
        "distinct_id": "u",
        "timestamp": SENT,
        "properties": {"$set": {"plan": "pro"}, "total": 1},
    }
    found, events = opened({"api_key": KEY, "batch": [item, {"event": "y", "distinct_id": "u"}]})
    assert [one["type"] for one in events] == ["track", "identify", "track"]
    assert events[1] == {
        "type": "identify",
        "messageId": "m-1#set",
        "timestamp": SENT,
        "userId": "u",
        "traits": {"plan": "pro"},
    }
    results = [Result(str(number), "accepted") for number in range(3)]
    answer = json.loads(BROWSER.answer(found, results).body)
    assert [one["message_id"] for one in answer["results"]] == ["0", "2"]


def test_how_somebody_first_came_is_no_trait_of_each_event() -> None:
    item = {"event": "x", "distinct_id": "u", "$set_once": {"$initial_referrer": "r"}}
    [only] = opened({"api_key": KEY, "batch": [item]})[1]
    assert only["properties"] == {"$set_once": {"$initial_referrer": "r"}}


EVENT = {"event": "x", "uuid": "m", "properties": {"distinct_id": "u", "token": KEY}}
JSON_BODY = msgspec.json.encode([EVENT])
BASE64 = base64.b64encode(JSON_BODY).decode()
FORMS: dict[str, tuple[bytes, bytes]] = {
    "an array": (JSON_BODY, b""),
    "one event": (msgspec.json.encode(EVENT), b""),
    "a batch": (msgspec.json.encode({"api_key": KEY, "batch": [EVENT]}), b""),
    "token beside": (
        msgspec.json.encode({**EVENT, "properties": {"distinct_id": "u"}, "token": KEY}),
        b"",
    ),
    "form": (f"data={quote(BASE64, safe='')}".encode(), b"compression=base64"),
    "form with the compression first": (
        f"compression=base64&data={quote(BASE64, safe='')}".encode(),
        b"",
    ),
    "form with JSON": (b"data=" + quote(JSON_BODY).encode(), b""),
    "form with a plus unquoted": (b"data=" + BASE64.encode(), b""),
    "base64 alone": (BASE64.encode(), b"compression=base64"),
    "base64 of gzip": (base64.b64encode(gzip.compress(JSON_BODY)), b""),
    "query": (b"", f"data={quote(BASE64, safe='')}".encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_event_is_found_in_every_form(form: str) -> None:
    body, query = FORMS[form]
    found, events = opened(body, query)
    assert found.write_key == KEY
    assert [(one["userId"], one["messageId"]) for one in events] == [("u", "m")]


@given(text=st.text(max_size=60))
def test_any_text_comes_through_base64(text: str) -> None:
    body = json.dumps({**EVENT, "properties": {"distinct_id": "u", "x": text}}).encode()
    [only] = opened(b"data=" + quote(base64.b64encode(body), safe="").encode())[1]
    assert only["properties"] == {"x": text}


@given(body=st.binary(max_size=200))
def test_no_body_is_an_exception(body: bytes) -> None:
    for one in (body, b"data=" + body, base64.b64encode(body)):
        try:
            opened(one)
        except AppError as error:
            assert error.status in {400, 413}  # noqa: PT017 - whatever it is, it is an answer


@pytest.mark.parametrize("number", [1, 10, 100, 5_000])
def test_what_is_packed_inside_is_known_to_be_larger_than_it_looks(number: int) -> None:
    events = b'{"batch":[' + b",".join([JSON_BODY] * number) + b"]}"
    packed = base64.b64encode(gzip.compress(events))
    for stated in (packed, b"data=" + quote(packed, safe="").encode()):
        assert hides_more(stated) or len(events) < 64 * 2**10
    assert not hides_more(b" " + events)


def test_base64_does_not_get_around_the_limit() -> None:
    bomb = base64.b64encode(gzip.compress(b" " * (MAX_BODY_BYTES + 1)))
    with pytest.raises(AppError) as caught:
        opened(bomb)
    assert caught.value.code == "too_large"
    with pytest.raises(AppError) as caught:
        opened(b"data=" + b"A" * MAX_SALVAGE_BYTES)
    assert caught.value.code == "too_large"


# An item of a batch, and the code and path of its refusal.
BAD: dict[str, tuple[str, str, str]] = {
    "no object": ("3", "not_an_object", ""),
    "nan": ('{"event":"x","distinct_id":"u","properties":{"n":NaN}}', "invalid_json", ""),
    "half a character": ('{"event":"x","distinct_id":"\\ud83d"}', "invalid_json", ""),
    "no event": ('{"distinct_id":"u"}', "missing_field", "event"),
    "event a number": ('{"event":{},"distinct_id":"u"}', "invalid_type", "event"),
    "no distinct_id": ('{"event":"x"}', "no_identifier", "distinct_id"),
    "distinct_id a list": ('{"event":"x","distinct_id":[]}', "invalid_type", "distinct_id"),
    "long distinct_id": (
        '{"event":"x","distinct_id":"' + "u" * 513 + '"}',
        "too_long",
        "distinct_id",
    ),
    "cookieless": (
        '{"event":"x","distinct_id":"$posthog_cookieless"}',
        "no_identifier",
        "distinct_id",
    ),
    "long uuid": ('{"event":"x","distinct_id":"u","uuid":"' + "m" * 101 + '"}', "too_long", "uuid"),
    "properties a list": (
        '{"event":"x","distinct_id":"u","properties":[1]}',
        "invalid_type",
        "properties",
    ),
    "$set a text": ('{"event":"x","distinct_id":"u","$set":"a"}', "invalid_type", "$set"),
    "$unset of a number": (
        '{"event":"x","distinct_id":"u","$unset":[1]}',
        "invalid_type",
        "$unset",
    ),
    "alias without one": ('{"event":"$create_alias","distinct_id":"u"}', "missing_field", "alias"),
    "group without a key": (
        '{"event":"$groupidentify","distinct_id":"u"}',
        "missing_field",
        "$group_key",
    ),
    "a recording": ('{"event":"$snapshot","distinct_id":"u"}', "unsupported_event", "event"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("form", ["batch", "array"])
def test_a_bad_event_costs_no_other(name: str, form: str) -> None:
    item, code, path = BAD[name]
    good = '{"event":"x","distinct_id":"u"}'
    array = f"[{good},{item},{good}]"
    body = array if form == "array" else f'{{"api_key":"{KEY}","batch":{array}}}'
    found, _ = opened(body.encode())
    assert len(found.items) == 3
    assert [(index, one.code, one.path) for index, one in found.refusals.items()] == [
        (1, code, path)
    ]


def test_what_is_refused_is_kept_in_a_form_that_can_be_repaired() -> None:
    found, events = opened([{"uuid": "m-1", "distinct_id": "u", "properties": {"n": 1}}])
    assert found.refusals[0].message_id == "m-1"
    assert events[0] == {
        "type": "track",
        "messageId": "m-1",
        "userId": "u",
        "properties": {"n": 1},
    }


def test_a_single_event_that_can_not_be_kept_still_says_whose_it_is() -> None:
    body = b'{"event":"x","properties":{"distinct_id":"u","token":"k","n":NaN}}'
    found, _ = opened(body)
    assert (found.write_key, found.refusals[0].code) == ("k", "invalid_json")
    assert bytes(found.items[0]) == body


@pytest.mark.parametrize(
    ("lib", "device"),
    [("web", True), ("posthog-ios", True), ("posthog-python", False), (None, None)],
)
def test_whose_device_it_is_the_library_says(lib: str | None, *, device: bool | None) -> None:
    properties = {"distinct_id": "u"} if lib is None else {"distinct_id": "u", "$lib": lib}
    found, _ = opened([{"event": "x", "properties": properties}])
    assert found.device is device


def test_the_sending_time_of_a_query() -> None:
    [only] = opened([EVENT], b"ip=0&_=1772359200000&ver=1.449.2")[1]
    assert only["sentAt"] == "2026-03-01T10:00:00+00:00"


def test_v1_tells_the_fate_of_each_uuid() -> None:
    items = [
        {"event": "x", "uuid": "a", "distinct_id": "u", "options": {}, "session_id": "s"},
        {"event": "x", "uuid": "b", "options": {}},
        {
            "event": "x",
            "uuid": "c",
            "distinct_id": "u",
            "options": {"process_person_profile": False},
        },
    ]
    found, events = opened(
        {"created_at": "2026-01-01T00:00:00Z", "batch": items},
        dialect=PostHogV1(),
        posthog_sdk_info="posthog-python/7.91.1",
        posthog_request_timestamp=SENT,
    )
    assert events[0]["context"] == {
        "library": {"name": "posthog-python", "version": "7.91.1"},
        "sessionId": "s",
    }
    assert events[0]["sentAt"] == SENT
    assert events[2]["anonymousId"] == "u"
    refused = found.refusals[1]
    results = [
        Result("a", "accepted"),
        Result("b", "rejected", refused.code, refused.reason, refused.path),
        Result("c", "rejected", "too_long", "userId has 600 characters.", "userId"),
    ]
    answer = json.loads(PostHogV1().answer(found, results).body)["results"]
    assert answer["a"] == {"result": "ok"}
    assert answer["b"]["result"] == "drop"
    assert answer["c"]["details"] == "too_long: distinct_id: distinct_id has 600 characters."


def test_traits_beside_an_event_have_its_id_if_there_is_room_and_its_library() -> None:
    properties = {"$set": {"plan": "gold"}, "$lib": "web"}
    for uuid, expected in (("m-1", "m-1#set"), ("m" * 100, None), (None, None)):
        sent = {"event": "Paid", "distinct_id": "u-1", "uuid": uuid, "properties": properties}
        _, (paid, beside) = opened({"api_key": KEY, "batch": [sent]})
        assert (paid["type"], beside["type"], beside["traits"]) == (
            "track",
            "identify",
            {"plan": "gold"},
        )
        assert beside.get("messageId") == expected
        assert beside["context"] == {"library": {"name": "web"}}


def test_a_lone_event_that_can_not_be_kept_still_says_whose_it_is() -> None:
    for properties in (b'{"token":"' + KEY.encode() + b'"}', b'"\\ud800"'):
        body = b'{"event":"\\ud800","properties":' + properties + b"}"
        found, _ = opened(body)
        assert found.write_key == (KEY if b"token" in body else None)
        assert [one.code for one in found.refusals.values()] == ["invalid_json"]
