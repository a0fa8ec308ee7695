"""What is known of a person: the right value, whatever the order in which it was told."""

import itertools
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.follower import Known, state
from services.profile.tests.people import IDS, START, event

from rapport_common.errors import InvalidEvent
from rapport_common.events.envelope import Event
from rapport_common.testing.examples import examples
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import fold_all, merge
from rapport_profile.domain.naming import Names, naming
from rapport_profile.domain.orders import Order
from rapport_profile.domain.reach import Reach, Told
from rapport_profile.domain.stamps import Stamp
from rapport_profile.handlers.events import draft

DAY = 24 * 60


def known(*history: Event) -> Known:
    """What these events amount to: the same in every order, and folded apart and joined."""
    wanted = state([], fold_all(history))
    for some in itertools.islice(itertools.permutations(history), 24):
        assert state([], fold_all(some)) == wanted
        assert state([], merge(fold_all([one]) for one in some)) == wanted
    return wanted


def order(message: str, name: str = "Order Completed", /, **said: Any) -> Event:
    fields = {key: said.pop(key) for key in ("at", "currency_of") if key in said}
    return event(
        message,
        name=name,
        user_id="U",
        at=fields.get("at", 0),
        currency=fields.get("currency_of"),
        said=said,
    )


EUR_10 = {"order_id": "1", "total": 10, "currency": "EUR"}


@pytest.mark.parametrize(
    ("told", "orders", "revenue"),
    [
        ([order("a", **EUR_10)], 1, {"EUR": "10"}),
        ([order("a", total=10, currency=" eur ")], 1, {"EUR": "10"}),
        ([order("a", total=10, currency_of="EUR")], 1, {"EUR": "10"}),
        ([order("a", total=10)], 1, {}),
        ([order("a", total=10, currency="EURO")], 1, {}),
        ([order("a", total=10, currency="EURO", currency_of="USD")], 1, {}),
        ([order("a", total="1_000", currency="EUR")], 1, {}),
        ([order("a", total="1,299.00", currency="EUR")], 1, {}),
        ([order("a", total="\uff11\uff10", currency="EUR")], 1, {}),
        ([order("a", total=True, currency="EUR")], 1, {}),
        ([order("a", total="NaN", currency="EUR")], 1, {}),
        ([order("a", total="x", revenue="7.50", currency="EUR")], 1, {"EUR": "7.50"}),
        # One order id is one order; of two amounts the later one counts.
        ([order("a", **EUR_10), order("b", **EUR_10)], 1, {"EUR": "10"}),
        ([order("a", **EUR_10), order("b", **{**EUR_10, "order_id": 1})], 1, {"EUR": "10"}),
        ([order("a", **EUR_10), order("b", at=1, **{**EUR_10, "total": 12})], 1, {"EUR": "12"}),
        # An id that stands for nothing is no id.
        ([order(one, **{**EUR_10, "order_id": "null"}) for one in "ab"], 2, {"EUR": "20"}),
        # What refers to an order, before it or after it.
        (
            [order("a", **EUR_10), order("b", "Order Refunded", **{**EUR_10, "total": 4})],
            1,
            {"EUR": "6"},
        ),
        (
            [order("a", **EUR_10), order("b", "Order Refunded", order_id="1", total=-4)],
            1,
            {"EUR": "6"},
        ),
        ([order("a", **EUR_10), order("b", "Order Refunded", order_id="1")], 1, {"EUR": "0"}),
        (
            [order("a", **EUR_10), order("b", "Order Refunded", **{**EUR_10, "total": 40})],
            1,
            {"EUR": "0"},
        ),
        (
            [
                order("a", **EUR_10),
                order("b", "Order Refunded", **{**EUR_10, "total": 4, "currency": "USD"}),
            ],
            1,
            {"EUR": "10"},
        ),
        ([order("a", **EUR_10), order("b", "Order Cancelled", order_id="1")], 0, {"EUR": "0"}),
        ([order("b", "Order Cancelled", order_id="1")], 0, {}),
        ([order("b", "Order Refunded", **EUR_10)], 0, {}),
        (
            [order("a", **EUR_10), order("b", "Order Updated", at=1, **{**EUR_10, "total": 8})],
            1,
            {"EUR": "8"},
        ),
        (
            [order("a", at=2, **EUR_10), order("b", "Order Updated", **{**EUR_10, "total": 8})],
            1,
            {"EUR": "10"},
        ),
        ([order("b", "Order Updated", **EUR_10)], 0, {"EUR": "0"}),
        # A refund that names no order comes off the whole, but not below nothing.
        (
            [
                order("a", **EUR_10),
                order("b", "Order Refunded", total=3, currency="EUR"),
                order("c", "Order Refunded", total=70, currency="EUR"),
            ],
            1,
            {"EUR": "0"},
        ),
        ([order("a", amount=50, order_id="1", currency="USD")], 1, {"USD": "50"}),
        # Of what takes it away and what makes it an order the later word holds.
        (
            [order("a", at=1, **EUR_10), order("b", "Order Cancelled", order_id="1")],
            1,
            {"EUR": "10"},
        ),
        (
            [order("a", at=1, **EUR_10), order("b", "Order Refunded", order_id="1")],
            1,
            {"EUR": "10"},
        ),
        (
            [
                order("a", **EUR_10),
                order("b", "Order Cancelled", at=1, order_id="1"),
                order("c", at=2, order_id="1"),
            ],
            1,
            {"EUR": "10"},
        ),
        (
            [
                order("a", at=2, **EUR_10),
                order("b", "Order Cancelled", at=1, order_id="1"),
                order("c", "Order Cancelled", at=3, order_id="1"),
            ],
            0,
            {"EUR": "0"},
        ),
        # Of some products: what they cost.
        (
            [
                order("a", **EUR_10),
                order("b", "Order Refunded", order_id="1", products=[{"price": 2, "quantity": 2}]),
            ],
            1,
            {"EUR": "6"},
        ),
        # A change of the amount is none of its fate.
        (
            [
                order("a", **EUR_10),
                order("b", "Order Cancelled", at=1, order_id="1"),
                order("c", "Order Updated", at=2, **EUR_10),
            ],
            0,
            {"EUR": "0"},
        ),
        # Of one time the stamp decides, as everywhere.
        ([order("b", **EUR_10), order("a", "Order Cancelled", order_id="1")], 1, {"EUR": "10"}),
    ],
)
def test_orders(told: list[Event], orders: int, revenue: dict[str, str]) -> None:
    computed = known(*told).computed
    assert (computed.orders, computed.revenue) == (orders, revenue)


