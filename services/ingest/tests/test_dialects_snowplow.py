"""Snowplow's dialect: parameters as its trackers send them, and the events they become."""

import base64
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import AppError
from rapport_ingest.domain.dialects import Opened, Request
from rapport_ingest.domain.dialects.draft import value_of
from rapport_ingest.domain.dialects.snowplow import PIXEL, Snowplow
from rapport_ingest.domain.dialects.wire import base64_bytes, base64_text, epoch_iso
from rapport_ingest.domain.moments import parse_moment
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

KEY = "rk_0123456789ab_0123456789abcdef0123456789abcdef"
PAYLOAD = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0"
SESSION = "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
AD_TO_CART = "iglu:com.acme/add_to_cart/jsonschema/1-0-0"
TP2 = "/com.snowplowanalytics.snowplow/tp2"

Fields = dict[str, Any]
WHO = {"aid": KEY, "duid": "d-1", "tv": "js-4.10.1"}


def post(
    *items: Any, policy: SourcePolicy | None = None, **headers: str
) -> tuple[Opened, list[Fields]]:
    body = msgspec.json.encode({"schema": PAYLOAD, "data": items})
    return posted(body, policy, **headers)


def posted(
    body: bytes, policy: SourcePolicy | None = None, **headers: str
) -> tuple[Opened, list[Fields]]:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    found = Snowplow().open(Request("POST", TP2, b"", named, body), policy)
    return found, [one for one in map(value_of, found.items) if isinstance(one, dict)]


def get(**parameters: str) -> tuple[Opened, list[Fields]]:
    query = urlencode(parameters).encode()
    found = Snowplow().open(Request("GET", "/i", query, {}, b""), None)
    return found, [msgspec.json.decode(one) for one in found.items]


