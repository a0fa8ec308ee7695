"""What an event says is taken exactly, in one form, or refused with its place: never guessed."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.envelope import Event
from rapport_common.events.reserved import RESERVED_EVENTS
from rapport_ingest.domain.dialects import Request
from rapport_ingest.domain.dialects.posthog import PostHog
from rapport_ingest.domain.dialects.snowplow import Snowplow
from rapport_ingest.domain.event import Origin, judge, marks_of
from rapport_ingest.domain.layouts import layout_problem
from rapport_ingest.domain.moments import EARLIEST, SenderClock, parse_moment
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import Caller, Kind, SourcePolicy
from rapport_ingest.domain.verdict import Refusal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
TRACK = {"type": "track", "event": "x", "userId": "u"}
ZEROS = "00000000-0000-0000-0000-000000000000"


def origin(
    *,
    kind: Kind = "server",
    policy: SourcePolicy | None = None,
    blocked: frozenset[str] = frozenset(),
) -> Origin:
    sender = compiled(Caller("w", "s"), policy or SourcePolicy(), (), kind=kind, blocked=blocked)
    marks = marks_of(sender.trust, historic=False)
    return Origin(sender, SenderClock(None, NOW), marks=marks, notes={})


def verdict(fields: Any, of: Origin | None = None, sequence: int = 0) -> Event | Refusal:
    raw = msgspec.Raw(msgspec.json.encode(fields))
    found = judge(raw, None, of or origin(), "spare", sequence)
    return found if isinstance(found, Refusal) else found[0]


def accepted(fields: Any, of: Origin | None = None, sequence: int = 0) -> Event:
    found = verdict(fields, of, sequence)
    assert isinstance(found, Event), found
    return found


def refused(fields: Any, of: Origin | None = None) -> tuple[str, str]:
    found = verdict(fields, of)
    assert isinstance(found, Refusal), found
    return found.code, found.path


def said(event: Event) -> Any:
    return msgspec.json.decode(event.properties)


# ---- who


@pytest.mark.parametrize(
    "value",
    ["null", " Undefined", "NaN", "[object Object]", 0, -1, -0.0, "GUEST", ZEROS, "ｎｕｌｌ"],
)
def test_a_placeholder_names_nobody_and_the_other_identifiers_stay(value: Any) -> None:
    event = accepted({**TRACK, "userId": value, "anonymousId": "a"})
    assert event.identifiers == [("anonymous_id", "a")]
    event = accepted({**TRACK, "userId": "u", "anonymousId": value})
    assert event.identifiers == [("user_id", "u")]
    mail = accepted({**TRACK, "userId": value, "context": {"traits": {"email": "a@example.com"}}})
    assert mail.identifiers == [("email", "a@example.com")]
    assert refused({**TRACK, "userId": value}) == ("blocked_identifier", "userId")
    alone = {"type": "page", "anonymousId": value}
    assert refused(alone) == ("blocked_identifier", "anonymousId")
    alias = {"type": "alias", "userId": "u", "previousId": value}
    assert refused(alias) == ("blocked_identifier", "previousId")
    group = {"type": "group", "userId": "u", "groupId": value}
    assert refused(group) == ("blocked_identifier", "groupId")


def test_what_was_left_out_is_told() -> None:
    where = origin()
    accepted({**TRACK, "userId": "null", "anonymousId": "a"}, where)
    accepted({**TRACK, "userId": "", "anonymousId": "a"}, where)
    assert where.notes == {"placeholder_identifier": 1}


def test_an_address_for_nobody_is_no_identifier() -> None:
    event = accepted({"type": "identify", "userId": "u", "traits": {"email": "null@example.com"}})
    assert event.identifiers == [("user_id", "u")]
    alone = {"type": "identify", "traits": {"email": "noreply@example.com"}}
    assert refused(alone) == ("blocked_identifier", "traits.email")


def test_a_workspace_has_placeholders_of_its_own() -> None:
    where = origin(blocked=frozenset({"till-7", "desk@example.com"}))
    assert refused({**TRACK, "userId": " TILL-7"}, where) == ("blocked_identifier", "userId")
    assert accepted({**TRACK, "userId": "till-7"}).identifiers == [("user_id", "till-7")]
    traits = {"type": "identify", "userId": "u", "traits": {"email": "Desk@example.com"}}
    assert accepted(traits, where).identifiers == [("user_id", "u")]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        (12345.0, "12345"),
        (12345, "12345"),
        (" 42 ", "42"),
        ("\ufeff42\u200b", "42"),
        ("Ju\u0308rgen", "J\u00fcrgen"),
        ("A1", "A1"),
    ],
)
def test_an_id_has_one_form(written: Any, normal: str) -> None:
    assert accepted({**TRACK, "userId": written}).identifiers == [("user_id", normal)]
    assert accepted({**TRACK, "anonymousId": written}).value("anonymous_id") == normal


# ---- from whom


@pytest.mark.parametrize("name", [*RESERVED_EVENTS, "case  opened ", "EMAIL OPENED"])
def test_what_services_tell_nobody_else_may(name: str) -> None:
    assert refused({**TRACK, "event": name}) == ("reserved_event", "event")


def test_a_transform_makes_no_reserved_name() -> None:
    policy = msgspec.convert(
        {"transforms": [{"op": "rename", "path": "properties.kind", "to": "event"}]}, SourcePolicy
    )
    fields = {**TRACK, "event": None, "properties": {"kind": "Case Opened"}}
    assert refused(fields, origin(policy=policy)) == ("reserved_event", "event")


def test_a_page_may_bear_any_name() -> None:
    assert accepted({"type": "page", "userId": "u", "name": "Email Sent"}).name == "Email Sent"


@pytest.mark.parametrize("kind", ["web", "app", "device", "server", "pos", "import", "partner"])
def test_the_trust_of_the_source_is_on_its_events(kind: Kind) -> None:
    public = kind in {"web", "app", "device"}
    assert accepted(TRACK, origin(kind=kind)).trust == ("public" if public else "trusted")


def test_the_place_among_others_is_on_the_event() -> None:
    assert [accepted(TRACK, sequence=n).sequence for n in (0, 1, 70_000)] == [0, 1, 70_000]


# ---- consents


GRANT = {"contact_point": "ada@example.com", "channel": "email", "purpose": "promotion"}


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ({"contact_point": " ADA@Example.COM ", "state": "granted"}, {"state": "granted"}),
        ({"channel": "Email", "state": "Withdrawn"}, {"state": "withdrawn"}),
        ({"channel": "E-Mail", "state": "unsubscribed"}, {"state": "withdrawn"}),
        ({"purpose": "Marketing", "state": "opted out"}, {"state": "withdrawn"}),
        (
            {"channel": "Emails", "purpose": "Marketing Emails", "state": "withdrawn"},
            {"state": "withdrawn"},
        ),
        (
            {"channel": "sms", "contact_point": "tel:+49 (0)170 12345678", "state": "withdrawn"},
            {"channel": "sms", "contact_point": "+4917012345678", "state": "withdrawn"},
        ),
        ({"state": " DENIED\u200b"}, {"state": "denied"}),
        ({"purpose": "Marketing Emails", "state": "withdrawn"}, {"state": "withdrawn"}),
        (
            {"channel": "email_address", "purpose": "promo", "state": "granted"},
            {"state": "granted"},
        ),
        ({"purpose": "Any", "state": "denied"}, {"purpose": "all", "state": "denied"}),
        (
            {
                "channel": "*",
                "purpose": "all",
                "state": "withdrawn",
                "contact_point": "A@b.example",
            },
            {
                "channel": "all",
                "purpose": "all",
                "state": "withdrawn",
                "contact_point": "a@b.example",
            },
        ),
        (
            {"purpose": "X-Beta Tips", "state": "granted"},
            {"purpose": "x_beta_tips", "state": "granted"},
        ),
        (
            {"channel": "SMS", "contact_point": "0043 (123) 456-789", "state": "granted"},
            {"channel": "sms", "contact_point": "+43123456789", "state": "granted"},
        ),
    ],
)
@pytest.mark.parametrize("name", ["Consent Updated", "consent  updated"])
def test_a_consent_is_kept_in_its_one_form(name: str, written: Any, normal: Any) -> None:
    stated = {**GRANT, **written, "wording_version": "2"}
    event = accepted({**TRACK, "event": name, "properties": stated})
    assert event.name == "Consent Updated"
    assert said(event) == {**GRANT, **normal, "wording_version": "2"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"state": "no"}, "state"),
        ({"state": "yes"}, "state"),
        ({"state": False}, "state"),
        ({"state": None}, "state"),
        ({"state": ["withdrawn"]}, "state"),
        ({"channel": ""}, "channel"),
        ({"channel": 7}, "channel"),
        ({"purpose": None}, "purpose"),
        ({"purpose": "?"}, "purpose"),
        ({"purpose": "beta tips"}, "purpose"),
        ({"purpose": "beta tips", "state": "granted"}, "purpose"),
        ({"purpose": "all", "state": "granted"}, "purpose"),
        ({"channel": "any", "state": "granted"}, "channel"),
        ({"channel": "carrier pigeon"}, "channel"),
        ({"channel": "all", "contact_point": "a@b@c"}, "contact_point"),
        ({"contact_point": "ada"}, "contact_point"),
        ({"contact_point": None}, "contact_point"),
        ({"contact_point": "", "channel": "push"}, "contact_point"),
        ({"contact_point": "x" * 1025, "channel": "push"}, "contact_point"),
        *(
            ({"contact_point": number, "channel": channel}, "contact_point")
            for channel in ("sms", "phone", "call", "WhatsApp", "text message")
            for number in ("4917012345678", "0170 12345678", "+49 170 12345678 ext 3", "Ada")
        ),
        ({"contact_point": "Ada <ada@example.com>"}, "contact_point"),
        ({"legal_basis": "because"}, "legal_basis"),
        ({"legal_basis": ["consent"]}, "legal_basis"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": 1}, "expires_at"),
    ],
)
def test_a_consent_that_nobody_understands_is_refused(wrong: Any, field: str) -> None:
    stated = {**GRANT, "state": "withdrawn", **wrong}
    fields = {**TRACK, "event": "Consent Updated", "properties": stated}
    assert refused(fields) == ("invalid_consent", f"properties.{field}")


def test_the_ground_and_the_end_of_a_permission_have_one_form() -> None:
    said = {**GRANT, "state": "granted", "legal_basis": "contract"}
    said["expires_at"] = "2027-03-01T01:00:00+01:00"
    found = verdict({**TRACK, "event": "Consent Updated", "properties": said}, origin())
    assert isinstance(found, Event)
    properties = msgspec.json.decode(found.properties)
    assert properties["expires_at"] == "2027-03-01T00:00:00Z"
    assert properties["legal_basis"] == "contract"


def test_who_writes_a_word_that_nobody_knows_is_told_those_that_are_known() -> None:
    stated = {**GRANT, "state": "withdrawn", "purpose": "beta tips"}
    found = verdict({**TRACK, "event": "Consent Updated", "properties": stated}, origin())
    assert isinstance(found, Refusal)
    assert "'beta tips' is not one of promotion, service, " in found.reason
    assert found.reason.endswith("a purpose of your own begins with x_.")


# ---- money


def bought(
    policy: SourcePolicy | None = None, name: str = "Order Completed", **properties: Any
) -> Any:
    fields = {**TRACK, "event": name, "properties": properties}
    return verdict(fields, origin(policy=policy))


@pytest.mark.parametrize("name", ["Order Completed", "Order Refunded", "Order Cancelled"])
@pytest.mark.parametrize(
    ("properties", "code", "field"),
    [
        ({"total": 1, "currency": "EURO"}, "invalid_currency", "currency"),
        ({"total": 1, "currency": "euro"}, "invalid_currency", "currency"),
        ({"total": 1, "currency": 978}, "invalid_currency", "currency"),
        ({"currency": "XYZ"}, "invalid_currency", "currency"),
        ({"total": "1,299.00", "currency": "EUR"}, "invalid_amount", "total"),
        ({"total": "1_000", "currency": "EUR"}, "invalid_amount", "total"),
        ({"revenue": "１００", "currency": "EUR"}, "invalid_amount", "revenue"),
        ({"total": 1, "value": "€5", "currency": "EUR"}, "invalid_amount", "value"),
        ({"total": True, "currency": "EUR"}, "invalid_amount", "total"),
        ({"total": "", "currency": "EUR"}, "invalid_amount", "total"),
        ({"total": 1e15, "currency": "EUR"}, "invalid_amount", "total"),
        ({"total": {"amount": 1}, "currency": "EUR"}, "invalid_amount", "total"),
        ({"total": 1}, "missing_currency", "currency"),
        # All that an order's worth is read from, and the minor units that some systems name.
        ({"amount": "1,299.00", "currency": "EUR"}, "invalid_amount", "amount"),
        ({"amount": 50}, "missing_currency", "currency"),
        ({"total": 500, "currency": "GBp"}, "invalid_currency", "currency"),
        ({"total": 500, "currency": " ZAc "}, "invalid_currency", "currency"),
        ({"total": 1, "currency": " "}, "missing_currency", "currency"),
    ],
)
def test_money_that_can_not_be_read_is_refused(
    name: str, properties: Any, code: str, field: str
) -> None:
    found = bought(name=name, **properties)
    assert isinstance(found, Refusal), found
    assert (found.code, found.path) == (code, f"properties.{field}")


def test_a_currency_is_kept_as_iso_4217_writes_it() -> None:
    assert said(bought(total="12.50", currency=" eur")) == {"total": "12.50", "currency": "EUR"}
    event = bought(total=-3, currency="JPY")
    assert bytes(event.properties) == b'{"total":-3,"currency":"JPY"}'


def test_an_order_without_a_currency_has_the_declared_one() -> None:
    policy = SourcePolicy(currency="EUR")
    assert bought(policy, total=5).currency == "EUR"
    assert bought(policy, amount=50).currency == "EUR"
    assert bought(policy, total=5, currency="USD").currency is None
    assert bought(policy, order_id="1").currency is None
    assert bought(policy, name="x", total=5).currency is None


@pytest.mark.parametrize("written", ["order completed", " Order  Completed ", "ORDER COMPLETED"])
def test_an_orders_event_has_one_name(written: str) -> None:
    assert bought(name=written, order_id="1").name == "Order Completed"
    assert bought(name=written, total="x").code == "invalid_amount"


def test_a_refund_of_some_products_says_what_they_cost() -> None:
    name = "Order Refunded"
    assert isinstance(bought(name=name, products=[{"price": "5.00"}]), Event)
    assert isinstance(bought(name=name, products=[]), Event)
    assert isinstance(bought(name=name, products=[{}], total=5, currency="EUR"), Event)
    for line in ({"product_id": "7"}, {"price": "1,00"}, {"price": 1, "quantity": "two"}, "x"):
        found = bought(name=name, products=[{"price": 5}, line])
        assert isinstance(found, Refusal)
        assert (found.code, found.path) == ("invalid_amount", "properties.products[1]")


def test_an_order_without_an_amount_needs_no_currency() -> None:
    assert bought(order_id="1", total=None).currency is None


def test_other_events_may_say_of_money_what_they_like() -> None:
    assert said(bought(name="Product Added", price="1,299.00", currency="EURO"))


# ---- when


@pytest.mark.parametrize(
    "stated",
    [
        1767225600,
        1767225600000,
        1767225600000000,
        1767225600000000000,
        1767225600.0,
        1767225600000.25,
        "1767225600",
        "1767225600000",
        " 1767225600 ",
        "1767225600.000",
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "20260101",
    ],
)
def test_a_time_is_read_in_its_own_unit(stated: Any) -> None:
    event = accepted({**TRACK, "timestamp": stated})
    assert abs(event.timestamp - NEW_YEAR) < timedelta(milliseconds=1)
    assert not event.implausible_time


@pytest.mark.parametrize(
    "stated",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "0000-00-00 00:00:00",
        "1970-01-01T00:00:00Z",
        "1989-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "2026-03-02T12:00:01Z",
        0,
        "0",
        -1,
        1,
    ],
)
def test_a_time_that_can_not_be_is_the_receipts_and_says_so(stated: Any) -> None:
    where = origin()
    event = accepted({**TRACK, "timestamp": stated}, where)
    assert (event.timestamp, event.implausible_time) == (NOW, True)
    assert where.notes == {"implausible_time": 1}


@pytest.mark.parametrize("missing", [None, "", {}])
def test_a_time_that_is_not_said_is_the_receipts(missing: Any) -> None:
    fields = TRACK if missing == {} else {**TRACK, "timestamp": missing}
    event = accepted(fields)
    assert (event.timestamp, event.implausible_time) == (NOW, False)


@given(st.integers(0, 3_000_000_000), st.sampled_from([0, 3, 6, 9]))
def test_every_unit_of_a_moment_is_the_same_moment(since: int, digits: int) -> None:
    moment = EARLIEST + timedelta(seconds=since)
    number = int(moment.timestamp()) * 10**digits
    assert parse_moment(number) == parse_moment(str(number)) == moment


@given(st.one_of(st.integers(), st.floats(allow_nan=True), st.text(), st.booleans()))
def test_no_time_is_an_exception(stated: Any) -> None:
    with suppress(TypeError, ValueError):
        assert parse_moment(stated).tzinfo is UTC


def test_posthog_and_snowplow_send_seconds_too() -> None:
    body = b'[{"event":"x","distinct_id":"u","timestamp":1767225600}]'
    [item] = PostHog().open(Request("POST", "/batch", b"", {}, body), None).items
    assert msgspec.json.decode(item)["timestamp"].startswith("2026-01-01T00:00:00")
    query = b"e=pv&uid=u&dtm=1767225600&url=https%3A%2F%2Fa.example"
    [item] = Snowplow().open(Request("GET", "/i", query, {}, b""), None).items
    assert msgspec.json.decode(item)["timestamp"].startswith("2026-01-01T00:00:00")


# ---- in which form


@pytest.mark.parametrize("field", ["properties", "traits", "context"])
def test_an_empty_list_is_phps_empty_map(field: str) -> None:
    event = accepted({**TRACK, field: []})
    assert bytes(getattr(event, field)) == b"{}"
    assert refused({**TRACK, field: [1]}) == ("invalid_type", field)


@pytest.mark.parametrize("where", ["properties", "beside"])
def test_what_posthog_unsets_is_null(where: str) -> None:
    event: dict[str, Any] = {"event": "$set", "distinct_id": "u", "properties": {}}
    (event["properties"] if where == "properties" else event)["$unset"] = ["email", "plan"]
    body = msgspec.json.encode([event])
    [item] = PostHog().open(Request("POST", "/batch", b"", {}, body), None).items
    found = msgspec.json.decode(item)
    assert (found["type"], found["traits"]) == ("identify", {"email": None, "plan": None})


@pytest.mark.parametrize(
    "layout", ["%d/%d/%Y", "%d/%m", "%H:%M", "%I:%M %d.%m.%Y", "%", "%Q", "text", "%Y-%m-%d %S"]
)
def test_a_layout_that_can_not_be_read_back_is_refused(layout: str) -> None:
    assert layout_problem(layout) is not None


@pytest.mark.parametrize(
    "layout",
    ["%d/%m/%Y", "%m/%d/%y %I:%M %p", "%Y%m%d%H%M%S", "%d %B %Y", "%Y-%m-%d %H:%M:%S.%f%z"],
)
def test_a_layout_that_can_be_read_back_is_taken(layout: str) -> None:
    assert layout_problem(layout) is None