@pytest.mark.parametrize("word", ["cancelled", "refunded"])
def test_orders_stored_before_statements_had_times_are_read(word: str) -> None:
    """What took the order away was the last that was said of it then."""
    stamp = ["2026-01-01T00:00:00Z", "a", "shop"]
    stored = {
        "a": "2026-01-01T00:00:00Z",
        "p": ["EUR", "10", stamp],
        "b": "2026-01-01T00:05:00Z",
        word: True,
    }
    old = Fold(
        orders=int(word == "refunded"),
        revenue={"EUR": Decimal(0)},
        purchases={"1": msgspec.convert(stored, Order)},
    )
    for at, worth in ((4, "0"), (5, "0"), (6, "10")):
        fold = merge([old, fold_all([order("z", at=at, **EUR_10)])])
        assert fold.computed().revenue == {"EUR": worth}
    stored = {key: value for key, value in stored.items() if key != word}
    lasting = Fold(
        orders=1, revenue={"EUR": Decimal(10)}, purchases={"1": msgspec.convert(stored, Order)}
    )
    for at, orders in ((-1, 1), (1, 0)):
        fold = merge([lasting, fold_all([order("z", "Order Cancelled", at=at, order_id="1")])])
        assert fold.orders == orders
        assert msgspec.json.decode(msgspec.json.encode(fold), type=Fold).orders == orders


@pytest.mark.parametrize("odd", ["1e-99999999999999999999", "-0.5E+99999999999999999999", "1e400"])
def test_a_number_of_any_size_harms_nothing_beside_it(odd: str) -> None:
    """The door takes what is zero as a float; the order's own numbers count as ever."""
    sold = order("a", **EUR_10, weight=7)
    body = bytes(sold.properties).replace(b"7", odd.encode())
    sold = msgspec.structs.replace(sold, properties=msgspec.Raw(body))
    computed = known(sold, order("b", "Order Refunded", **{**EUR_10, "total": 4})).computed
    assert (computed.orders, computed.revenue) == (1, {"EUR": "6"})


def test_a_cancelled_order_was_not_the_last_one() -> None:
    first, last = order("a", at=1, **EUR_10), order("b", at=5, **{**EUR_10, "order_id": "2"})
    computed = known(first, last, order("c", "Order Cancelled", at=6, order_id="2")).computed
    assert computed.last_order_at == first.timestamp


