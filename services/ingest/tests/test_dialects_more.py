"""Mixpanel, Amplitude, Customer.io and the Measurement Protocol: what is sent, what it becomes."""

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import AppError
from rapport_ingest.domain.dialects import Dialect, Opened, Request
from rapport_ingest.domain.dialects.amplitude import Amplitude, Batch, problem
from rapport_ingest.domain.dialects.customerio import CustomerIo
from rapport_ingest.domain.dialects.draft import Draft
from rapport_ingest.domain.dialects.measurement import Measurement
from rapport_ingest.domain.dialects.mixpanel import Mixpanel
from rapport_ingest.domain.dialects.posthog import PostHog
from rapport_ingest.domain.dialects.wire import epoch_iso, joined_pairs
from rapport_ingest.domain.verdict import Result

KEY = "rk_0123456789ab_0123456789abcdef0123456789abcdef"
AT, ISO = 1_769_851_800, epoch_iso(1_769_851_800)


def opened(dialect: Dialect, body: Any, path: str = "/", query: str = "") -> Opened:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return dialect.open(Request("POST", path, query.encode(), {}, content), None)


def events(found: Opened) -> list[Any]:
    return [msgspec.json.decode(one) for one in found.items]


def problems(found: Opened) -> dict[int, tuple[str, str]]:
    return {index: (one.code, one.path) for index, one in found.refusals.items()}


def mixpanel(name: str = "Paid", **properties: Any) -> dict[str, Any]:
    around = {"token": KEY, "distinct_id": "u-1", "$insert_id": "m-1", "time": AT, **properties}
    return {"event": name, "properties": {k: v for k, v in around.items() if v is not None}}


FORMS: dict[str, Callable[[bytes], tuple[bytes, str]]] = {
    "json": lambda text: (text, ""),
    "form": lambda text: (urlencode({"data": text, "verbose": "1"}).encode(), ""),
    "base64": lambda text: (urlencode({"data": base64.b64encode(text)}).encode(), ""),
    "query": lambda text: (b"", urlencode({"data": base64.b64encode(text), "verbose": "0"})),
}


@pytest.mark.parametrize("form", FORMS)
def test_mixpanel_wraps_its_events_in_four_ways(form: str) -> None:
    sent = [mixpanel(total=9.5), mixpanel("Seen", **{"$insert_id": "m-2", "$current_url": "/x"})]
    body, query = FORMS[form](msgspec.json.encode(sent))
    found = opened(Mixpanel(), body, query=query)
    assert found.write_key == KEY
    paid, seen = events(found)
    assert paid == {
        "type": "track",
        "event": "Paid",
        "userId": "u-1",
        "messageId": "m-1",
        "timestamp": ISO,
        "properties": {"total": 9.5},
    }
    assert seen["context"] == {"page": {"url": "/x"}}
    results = [Result("m-1", "accepted"), Result("m-2", "rejected", "x", "y", "")]
    answer = Mixpanel().answer(found, results).body
    if form in {"base64", "query"}:
        assert answer == b"1"
    else:
        assert msgspec.json.decode(answer)["status"] == 1


def by_a_page(text: str) -> bytes:
    """As mixpanel-browser encodes it: each UTF-16 unit alone."""
    units = text.encode("utf-16-le", "surrogatepass")
    return b"".join(
        chr(int.from_bytes(units[at : at + 2], "little")).encode("utf-8", "surrogatepass")
        for at in range(0, len(units), 2)
    )


def test_emoji_in_base64_of_a_page_cost_no_event() -> None:
    event = mixpanel("Bücher 📚", shelf="Zoë 👩‍👧")
    for dialect in (Mixpanel(), PostHog()):
        sent = base64.b64encode(by_a_page(msgspec.json.encode(event).decode()))
        found = opened(dialect, urlencode({"data": sent}).encode())
        [only] = events(found)
        assert not found.refusals
        assert (only["event"], only["properties"]["shelf"]) == (event["event"], "Zoë 👩‍👧")


@given(st.text(), st.characters(categories=["Cs"]))
def test_pairs_are_joined_and_halves_are_marked(text: str, half: str) -> None:
    assert joined_pairs(text.encode()) == joined_pairs(by_a_page(text)) == text.encode()
    halved = joined_pairs(by_a_page(f"{text}a{half}b")).decode()
    assert halved == f"{text}a\ufffdb"
    assert joined_pairs(b"\xff" + by_a_page(text)) == b"\xff" + by_a_page(text)


