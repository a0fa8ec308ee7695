"""What programmes say: rates, categories, campaigns, caps, tiers; and those of two real shops."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from services.profile.tests.loyal import (
    PER_DOLLAR,
    cancelled,
    day,
    facts,
    order,
    programme,
    refund,
    since_ever,
)
from services.profile.tests.people import START, event

from rapport_common.events.envelope import Event
from rapport_profile.domain.loyalty.calendar import end_of, expires, months_later
from rapport_profile.domain.loyalty.checking import ProgrammeError, declared
from rapport_profile.domain.loyalty.earning import rounded
from rapport_profile.domain.loyalty.programme import Expiry, Programme, Version
from rapport_profile.domain.loyalty.replay import replay
from rapport_profile.domain.loyalty.standing import Standing


def stands(
    one: Programme, *events: Event, on: float = 1, names: list[str] | None = None
) -> Standing:
    """Somebody of whom this is told, on a day."""
    return replay(since_ever(one), facts(*events, names=names or []), [], day(on))


def total(one: Programme, *events: Event, on: float = 1) -> int:
    return stands(one, *events, on=on).points.total


def rule(**parts: Any) -> Programme:
    return programme(rules=[{**PER_DOLLAR, **parts}])


TIERS: dict[str, Any] = {
    "measure": "points",
    "window": {"months": 12},
    "levels": [{"id": "gold", "threshold": "100"}, {"id": "reserve", "threshold": "500"}],
}


# --- a coffee chain: stars for each dollar, three tiers -----------------------------------------

COFFEE = programme(
    # Told by https://www.consumeraffairs.com/news/starbucks-is-changing-its-rewards-program-
    # heres-how-it-affects-your-free-drinks-020226.html (February 2026): Green earns 1 star for a
    # dollar, Gold (500 stars a year) 1.2, Reserve (2,500) 1.7; Green's stars expire after six
    # months without activity, those of the others never do; on some days stars are doubled.
    # For how long a tier is kept it does not say: here as in the rules of 2016, for 12 months
    # (https://customerservice.starbucks.com/app/answers/list/p/134).
    points="stars",
    zone="America/Los_Angeles",
    expiry={"months": 6, "inactive": True, "spared": ["gold", "reserve"]},
    multipliers=[
        {"id": "gold", "factor": "1.2", "tiers": ["gold"]},
        {"id": "reserve", "factor": "1.7", "tiers": ["reserve"]},
        {
            "id": "double-day",
            "factor": "2",
            "starts_at": "2026-01-11T08:00:00Z",
            "ends_at": "2026-01-12T08:00:00Z",
        },
    ],
    stacking="product",
    tiers={
        "measure": "points",
        "window": {"months": 12},
        "keep_months": 12,
        "levels": [
            {"id": "green", "threshold": "0"},
            {"id": "gold", "threshold": "500", "benefits": {"birthday_days": 7}},
            {"id": "reserve", "threshold": "2500", "benefits": {"birthday_days": 30}},
        ],
    },
)


def shown(one: Standing) -> list[Any]:
    """Tier, points, and what is missing for the next tier."""
    return [None if one.tier is None else one.tier.id, one.points.total, one.gap]


def test_coffee_by_stars_per_dollar() -> None:
    told = [order("1", "1", total=499.99)]
    green = stands(COFFEE, *told)
    assert shown(green) == ["green", 499, 1]
    told.append(order("2", "2", on=2, total=1))
    gold = stands(COFFEE, *told, on=2)
    assert (shown(gold), list(gold.expiring)) == (["gold", 500, 2000], [])
    # From now on a dollar is 1.2 stars, and on the double day 2.4.
    told += [order("3", "3", on=3, total=100), order("4", "4", on=10.5, total=100)]
    assert stands(COFFEE, *told, on=11).points.total == 500 + 120 + 240
    # A drink that is given back takes its stars with it, as they were earned.
    told.append(refund("5", "4", on=12, total=50))
    assert stands(COFFEE, *told, on=13).points.total == 500 + 120 + 120
    # Gold's stars don't expire; a year after the last visit it is lost, and they have six months.
    assert stands(COFFEE, *told, on=370).points.total == 740
    later = stands(COFFEE, *told, on=380)
    assert (shown(later)[:2], len(later.expiring)) == (["green", 740], 1)
    gone = stands(COFFEE, *told, on=570)
    assert (gone.points.total, [one.after for one in gone.tier_changes]) == (
        0,
        ["green", "gold", "green"],
    )


def test_coffee_for_the_best_customers() -> None:
    told = [order("1", "1", total=500), order("2", "2", on=1, total=2000)]
    told.append(order("3", "3", on=2, total=100))
    found = stands(COFFEE, *told, on=3)
    assert (found.points.total, list(found.expiring)) == (500 + 2400 + 170, [])


def test_coffee_that_is_not_drunk_often_loses_its_stars() -> None:
    told = [order("1", "1", total=100), order("2", "2", on=100, total=10)]
    assert stands(COFFEE, *told, on=190).points.total == 110
    assert stands(COFFEE, *told, on=290).points.total == 0


# --- a tea shop: points for whole pounds, which last a year -------------------------------------

TEA = programme(
    # Told by https://www.theteamakers.co.uk/pages/loyalty-points: a point for each whole pound,
    # for 12 months from the date of purchase; gift vouchers earn none.
    zone="Europe/London",
    rules=[{"id": "tea", "per": {"GBP": "1"}, "categories": ["tea", "teaware"]}],
    expiry={"months": 12},
)


def tea(message_id: str, number: str, *lines: tuple[str, float], **more: Any) -> Event:
    products = [{"category": kind, "price": price} for kind, price in lines]
    more.setdefault("total", sum(price for _kind, price in lines))
    return order(message_id, number, products=products, currency="GBP", **more)


def test_tea_by_whole_pounds_for_a_year() -> None:
    first = tea("1", "1", ("tea", 34.5), ("teaware", 20.49))
    mixed = tea("2", "2", ("tea", 12), ("voucher", 50), on=30)
    found = stands(TEA, first, mixed, on=31)
    assert found.points.total == 54 + 12
    assert [one.points for one in found.expiring] == [54, 12]
    assert stands(TEA, first, mixed, on=364).points.total == 66
    assert stands(TEA, first, mixed, on=365).points.total == 12
    assert stands(TEA, first, mixed, on=395).points.total == 0


def test_tea_that_is_sent_back_takes_its_share() -> None:
    bought = tea("1", "1", ("tea", 40), ("voucher", 60))
    back = order("2", "1", name="Order Refunded", on=1, total=50, currency="GBP")
    assert total(TEA, bought, back, on=2) == 20
    assert total(TEA, bought, cancelled("3", on=2), on=3) == 0


# --- each rule ----------------------------------------------------------------------------------


def test_money_earns_by_its_currency_or_nothing() -> None:
    one = rule(per={"USD": "1", "CNY": "0.1"})
    assert total(one, order("1", total=19.9, currency="CNY")) == 1
    assert total(one, order("1", total=100, currency="EUR")) == 0


def test_a_bonus_stays_while_the_order_has_its_least_amount() -> None:
    one = programme(rules=[{"id": "big", "fixed": 50, "minimum": {"USD": "100"}}])
    assert total(one, order("1", total=100)) == 50
    assert total(one, order("1", total=100), refund("2", on=1, total=1), on=2) == 0
    assert total(one, order("1", total=99)) == 0


def test_an_event_earns_once_and_no_more_than_its_cap() -> None:
    one = programme(
        rules=[
            {
                "id": "review",
                "event": "Review Submitted",
                "fixed": 30,
                "when": {"stars": ["4", "5"]},
                "cap": {"points": 50, "per": "day"},
            }
        ]
    )
    told = [
        event(f"m{n}", name="Review Submitted", at=n, said={"stars": n}, user_id="A")
        for n in range(1, 7)
    ]
    found = stands(one, *told, *told[4:5], names=["Review Submitted"])
    assert [lot.points for lot in found.lots] == [30, 20]


DEEP: dict[str, Any] = {}
for _ in range(200):
    DEEP = {"x": DEEP}


@pytest.mark.parametrize(("stacking", "points"), [("best", 200), ("product", 300)])
def test_multipliers_are_the_best_or_their_product(stacking: str, points: int) -> None:
    factors = [
        {"id": "a", "factor": "2"},
        {"id": "b", "factor": "1.5", "when": {"channel": ["app"]}},
    ]
    one = programme(multipliers=factors, stacking=stacking)
    assert total(one, order("1", total=100, channel="app")) == points


def test_a_category_multiplies_its_part() -> None:
    one = programme(multipliers=[{"id": "c", "factor": "3", "categories": ["coffee"]}])
    products = [{"category": "coffee", "price": 25}, {"category": "cups", "price": 75}]
    assert total(one, order("1", total=100, products=products)) == 75 + 3 * 25


def test_what_is_spent_on_nothing_of_a_category_earns_nothing() -> None:
    one = rule(categories=["coffee"], fixed=5)
    cups = [{"category": "cups", "price": 75}]
    assert total(one, order("1", total=75, products=cups)) == 0
    assert total(one, order("1", products=[{"category": "coffee", "price": 5}])) == 0


def test_what_does_not_qualify_counts_for_no_tier() -> None:
    one = programme(tiers=TIERS, rules=[{**PER_DOLLAR, "qualifies": False}])
    found = stands(one, order("1", total=500))
    assert (found.points.total, found.tier) == (500, None)


def test_a_tier_for_life_and_a_join_by_an_event() -> None:
    one = programme(
        tiers={**TIERS, "window": {}}, enrolment={"everybody": False, "events": ["Joined"]}
    )
    joined = event("0", name="Joined", at=24 * 60, user_id="A")
    told = [order("1", "1", total=100), joined, order("2", "2", on=2, total=200)]
    assert one.event_names == {"Joined"}
    found = stands(one, *told, on=100_000, names=["Joined"])
    assert (found.points.total, found.is_member, found.tier and found.tier.id) == (
        200,
        True,
        "gold",
    )


def test_a_tier_that_spares_no_points_leaves_them_their_time() -> None:
    levels = [{"id": "green", "threshold": "0"}, {"id": "gold", "threshold": "12"}]
    levels.append({"id": "black", "threshold": "100"})
    one = programme(
        expiry={"days": 5, "spared": ["black"]}, tiers={"measure": "points", "levels": levels}
    )
    told = [order("1", "1", total=10), order("2", "2", on=3, total=7)]
    assert [stands(one, *told, on=on).points.total for on in (4.9, 5, 8)] == [17, 7, 0]


def test_when_the_clocks_go_back_the_last_sign_of_life_says_when_points_expire() -> None:
    """The hour from one to two comes twice: 1:50, and twenty minutes later it is 1:10."""
    one = programme(zone="America/New_York", expiry={"days": 30, "inactive": True})
    night = (datetime(2026, 11, 1, tzinfo=UTC) - START).days
    minutes = [(night * 24 + 5) * 60 + 50, (night * 24 + 6) * 60 + 10]
    told = [order(f"{n}", f"{n}", total=5, on=at / (24 * 60)) for n, at in enumerate(minutes)]
    # 30 days later ten past one comes once, and before ten to two.
    ends = night + 30 + 6 / 24 + 10 / (24 * 60)
    left = [stands(one, *told, on=ends + on).points.total for on in (-0.001, 0.001, 1)]
    assert left == [10, 0, 0]


def test_a_campaign_has_its_time_half_open() -> None:
    one = rule(starts_at=day(1).isoformat(), ends_at=day(2).isoformat())
    told = [order(str(n), str(n), on=n, total=10) for n in range(4)]
    assert [lot.at for lot in stands(one, *told, on=9).lots] == [day(1)]


def test_pending_points_count_and_can_not_be_spent() -> None:
    one = programme(pending_days=14)
    found = stands(one, order("1", total=10), on=13)
    assert (found.points.available, found.points.pending, found.next_at) == (0, 10, day(14))
    assert stands(one, order("1", total=10), on=14).points.available == 10


# --- tiers --------------------------------------------------------------------------------------


def reached(tiers: dict[str, Any], *events: Event, on: float) -> list[tuple[int, str | None]]:
    """On which day which tier."""
    found = stands(programme(tiers={**TIERS, **tiers}), *events, on=on)
    return [((one.at - START).days, one.after) for one in found.tier_changes]


def test_a_tier_is_lost_when_what_reached_it_is_long_ago() -> None:
    assert reached({}, order("1", total=100), on=400) == [(0, "gold"), (365, None)]
    graced = reached({"grace_days": 10}, order("1", total=100), on=400)
    assert graced == [(0, "gold"), (375, None)]


def test_by_the_calendar_a_tier_is_kept_through_the_next_year() -> None:
    yearly = {"window": {"calendar": "year"}, "keep_periods": 1}
    told = [order("1", "1", on=5, total=500), order("2", "2", on=400, total=100)]
    assert reached(yearly, *told, on=1500) == [(5, "reserve"), (730, "gold"), (1096, None)]


def test_it_falls_by_one_step_where_the_programme_says_so() -> None:
    steps = {"keep_months": 12, "one_step": True}
    found = reached(steps, order("1", total=500), on=1200)
    assert found == [(0, "reserve"), (365, "gold"), (730, None)]


def test_a_refund_takes_away_the_tier_that_it_reached() -> None:
    told = [order("1", total=100), cancelled("2", on=5)]
    assert reached({"keep_months": 12}, *told, on=30) == [(0, "gold"), (5, None)]


@pytest.mark.parametrize(("measure", "second"), [("orders", 2), ("spend", 60), ("base_points", 60)])
def test_tiers_are_measured_by_what_the_programme_says(measure: str, second: int) -> None:
    tiers: dict[str, Any] = {
        "measure": measure,
        "levels": [{"id": "gold", "threshold": str(second)}],
        **({"currency": "USD"} if measure == "spend" else {}),
    }
    told = [order("1", "1", total=30), order("2", "2", on=1, total=30)]
    assert reached(tiers, *told, on=2) == [(1, "gold")]


def test_another_version_judges_what_comes_and_works_tiers_out_anew() -> None:
    first, second = programme(tiers=TIERS), rule(per={"USD": "2"})
    versions = [*since_ever(first), Version(day(5), second)]
    told = facts(order("1", "1", total=100), order("2", "2", on=6, total=100))
    found = replay(versions, told, [], day(7))
    assert found.points.total == 100 + 200
    assert [(one.after, one.reason) for one in found.tier_changes] == [
        ("gold", "reached"),
        (None, "rules"),
    ]


# --- times and numbers --------------------------------------------------------------------------


def test_a_year_after_29_february_is_the_last_of_february() -> None:
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert months_later(leap, 12, "UTC") == datetime(2029, 2, 28, 12, tzinfo=UTC)
    assert months_later(leap, 48, "UTC") == datetime(2032, 2, 29, 12, tzinfo=UTC)
    assert expires(Expiry(months=6, end_of="month"), leap, "Asia/Shanghai") == datetime(
        2028, 8, 31, 16, tzinfo=UTC
    )


def test_days_and_years_are_those_of_the_zone() -> None:
    moment = datetime(2026, 12, 31, 17, tzinfo=UTC)
    assert end_of("year", moment, "Asia/Shanghai") == datetime(2027, 12, 31, 16, tzinfo=UTC)
    assert end_of("day", moment, "Asia/Shanghai") == datetime(2027, 1, 1, 16, tzinfo=UTC)
    assert end_of("ever", moment, "UTC").year == 9000
    assert months_later(moment, 12 * 9000, "UTC").year == 9000


@pytest.mark.parametrize(
    ("value", "down", "nearest", "up"), [("5/2", 2, 3, 3), ("7/3", 2, 2, 3), ("3", 3, 3, 3)]
)
def test_points_are_rounded_as_the_programme_says(
    value: str, down: int, nearest: int, up: int
) -> None:
    exact = Fraction(value)
    found = [rounded(exact, how) for how in ("down", "nearest", "up")]
    assert found == [down, nearest, up]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": " "}, "name"),
        ({"rules": [PER_DOLLAR, PER_DOLLAR]}, "rules.1.id"),
        ({"rules": [{"id": "A", "fixed": 1}]}, "rules.0.id"),
        ({"rules": [{"id": "a", "event": "Order Completed", "fixed": 1}]}, "rules.0.event"),
        ({"rules": [{"id": "a", "event": "Tier Reached", "fixed": 1}]}, "rules.0.event"),
        ({"rules": [{"id": "a", "event": "X", "per": {"USD": "1"}}]}, "rules.0"),
        ({"rules": [{**PER_DOLLAR, "per": {"USD": "-1"}}]}, "rules.0.per.USD"),
        ({"rules": [{**PER_DOLLAR, "per": {"USD": "0.0000001"}}]}, "rules.0.per.USD"),
        ({"rules": [{**PER_DOLLAR, "tiers": ["x"]}]}, "rules.0.tiers.0"),
        ({"rules": [{**PER_DOLLAR, "when": {"a": []}}]}, "rules.0.when.a"),
        ({"rules": [{**PER_DOLLAR, "starts_at": "2026-01-01T00:00:00"}]}, "rules.0.starts_at"),
        (
            {
                "rules": [
                    {
                        **PER_DOLLAR,
                        "starts_at": "2026-01-02T00:00:00Z",
                        "ends_at": "2026-01-01T00:00:00Z",
                    }
                ]
            },
            "rules.0.ends_at",
        ),
        ({"multipliers": [{"id": "m", "factor": "2", "rules": ["x"]}]}, "multipliers.0.rules.0"),
        ({"expiry": {}}, "expiry"),
        ({"expiry": {"days": 1, "spared": ["gold"]}}, "expiry.spared.0"),
        ({"tiers": {**TIERS, "levels": []}}, "tiers.levels"),
        ({"tiers": {**TIERS, "levels": [*TIERS["levels"][::-1]]}}, "tiers.levels.1.threshold"),
        ({"tiers": {**TIERS, "measure": "spend"}}, "tiers.currency"),
        ({"tiers": {**TIERS, "window": {"months": 1, "calendar": "year"}}}, "tiers.window"),
        ({"tiers": {**TIERS, "keep_periods": 1}}, "tiers.keep_periods"),
        ({"tiers": {**TIERS, "one_step": True}}, "tiers.one_step"),
        ({"tiers": {**TIERS, "measure": "miles"}}, "tiers.measure"),
        ({"notice_days": -1}, "notice_days"),
        ({"zone": "Mars/Base"}, "zone"),
        ({"zone": "localtime"}, "zone"),
        ({"points": "\ud800"}, ""),
        ({"zone": "\ud800"}, ""),
        ({"tiers": {**TIERS, "levels": [{**TIERS["levels"][0], "benefits": DEEP}]}}, ""),
        ({"rules": [{"id": "a"}]}, "rules.0"),
        ({"rules": [{"id": "a", "per": {"XXX": "1"}}]}, "rules.0.per.XXX"),
        ({"rules": [{"id": "a", "per": {"USD": "NaN"}}]}, "rules.0.per.USD"),
        ({"rules": [{"id": "a", "per": {f"c{n}": "1" for n in range(501)}}]}, "rules.0"),
        ({"rules": [{**PER_DOLLAR, "when": {f"p{n}": ["1"] for n in range(501)}}]}, "rules.0.when"),
        ({"rules": [{**PER_DOLLAR, "products": ["x"] * 501}]}, "rules.0.products"),
        ({"rules": [{"id": f"r{n}", "fixed": 1} for n in range(101)]}, "rules"),
        (
            {
                "tiers": {
                    "measure": "points",
                    "levels": [{"id": "a", "threshold": "1", "benefits": {"x": "y" * 9000}}],
                }
            },
            "tiers.levels.0.benefits",
        ),
        (
            {"tiers": {**TIERS, "window": {"calendar": "year"}, "keep_months": 1}},
            "tiers.keep_months",
        ),
    ],
)
def test_what_can_not_be_is_said_with_its_place(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ProgrammeError) as raised:
        declared({"name": "Club", "rules": [PER_DOLLAR], **change})
    assert raised.value.where == where


@pytest.mark.parametrize("depth", [51, 100_000])
def test_what_is_nested_too_deeply_to_be_stored_is_refused(depth: int) -> None:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    with pytest.raises(ProgrammeError, match="nested too deeply"):
        declared({"name": "Club", "rules": [PER_DOLLAR], "extra": nested})