def consent(message: str, told: str, /, **fields: Any) -> Event:
    said = {
        "channel": fields.pop("channel", "email"),
        "purpose": fields.pop("purpose", "promotion"),
        "contact_point": fields.pop("point", "ada@example.com"),
        "state": told,
    }
    return event(message, name="Consent Updated", user_id="U", said=said, **fields)


def words(*history: Event) -> list[tuple[str, bool]]:
    return [(one.state, one.confirmed) for one in known(*history).consent]


def address(message: str, email: str | None, /, trust: str = "trusted", at: int = 0) -> Event:
    return event(message, type="identify", user_id="U", traits={"email": email}, trust=trust, at=at)


YES = consent("y", "granted", received=DAY)


def test_what_does_not_count_gives_way_to_what_does() -> None:
    """A public key may say very much of a person; a no is not lost in it."""
    noise = [
        consent(f"m{n}", "granted", point=f"p{n}@example.com", at=9, received=DAY, trust="public")
        for n in range(210)
    ]
    for word in (consent("n", "withdrawn"), YES):
        for history in ([word, *noise], [*noise, word]):
            state = known(address("a", "ada@example.com"), *history)
            assert [one.contact_point for one in state.consent] == ["ada@example.com"]
            assert state.omitted.consent == 11


@pytest.mark.parametrize(
    "no",
    [
        consent("n", "withdrawn", at=1),
        consent("n", "Withdrawn", at=1),
        consent("n", "UNSUBSCRIBED", at=1),
        consent("n", "whatever", at=1),
        consent("n", "withdrawn", at=1, point="ADA@EXAMPLE.COM "),
        consent("n", "withdrawn", at=1, point="\ufeffada@example.com"),
        consent("n", "withdrawn", at=1, channel="Email"),
        consent("n", "withdrawn", at=1, channel="e-mail"),
        consent("n", "withdrawn", at=1, purpose=" Promotion"),
        consent("n", "withdrawn", at=1, purpose="marketing"),
        consent("n", "withdrawn", at=1, purpose="Marketing Emails"),
        consent("n", "withdrawn", at=1, channel="email_address", purpose="promos"),
        consent("n", "withdrawn", at=1, trust="public"),
        # A tie goes to the more restrictive word.
        consent("n", "withdrawn", at=0),
        consent("a", "withdrawn", at=0),
    ],
)
def test_a_withdrawal_counts_however_it_is_written(no: Event) -> None:
    assert words(YES, no) == [("withdrawn", True)]


@pytest.mark.parametrize("every", ["all", "ANY", "*", "?", "", None])
def test_a_no_to_all_is_kept_as_one_and_a_yes_to_all_is_none(every: Any) -> None:
    for field in ("channel", "purpose"):
        assert words(consent("y", "granted", **{field: every})) == []
        (one,) = known(
            consent("n", "withdrawn", point=" ADA@example.com", **{field: every})
        ).consent
        told = {"channel": one.channel, "purpose": one.purpose}
        assert told == {"channel": "email", "purpose": "promotion", field: "all"}
        assert (one.contact_point, one.state) == ("ada@example.com", "withdrawn")


def test_a_grant_from_a_clock_that_is_ahead_is_no_later_than_its_receipt() -> None:
    ahead = consent("y", "granted", at=600, received=10)
    assert words(ahead, consent("n", "withdrawn", at=20)) == [("withdrawn", True)]
    assert words(ahead, consent("n", "withdrawn", at=5)) == [("granted", True)]
    (one,) = known(ahead).consent
    assert one.at == START + timedelta(minutes=10)


def test_a_public_source_grants_unconfirmed_and_only_for_a_contact_point() -> None:
    asked = consent("y", "granted", at=5, received=DAY, trust="public")
    assert words(asked) == []
    assert words(asked, address("a", "bob@example.com")) == []
    assert words(asked, address("a", "Ada@example.com")) == [("granted", False)]
    assert words(asked, address("a", "ada@example.com", "public")) == [("granted", False)]
    # The address is a former one: nothing was granted.
    gone = [address("a", "ada@example.com"), address("b", "new@example.com", at=9)]
    assert words(asked, *gone) == []
    # After a withdrawal it is asked for again; before it was confirmed it stays so.
    assert words(asked, address("a", "ada@example.com"), consent("n", "withdrawn", at=1)) == [
        ("granted", False)
    ]
    assert words(asked, consent("n", "withdrawn", at=1)) == [("withdrawn", True)]
    assert words(asked, YES) == [("granted", True)]