def text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def url_safe(value: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


DESCRIBED = {"schema": UNSTRUCT, "data": {"schema": AD_TO_CART, "data": {"sku": "t-1", "n": 2}}}
ENTITIES = {
    "schema": CONTEXTS,
    "data": [
        {"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {"sku": "a"}},
        {"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {"sku": "b"}},
        {"schema": SESSION, "data": {"userId": "install-1", "sessionId": "s-9"}},
    ],
}

# What a tracker sends, and members of the event it becomes.
MAPPINGS: dict[str, tuple[Fields, Fields]] = {
    "a page view": (
        {
            "e": "pv",
            "eid": "m-1",
            "url": "https://shop.example/tea?utm_medium=mail",
            "page": "Tea",
            "refr": "https://search.example/",
            "lang": "de-AT",
            "tz": "Europe/Vienna",
            "res": "1920x1080",
            "vp": "800x600",
            "p": "web",
            "sid": "s-1",
            "vid": "3",
            "dtm": "1772359200000",
            "stm": "1772359205000",
        },
        {
            "type": "page",
            "messageId": "m-1",
            "anonymousId": "d-1",
            "timestamp": "2026-03-01T10:00:00+00:00",
            "sentAt": "2026-03-01T10:00:05+00:00",
            "properties": {
                "url": "https://shop.example/tea?utm_medium=mail",
                "path": "/tea",
                "search": "?utm_medium=mail",
                "title": "Tea",
                "referrer": "https://search.example/",
            },
            "context": {
                "page": {
                    "url": "https://shop.example/tea?utm_medium=mail",
                    "path": "/tea",
                    "search": "?utm_medium=mail",
                    "title": "Tea",
                    "referrer": "https://search.example/",
                },
                "campaign": {"medium": "mail"},
                "locale": "de-AT",
                "timezone": "Europe/Vienna",
                "channel": "web",
                "sessionId": "s-1",
                "library": {"name": "snowplow-js", "version": "4.10.1"},
                "screen": {"width": 1920, "height": 1080, "innerWidth": 800, "innerHeight": 600},
                "snowplow": {"vid": "3"},
            },
        },
    ),
    "a page ping": (
        {"e": "pp", "pp_mix": "0", "pp_may": "700"},
        {"type": "track", "event": "page_ping", "properties": {"min_x": 0, "max_y": 700}},
    ),
    "a structured event": (
        {
            "e": "se",
            "se_ca": "shop",
            "se_ac": "add",
            "se_la": "tea",
            "se_pr": "size",
            "se_va": "2.50",
        },
        {
            "event": "add",
            "properties": {
                "category": "shop",
                "action": "add",
                "label": "tea",
                "property": "size",
                "value": 2.5,
            },
        },
    ),
    "a self-describing event": (
        {"e": "ue", "ue_pr": text(DESCRIBED)},
        {"type": "track", "event": "add_to_cart", "properties": {"sku": "t-1", "n": 2}},
    ),
    "a self-describing event in base64": (
        {"e": "ue", "ue_px": url_safe(DESCRIBED)},
        {"type": "track", "event": "add_to_cart", "properties": {"sku": "t-1", "n": 2}},
    ),
    "a screen view": (
        {
            "e": "ue",
            "ue_pr": text(
                {
                    "schema": UNSTRUCT,
                    "data": {
                        "schema": "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0",
                        "data": {"name": "Basket"},
                    },
                }
            ),
        },
        {"type": "screen", "name": "Basket", "properties": {"name": "Basket"}},
    ),
    "a transaction": (
        {"e": "tr", "tr_id": "o-1", "tr_tt": "19.90", "tr_cu": "EUR", "tr_sh": "None"},
        {
            "event": "Order Completed",
            "properties": {"order_id": "o-1", "total": 19.9, "currency": "EUR"},
        },
    ),
    "an item of a transaction": (
        {"e": "ti", "ti_id": "o-1", "ti_sk": "t-1", "ti_pr": "9.95", "ti_qu": "2"},
        {
            "event": "transaction_item",
            "properties": {"order_id": "o-1", "sku": "t-1", "price": 9.95, "quantity": 2},
        },
    ),
    "a user": ({"e": "pp", "uid": "u-1"}, {"userId": "u-1", "anonymousId": "d-1"}),
    "the true time is not corrected": (
        {"e": "pp", "ttm": "1772359200000", "dtm": "1", "stm": "1772359205000"},
        {"timestamp": "2026-03-01T10:00:00+00:00", "sentAt": None},
    ),
    "what is null": ({"e": "pp", "uid": None}, {"userId": None}),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_parameters_become_an_event_in_segments_shape(name: str) -> None:
    given_, expected = MAPPINGS[name]
    found, [made] = post({**WHO, **given_})
    assert found.refusals == {}
    assert {field: made.get(field) for field in expected} == expected
    assert KEY not in str(made)


def test_amounts_keep_their_digits() -> None:
    found, _ = post({**WHO, "e": "tr", "tr_tt": "19.90"})
    assert b'"total":19.90' in bytes(found.items[0])


def test_entities_stay_whole_and_a_session_names_the_device() -> None:
    for parameters in ({"co": text(ENTITIES)}, {"cx": url_safe(ENTITIES)}):
        _, [made] = post({"aid": KEY, "e": "pp", **parameters})
        assert made["context"]["entities"] == {
            "product": [{"sku": "a"}, {"sku": "b"}],
            "client_session": {"userId": "install-1", "sessionId": "s-9"},
        }
        assert (made["anonymousId"], made["context"]["sessionId"]) == ("install-1", "s-9")


def test_an_image_brings_one_event() -> None:
    found, [made] = get(**WHO, e="pv", url="https://a.example/?x=1&y=2", cx=url_safe(ENTITIES))
    assert found.write_key == KEY
    assert made["context"]["page"]["url"] == "https://a.example/?x=1&y=2"
    answer = Snowplow().answer(found, [Result("m", "rejected", "missing_field", "e", "e")])
    assert (answer.status, answer.content_type, answer.body) == (200, b"image/gif", PIXEL)


# Parameters of an event, and the code and path of its refusal.
BAD: dict[str, tuple[Any, str, str]] = {
    "no object": (3, "not_an_object", ""),
    "no type": (WHO, "missing_field", "e"),
    "an unknown type": ({**WHO, "e": "xx"}, "unknown_type", "e"),
    "nobody": ({"aid": KEY, "e": "pv"}, "no_identifier", "uid"),
    "no action": ({**WHO, "e": "se"}, "missing_field", "se_ac"),
    "value no number": ({**WHO, "e": "se", "se_ac": "a", "se_va": "1e5"}, "invalid_type", "se_va"),
    "time no number": ({**WHO, "e": "pv", "dtm": "today"}, "invalid_timestamp", "dtm"),
    "time out of range": ({**WHO, "e": "pv", "ttm": "9" * 30}, "invalid_timestamp", "ttm"),
    "long id": ({**WHO, "e": "pv", "eid": "m" * 101}, "too_long", "eid"),
    "no event inside": ({**WHO, "e": "ue"}, "invalid_self_describing", "ue_pr"),
    "not JSON inside": (
        {**WHO, "e": "ue", "ue_pr": '{"x":NaN}'},
        "invalid_self_describing",
        "ue_pr",
    ),
    "not base64 inside": ({**WHO, "e": "ue", "ue_px": "%%"}, "invalid_self_describing", "ue_px"),
    "no schema inside": (
        {**WHO, "e": "ue", "ue_pr": text({"data": {"schema": "x", "data": {}}})},
        "invalid_self_describing",
        "ue_pr",
    ),
    "entities not JSON": ({**WHO, "e": "pv", "co": "x"}, "invalid_entities", "co"),
    "an entity without schema": (
        {**WHO, "e": "pv", "co": text({"data": [{"data": 1}]})},
        "invalid_entities",
        "co",
    ),
    "another key": ({**WHO, "aid": "other", "e": "pv"}, "other_write_key", "aid"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_event_costs_no_other(name: str) -> None:
    item, code, path = BAD[name]
    good = {**WHO, "e": "pv"}
    found, _ = post(good, item, good)
    assert len(found.items) == 3
    assert [(index, one.code, one.path) for index, one in found.refusals.items()] == [
        (1, code, path)
    ]


def test_a_text_that_ends_within_a_character_costs_no_other() -> None:
    good = msgspec.json.encode({**WHO, "e": "pv"})
    bad = good[:-1] + b',"eid":"m-1","page":"\\ud83d"}'
    found, _ = posted(b'{"schema":"x","data":[' + good + b"," + bad + b"," + good + b"]}")
    [(index, refusal)] = found.refusals.items()
    assert (index, refusal.code, refusal.message_id) == (1, "invalid_json", "m-1")
    assert bytes(found.items[1]) == bad
    assert found.write_key == KEY


def test_what_is_refused_is_kept_in_a_form_that_can_be_repaired() -> None:
    found, [made] = post({**WHO, "e": "ue", "eid": "m-1", "ue_pr": "x"})
    assert found.refusals[0].message_id == "m-1"
    assert (made["type"], made["messageId"], made["anonymousId"]) == ("track", "m-1", "d-1")


def test_with_a_key_in_the_headers_the_application_has_a_name() -> None:
    found, [one, other] = post(
        {**WHO, "aid": "shop", "e": "pv"}, {**WHO, "e": "pv"}, policy=SourcePolicy()
    )
    assert found.refusals == {}
    assert one["context"]["app"] == {"name": "shop"}
    assert "app" not in other["context"]


@pytest.mark.parametrize(
    ("tracker", "headers", "device"),
    [
        ("js-4.10.1", {}, True),
        ("andr-6.0.0", {}, True),
        ("py-1.1.0", {}, False),
        ("node-4.8.0", {}, False),
        ("js-4.10.1", {"sp_anonymous": "*"}, False),
    ],
)
def test_whose_device_it_is_the_tracker_says(
    tracker: str, headers: dict[str, Any], *, device: bool
) -> None:
    found, _ = post({**WHO, "tv": tracker, "e": "pv"}, **headers)
    assert found.device is device


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"{}", b'{"data":3}', b'{"data":[{]}'])
def test_a_body_that_is_no_payload_is_final(body: bytes) -> None:
    with pytest.raises(AppError) as caught:
        posted(body)
    assert caught.value.status == 400


@given(data=st.binary(max_size=100), padded=st.booleans(), safe=st.booleans())
def test_base64_is_read_in_all_its_forms(data: bytes, *, padded: bool, safe: bool) -> None:
    encoded = (base64.urlsafe_b64encode if safe else base64.b64encode)(data)
    assert base64_bytes(encoded if padded else encoded.rstrip(b"=")) == data


@given(data=st.one_of(st.binary(max_size=50), st.text(max_size=50)))
def test_what_is_not_base64_is_nothing(data: bytes | str) -> None:
    found = base64_bytes(data)
    assert found is None or len(found) <= len(data)
    shown = base64_text(data)
    assert shown is None or shown.encode() == found


@given(
    st.integers(min_value=10**8, max_value=10**11 - 1), st.sampled_from([1, 10**3, 10**6, 10**9])
)
def test_a_unix_time_is_read_in_its_own_unit(seconds: int, unit: int) -> None:
    shown = epoch_iso(str(seconds * unit))
    assert shown is not None
    assert parse_moment(shown).timestamp() == seconds


@given(st.dictionaries(st.sampled_from(["e", "ue_pr", "co", "dtm", "uid", "res"]), st.text()))
def test_no_parameters_are_an_exception(parameters: dict[str, str]) -> None:
    found, _ = get(**parameters)
    assert len(found.items) == 1


def test_data_that_is_no_object_is_refused_and_the_event_kept() -> None:
    described = {"schema": UNSTRUCT, "data": {"schema": AD_TO_CART, "data": 7}}
    found, [made] = post({**WHO, "e": "ue", "eid": "m-1", "ue_pr": text(described)})
    assert [(one.code, one.path) for one in found.refusals.values()] == [("invalid_type", "data")]
    assert made["event"] == "add_to_cart"


def test_many_entities_of_a_kind_are_a_list_and_a_session_may_lack_a_person() -> None:
    stated = [{"schema": AD_TO_CART, "data": n} for n in (1, 2, 3)]
    session = {"schema": SESSION, "data": {"sessionId": "s-1"}}
    entities = {"schema": CONTEXTS, "data": [*stated, session]}
    _, [made] = post({"aid": KEY, "tv": "andr-6.0.0", "e": "pv", "co": text(entities)})
    assert made["context"]["entities"]["add_to_cart"] == [1, 2, 3]
    assert made["context"]["sessionId"] == "s-1"
    assert "anonymousId" not in made


def test_a_parameter_may_be_a_number() -> None:
    _, [made] = post({**WHO, "e": "se", "se_ca": "c", "se_ac": 7})
    assert made == post({**WHO, "e": "se", "se_ca": "c", "se_ac": "7"})[1][0]


def test_the_answer_counts_and_an_image_gets_its_image() -> None:
    results = [Result("m", "accepted"), Result("n", "rejected", "x", "y", "")]
    told = msgspec.json.decode(Snowplow().answer(post({**WHO, "e": "pv"})[0], results).body)
    assert [told[name] for name in ("accepted", "rejected")] == [1, 1]
    assert Snowplow().answer(get(**WHO, e="pv")[0], results).body == PIXEL
