"""For each shipped segment: who is in it and who is just out, at an instant, and until when."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from services.segment.tests.somebody import DAY, HOUR, NOW, SECOND, Somebody

from rapport_segment.handlers.library import require


class Case(NamedTuple):
    """Somebody, whether they are in, and after what time that changes by itself (None: never)."""

    who: Somebody
    is_in: bool
    until: timedelta | None = None


def inside(who: Somebody, until: timedelta | None = None) -> Case:
    return Case(who, is_in=True, until=until)


def outside(who: Somebody, until: timedelta | None = None) -> Case:
    return Case(who, is_in=False, until=until)


def one() -> Somebody:
    """Somebody new."""
    return Somebody()


def midnight(day: str, zone_hours: int = 0) -> timedelta:
    """How long it is from now until a day begins, in a zone so far east of Greenwich."""
    begins = datetime.fromisoformat(day).replace(tzinfo=UTC) - zone_hours * HOUR
    return begins - NOW


def mailed(*days: timedelta) -> Somebody:
    """Somebody with a yes, who got mails so long ago."""
    who = one().says_yes()
    for ago in days:
        who.did("Email Sent", ago)
    return who


def viewed(*days: timedelta) -> Somebody:
    """Somebody who looked at products so long ago."""
    who = one()
    for ago in days:
        who.did("Product Viewed", ago)
    return who


def left(step: str) -> list[Case]:
    """Cases of what is left after a step: an hour without an order, for three days."""
    return [
        inside(one().did(step, HOUR), 3 * DAY - HOUR),
        outside(one().did(step, HOUR - SECOND), SECOND),
        inside(one().did(step, 3 * DAY - SECOND), SECOND),
        outside(one().did(step, 3 * DAY)),
        # Who buys leaves at once, also later than within the hour.
        outside(one().did(step, 5 * HOUR).bought(HOUR)),
        outside(one().did(step, 5 * HOUR).bought(5 * HOUR - SECOND)),
        # What was bought before ends to count three days later.
        outside(one().bought(3 * DAY - SECOND).did(step, 2 * HOUR), SECOND),
    ]


LONG_AGO = 2000 * DAY
EDGE_30, EDGE_60, EDGE_90 = 30 * DAY, 60 * DAY, 90 * DAY
TODAY = midnight("2026-06-16")
"""Until the day is over in UTC."""

GIVEN: Mapping[str, Mapping[str, str]] = {
    "big_spenders": {"currency": "EUR"},
    "big_baskets": {"currency": "EUR"},
    "big_order_lately": {"currency": "EUR"},
    "high_value_at_risk": {"currency": "EUR"},
    "cross_sell_candidates": {"bought": "tea", "lacking": "pots"},
}
"""What has no default."""

ORDERS: Mapping[str, Sequence[Case]] = {
    "new_customers": [
        inside(one().bought(EDGE_30 - SECOND), SECOND),
        outside(one().bought(EDGE_30)),
        outside(one().bought(EDGE_30).bought(DAY)),
        outside(one()),
    ],
    "quick_first_order": [
        inside(one().did("Signed Up", 20 * DAY).bought(6 * DAY + SECOND)),
        outside(one().did("Signed Up", 20 * DAY).bought(6 * DAY)),
        outside(one().did("Signed Up", 20 * DAY).bought(20 * DAY + SECOND)),
        outside(one().bought(DAY)),
    ],
    "one_time_buyers": [
        inside(one().bought(LONG_AGO)),
        outside(one().bought(LONG_AGO).bought(DAY)),
        outside(one().did("Product Viewed", DAY)),
    ],
    "second_order_due": [
        inside(one().bought(EDGE_30), 60 * DAY),
        outside(one().bought(EDGE_30 - SECOND), SECOND),
        inside(one().bought(EDGE_90 - SECOND), SECOND),
        outside(one().bought(EDGE_90)),
        outside(one().bought(50 * DAY).bought(40 * DAY)),
    ],
    "repeat_buyers": [
        inside(one().bought(LONG_AGO).bought(DAY)),
        outside(one().bought(DAY)),
    ],
    "frequent_buyers": [
        inside(one().bought(DAY).bought(2 * DAY).bought(EDGE_90 - SECOND), SECOND),
        outside(one().bought(DAY).bought(2 * DAY).bought(EDGE_90)),
    ],
    "active_customers": [
        inside(one().bought(EDGE_90 - SECOND), SECOND),
        outside(one().bought(EDGE_90)),
        outside(one()),
    ],
    "about_to_lapse": [
        inside(one().bought(EDGE_60), 30 * DAY),
        outside(one().bought(EDGE_60 - SECOND), SECOND),
        inside(one().bought(EDGE_90 - SECOND), SECOND),
        outside(one().bought(EDGE_90)),
        outside(one().bought(70 * DAY).bought(DAY), 59 * DAY),
    ],
    "lapsed_customers": [
        inside(one().bought(180 * DAY)),
        outside(one().bought(180 * DAY - SECOND), SECOND),
        outside(one().did("Product Viewed", 200 * DAY)),
    ],
    "win_back_candidates": [
        inside(one().bought(400 * DAY).bought(EDGE_90).says_yes(), 275 * DAY),
        outside(one().bought(400 * DAY).bought(EDGE_90 - SECOND).says_yes(), SECOND),
        inside(one().bought(400 * DAY).bought(365 * DAY - SECOND).says_yes(), SECOND),
        outside(one().bought(400 * DAY).bought(365 * DAY).says_yes()),
        outside(one().bought(EDGE_90).says_yes()),
        outside(one().bought(400 * DAY).bought(EDGE_90)),
        # The yes ends before the time does.
        inside(one().bought(400 * DAY).bought(EDGE_90).says_yes(until=DAY), DAY),
    ],
    "lapsed_and_back": [
        inside(one().bought(180 * DAY).did("Product Viewed", 7 * DAY - SECOND), SECOND),
        outside(one().bought(180 * DAY).did("Product Viewed", 7 * DAY)),
        outside(one().bought(180 * DAY).did("Email Sent", DAY)),
        outside(one().bought(180 * DAY - SECOND).did("Product Viewed", DAY), SECOND),
        outside(one().did("Product Viewed", DAY)),
    ],
    "order_anniversary": [
        inside(one().bought(NOW - datetime(2025, 6, 21, 23, tzinfo=UTC)), midnight("2026-06-22")),
        outside(one().bought(NOW - datetime(2025, 6, 22, tzinfo=UTC)), TODAY),
        inside(one().bought(NOW - datetime(2020, 6, 15, tzinfo=UTC)), TODAY),
        outside(one().bought(NOW - datetime(2020, 6, 14, 23, tzinfo=UTC)), midnight("2027-06-08")),
        # The very first order is no anniversary yet.
        outside(one().bought(HOUR), midnight("2027-06-09")),
    ],
    "gone_quiet": [
        inside(one().did("Product Viewed", 365 * DAY)),
        outside(one().did("Product Viewed", 365 * DAY - SECOND), SECOND),
        # What others send to them is nothing that they do.
        inside(one().bought(LONG_AGO).did("Email Sent", DAY)),
        outside(one().bought(LONG_AGO).did("Email Opened", 365 * DAY - SECOND), SECOND),
        outside(one().bought(LONG_AGO).did("Email Link Clicked", DAY), 364 * DAY),
        outside(one().bought(LONG_AGO).bought(DAY), 364 * DAY),
    ],
}
VALUE: Mapping[str, Sequence[Case]] = {
    "big_spenders": [
        inside(one().bought(LONG_AGO, "400").bought(DAY, "100")),
        outside(one().bought(LONG_AGO, "400").bought(DAY, "99.99")),
        outside(one().counts(orders=1, revenue={"USD": "900"})),
    ],
    "big_baskets": [
        inside(one().bought(365 * DAY - SECOND, "100"), SECOND),
        outside(one().bought(DAY, "99.99")),
        outside(one().bought(365 * DAY, "100")),
        outside(one().bought(365 * DAY - SECOND, "79.99").bought(DAY, "120"), SECOND),
        inside(one().bought(365 * DAY - SECOND, "80").bought(DAY, "120"), 364 * DAY),
        outside(one().did("Order Completed", DAY, total=500, currency="USD")),
    ],
    "big_order_lately": [
        inside(one().bought(EDGE_30 - SECOND, "200"), SECOND),
        outside(one().bought(EDGE_30, "200")),
        outside(one().bought(DAY, "199.99")),
        outside(one().did("Order Completed", DAY, total=200, currency="USD")),
    ],
    "high_value_at_risk": [
        inside(one().bought(EDGE_90, "500")),
        outside(one().bought(EDGE_90 - SECOND, "500"), SECOND),
        outside(one().bought(EDGE_90, "499.99")),
    ],
    "vip_by_rfm": [
        inside(one().scored(1, 5, 5)),
        outside(one().scored(5, 4, 5)),
        outside(one().scored(5, 5, 4)),
        outside(one().bought(DAY, "9000")),
    ],
    "vip_at_risk": [
        inside(one().scored(2, 4, 4)),
        outside(one().scored(2, 5, 3)),
        outside(one().scored(3, 5, 5)),
    ],
}
PRICES: Mapping[str, Sequence[Case]] = {
    "discount_buyers": [
        inside(one().bought(DAY, discount=0.01).bought(365 * DAY - SECOND, discount="5"), SECOND),
        outside(one().bought(DAY, discount=0.01).bought(365 * DAY, discount="5")),
        outside(one().bought(DAY, discount=5).bought(2 * DAY, discount=0)),
    ],
    "full_price_buyers": [
        inside(one().bought(DAY).bought(365 * DAY - SECOND), SECOND),
        outside(one().bought(DAY).bought(365 * DAY)),
        outside(one().bought(DAY).bought(DAY + SECOND).bought(3 * DAY, discount=1), 362 * DAY),
        inside(one().bought(DAY).bought(DAY + SECOND, discount=0), 364 * DAY - SECOND),
    ],
    "refunders": [
        inside(one().did("Order Refunded", DAY).did("Order Refunded", 365 * DAY - SECOND), SECOND),
        outside(one().did("Order Refunded", DAY).did("Order Refunded", 365 * DAY)),
    ],
    "refunded_lately": [
        inside(one().did("Order Refunded", 14 * DAY - SECOND), SECOND),
        outside(one().did("Order Refunded", 14 * DAY)),
    ],
}
LOOKED: Mapping[str, Sequence[Case]] = {
    "cart_left": left("Product Added"),
    "checkout_left": left("Checkout Started"),
    "browsed_not_bought": [
        inside(viewed(DAY, 2 * DAY, 7 * DAY - SECOND), SECOND),
        outside(viewed(DAY, 2 * DAY, 7 * DAY)),
        outside(viewed(DAY, 2 * DAY, 3 * DAY).bought(7 * DAY - SECOND), SECOND),
        inside(viewed(DAY, 2 * DAY, 3 * DAY).bought(7 * DAY), 4 * DAY),
    ],
    "wish_waiting": [
        inside(one().did("Product Added to Wishlist", EDGE_30 - SECOND), SECOND),
        outside(one().did("Product Added to Wishlist", EDGE_30)),
        outside(one().did("Product Added to Wishlist", DAY).bought(EDGE_30 - SECOND), SECOND),
    ],
    "signed_up_not_bought": [
        inside(one().did("Signed Up", 7 * DAY)),
        outside(one().did("Signed Up", 7 * DAY - SECOND), SECOND),
        outside(one().did("Signed Up", 30 * DAY).bought(DAY)),
        outside(one().did("Product Viewed", 30 * DAY)),
    ],
    "cross_sell_candidates": [
        inside(one().comes_to("categories_bought", values=["hats", "tea"])),
        outside(one().comes_to("categories_bought", values=["tea", "pots"])),
        outside(one().comes_to("categories_bought", values=["hats"])),
        outside(one()),
    ],
    "review_due": [
        inside(one().bought(14 * DAY), 46 * DAY),
        outside(one().bought(14 * DAY - SECOND), SECOND),
        inside(one().bought(EDGE_60 - SECOND), SECOND),
        outside(one().bought(EDGE_60)),
        outside(one().bought(20 * DAY).did("Product Reviewed", 6 * DAY + SECOND)),
        inside(one().bought(20 * DAY).did("Product Reviewed", 6 * DAY), 40 * DAY),
    ],
}
REACH: Mapping[str, Sequence[Case]] = {
    "reachable_by_email": [
        inside(one().says_yes()),
        inside(one().says_yes(until=SECOND), SECOND),
        outside(one().says_yes(until=timedelta())),
        outside(one().reached(verified=False).said("granted")),
        outside(one().reached().said("denied")),
        outside(one().says_yes("sms")),
    ],
    "reachable_by_sms": [
        inside(one().says_yes("sms")),
        inside(one().says_yes("sms", until=SECOND), SECOND),
        outside(one().says_yes()),
    ],
    "unreachable_customers": [
        inside(one().bought(DAY)),
        outside(one()),
        outside(one().bought(DAY).says_yes("push")),
        outside(one().bought(DAY).says_yes("sms", until=SECOND), SECOND),
        inside(one().bought(DAY).reached().said("withdrawn")),
    ],
    "consent_not_asked": [
        inside(one().reached(verified=False)),
        outside(one()),
        outside(one().reached().said("denied")),
        outside(one().says_yes()),
    ],
    "said_no": [
        inside(one().reached().said("denied")),
        inside(one().reached().said("withdrawn")),
        outside(one().says_yes()),
        outside(one().reached()),
    ],
    "subscribers_never_bought": [
        inside(one().says_yes()),
        inside(one().says_yes(until=SECOND), SECOND),
        outside(one().says_yes().bought(DAY)),
        outside(one()),
    ],
    "dormant_subscribers": [
        inside(mailed(*(number * DAY for number in range(1, 5)), 180 * DAY - SECOND), SECOND),
        outside(mailed(*(number * DAY for number in range(1, 5)), 180 * DAY)),
        outside(
            mailed(*(number * DAY for number in range(1, 6))).did(
                "Email Opened", 180 * DAY - SECOND
            ),
            SECOND,
        ),
        outside(mailed(*(number * DAY for number in range(1, 6))).did("Email Link Clicked", HOUR)),
        inside(
            mailed(*(number * DAY for number in range(1, 6))).did("Email Opened", 180 * DAY),
            175 * DAY,
        ),
    ],
    "engaged_subscribers": [
        inside(one().says_yes().did("Email Link Clicked", EDGE_30 - SECOND), SECOND),
        outside(one().says_yes().did("Email Link Clicked", EDGE_30)),
        outside(one().did("Email Link Clicked", DAY)),
    ],
}
CARE: Mapping[str, Sequence[Case]] = {
    "detractors": [
        inside(one().comes_to("nps_score", number="6")),
        inside(one().comes_to("nps_score", number="0")),
        outside(one().comes_to("nps_score", number="7")),
        outside(one()),
    ],
    "promoters": [
        inside(one().comes_to("nps_score", number="9")),
        outside(one().comes_to("nps_score", number="8")),
        outside(one()),
    ],
    "open_case": [inside(one().counts(open_cases=1)), outside(one().counts(open_cases=0))],
    "birthday_soon": [
        inside(one().has(birthday="1990-06-21"), midnight("2026-06-22")),
        outside(one().has(birthday="1990-06-22"), TODAY),
        inside(one().has(birthday="1990-06-15"), TODAY),
        outside(one().has(birthday="1990-06-14"), midnight("2027-06-08")),
        # In Tokyo the day ends nine hours sooner.
        outside(one().has(birthday="1990-06-22", timezone="Asia/Tokyo"), midnight("2026-06-16", 9)),
        outside(one().has(birthday="in June")),
        outside(one()),
    ],
    "points_expiring": [
        inside(one().has(loyalty_next_expiry_at="2026-07-15T12:00:00Z"), EDGE_30),
        outside(one().has(loyalty_next_expiry_at="2026-07-15T12:00:01Z"), SECOND),
        inside(one().has(loyalty_next_expiry_at="2026-06-15T12:00:01Z"), SECOND),
        outside(one().has(loyalty_next_expiry_at="2026-06-15T12:00:00Z")),
        outside(one()),
    ],
    "next_tier_near": [
        inside(one().has(loyalty_next_tier_gap=50)),
        outside(one().has(loyalty_next_tier_gap=50.01)),
        outside(one().has(loyalty_next_tier_gap=None)),
    ],
    "tier_ending": [
        inside(one().has(loyalty_tier_until="2026-07-15T12:00:00Z"), EDGE_30),
        outside(one().has(loyalty_tier_until="2026-07-15T12:00:01Z"), SECOND),
        inside(one().has(loyalty_tier_until="2026-06-15T12:00:01Z"), SECOND),
        outside(one().has(loyalty_tier_until="2026-06-15T12:00:00Z")),
        outside(one().has(loyalty_tier="gold", loyalty_tier_until=None)),
        outside(one()),
    ],
    "tier_lost": [
        inside(one().did("Tier Lost", EDGE_30 - SECOND), SECOND),
        outside(one().did("Tier Lost", EDGE_30)),
    ],
}
CASES: Mapping[str, Sequence[Case]] = {**ORDERS, **VALUE, **PRICES, **LOOKED, **REACH, **CARE}


def filled_rule(library_id: str) -> dict[str, Any]:
    """The rule of a shipped segment, as its cases have it."""
    rule = require(library_id).filled(GIVEN.get(library_id, {})).rule
    assert rule is not None
    return rule