def test_mixpanels_visitors_sign_in() -> None:
    visitor = mixpanel(distinct_id="$device:d-1", **{"$device_id": "d-1"})
    both = mixpanel(distinct_id="u-1", **{"$device_id": "d-1", "$user_id": "u-1"})
    identify = mixpanel("$identify", **{"$identified_id": "u-1", "$anon_id": "$device:d-1"})
    alias = mixpanel("$create_alias", distinct_id="d-0", alias="u-1")
    merge = mixpanel("$merge", **{"$distinct_ids": ["d-2", "u-1"]})
    found = events(opened(Mixpanel(), [visitor, both, identify, alias, merge]))
    shown = [(one["type"], one.get("userId"), one.get("anonymousId")) for one in found]
    assert shown[:3] == [
        ("track", None, "d-1"),
        ("track", "u-1", "d-1"),
        ("identify", "u-1", "d-1"),
    ]
    assert [(one["type"], one["previousId"], one["userId"]) for one in found[3:]] == [
        ("alias", "d-0", "u-1"),
        ("alias", "d-2", "u-1"),
    ]


def test_who_signs_in_at_a_page_of_mixpanel_is_linked_to_the_device_alone() -> None:
    """As mixpanel-browser sends it; a former user of the device is not the same person."""
    device = {"$device_id": "d-1", "$user_id": "u-1", "distinct_id": "u-1"}
    visitor = mixpanel("$identify", **{**device, "$anon_distinct_id": "$device:d-1"})
    another = mixpanel("$identify", **{**device, "$anon_distinct_id": "u-0"})
    for found in events(opened(Mixpanel(), [visitor, another])):
        assert (found["type"], found["userId"], found["anonymousId"]) == ("identify", "u-1", "d-1")


def test_mixpanels_profiles_are_traits() -> None:
    sets = {"$email": "ada@example.com", "plan": "gold"}
    update = {"$token": KEY, "$distinct_id": "u-1", "$set": sets, "$unset": ["$phone"]}
    found = opened(Mixpanel(profiles=True), [update, {**update, "$add": {"visits": 1}}])
    assert found.write_key == KEY
    first, _ = events(found)
    assert first == {
        "type": "identify",
        "userId": "u-1",
        "traits": {"email": "ada@example.com", "plan": "gold", "phone": None},
    }
    # A counter can't be kept: said, and not silently left out.
    assert problems(found) == {1: ("not_supported", "$add")}
    group = {"$token": KEY, "$group_key": "company", "$group_id": "acme", "$set": {"size": 5}}
    (of_group,) = events(opened(Mixpanel(profiles=True), group))
    assert (of_group["type"], of_group["groupId"], of_group["traits"]) == (
        "group",
        "acme",
        {"size": 5},
    )


def test_a_bad_event_of_mixpanel_costs_no_other() -> None:
    sent = [
        mixpanel(),
        {"event": "x", "properties": 5},
        5,
        mixpanel(""),
        mixpanel(time="never"),
        mixpanel(),
    ]
    found = opened(Mixpanel(), sent)
    assert problems(found) == {
        1: ("invalid_type", "properties"),
        2: ("invalid_json", ""),
        3: ("missing_field", "event"),
    }
    for body in (b"", b"data=", b"data=%7B", b"\xff\xfe", b"data=!!!"):
        with pytest.raises(AppError):
            opened(Mixpanel(), body)


def amplitude(**fields: Any) -> dict[str, Any]:
    around = {"event_type": "Paid", "user_id": "u-1", "device_id": "d-1", "insert_id": "m-1"}
    return {**around, "time": AT * 1000, **fields}


def test_amplitudes_events() -> None:
    sent = amplitude(
        event_properties={"total": 9.5}, revenue=5, ip="$remote", platform="iOS", language="de"
    )
    found = opened(Amplitude(), {"api_key": KEY, "events": [sent]})
    assert (found.write_key, found.device) == (KEY, True)
    assert events(found) == [
        {
            "type": "track",
            "event": "Paid",
            "userId": "u-1",
            "anonymousId": "d-1",
            "messageId": "m-1",
            "timestamp": ISO,
            "context": {"device": {"type": "iOS"}, "locale": "de"},
            "properties": {"total": 9.5, "revenue": 5},
        }
    ]
    answer = Amplitude().answer(found, [Result("m-1", "accepted")])
    assert msgspec.json.decode(answer.body)["code"] == 200


