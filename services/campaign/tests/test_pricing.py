"""Prices: exact, within their guard rails, the same for the same facts, and never by who one is."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.domain import price_guards
from rapport_campaign.domain.minor_units import amount, digits_of, part, share, units
from rapport_campaign.domain.offers import Offer, checked, instant
from rapport_campaign.domain.price_guards import (
    OfferError,
    PriceGuards,
    Rails,
    barred,
    is_opaque,
    protected_by,
    told_of,
)
from rapport_campaign.domain.pricing import (
    NOBODY,
    Decision,
    Occasion,
    PriceFacts,
    PriceList,
    require_possible,
    sentence,
)
from rapport_campaign.domain.protected import Protected, mixed
from rapport_campaign.domain.quoted import UnknownProductError, asked_of, quoted, view
from rapport_campaign.domain.speaking import ANYTHING
from rapport_common.testing.examples import examples
from rapport_common.zones import zones

AT = datetime(2026, 12, 4, 12, tzinfo=UTC)
GUARDS = PriceGuards(traits=("plan",))
TEA = {"sku": "TEA", "price": "10.00", "categories": ["drinks"]}


def offer(*rules: dict[str, Any], **more: Any) -> Offer:
    told = {"currency": "EUR", "products": [TEA], "rules": list(rules), **more}
    return msgspec.convert(told, Offer)


def rule(name: str, when: dict[str, Any] | None = None, **then: str) -> dict[str, Any]:
    return {"id": name, "when": when or {}, "then": then}


def priced(
    found: Offer, facts: PriceFacts = NOBODY, *, at: datetime = AT, channel: str = "email"
) -> Decision:
    return PriceList(checked(found, GUARDS), GUARDS).price(
        found.products[0].sku, Occasion(facts, channel, at)
    )


# --- amounts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "currency", "found"),
    [
        ("12.9", "EUR", 1290),
        ("12.90", "EUR", 1290),
        ("12.900", "EUR", 1290),
        ("12.901", "EUR", None),
        ("100", "JPY", 100),
        ("100.00", "JPY", 100),
        ("100.5", "JPY", None),
        ("1.234", "KWD", 1234),
        ("0.0001", "UYW", 1),
        ("-1", "EUR", None),
        ("1e3", "EUR", None),
        ("1,000.00", "EUR", None),
        ("١٢", "EUR", None),
        (".5", "EUR", None),
        ("9" * 15, "EUR", None),
        ("", "EUR", None),
        ("1.2345", "CLF", 12345),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(
    text: str, currency: str, found: int | None
) -> None:
    digits = digits_of(currency)
    assert digits is not None
    assert units(text, digits) == found


def test_what_is_no_currency() -> None:
    assert [digits_of(one) for one in ("XAU", "eur", "EURO", "XTS", "")] == [None] * 5


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(0, 10**14), st.sampled_from([0, 2, 3, 4]), st.integers(0, 10**6))
def test_amounts_are_read_as_written_and_shares_rounded_half_up(
    number: int, digits: int, hundredths: int
) -> None:
    assert units(amount(number, digits), digits) == number
    exact = Decimal(number) * hundredths / 10**6
    assert part(number, hundredths) == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


# --- the decision ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "currency", "off", "price"),
    [
        # 15 % off 10.50 are 8.925: peers have cut that to 8.92.
        ("10.50", "EUR", "15", "8.93"),
        ("0.01", "EUR", "50", "0.01"),
        ("999", "JPY", "12.5", "874"),
        ("1.235", "KWD", "10", "1.112"),
        ("10", "EUR", "100", "0.00"),
    ],
)
def test_a_percentage_off_is_rounded_half_up(
    listed: str, currency: str, off: str, price: str
) -> None:
    found = offer(
        rule("sale", percent_off=off), currency=currency, products=[{"sku": "A", "price": listed}]
    )
    made = priced(found)
    assert amount(made.price, found.digits) == price
    # What is taken off is what the two prices differ by, however it was rounded.
    assert made.list_price - made.price == units(listed, found.digits) - units(price, found.digits)  # type: ignore[operator] # both are amounts


def test_the_first_rule_that_holds_makes_the_price() -> None:
    rules = (rule("gold", {"tiers": ["gold"]}, percent_off="10"), rule("all", amount_off="2.50"))
    gold = PriceFacts(tier="gold")
    assert (priced(offer(*rules), gold).rule, priced(offer(*rules), gold).price) == ("gold", 900)
    assert (priced(offer(*rules)).rule, priced(offer(*rules)).price) == ("all", 750)
    assert priced(offer(*rules, choose="best"), gold).price == 750
    assert priced(offer(rules[0])).passed == (("gold", "no loyalty tier is known"),)
    assert priced(offer(rules[0])).rule is None


@pytest.mark.parametrize(
    ("when", "facts", "holds"),
    [
        ({"tiers": ["gold"]}, PriceFacts(tier="silver"), False),
        ({"city_tiers": ["1", "2"]}, PriceFacts(city_tier="2"), True),
        ({"city_tiers": ["1"]}, NOBODY, False),
        ({"segments": ["a", "b"]}, PriceFacts(frozenset({"b", "c"})), True),
        ({"segments": ["a"]}, PriceFacts(frozenset({"b"})), False),
        ({"traits": [{"trait": "plan", "in": ["pro"]}]}, PriceFacts(traits={"plan": "pro"}), True),
        (
            {"traits": [{"trait": "plan", "in": ["pro"]}]},
            PriceFacts(traits={"plan": ["pro"]}),
            True,
        ),
        ({"traits": [{"trait": "plan", "in": [1]}]}, PriceFacts(traits={"plan": True}), False),
        ({"traits": [{"trait": "plan", "in": [1]}]}, PriceFacts(traits={"plan": 1.0}), True),
        ({"traits": [{"trait": "plan", "in": ["1"]}]}, PriceFacts(traits={"plan": 1}), False),
        ({"traits": [{"trait": "plan", "in": ["x"]}]}, PriceFacts(traits={"plan": None}), False),
        ({"channels": ["email"]}, NOBODY, True),
        ({"channels": ["store"]}, NOBODY, False),
        ({"tiers": ["gold"], "channels": ["store"]}, PriceFacts(tier="gold"), False),
        ({"hours": [{"days": ["fri"], "from": "11:00", "to": "13:00"}]}, NOBODY, True),
        ({"hours": [{"days": ["thu"], "from": "11:00", "to": "13:00"}]}, NOBODY, False),
        ({"from": "2026-12-04T12:00", "to": "2026-12-04T12:01"}, NOBODY, True),
        ({"from": "2026-12-04T12:01"}, NOBODY, False),
        ({"to": "2026-12-04T12:00"}, NOBODY, False),
        ({"to": "2026-12-04"}, NOBODY, True),
        ({"to": "2026-12-03"}, NOBODY, False),
        ({"from": "2026-12-04T14:00+02:00"}, NOBODY, True),
    ],
)
def test_when_a_rule_holds(when: dict[str, Any], facts: PriceFacts, holds: bool) -> None:  # noqa: FBT001 - a table
    made = priced(offer(rule("one", when, percent_off="10")), facts)
    assert (made.rule == "one") is holds
    assert holds or len(made.passed) == 1


def test_times_are_those_of_the_offers_zone() -> None:
    berlin = zones()["Europe/Berlin"]
    # Clocks go back on 2026-10-25: 02:30 comes twice. It begins with the first, ends with the last.
    assert instant("2026-10-25T02:30", berlin) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    ended = instant("2026-10-25T02:30", berlin, is_end=True)
    assert ended == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    # And forward on 2026-03-29: 02:30 is not shown, and is half an hour after 03:00.
    for is_end in (False, True):
        found = instant("2026-03-29T02:30", berlin, is_end=is_end)
        assert found == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    # A day counts to its end, where the offer is.
    assert instant("2026-12-31", berlin, is_end=True) == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_what_a_sentence_says() -> None:
    found = offer(
        rule("gold", {"tiers": ["gold"], "to": "2026-12-31"}, percent_off="90"),
        rails={"floor_percent": "60"},
        products=[TEA, {"sku": "CUP", "price": "0.01"}],
    )
    prices = PriceList(found, GUARDS)
    made = prices.price("TEA", Occasion(PriceFacts(tier="gold"), "email", AT))
    assert sentence(made, prices) == (
        "TEA costs 6.00 EUR (list price 10.00): rule \u201cgold\u201d, 90 % off, holds for loyalty "
        "tier gold, until 2027-01-01 00:00 UTC; it would be 1.00, but for the offer's "
        "floor_percent 60."
    )
    assert sentence(prices.price("TEA", Occasion(NOBODY, "email", AT)), prices) == (
        "TEA costs its list price, 10.00 EUR: no rule holds."
    )


_PERCENT = st.integers(1, 10**6).map(lambda one: f"{one // 10**4}.{one % 10**4:04}")
_AMOUNT = st.integers(0, 30_000).map(lambda one: f"{one // 100}.{one % 100:02}")
_THEN = st.one_of(
    st.fixed_dictionaries({"percent_off": _PERCENT}),
    st.fixed_dictionaries({"amount_off": _AMOUNT}),
    st.fixed_dictionaries({"price": _AMOUNT}),
)
_WHEN = st.fixed_dictionaries(
    {},
    optional={
        "tiers": st.lists(st.sampled_from(["gold", "silver"]), min_size=1, max_size=2),
        "channels": st.just(["email"]),
        "segments": st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2),
        "to": st.sampled_from(["2026-12-01", "2026-12-24"]),
    },
)
_RULES = st.lists(st.tuples(_WHEN, _THEN), max_size=5).map(
    lambda some: [{"id": f"r{n}", "when": w, "then": t} for n, (w, t) in enumerate(some)]
)
_RAILS = st.fixed_dictionaries(
    {
        "floor_percent": st.sampled_from(["0", "33.3333", "60", "100"]),
        "ceiling_percent": st.sampled_from(["100", "133.33"]),
    },
    optional={"max_off": st.fixed_dictionaries({"EUR": _AMOUNT})},
)
_FACTS = st.builds(
    PriceFacts,
    st.frozensets(st.sampled_from(["a", "b"])),
    st.sampled_from([None, "gold", "silver"]),
)
_LISTED = st.integers(0, 20_000).map(lambda one: f"{one // 100}.{one % 100:02}")


@settings(max_examples=examples(200), deadline=None)
@given(_RULES, st.tuples(_RAILS, _RAILS), _FACTS, _LISTED, st.randoms(use_true_random=False))
def test_no_price_leaves_its_guard_rails_and_the_best_is_the_best_in_any_order(
    rules: list[dict[str, Any]],
    both: tuple[dict[str, Any], dict[str, Any]],
    facts: PriceFacts,
    listed: str,
    chance: Any,
) -> None:
    own, theirs = both
    product = {"sku": "A", "price": listed}
    made = offer(*rules, products=[product], rails=own)
    guards = PriceGuards(rails=msgspec.convert(theirs, Rails))
    found = PriceList(made, guards).price("A", Occasion(facts, "email", AT))
    value = units(listed, 2)
    assert value is not None
    for rails in (made.rails, guards.rails):
        assert found.price * 10**6 >= value * (share(rails.floor_percent) or 0)
        assert found.price * 10**6 <= value * (share(rails.ceiling_percent) or 0)
        off = rails.max_off.get("EUR")
        assert off is None or value - found.price <= (units(off, 2) or 0)
    assert (found.clamped_by is None) == (found.rule is None or found.price == found.wanted)
    best = PriceList(msgspec.structs.replace(made, choose="best"), guards)
    best_price = best.price("A", Occasion(facts, "email", AT))
    assert best_price.price <= found.price or found.rule is None
    chance.shuffle(rules)
    again = offer(*rules, products=[product], rails=own, choose="best")
    other = PriceList(again, guards).price("A", Occasion(facts, "email", AT))
    assert (other.price, other.rule) == (best_price.price, best_price.rule)
    assert best.price("A", Occasion(facts, "email", AT)) == best_price


@settings(max_examples=examples(200), deadline=None)
@given(_PERCENT, _PERCENT, st.integers(0, 10**7), st.integers(0, 10**7))
def test_more_off_is_never_dearer_and_a_dearer_thing_never_cheaper(
    one: str, other: str, cheap: int, dear: int
) -> None:
    low, high = sorted((cheap, dear))
    less, more = sorted((one, other), key=lambda text: share(text) or 0)

    def cost(listed: int, off: str) -> int:
        products = [{"sku": "A", "price": amount(listed, 2)}]
        found = offer(rule("sale", percent_off=off), products=products)
        return PriceList(found, GUARDS).price("A", Occasion(NOBODY, "", AT)).price

    assert cost(low, more) <= cost(low, less)
    assert cost(low, less) <= cost(high, less)


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"currency": "XYZ"}, "currency"),
        ({"timezone": "Mars"}, "timezone"),
        ({"products": []}, "products"),
        ({"products": [TEA, TEA]}, "products.1.sku"),
        ({"products": [{"sku": "a b", "price": "1"}]}, "products.0.sku"),
        ({"products": [{"sku": "A", "price": "1.001"}]}, "products.0.price"),
        ({"products": [{"sku": "A", "price": "1", "floor": "2"}]}, "products.0.floor"),
        ({"products": [{"sku": "A", "price": "2", "ceiling": "1"}]}, "products.0.ceiling"),
        ({"products": [{"sku": "A", "price": "2", "name": "a\nb"}]}, "products.0.name"),
        ({"products": [{**TEA, "categories": [""]}]}, "products.0.categories"),
        ({"products": [{"sku": f"A{n}", "price": "1"} for n in range(2001)]}, "products"),
        ({"rails": {"floor_percent": "101"}}, "rails.floor_percent"),
        ({"rails": {"ceiling_percent": "99"}}, "rails.ceiling_percent"),
        ({"rails": {"max_off": {"USD": "1"}}}, "rails.max_off"),
        ({"rails": {"max_off": {"ABC": "1"}}}, "rails.max_off"),
        ({"rails": {"max_off": {"EUR": "x"}}}, "rails.max_off.EUR"),
        ({"vouched": [{"segment": "a", "reason": " "}]}, "vouched.0.reason"),
        ({"rules": [rule(f"r{n}", percent_off="1") for n in range(101)]}, "rules"),
        ({"rules": [rule("", percent_off="1")]}, "rules.0.id"),
        ({"rules": [rule("a", percent_off="1")] * 2}, "rules.1.id"),
        ({"rules": [rule("a")]}, "rules.0.then"),
        ({"rules": [rule("a", percent_off="1", price="2")]}, "rules.0.then"),
        ({"rules": [rule("a", percent_off="0")]}, "rules.0.then.percent_off"),
        ({"rules": [rule("a", percent_off="100.1")]}, "rules.0.then.percent_off"),
        ({"rules": [rule("a", amount_off="0")]}, "rules.0.then.amount_off"),
        ({"rules": [rule("a", price="1.999")]}, "rules.0.then.price"),
        ({"rules": [{**rule("a", price="1"), "skus": ["B"]}]}, "rules.0.skus.0"),
        ({"rules": [{**rule("a", price="1"), "categories": ["B"]}]}, "rules.0.categories.0"),
        ({"rules": [rule("a", {"tiers": ["x" * 65]}, price="1")]}, "rules.0.when.tiers"),
        ({"rules": [rule("a", {"from": "soon"}, price="1")]}, "rules.0.when.from"),
        ({"rules": [rule("a", {"to": "9999-12-31"}, price="1")]}, "rules.0.when.to"),
        (
            {"rules": [rule("a", {"from": "2026-12-02", "to": "2026-12-01"}, price="1")]},
            "rules.0.when.to",
        ),
        (
            {"rules": [rule("a", {"hours": [{"from": "9", "to": "10:00"}]}, price="1")]},
            "rules.0.when.hours.0.from",
        ),
        (
            {"rules": [rule("a", {"hours": [{"from": "00:00", "to": "24:00"}]}, price="1")]},
            "rules.0.when.hours",
        ),
        *(
            (
                {"rules": [rule("a", {"traits": [{"trait": name, "in": values}]}, price="1")]},
                f"rules.0.when.traits.0.{at}",
            )
            for name, values, at in (
                ("gender", ["f"], "trait"),
                ("hobby", ["golf"], "trait"),
                ("plan", [], "in"),
                ("plan", ["x" * 201], "in"),
            )
        ),
    ],
)
def test_what_is_no_offer(more: dict[str, Any], where: str) -> None:
    with pytest.raises(OfferError) as refused:
        checked(offer(**{"rules": [], **more}), GUARDS)
    assert refused.value.where == where


def offer_of(**more: Any) -> Offer:
    return msgspec.convert({"currency": "EUR", "products": [TEA], **more}, Offer)


def test_a_rule_that_guard_rails_never_let_be_is_refused_and_others_are_told() -> None:
    cup = {"sku": "CUP", "price": "2.00", "floor": "1.50"}
    never = offer(rule("half", percent_off="50"), rails={"floor_percent": "60"})
    with pytest.raises(OfferError, match=r"TEA would cost 5\.00 EUR.* makes it 6\.00"):
        require_possible(PriceList(never, GUARDS))
    some = PriceList(offer(rule("half", percent_off="50"), products=[TEA, cup]), GUARDS)
    require_possible(some)
    assert [(name, sku, made.price) for name, sku, _, made in some.clamps()] == [
        ("half", "CUP", 150)
    ]
    above = offer(rule("dear", price="11"))
    with pytest.raises(OfferError, match="ceiling_percent 100"):
        require_possible(PriceList(above, GUARDS))
    said = PriceGuards(rails=Rails(ceiling_percent="120"))
    allowed = offer(rule("dear", price="11"), rails={"ceiling_percent": "120"})
    require_possible(PriceList(allowed, said))


# --- protected attributes --------------------------------------------------------------------


PROTECTED = """
gender GENDER userGender customer.gender gen\u200bder dateOfBirth dob date-of-birth age age_18_25
Geschlecht 性别 用户年龄 民族 postal_code first_name name g\u0435nder religión ｇｅｎｄｅｒ
is_pregnant is-female
"""
FREE = """
plan language page package loyalty_tier city city_tier plan_name average_order stage usage terrace
sussex newsletter favourite_brand vip company store 会员等级
"""


@pytest.mark.parametrize("name", PROTECTED.split())
def test_a_protected_attribute_is_known_however_it_is_spelt(name: str) -> None:
    assert Protected().reads(name) is not None


@pytest.mark.parametrize("name", FREE.split())
def test_what_is_not_protected(name: str) -> None:
    assert Protected().reads(name) is None


def test_a_workspace_adds_words_and_frees_names_with_a_reason() -> None:
    own = Protected(["Income"], ["age_group"])
    assert own.reads("household_income") is not None
    assert (own.reads("ageGroup"), own.reads("age")) == (None, "age")
    assert mixed("pla\u043d")
    assert not mixed("план")


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"traits": ["gender"]}, "traits.0"),
        ({"traits": ["x" * 65]}, "traits.0"),
        ({"traits": [""]}, "traits"),
        ({"traits": [f"t{n}" for n in range(51)]}, "traits"),
        ({"tier_trait": "age"}, "tier_trait"),
        ({"city_trait": "street"}, "city_trait"),
        ({"protected": ["--"]}, "protected.0"),
        ({"unprotected": {"age": " "}}, "unprotected.age"),
        ({"rails": {"floor_percent": "-1"}}, "rails.floor_percent"),
    ],
)
def test_what_are_no_guards(more: dict[str, Any], where: str) -> None:
    with pytest.raises(OfferError) as refused:
        price_guards.checked(msgspec.convert(more, PriceGuards))
    assert refused.value.where == where


def test_guards_come_in_one_form() -> None:
    told = {
        "traits": ["b", "a", "b"],
        "cities": {" Shanghai ": "1"},
        "unprotected": {"age": "ok"},
        "protected": ["income", "wealth"],
    }
    found = price_guards.checked(msgspec.convert(told, PriceGuards))
    assert (found.traits, found.cities) == (("a", "b"), {"shanghai": "1"})
    assert price_guards.checked(found) == found
    assert protected_by(found).reads("age") is None


def test_what_segments_read_is_followed_through_those_they_name() -> None:
    known = {"b": ("trait:plan", "segment:c"), "c": ("trait:gender", "segment:b"), "d": None}
    protected = Protected()
    assert told_of(["segment:b"], known) == ["trait:gender", "trait:plan"]
    assert barred(told_of(["segment:b"], known), protected) == "`gender`, which tells of gender"
    assert told_of(["segment:d"], known) is None
    assert told_of(["segment:e"], known) is None
    assert is_opaque(None)
    assert is_opaque(["list:0190a5b0"])
    assert not is_opaque(["trait:plan"])
    assert barred(["list:age", "trait:plan"], protected) is None


def test_a_rule_is_for_some_products_and_what_was_found_of_it_holds_for_all() -> None:
    rules = (
        {**rule("tea", {"tiers": ["gold"]}, percent_off="10"), "categories": ["drinks"]},
        {**rule("cup", price="1.00"), "skus": ["CUP", "POT"]},
    )
    cup, pot = {"sku": "CUP", "price": "2.00", "floor": "1.50"}, {"sku": "POT", "price": "9.00"}
    told = {"products": [TEA, cup, pot], "vouched": [{"segment": "a", "reason": "mine"}]}
    prices = PriceList(checked(offer(*rules, **told), GUARDS), GUARDS)
    occasion = Occasion(PriceFacts(tier="gold"), "email", AT)
    found = [prices.price(sku, occasion) for sku in ("TEA", "CUP", "POT")]
    assert [(one.rule, one.price) for one in found] == [("tea", 900), ("cup", 150), ("cup", 100)]
    assert prices.price("POT", occasion) == found[2]
    assert [sku for _, sku, _, _ in prices.clamps()] == ["CUP"]
    by_segments = offer(rule("a", {"segments": ["s2", "s1"]}, percent_off="1"))
    assert by_segments.segments == ["s1", "s2"]


def test_a_barred_rule_is_not_asked() -> None:
    found = offer(rule("women", {"segments": ["a"]}, percent_off="10"))
    prices = PriceList(found, GUARDS)
    facts, later = PriceFacts(frozenset({"a"})), AT + timedelta(days=1)
    barred = {"women": "its segment reads `gender`"}
    made = prices.price("TEA", Occasion(facts, "email", later, barred))
    assert (made.price, made.passed) == (1000, (("women", "its segment reads `gender`"),))
    assert prices.listed("TEA").price == 1000


# --- what templates see ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ([("sku", "B", "price"), ("sku", "B", "name")], ["B"]),
        ([("sku", "A")], ["A"]),
        ([("all",)], ["A", "B"]),
        ([()], ["A", "B"]),
        ([("sku",)], ["A", "B"]),
        ([("sku", ANYTHING)], ["A", "B"]),
        ([("sku", "B", ANYTHING)], ["B"]),
        ([("sku", "C", "price")], 'has no product "C"'),
        ([("price",)], "several products"),
        ([("sku", "A", "prize")], 'has no "prize"'),
        ([("prize",)], 'has no "prize"; there are sku, all'),
    ],
)
def test_what_a_template_asks_of_an_offer(paths: list[Any], found: list[str] | str) -> None:
    if isinstance(found, list):
        assert asked_of(paths, ["A", "B"], "summer") == found
        return
    with pytest.raises(UnknownProductError, match=found):
        asked_of(paths, ["A", "B"], "summer")


def test_an_offer_of_one_product_is_that_product_and_one_of_many_is_not_looped_over() -> None:
    assert asked_of([("price",)], ["A"], "summer") == ["A"]
    with pytest.raises(UnknownProductError, match="more than 50"):
        asked_of([("all",)], [f"A{n}" for n in range(51)], "summer")


def test_what_is_shown_and_kept_of_a_price() -> None:
    rules = (rule("gold", {"tiers": ["gold"], "to": "2026-12-31"}, percent_off="90"),)
    free = {"sku": "FREE", "price": "0"}
    found = offer(*rules, rails={"floor_percent": "60"}, products=[TEA, free])
    prices = PriceList(found, GUARDS)
    gold = prices.price("TEA", Occasion(PriceFacts(tier="gold"), "email", AT))
    nothing = prices.price("FREE", Occasion(NOBODY, "email", AT))
    seen = view(prices, [gold, nothing])
    assert [one["sku"] for one in seen["all"]] == ["TEA", "FREE"]
    assert "price" not in seen
    assert seen["sku"]["TEA"] == {
        "sku": "TEA",
        "name": "TEA",
        "price": "6.00",
        "list_price": "10.00",
        "off": "4.00",
        "percent_off": 40,
        "currency": "EUR",
        "minor_units": 600,
        "is_reduced": True,
        "rule": "gold",
        "until": "2027-01-01T00:00:00+00:00",
    }
    assert (seen["sku"]["FREE"]["percent_off"], seen["sku"]["FREE"]["until"]) == (0, "")
    kept = quoted("summer", 3, prices, gold)
    assert (kept.price, kept.wanted, kept.clamped_by) == (
        "6.00",
        "1.00",
        "the offer's floor_percent 60",
    )
    assert (kept.ends_at, kept.why) == (gold.until, sentence(gold, prices))
    assert quoted("summer", 3, prices, nothing).wanted is None
    only = PriceList(offer(*rules), GUARDS)
    assert view(only, [only.listed("TEA")])["price"] == "10.00"
    assert view(only, [])["all"] == []


def test_what_rules_give_in_words() -> None:
    hours = [{"days": ["fri"], "from": "11:00", "to": "13:00"}]
    many = {"segments": ["a", "b", "c", "d"], "traits": [{"trait": "plan", "in": ["pro", 1]}]}
    for when, then, words in (
        ({"hours": hours}, {"amount_off": "1.00"}, "1.00 EUR off, holds for its days and hours"),
        (many, {"price": "9.00"}, "9.00 EUR, holds for segment a or b or c …, plan pro or 1"),
        ({}, {"percent_off": "1"}, "1 % off, holds for everybody."),
    ):
        facts = PriceFacts(frozenset({"a"}), traits={"plan": "pro"})
        prices = PriceList(offer(rule("one", when, **then)), GUARDS)
        assert words in sentence(prices.price("TEA", Occasion(facts, "email", AT)), prices)