def points(*history: Event) -> list[tuple[str, bool]]:
    return [(one.value, one.verified) for one in known(*history).contact_points or []]


def test_contact_points_are_the_current_ones() -> None:
    old, new = address("1", "old@example.com"), address("2", "New@example.com", at=1)
    assert points(old, new) == [("new@example.com", True)]
    for none in (None, "", " ", "null"):
        assert points(old, new, address("3", none, at=2)) == []
        assert points(old, new, address("3", none, at=-1)) == [("new@example.com", True)]
    assert points(old, address("3", "no address", at=2)) == [("old@example.com", True)]


@pytest.mark.parametrize(
    "text",
    [
        *("a@example.com, b@example.com", "Ada <ada@example.com>", "mailto:q@example.com"),
        *("x@example.com\r\nBcc: z@example.com", "ada @example.com", "a@b@example.com"),
        *("ada@example", "noreply@example.com", "none@none.com"),
    ],
)
def test_what_is_not_an_address_of_somebody_leaves_the_former_one(text: str) -> None:
    good = address("1", "good@example.com")
    assert points(address("2", text, at=1)) == []
    assert points(good, address("2", text, at=1)) == [("good@example.com", True)]
    # Also when an old record is identified by it.
    old = msgspec.structs.replace(address("2", text, at=1), identifiers=[("email", text)])
    assert points(good, old) == [("good@example.com", True)]


def test_an_address_that_the_door_does_not_take_for_the_persons_is_no_contact_point() -> None:
    """A workspace's own placeholder, such as the till's."""
    desk = msgspec.structs.replace(
        address("2", "Desk@example.com", at=1), identifiers=[("user_id", "U")]
    )
    assert points(desk) == []
    assert points(address("1", "good@example.com"), desk) == [("good@example.com", True)]


def test_an_identifier_from_another_field_is_not_the_traits_word() -> None:
    told, office = address("1", "ada@example.com"), ("email", "office@example.com")
    assert points(msgspec.structs.replace(told, identifiers=[office])) == []
    both = msgspec.structs.replace(told, identifiers=[office, ("email", "ada@example.com")])
    assert points(both) == [("ada@example.com", True)]


def test_what_was_stored_before_it_was_checked_is_no_contact_point() -> None:
    stamp = Stamp(START, "a", "shop")
    told = {
        "email": Reach(trusted=Told("ada <ada@example.com>", stamp)),
        "sms": Reach(trusted=Told("017012345678", stamp), public=Told("+4917012345678", stamp)),
    }
    found = Fold(reach=told).contact_points()
    assert [(one.value, one.verified) for one in found] == [("+4917012345678", False)]


def by_phone(message: str, number: object, at: int = 0) -> Event:
    return event(message, type="identify", user_id="U", traits={"phone": number}, at=at)


def test_a_phone_number_is_a_contact_point_with_its_countrys_code() -> None:
    assert points(by_phone("1", "+49 (0)170 12345678")) == [("+4917012345678", True)]
    for other in ("0170 12345678", 4917012345678, "Ada", "+49 170 12345678 ext 3"):
        assert points(by_phone("1", "+4917012345678"), by_phone("2", other, at=1)) == [
            ("+4917012345678", True)
        ]
    assert points(by_phone("1", "+4917012345678"), by_phone("2", None, at=1)) == []


def test_a_phone_without_a_countrys_code_is_the_one_that_the_door_read() -> None:
    told = by_phone("1", "0170 12345678")
    assert points(told) == []
    names = [("user_id", "U"), ("phone", "+4917012345678")]
    known = msgspec.structs.replace(told, identifiers=names)
    assert points(known) == [("+4917012345678", True)]
    # An end of it is not it.
    assert points(msgspec.structs.replace(by_phone("1", "78"), identifiers=names)) == []
    assert points(known, by_phone("2", "+43 1 5861234", at=1)) == [("+4315861234", True)]
    assert (
        points(known, msgspec.structs.replace(by_phone("2", None, at=1), identifiers=names)) == []
    )


