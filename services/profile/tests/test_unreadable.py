"""What can't be read of an event says nothing, and what can be read is what it says."""

import msgspec
import pytest
from services.profile.tests.people import START, event

from rapport_common.events.contact import MAX_POINT
from rapport_common.events.envelope import Event
from rapport_profile.domain.consents import consent_said
from rapport_profile.domain.content import properties_of
from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.orders import Statement, statement
from rapport_profile.domain.stamps import stamp_of


def with_body(one: Event, member: str, body: bytes) -> Event:
    return msgspec.structs.replace(one, **{member: msgspec.Raw(body)})


NOT_UTF_8 = (b"\xff", b"\xed\xa0\x80", b"\\ud800")
"""No bytes of UTF-8, half a surrogate pair in bytes (CESU-8), and as JSON escapes it."""


@pytest.mark.parametrize(
    "body",
    [
        *(b"[1]", b'"x"', b"7", b"null", b"{", b""),
        *(b'{"%s":1}' % one for one in NOT_UTF_8),
    ],
)
@pytest.mark.parametrize(
    "fields",
    [
        {"type": "identify"},
        {"name": "Order Cancelled"},
        {"name": "Order Refunded"},
        {"name": "Consent Updated"},
        {"name": "Case Opened"},
        {"name": "Signed Up"},
    ],
)
def test_an_event_that_says_nothing_is_an_event(body: bytes, fields: dict[str, str]) -> None:
    member = "traits" if fields.get("type") == "identify" else "properties"
    fold = fold_all([with_body(event("m", user_id="U", **fields), member, body)])
    computed = fold.computed()
    assert (computed.events, computed.last_seen_at) == (1, START)
    assert (computed.orders, computed.revenue, computed.open_cases) == (0, {}, 0)
    assert (fold.consents, fold.traits, fold.reach) == ({}, {}, {})


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"total":"%s"}' % one for one in NOT_UTF_8),
        b'{"total":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"total":1e-99999999999999999999,"x":"\xff"}',
    ],
)
def test_properties_that_cannot_be_read_are_none(body: bytes) -> None:
    assert properties_of(with_body(event("m", name="Order Completed"), "properties", body)) == {}


@pytest.mark.parametrize("value", [True, {"mobile": "+4917012345678"}, ["+4917012345678"], 1.5])
def test_a_phone_that_is_no_text_leaves_the_former_one(value: object) -> None:
    def told(n: int, phone: object) -> Event:
        return event(f"m{n}", type="identify", user_id="U", traits={"phone": phone}, at=n)

    (point,) = fold_all([told(1, "+4917012345678"), told(2, value)]).contact_points()
    assert (point.value, point.at) == ("+4917012345678", told(1, None).timestamp)


@pytest.mark.parametrize(
    ("told", "id_"),
    [
        ('"1001"', "1001"),
        ('" 1001 "', "1001"),
        # Numbers as languages write them.
        *((one, "1001") for one in ("1001", "1001.0", "1.001e3", "1001.00")),
        (str(2**80), str(2**80)),
        ("-7", "-7"),
        ("1e127", f"1{'0' * 127}"),
        (f'"{"x" * 128}"', "x" * 128),
        # These name no order; the last would be a billion digits.
        *(
            (one, None)
            for one in ("true", "null", "[]", "{}", '""', '"  "', '"null"', '"undefined"')
        ),
        *((one, None) for one in ("1.5", "1e128", "1e999999999")),
    ],
)
def test_an_order_id_is_one_however_it_is_written(told: str, id_: str | None) -> None:
    said = b'{"order_id": %s}' % told.encode()
    assert read(with_body(event("m", name="Order Completed"), "properties", said)).order_id == id_


def read(order: Event) -> Statement:
    return statement(order, stamp_of(order))


def test_long_order_ids_are_told_apart_and_bounded() -> None:
    ids = {
        read(event("m", name="Order Completed", said={"order_id": "x" * 500 + end})).order_id
        for end in ("a", "b", "b ")
    }
    assert len(ids) == 2
    assert {len(one) for one in ids if one is not None} == {32}


@pytest.mark.parametrize("state", ["withdrawn", "denied", "granted", "?"])
@pytest.mark.parametrize("point", ["", "  ", None, 7, "x" * (MAX_POINT + 1)])
def test_a_consent_for_nobodys_contact_point_says_nothing(state: str, point: object) -> None:
    said = {"channel": "x_post", "purpose": "promotion", "contact_point": point, "state": state}
    assert consent_said(event("m", name="Consent Updated", said=said)) is None


def sale(n: int, total: object, currency: str = "EUR") -> Event:
    said = {"order_id": f"o{n}", "total": total, "currency": currency}
    return event(f"m{n}", name="Order Completed", user_id="U", said=said, at=n)


def refund(n: int, total: object, **said: object) -> Event:
    fields = {"currency": None, "name": "Order Refunded", "user_id": "U"}
    return event(f"r{n}", said={"total": total, **said}, at=n, **fields)


@pytest.mark.parametrize(
    ("told", "revenue"),
    [
        # One currency is the only one that the refund can be in; of two it is not known.
        ([sale(1, 10), refund(1, 4)], {"EUR": "6"}),
        ([sale(1, 10), refund(1, 4, currency="EUR"), refund(2, 1)], {"EUR": "5"}),
        ([sale(1, 10), sale(2, 10, "USD"), refund(1, 4)], {"EUR": "10", "USD": "10"}),
        (
            [sale(1, 10), sale(2, 10, "USD"), refund(1, 4, currency="USD")],
            {"EUR": "10", "USD": "6"},
        ),
        # Never below nothing; a sum that is below it already stays.
        ([sale(1, 10), refund(1, 40)], {"EUR": "0"}),
        ([sale(1, -5), refund(1, 4)], {"EUR": "-5"}),
        ([refund(1, 4)], {}),
    ],
)
def test_a_refund_that_names_no_order(told: list[Event], revenue: dict[str, str]) -> None:
    assert fold_all(told).computed().revenue == revenue
    assert fold_all(told[::-1]).computed().revenue == revenue