def test_amplitudes_properties_of_a_person() -> None:
    changes = {"$set": {"plan": "gold"}, "$setOnce": {"since": 1}, "$unset": {"phone": "-"}}
    identify = amplitude(event_type="$identify", user_properties=changes)
    beside = amplitude(user_properties={"plan": "pro"})
    counting = amplitude(event_type="$identify", user_properties={"$add": {"n": 1}})
    found = opened(Amplitude(), {"api_key": KEY, "events": [identify, beside, counting]})
    who, paid, also, _ = events(found)
    assert (who["type"], who["traits"]) == (
        "identify",
        {"plan": "gold", "$set_once": {"since": 1}, "phone": None},
    )
    assert (paid["type"], also["type"], also["traits"]) == ("track", "identify", {"plan": "pro"})
    assert (also["messageId"], also["userId"]) == ("m-1#set", "u-1")
    assert problems(found) == {3: ("not_supported", "user_properties.$add")}


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, "Invalid API key: Nobody has this key."), (413, "Nobody has this key.")],
)
def test_amplitudes_sdks_read_an_error_as_amplitudes(status: int, error: str) -> None:
    said = {"code": "unknown", "message": "Nobody has this key.", "details": {"at": "api_key"}}
    told = problem(status, said)
    assert told["code"] == status
    assert told["error"] == error
    assert told["details"] == {"at": "api_key", "code": "unknown"}


def test_amplitudes_word_for_no_campaign_is_no_trait() -> None:
    first = {"initial_utm_source": "EMPTY", "initial_referrer": "shop.example", "mood": "EMPTY"}
    changes = {"$setOnce": first, "$unset": {"utm_source": "-"}}
    said = amplitude(event_type="$identify", user_properties=changes)
    (who,) = events(opened(Amplitude(), {"api_key": KEY, "events": [said]}))
    kept = {"initial_referrer": "shop.example", "mood": "EMPTY"}
    assert who["traits"] == {"$set_once": kept, "utm_source": None}


def test_posthog_and_amplitude_share_an_address() -> None:
    one = Batch()
    mine = opened(one, {"api_key": KEY, "events": [amplitude()]})
    assert events(mine)[0]["event"] == "Paid"
    assert msgspec.json.decode(one.answer(mine, [Result("m", "accepted")]).body)["code"] == 200
    theirs = {"event": "Seen", "distinct_id": "u", "uuid": "m", "properties": {"events": []}}
    found = opened(one, {"api_key": KEY, "batch": [theirs]})
    assert events(found)[0]["event"] == "Seen"
    assert msgspec.json.decode(one.answer(found, [Result("m", "accepted")]).body)["status"] == 1


def test_customerios_calls() -> None:
    track = CustomerIo()
    (who,) = events(
        opened(track, {"email": "a@example.com", "created_at": AT}, "/api/v1/customers/u-1")
    )
    assert who == {
        "type": "identify",
        "userId": "u-1",
        "traits": {"email": "a@example.com", "createdAt": ISO},
    }
    sent = {"name": "Paid", "data": {"total": 5}, "id": "m-1", "timestamp": AT}
    (paid,) = events(opened(track, sent, "/api/v1/customers/u-1/events"))
    assert paid == {
        "type": "track",
        "event": "Paid",
        "userId": "u-1",
        "messageId": "m-1",
        "timestamp": ISO,
        "properties": {"total": 5},
    }
    (anonymous,) = events(opened(track, {**sent, "anonymous_id": "a"}, "/api/v1/events"))
    assert anonymous["anonymousId"] == "a"
    page = {"type": "page", "name": "/x", "data": {}}
    (seen,) = events(opened(track, page, "/api/v1/customers/u-1/events"))
    assert (seen["type"], seen["name"]) == ("page", "/x")
    (by_mail,) = events(opened(track, sent, "/api/v1/customers/a@example.com/events"))
    assert by_mail["context"] == {"traits": {"email": "a@example.com"}}
    assert "userId" not in by_mail
    pair = {"primary": {"id": "u-1"}, "secondary": {"id": "u-2"}}
    (one,) = events(opened(track, pair, "/api/v1/merge_customers"))
    assert (one["type"], one["previousId"], one["userId"]) == ("alias", "u-2", "u-1")
    mail = {"email": "a@example.com"}
    for pair in (
        {"primary": {"id": "u-1"}, "secondary": mail},
        {"primary": mail, "secondary": {"id": "u-1"}},
    ):
        (both,) = events(opened(track, pair, "/api/v1/merge_customers"))
        assert (both["type"], both["userId"], both["context"]) == (
            "identify",
            "u-1",
            {"traits": mail},
        )
        assert "previousId" not in both
    pair = {"primary": mail, "secondary": mail}
    assert problems(opened(track, pair, "/api/v1/merge_customers")) == {0: ("not_supported", "")}
    device = opened(track, {"device": {}}, "/api/v1/customers/u-1/devices")
    assert problems(device) == {0: ("not_supported", "")}


