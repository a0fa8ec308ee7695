"""What is recommended to whom, and why: a chain of strategies over what is known of somebody.

The first strategy that has something gives it, the next ones fill up. Nothing is recommended that
its person has just bought or given back, that is not sold, or that there is nothing to show of.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from rapport_campaign.domain.product_events import ALL_OF_IT, Kind
from rapport_campaign.domain.products import Product

Strategy = Literal["bought_together", "recently_viewed", "favourite_category", "best_sellers"]
CHAIN: tuple[Strategy, ...] = (
    "bought_together",
    "recently_viewed",
    "favourite_category",
    "best_sellers",
)
PROVIDER = "provider"
"""The reason of what an address of the workspace's has recommended."""

WINDOWS = (1, 7, 30, 90)
"""Days that best sellers can be of, to the instant they are worked out."""
LEAST_BUYERS = 3
"""What fewer people share is never shown, whatever a slot says: it would tell of one of them."""
MOST_VIEWED, MOST_SEEDS, FAVOURITES = 20, 10, 2
MOST_N = 20
_BOUGHT_WEIGHT = 2


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """What a template's `recommendations.<name>` is filled by.

    `n` products at most, `most_of_category` of each category (None: any), of `categories` only
    (none: all). Best sellers are of the last `days`; views count for `viewed_days`; what was bought
    or given back within `bought_days` is left out. What fewer than `least_buyers` have bought, or
    bought together, is. `when_empty`: whether a message goes that has nothing to recommend.
    """

    name: str
    strategies: tuple[Strategy, ...] = CHAIN
    n: int = 4
    categories: tuple[str, ...] = ()
    most_of_category: int | None = None
    days: int = 30
    viewed_days: int = 30
    bought_days: int = 30
    least_buyers: int = 5
    when_empty: Literal["send", "suppress"] = "send"
    provider: Literal["inside", "http"] = "inside"


