"""What is recommended to whom, and what is read of events: without a server."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.campaign.tests.shop import line, ordered, returned, told, viewed

from rapport_campaign.domain.product_events import (
    ALL_OF_IT,
    MOST_LINES,
    ProductEvent,
    read,
    speaks_of_products,
)
from rapport_campaign.domain.products import (
    Product,
    Told,
    Value,
    link_of,
    news_in,
    price_of,
    sku_of,
)
from rapport_campaign.domain.recommending import (
    CHAIN,
    Fact,
    Partner,
    Past,
    Pick,
    Ranked,
    Shelf,
    Slot,
    favourites,
    past_of,
    picked,
    shown,
)
from rapport_common.events.activity import ProfileActivity
from rapport_common.testing.examples import examples

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = b"k" * 32
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def product(sku: str, **more: Any) -> Product:
    fields: dict[str, Any] = {"name": f"Thing {sku}", "url": f"https://shop.example/{sku}"}
    return Product("acme", sku, **{**fields, "category": sku[0], **more})


def fact(kind: Any, *skus: str, days: float = 1, order: str = "o") -> Fact:
    return Fact(kind, NOW - timedelta(days=days), order, dict.fromkeys(skus, 1))


def kept(record: ProfileActivity, oldest: datetime = LONG_AGO) -> ProductEvent | None:
    return read(record, record.event, KEY, oldest)[0]  # type: ignore[arg-type] # all have one


def said(record: ProfileActivity) -> list[Told]:
    return read(record, record.event, KEY, LONG_AGO)[1]  # type: ignore[arg-type] # all have one


# --- events ----------------------------------------------------------------------------------


def test_what_is_read_of_events() -> None:
    seen, bought = kept(viewed("u", "a1")), kept(ordered("u", "a1", "b1", "a1", order=1001))
    back = kept(returned("u", "1001", {"sku": "a1", "quantity": 2}, {"product_id": 7}))
    assert seen is not None
    assert bought is not None
    assert back is not None
    assert (seen.kind, dict(seen.lines), seen.order_key) == ("viewed", {"a1": 1}, "")
    assert (bought.kind, dict(bought.lines)) == ("ordered", {"a1": 2, "b1": 1})
    assert bought.order_key == back.order_key == "order 1001"
    assert dict(back.lines) == {"a1": 2, "7": ALL_OF_IT}
    assert seen.anchor == bought.anchor != seen.subject
    whole = kept(told("Order Cancelled", "u", {"order_id": "1001"}))
    assert whole is not None
    assert (whole.kind, dict(whole.lines)) == ("returned", {})


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("Product Viewed", {}),
        ("Product Viewed", {"sku": "a\0b"}),
        ("Product Viewed", {"sku": "a\u200bb"}),
        ("Product Viewed", {"sku": True}),
        ("Product Viewed", ["a"]),
        ("Order Completed", {"order_id": "1"}),
        ("Order Completed", {"products": {"sku": "a"}}),
        ("Order Completed", {"products": [1, None, "a"]}),
        ("Order Refunded", {"order_id": "1", "products": [{"sku": ""}]}),
    ],
)
def test_what_says_nothing_of_products(name: str, properties: Any) -> None:
    assert kept(told(name, "u", properties)) is None


def test_what_is_read_is_bounded_and_what_is_old_or_of_nobody_is_not_kept() -> None:
    many = kept(ordered("u", *(f"s{one}" for one in range(500))))
    assert many is not None
    assert list(many.lines) == [f"s{one}" for one in range(MOST_LINES)]
    old = viewed("u", "a1", at=NOW - timedelta(days=101))
    assert kept(old, NOW - timedelta(days=100)) is None
    assert kept(viewed("u", "a1", identifiers=[])) is None
    ahead = kept(viewed("u", "a1", timestamp=NOW + timedelta(days=300), received_at=NOW))
    assert ahead is not None
    assert ahead.at == NOW
    assert ahead.message[:2] == ("acme", "shop")
    broken = told("Product Viewed", "u", {})
    assert broken.event is not None
    event = msgspec.structs.replace(broken.event, properties=msgspec.Raw(b'{"sku": "a'))
    assert kept(msgspec.structs.replace(broken, event=event)) is None
    huge = kept(ordered("u", "a", order=10**400))
    assert huge is not None
    assert huge.order_key.startswith("message shop m")
    assert not speaks_of_products(told("Cart Viewed", "u", {}))


def test_the_same_order_without_an_id_is_its_message() -> None:
    for order in ("null", "  ", "x" * 129, {"a": 1}):
        one = kept(told("Order Completed", "u", {"order_id": order, "products": [line("a")]}))
        assert one is not None
        assert one.order_key.startswith("message shop ")


def test_only_who_is_trusted_says_what_a_product_is() -> None:
    [one] = said(viewed("u", "a1"))
    assert {name: each.text for name, each in one.fields.items()} == {
        "name": "Thing a1",
        "url": "https://shop.example/p/a1",
        "price": "9.90 EUR",
        "category": "a",
    }
    assert said(viewed("u", "a1", trust="public")) == []
    some = told("Order Completed", "u", {"products": [{"name": "No number"}, line("a1")]})
    assert [each.sku for each in said(some)] == ["a1"]
    assert kept(viewed("u", "a1", trust="public")) is not None
    odd = told("Product Viewed", "u", {"sku": "a", "url": "javascript:alert(1)", "price": -1})
    assert said(odd) == []


@pytest.mark.parametrize(
    "address",
    [
        "http://shop.example/a",
        "javascript:alert(1)",
        "https://",
        "https://me:secret@shop.example/",
        "https://shop.example:0/",
        'https://shop.example/"onclick="x',
        "https://shop.example/{{ profile.email }}",
        "https://[::1/",
        "https://shop.example/a b",
        "https://shop.example/" + "a" * 3000,
        "ftp://shop.example",
        7,
    ],
)
def test_what_is_no_link(address: Any) -> None:
    assert link_of(address) is None


def test_links_prices_and_skus() -> None:
    assert link_of(" https://shop.example/Mütze?a=1&b=2#x ") == (
        "https://shop.example/M%C3%BCtze?a=1&b=2#x"
    )
    assert price_of("129.90", "eur") == "129.90 EUR"
    assert price_of(5, None) is price_of("1,5", "EUR") is price_of(-1, "EUR") is None
    assert (sku_of(17), sku_of(" ß-1 "), sku_of(""), sku_of(1.5)) == ("17", "ß-1", None, None)
    assert sku_of(2**200) is None


def test_the_newest_word_on_a_product_counts_whichever_comes_first() -> None:
    known = product("a", told={"name": NOW})
    later, hour = NOW + timedelta(minutes=5), NOW + timedelta(hours=1)

    def news(text: str | None, at: datetime) -> Told | None:
        return news_in(Told("acme", "a", {"name": Value(text, at)}), known)

    assert news("Other", later) is not None
    assert news("Other", NOW - timedelta(seconds=1)) is None
    assert news("Other", NOW) is None  # "Thing a" is the greater one
    assert news("Zebra", NOW) is not None
    # Told again it is noted once an hour.
    assert news("Thing a", later) is None
    assert news("Thing a", hour) is not None
    assert news_in(Told("acme", "a", {"url": Value("https://x", NOW)}), None) is not None


# --- people ----------------------------------------------------------------------------------


def test_what_was_just_bought_or_given_back_is_barred() -> None:
    slot = Slot(name="s")
    facts = [
        fact("viewed", "v1"),
        fact("ordered", "b1", "b2", order="1"),
        fact("viewed", "b1", days=2),
        fact("viewed", "v1", days=3),
        fact("viewed", "v2", days=4),
        fact("returned", "r1", days=5, order="2"),
        fact("viewed", "old", days=31),
        fact("ordered", "r1", "k1", days=40, order="2"),
        fact("ordered", "w1", days=50, order="3"),
    ]
    past = past_of(facts, slot, NOW)
    assert past == Past(("v1", "v2"), ("b1", "b2", "k1", "w1"), frozenset({"b1", "b2", "r1"}))
    # All of an order was given back: what was in it, though it was bought long ago.
    whole = [fact("returned", order="3"), *facts]
    past = past_of(whole, slot, NOW)
    assert "w1" in past.barred
    assert "w1" not in past.bought
    # Ordered anew after it was cancelled.
    again = past_of(
        [fact("ordered", "w1", order="3"), fact("returned", days=2, order="3")], slot, NOW
    )
    assert again.bought == ("w1",)


def shelf(*best: str, together: Sequence[tuple[str, str]] = ()) -> Shelf:
    every = {one for pair in together for one in pair} | set(best) | {"a1", "a2", "b1"}
    products = {one: product(one) for one in every}
    ranked = [Ranked(products[one], 100 - place) for place, one in enumerate(best)]
    partners: dict[str, list[Partner]] = {}
    for sku, other in together:
        partners.setdefault(sku, []).append(Partner(other, 9))
    by_category = {one: [each for each in ranked if each.product.category == one] for one in "abc"}
    return Shelf(products, partners, {"": ranked, **by_category})


def test_a_chain_fills_up_and_each_pick_says_why() -> None:
    past = Past(viewed=("a2",), bought=("a1",), barred=frozenset({"a1"}))
    full = shelf("c1", "a1", "a3", together=[("a1", "b1"), ("a1", "a2")])
    found = picked(Slot(name="s", n=5), past, full)
    assert [(one.product.sku, one.because) for one in found] == [
        ("b1", "bought with Thing a1"),
        ("a2", "bought with Thing a1"),
        ("a3", "a best seller in a"),
        ("c1", "a best seller"),
    ]
    assert shown(found)[0]["bought_with"] == "Thing a1"
    alone = picked(Slot(name="s", strategies=("recently_viewed",)), past, full)
    assert [(one.product.sku, one.because) for one in alone] == [("a2", "looked at recently")]
    assert picked(Slot(name="s"), past, Shelf()) == []
    assert Pick(product("a"), "provider").because == "recommended for you"


def test_partners_take_turns_and_categories_are_bounded() -> None:
    past = Past(bought=("a1", "b1"))
    pairs = [("a1", "c1"), ("a1", "c2"), ("b1", "c3"), ("b1", "d1")]
    full = shelf("c9", together=pairs)
    assert [one.product.sku for one in picked(Slot(name="s"), past, full)] == [
        "c1",
        "c3",
        "c2",
        "d1",
    ]
    some = picked(Slot(name="s", most_of_category=1), past, full)
    assert [one.product.sku for one in some] == ["c1", "d1"]
    only = picked(Slot(name="s", categories=("d",)), past, full)
    assert [one.product.sku for one in only] == ["d1"]
    few = picked(Slot(name="s", least_buyers=10, strategies=("bought_together",)), past, full)
    assert few == []
    assert picked(Slot(name="s", least_buyers=101), Past(), full) == []


@pytest.mark.parametrize(
    "hidden",
    [
        {"in_stock": False},
        {"blocked": True},
        {"archived_at": NOW},
        {"url": None},
        {"name": None},
    ],
)
def test_what_is_not_sold_or_can_not_be_shown_is_not_recommended(hidden: Any) -> None:
    one = product("c1", **hidden)
    full = Shelf({"c1": one}, {"a": [Partner("c1", 50)]}, {"": [Ranked(one, 50)]})
    assert picked(Slot(name="s"), Past(viewed=("c1",), bought=("a",)), full) == []


def test_what_too_few_have_bought_is_no_favourite_and_what_is_gone_no_partner() -> None:
    past = Past(viewed=("a1",), bought=("b1",))
    full = shelf("a3", "a4", together=[("b1", "c1")])
    favourite = Slot(name="s", strategies=("favourite_category",), least_buyers=100)
    assert [one.product.sku for one in picked(favourite, past, full)] == ["a3"]
    both = Slot(name="s", strategies=("bought_together", "recently_viewed"))
    assert [one.product.sku for one in picked(both, past, full)] == ["c1", "a1"]
    left = {name: one for name, one in full.products.items() if name not in {"a1", "c1"}}
    assert picked(both, past, Shelf(left, full.partners, full.best)) == []


def test_what_was_given_back_none_of_is_still_bought() -> None:
    none = Fact("returned", NOW, "o", {"a1": 0})
    assert past_of([none, fact("ordered", "a1")], Slot(name="s"), NOW).bought == ("a1",)
    one = Fact("returned", NOW, "o", {"a1": 1})
    assert past_of([one, fact("ordered", "a1")], Slot(name="s"), NOW).bought == ()


def test_favourites_are_what_is_bought_and_looked_at_most() -> None:
    products = {one: product(one) for one in ("a1", "b1", "b2", "b3", "c1", "c2")}
    past = Past(viewed=("b1", "b2", "c1", "b3"), bought=("c2",))
    assert favourites(past, products, Slot(name="s")) == ["c", "b"]
    assert favourites(past, products, Slot(name="s", categories=("b",))) == ["b"]


_skus = st.sampled_from([f"{letter}{number}" for letter in "abc" for number in range(4)])
_facts = st.lists(
    st.builds(
        lambda kind, skus, days, order: fact(kind, *skus, days=days, order=order),
        st.sampled_from(["viewed", "ordered", "returned"]),
        st.lists(_skus, max_size=3),
        st.floats(0, 100),
        st.sampled_from("1234"),
    ),
    max_size=12,
)


@settings(max_examples=examples(200))
@given(
    _facts,
    st.lists(_skus, unique=True),
    st.lists(st.tuples(_skus, _skus), max_size=8),
    st.permutations(CHAIN),
    st.integers(1, 6),
)
def test_whatever_happened_nothing_is_recommended_that_must_not_be(
    facts: list[Fact],
    best: list[str],
    together: list[tuple[str, str]],
    chain: list[Any],
    n: int,
) -> None:
    facts = sorted(facts, key=lambda one: one.at, reverse=True)
    slot = Slot(name="s", strategies=tuple(chain), n=n, most_of_category=2)
    past = past_of(facts, slot, NOW)
    found = [one.product.sku for one in picked(slot, past, shelf(*best, together=together))]
    since = NOW - timedelta(days=slot.bought_days)
    just = {sku for one in facts if one.kind != "viewed" and one.at >= since for sku in one.lines}
    assert len(found) == len(set(found)) <= n
    assert not just & set(found)
    assert all(sum(sku[0] == letter for sku in found) <= 2 for letter in "abc")
    # However the same facts are told.
    assert picked(slot, past_of(list(facts), slot, NOW), shelf(*best, together=together)) == picked(
        slot, past, shelf(*best, together=together)
    )


@pytest.mark.parametrize("nothing", ["-0", -0.0])
def test_what_costs_nothing_costs_not_less(nothing: Any) -> None:
    assert price_of(nothing, "EUR") in {"0 EUR", "0.0 EUR"}