def test_customerios_data_of_an_event_is_an_object() -> None:
    found = opened(CustomerIo(), {"name": "Paid", "data": [1]}, "/api/v1/customers/u-1/events")
    assert problems(found) == {0: ("invalid_type", "data")}


def test_customerio_is_told_of_a_refusal() -> None:
    found = opened(CustomerIo(), {"data": {}}, "/api/v1/customers/u-1/events")
    assert problems(found) == {0: ("missing_field", "name")}
    refused = Result("m", "rejected", "missing_field", "name is missing", "name")
    with pytest.raises(AppError):
        CustomerIo().answer(found, [refused])
    assert CustomerIo().answer(found, [Result("m", "accepted")]).body == b"{}"


CUSTOMER = "/api/v1/customers/u-1"
PEOPLE = Mixpanel(profiles=True)


def person(**traits: Any) -> dict[str, Any]:
    return {"$token": KEY, "$distinct_id": "u-1", "$time": AT, "$set": traits}


@pytest.mark.parametrize("said", [True, 1, "true", "Yes", "1", "whatever", ["email"]])
def test_who_is_unsubscribed_elsewhere_withdraws_the_permission_here(said: Any) -> None:
    mail = {"email": "a@example.com", "unsubscribed": said, "_timestamp": AT}
    in_mixpanel = person(**{"$email": "a@example.com", "$unsubscribed": said})
    for found, by_address in (
        (opened(CustomerIo(), mail, CUSTOMER), False),
        (
            opened(CustomerIo(), {"unsubscribed": said}, "/api/v1/customers/a@example.com"),
            True,
        ),
        (opened(PEOPLE, in_mixpanel), False),
    ):
        who, withdrawn = events(found)
        assert who["type"] == "identify"
        assert not problems(found)
        assert (withdrawn["type"], withdrawn["event"]) == ("track", "Consent Updated")
        assert withdrawn["properties"] == {
            "channel": "email",
            "purpose": "promotion",
            "state": "withdrawn",
            "contact_point": "a@example.com",
        }
        if not by_address:
            assert (withdrawn["userId"], withdrawn["timestamp"]) == ("u-1", ISO)


@pytest.mark.parametrize("said", [False, 0, "false", "No", "0", "", None])
def test_no_longer_unsubscribed_is_no_permission(said: Any) -> None:
    mail = {"email": "a@example.com", "unsubscribed": said}
    assert len(events(opened(CustomerIo(), mail, CUSTOMER))) == 1
    in_mixpanel = person(**{"$email": "a@example.com", "$unsubscribed": said})
    assert len(events(opened(PEOPLE, in_mixpanel))) == 1


def test_an_unsubscribe_of_no_address_is_refused_and_the_person_kept() -> None:
    plain = opened(CustomerIo(), {"plan": "gold", "unsubscribed": True}, CUSTOMER)
    in_mixpanel = opened(PEOPLE, person(**{"$unsubscribed": True}))
    assert problems(plain) == {1: ("invalid_consent", "unsubscribed")}
    assert problems(in_mixpanel) == {1: ("invalid_consent", "$unsubscribed")}
    assert events(plain)[0]["traits"] == {"plan": "gold", "unsubscribed": True}
    refused = Result("m", "rejected", "invalid_consent", "no address", "unsubscribed")
    with pytest.raises(AppError):
        CustomerIo().answer(plain, [Result("m", "accepted"), refused])
    # A repeated update says it again under the same id.
    (who, withdrawn) = events(in_mixpanel)
    assert withdrawn["messageId"] == f"{who['messageId']}#unsubscribed"