@dataclass(frozen=True, slots=True)
class Fact:
    """What somebody did with products; `lines` are skus with how many."""

    kind: Kind
    at: datetime
    order_key: str
    lines: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Partner:
    """What is bought in one order with another product, by how many people."""

    sku: str
    buyers: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """What so many people have bought."""

    product: Product
    buyers: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """What there is to choose from.

    `products` by sku, `partners` by the sku they are bought with, `best` by category; "": of all.
    """

    products: Mapping[str, Product] = field(default_factory=dict)
    partners: Mapping[str, Sequence[Partner]] = field(default_factory=dict)
    best: Mapping[str, Sequence[Ranked]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Past:
    """What somebody did, as far as it counts: skus, the newest first.

    `barred`: what was just bought or given back.
    """

    viewed: tuple[str, ...] = ()
    bought: tuple[str, ...] = ()
    barred: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pick:
    """A product that is recommended, why, and with or for which other one."""

    product: Product
    reason: str
    of: Product | None = None

    @property
    def because(self) -> str:
        """The reason in words."""
        if self.reason == "bought_together" and self.of is not None:
            return f"bought with {self.of.name or self.of.sku}"
        if self.reason == "favourite_category":
            return f"a best seller in {self.product.category}"
        return _BECAUSE.get(self.reason, self.reason)


_BECAUSE = {
    "recently_viewed": "looked at recently",
    "best_sellers": "a best seller",
    PROVIDER: "recommended for you",
}


def past_of(facts: Sequence[Fact], slot: Slot, now: datetime) -> Past:
    """What counts of somebody's facts, which come the newest first."""
    viewed_since = now - timedelta(days=slot.viewed_days)
    barred_since = now - timedelta(days=slot.bought_days)
    viewed: dict[str, None] = {}
    bought: dict[str, None] = {}
    barred: set[str] = set()
    back = _given_back(facts)
    whole = {
        order_key for order_key, sku in back if not sku and back[order_key, sku] >= barred_since
    }
    for one in facts:
        if one.kind == "viewed" and one.at >= viewed_since:
            viewed.update(dict.fromkeys(one.lines))
        if one.kind != "viewed" and (one.at >= barred_since or one.order_key in whole):
            barred.update(one.lines)
        if one.kind == "ordered":
            kept = (sku for sku in one.lines if not _is_back(back, one, sku))
            bought.update(dict.fromkeys(kept))
    return Past(
        tuple(sku for sku in viewed if sku not in barred)[:MOST_VIEWED],
        tuple(bought)[:MOST_SEEDS],
        frozenset(barred),
    )


def _given_back(facts: Sequence[Fact]) -> dict[tuple[str, str], datetime]:
    """When what of which order was given back, by order and sku; "": all of it."""
    back: dict[tuple[str, str], datetime] = {}
    for one in reversed(facts):
        if one.kind == "returned":
            for sku, count in one.lines.items() if one.lines else (("", ALL_OF_IT),):
                if count:
                    back[one.order_key, sku] = one.at
    return back


def _is_back(back: Mapping[tuple[str, str], datetime], order: Fact, sku: str) -> bool:
    all_at = back.get((order.order_key, ""))
    is_all = all_at is not None and all_at >= order.at
    return is_all or (order.order_key, sku) in back


def favourites(past: Past, products: Mapping[str, Product], slot: Slot) -> list[str]:
    """The categories that somebody buys and looks at most; the one of the newest of equals."""
    counts: Counter[str] = Counter()
    for skus, weight in ((past.bought, _BOUGHT_WEIGHT), (past.viewed, 1)):
        for sku in skus:
            product = products.get(sku)
            category = product.category if product is not None else None
            if category is not None and (not slot.categories or category in slot.categories):
                counts[category] += weight
    return [one for one, _ in counts.most_common(FAVOURITES)]


def picked(
    slot: Slot, past: Past, shelf: Shelf, exclude: frozenset[str] = frozenset()
) -> list[Pick]:
    """What is recommended, the best first; each product once."""
    found: list[Pick] = []
    taken: set[str] = set()
    of_category: Counter[str | None] = Counter()
    barred = past.barred | exclude
    for strategy in slot.strategies:
        for pick in _CANDIDATES[strategy](slot, past, shelf):
            product = pick.product
            if len(found) == slot.n:
                return found
            if product.sku in barred or product.sku in taken or not fits(slot, product):
                continue
            if slot.most_of_category is not None and product.category is not None:
                if of_category[product.category] >= slot.most_of_category:
                    continue
                of_category[product.category] += 1
            taken.add(product.sku)
            found.append(pick)
    return found


def fits(slot: Slot, product: Product) -> bool:
    """Whether a product may stand in a slot at all."""
    return product.is_shown and (not slot.categories or product.category in slot.categories)


def _bought_together(slot: Slot, past: Past, shelf: Shelf) -> Iterator[Pick]:
    """The best partner of each that was bought, then the second of each."""
    lists = [
        (shelf.products.get(sku), [one for one in some if one.buyers >= slot.least_buyers])
        for sku in past.bought
        if (some := shelf.partners.get(sku))
    ]
    for nth in range(max((len(some) for _, some in lists), default=0)):
        for of, some in lists:
            if nth < len(some) and (product := shelf.products.get(some[nth].sku)) is not None:
                yield Pick(product, "bought_together", of)


def _recently_viewed(_slot: Slot, past: Past, shelf: Shelf) -> Iterator[Pick]:
    for sku in past.viewed:
        if (product := shelf.products.get(sku)) is not None:
            yield Pick(product, "recently_viewed")


def _favourite_category(slot: Slot, past: Past, shelf: Shelf) -> Iterator[Pick]:
    for category in favourites(past, shelf.products, slot):
        for one in shelf.best.get(category, ()):
            if one.buyers >= slot.least_buyers:
                yield Pick(one.product, "favourite_category")


def _best_sellers(slot: Slot, _past: Past, shelf: Shelf) -> Iterator[Pick]:
    lists = [shelf.best.get(one, ()) for one in slot.categories or ("",)]
    every = sorted((one for some in lists for one in some), key=lambda one: -one.buyers)
    for one in every:
        if one.buyers >= slot.least_buyers:
            yield Pick(one.product, "best_sellers")


_CANDIDATES: Mapping[str, Any] = {
    "bought_together": _bought_together,
    "recently_viewed": _recently_viewed,
    "favourite_category": _favourite_category,
    "best_sellers": _best_sellers,
}


def shown(picks: Sequence[Pick]) -> list[dict[str, Any]]:
    """What templates see: plain data."""
    return [
        {
            "sku": one.product.sku,
            "name": one.product.name or "",
            "url": one.product.url or "",
            "image_url": one.product.image_url or "",
            "price": one.product.amount or "",
            "currency": one.product.currency or "",
            "category": one.product.category or "",
            "reason": one.reason,
            "because": one.because,
            "bought_with": one.of.name or "" if one.of is not None else "",
        }
        for one in picks
    ]