def test_a_withdrawal_for_a_number_counts_however_it_is_written() -> None:
    yes = consent("y", "granted", channel="sms", point="+4917012345678", received=DAY)
    for written in (
        "tel:+4917012345678",
        "+49 (0)170 12345678",
        "4917012345678",
        "0049170/12345678",
    ):
        no = consent("n", "withdrawn", at=1, channel="SMS", point=written)
        assert words(yes, no) == [("withdrawn", True)]
    # A grant for what may be anybody's number is none.
    assert words(consent("y", "granted", channel="sms", point="4917012345678")) == []


def test_what_a_public_source_says_stands_beside_what_is_verified() -> None:
    true, forged = address("1", "a@example.com"), address("2", "b@example.com", "public", at=1)
    assert points(true, forged) == [("b@example.com", False), ("a@example.com", True)]
    assert points(forged) == [("b@example.com", False)]
    assert points(true, address("3", None, "public", at=2)) == [("a@example.com", True)]
    assert points(true, forged, address("3", None, at=2)) == []
    # Said by a trusted source too it is verified; said again by a public one it stays so.
    assert points(forged, address("3", "b@example.com", at=2)) == [("b@example.com", True)]
    assert points(true, address("3", "a@example.com", "public", at=3)) == [("a@example.com", True)]


def test_a_service_does_not_say_where_somebody_is_reached() -> None:
    opened = msgspec.structs.replace(
        event("2", name="Email Opened", email="old@example.com", at=9), source="campaign"
    )
    assert points(address("1", "new@example.com"), opened) == [("new@example.com", True)]
    shop = event("2", name="Cart Viewed", email="guest@example.com", at=9)
    assert points(shop) == [("guest@example.com", True)]


@pytest.mark.parametrize("trust", ["trusted", "public"])
def test_a_clock_that_is_ahead_does_not_hold_against_what_is_said_later(trust: str) -> None:
    """A local time without its offset, or a sender who wants to have the last word."""

    def identify(message: str, received: int, /, **more: Any) -> Event:
        traits = {"email": f"{message}@example.com", "plan": message}
        fields = {"at": received, "received": received, **more}
        return event(message, type="identify", user_id="U", traits=traits, **fields)

    ahead = identify("ahead", 10, at=8 * 60, trust=trust)
    state = known(ahead, identify("later", 20))
    assert msgspec.json.decode(state.traits)["plan"] == "later"
    assert state.contact_points == known(identify("later", 20)).contact_points
    assert points(ahead, address("none", None, at=20)) == []
    assert known(ahead).computed.last_seen_at == ahead.received_at
    at_noon = START + timedelta(minutes=10)
    sold = msgspec.structs.replace(order("o", at=8 * 60, **EUR_10), received_at=at_noon)
    less = order("p", "Order Updated", at=20, **{**EUR_10, "total": 8})
    assert known(sold, less).computed.revenue == {"EUR": "8"}


def test_a_no_counts_from_its_receipt_if_the_clock_was_hours_behind() -> None:
    yes = consent("y", "granted", at=0)
    behind = consent("n", "withdrawn", at=-5 * 60, received=10)
    assert words(yes, behind) == [("withdrawn", True)]
    # What is told of the past has its own time.
    assert words(yes, consent("n", "withdrawn", at=-3 * DAY, received=10)) == [("granted", True)]
    told = consent("n", "withdrawn", at=-5 * 60, received=10, historic=True)
    assert words(yes, told) == [("granted", True)]


def test_an_import_that_does_not_say_when_gives_no_permission_back() -> None:
    yes = consent("y", "granted", at=9, received=9, historic=True)
    for earlier in (consent("n", "withdrawn"), consent("n", "denied", historic=True)):
        assert words(earlier, yes) == [(earlier_state(earlier), True)]
    assert words(yes) == [("granted", True)]
    dated = consent("y", "granted", at=8, received=9, historic=True)
    assert words(consent("n", "withdrawn"), dated) == [("granted", True)]


def earlier_state(one: Event) -> str:
    return str(msgspec.json.decode(one.properties)["state"])


def test_of_equal_times_the_later_place_counts() -> None:
    rows = [
        event(f"dup-{name}", type="identify", user_id="U", traits={"v": name}, sequence=place)
        for place, name in enumerate(["z-old", "a-new"])
    ]
    assert msgspec.json.decode(known(*rows).traits) == {"v": "a-new"}


def test_a_null_trait_is_none() -> None:
    rows = [
        event(f"{n}", type="identify", user_id="U", traits={"v": v}, at=n)
        for n, v in enumerate([1, None])
    ]
    assert msgspec.json.decode(known(*rows).traits) == {}