def test_what_customerio_says_of_topics_and_suppression_is_refused() -> None:
    for name, value in (
        ("cio_subscription_preferences", {"topics": {"topic_1": False}}),
        ("cio_subscription_preferences.topics.topic_1", False),
    ):
        found = opened(CustomerIo(), {name: value}, CUSTOMER)
        assert problems(found) == {1: ("not_supported", "")}
    for call in ("suppress", "unsuppress"):
        assert problems(opened(CustomerIo(), b"", f"{CUSTOMER}/{call}")) == {
            0: ("not_supported", "")
        }


def test_googles_consent_is_kept_with_the_events() -> None:
    said = {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"}
    found = events(
        opened(
            Measurement(),
            google({"name": "x"}, consent=said, user_properties={"plan": {"value": "gold"}}),
        )
    )
    kept = {"categoryPreferences": {"ad_user_data": True, "ad_personalization": False}}
    assert [one["context"]["consent"] for one in found] == [kept, kept]
    (older,) = events(opened(Measurement(), google({"name": "x"}, non_personalized_ads=True)))
    assert older["context"]["consent"] == {"categoryPreferences": {"ad_personalization": False}}


def google(*sent: Any, **around: Any) -> dict[str, Any]:
    return {"client_id": "c.1", "user_id": "u-1", **around, "events": list(sent)}


def test_the_measurement_protocol() -> None:
    bought = {
        "name": "purchase",
        "params": {"transaction_id": "T", "value": 9.5, "currency": "EUR"},
    }
    viewed = {
        "name": "page_view",
        "params": {"page_location": "https://x.example/", "page_title": "X"},
    }
    body = google(
        bought, viewed, timestamp_micros=AT * 10**6, user_properties={"tier": {"value": 1}}
    )
    order, view, who = events(opened(Measurement(), body))
    assert (order["event"], order["timestamp"]) == ("Order Completed", ISO)
    assert order["properties"] == {"order_id": "T", "total": 9.5, "currency": "EUR"}
    assert (order["userId"], order["anonymousId"]) == ("u-1", "c.1")
    assert (view["type"], view["name"], view["context"]["page"]["title"]) == ("page", "X", "X")
    assert (who["type"], who["traits"]) == ("identify", {"tier": 1})
    # Sent again it is the same; at another moment it is another.
    assert [one["messageId"] for one in events(opened(Measurement(), body))] == [
        one["messageId"] for one in (order, view, who)
    ]
    assert len({one["messageId"] for one in (order, view, who)}) == 3
    later = events(opened(Measurement(), {**body, "timestamp_micros": AT * 10**6 + 1}))
    assert later[0]["messageId"] != order["messageId"]


def test_without_a_time_the_same_purchase_may_be_meant_twice() -> None:
    (one,) = events(opened(Measurement(), google({"name": "purchase", "params": {}})))
    assert "messageId" not in one
    assert Measurement().answer(opened(Measurement(), google()), []).status == 204


@given(st.integers(10**8, 4 * 10**9), st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_the_unit_of_a_time_is_told_by_its_size(seconds: int, unit: int) -> None:
    assert epoch_iso(seconds * unit) == epoch_iso(str(seconds * unit)) == epoch_iso(seconds)


@pytest.mark.parametrize("stamp", [None, "x", [], {}])
def test_what_is_no_time_is_none(stamp: Any) -> None:
    assert epoch_iso(stamp) is None


DIALECTS: list[tuple[Dialect, str]] = [
    (Mixpanel(), "/track"),
    (Mixpanel(profiles=True), "/engage"),
    (Amplitude(), "/2/httpapi"),
    (CustomerIo(), "/api/v1/customers/x"),
    (CustomerIo(), "/api/v1/events"),
    (Measurement(), "/mp/collect"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = st.sampled_from(
    [
        *("event", "properties", "events", "event_type", "user_id", "user_properties", "$set"),
        *("params", "name", "data", "time", "timestamp", "groups", "$unset", "distinct_id"),
        *("timestamp_micros", "$group_id", "alias", "client_id"),
    ]
)


@pytest.mark.parametrize(("dialect", "path"), DIALECTS)
@given(st.dictionaries(WORDS, JSON, max_size=6))
def test_whatever_is_in_an_object_becomes_events_or_is_refused(
    dialect: Dialect, path: str, fields: dict[str, Any]
) -> None:
    for body in (fields, [fields], {"api_key": KEY, "events": [fields], **fields}):
        try:
            content = msgspec.json.encode(body)
        except (ValueError, OverflowError, UnicodeEncodeError):
            continue
        try:
            found = opened(dialect, content, path)
        except AppError:
            continue
        assert all(
            isinstance(one, dict) or index in found.refusals
            for index, one in enumerate(events(found))
        )


def test_amplitudes_groups() -> None:
    one = amplitude(
        event_type="$groupidentify",
        groups={"company": ["acme", "other"]},
        group_properties={"$set": {"size": 5}},
    )
    flat = amplitude(event_type="$groupidentify", groups={"company": "acme"})
    nobody = amplitude(event_type="$groupidentify", groups=[])
    empty = amplitude(event_type="$groupidentify", groups={"company": []})
    found = events(opened(Amplitude(), {"api_key": KEY, "events": [one, flat, nobody, empty]}))
    assert [one["type"] for one in found] == ["group"] * 4
    assert [one.get("groupId") for one in found] == ["acme", "acme", None, None]
    assert found[0]["traits"] == {"size": 5}


def test_amplitudes_views_and_events_without_an_id() -> None:
    view = amplitude(event_type="[Amplitude] Page Viewed", insert_id=None, time=0)
    said = {**view, "user_properties": {"plan": "pro"}}
    page, _, beside = events(opened(Amplitude(), {"api_key": KEY, "events": [view, said]}))
    assert (page["type"], "event" in page, "timestamp" in page) == ("page", False, False)
    assert (beside["type"], "messageId" in beside) == ("identify", False)


def test_a_body_that_only_mentions_events_is_posthogs() -> None:
    found = opened(Batch(), {"event": "events", "distinct_id": "u", "api_key": KEY})
    assert events(found)[0]["event"] == "events"


def test_amplitude_refuses_a_time_that_is_none() -> None:
    found = opened(Amplitude(), {"api_key": KEY, "events": [amplitude(time=[1])]})
    assert problems(found) == {0: ("invalid_timestamp", "time")}


@pytest.mark.parametrize("dialect", [Mixpanel(), Amplitude()])
def test_an_event_that_can_not_be_read_costs_no_other(dialect: Dialect) -> None:
    mixed = isinstance(dialect, Mixpanel)
    good = msgspec.json.encode(mixpanel() if mixed else amplitude())
    body = b"[" + good + b',{"a":"\\ud800"}]'
    found = opened(
        dialect, body if mixed else b'{"api_key":"' + KEY.encode() + b'","events":' + body + b"}"
    )
    assert found.write_key == KEY
    assert [one.code for one in found.refusals.values()] == ["invalid_json"]
    assert list(found.refusals) == [1]
    assert msgspec.json.decode(found.items[0])["event"] == "Paid"


def test_a_field_below_a_text_is_left_out() -> None:
    draft = Draft()
    draft.put(("context", "ip"), "192.0.2.1")
    draft.put(("context", "ip", "version"), 4)
    assert draft.fields == {"context": {"ip": "192.0.2.1"}}


def test_a_form_of_mixpanel_has_bounds() -> None:
    with pytest.raises(AppError, match="fields at most") as caught:
        opened(Mixpanel(), b"&".join([b"a=1"] * 10_000))
    assert (caught.value.status, caught.value.code) == (400, "bad_encoding")


def test_mixpanels_page_and_device() -> None:
    page, *_ = events(opened(Mixpanel(), [mixpanel("$mp_web_page_view")]))
    assert (page["type"], "event" in page) == ("page", False)
    update = {"$token": KEY, "$distinct_id": "$device:d-1", "$set": {"plan": "gold"}}
    (found,) = events(opened(PEOPLE, [update]))
    assert (found["anonymousId"], "userId" in found) == ("d-1", False)


@pytest.mark.parametrize("time", [True, [1], {"a": 1}])
def test_mixpanel_refuses_a_time_that_is_none(time: Any) -> None:
    found = opened(Mixpanel(), [mixpanel(time=time)])
    assert problems(found) == {0: ("invalid_timestamp", "properties.time")}
    assert "timestamp" not in events(found)[0]


def test_posthogs_body_needs_no_word_of_events() -> None:
    found = opened(Batch(), {"event": "Seen", "distinct_id": "u", "api_key": KEY})
    assert (found.write_key, events(found)[0]["event"]) == (KEY, "Seen")