@pytest.mark.parametrize("years", [-2024, -50, 30])
def test_an_implausible_time_is_never_first_or_last_seen(years: int) -> None:
    odd = msgspec.structs.replace(
        event("1", user_id="U", received=0),
        timestamp=START.replace(year=START.year + years + (years < -2000)),
    )
    computed = known(odd).computed
    assert computed.first_seen_at == computed.last_seen_at == START


def test_a_case_is_opened_by_a_service_only() -> None:
    said = {"case_id": "c"}
    assert known(event("1", name="Case Opened", user_id="U", said=said)).computed.open_cases == 1
    forged = event("1", name="Case Opened", user_id="U", said=said, trust="public")
    assert known(forged).computed.open_cases == 0


@pytest.mark.parametrize(
    "nobody", ["undefined", "NULL", "nan", "[object Object]", "0", "-1", " none ", "Guest", "test"]
)
def test_placeholders_name_nobody(nobody: str) -> None:
    assert naming(event("1", user_id=nobody)) is None
    named = naming(event("1", user_id=nobody, anonymous_id="a", email="NULL@example.com"))
    assert named is not None
    assert named.all == [("anonymous_id", "a")]
    alias = naming(event("1", type="alias", user_id="U", previous_id=nobody))
    assert alias is not None
    assert alias.all == [("user_id", "U")]


@pytest.mark.parametrize("member", ["traits", "properties", "context"])
@pytest.mark.parametrize(
    "body", [r'{"a\u0000": 1}', r'{"a": "\\\u0000"}', r'{"a": "\u0000", "a": 1}']
)
def test_what_postgres_cannot_store_is_put_aside_and_harms_nobody(member: str, body: str) -> None:
    told = msgspec.structs.replace(event("1", user_id="U"), **{member: msgspec.Raw(body.encode())})
    with pytest.raises(InvalidEvent):
        draft(Names(IDS), 0, told)
    harmless = body.replace(r"\u0000", r"\\u0000").replace(r"\\\\\u", r"\\\\u")
    draft(Names(IDS), 0, msgspec.structs.replace(told, **{member: msgspec.Raw(harmless.encode())}))


def test_an_address_is_one_identifier_however_it_came_here() -> None:
    named = naming(event("1", email=" B@Example.com\u200b"))
    assert named is not None
    assert named.hub == ("email", "b@example.com")


@st.composite
def statements(draw: st.DrawFn) -> Event:
    """Anything that is folded, few values, so that everything ties with everything."""
    message, at = f"m{draw(st.integers(0, 10_000))}", draw(st.integers(0, 3))
    trust = draw(st.sampled_from(["trusted", "public"]))
    common: dict[str, Any] = {
        "user_id": "U",
        "at": at,
        "trust": trust,
        "sequence": draw(st.integers(0, 2)),
    }
    kind = draw(st.sampled_from(["consent", "address", "order", "trait"]))
    if kind == "consent":
        told = draw(st.sampled_from(["granted", "Granted ", "denied", "withdrawn", "?"]))
        point = draw(st.sampled_from(["a@example.com", "B@example.com"]))
        received = draw(st.integers(0, 3))
        return consent(message, told, point=point, received=received, at=at, trust=trust)
    if kind == "address":
        value = draw(st.sampled_from(["a@example.com", "b@example.com", None]))
        return event(message, type="identify", traits={"email": value}, **common)
    if kind == "order":
        name = draw(
            st.sampled_from(["Completed", "Updated", "Refunded", "Cancelled"]).map(
                "Order {}".format
            )
        )
        said = {
            "order_id": draw(st.sampled_from(["1", 2, None])),
            "total": draw(st.sampled_from([5, "2.50", None])),
            "currency": draw(st.sampled_from(["EUR", "usd", None])),
        }
        return event(message, name=name, said=said, **common)
    return event(message, type="identify", traits={"p": draw(st.integers(0, 2))}, **common)


@settings(max_examples=examples(300))
@given(
    st.lists(statements(), max_size=8, unique_by=lambda one: one.message_id),
    st.randoms(use_true_random=False),
    st.integers(0, 8),
)
def test_nothing_depends_on_the_order(
    history: list[Event], chance: random.Random, cut: int
) -> None:
    wanted = state([], fold_all(history))
    chance.shuffle(history)
    assert state([], fold_all(history)) == wanted
    parts = [fold_all(history[:cut]), fold_all(history[cut:])]
    assert state([], merge(parts)) == state([], merge(parts[::-1])) == wanted
