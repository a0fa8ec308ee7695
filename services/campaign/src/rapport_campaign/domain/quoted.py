"""A price as it was said: what is kept of it, and what a template shows."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from rapport_campaign.domain.minor_units import amount
from rapport_campaign.domain.pricing import Decision, PriceList, sentence
from rapport_campaign.domain.speaking import ANYTHING, Path

ONLY = "sku"
"""Behind an offer's name: its products by their SKU, as `offer.summer.sku["TEA-1"].price`."""

ALL = "all"
"""Behind an offer's name: all of its products, to loop over."""

MOST_IN_ALL = 50
"""Products of an offer that a template can loop over."""

MOST_IN_MESSAGE = 200
FIELDS = (
    "sku",
    "name",
    "price",
    "list_price",
    "off",
    "percent_off",
    "currency",
    "minor_units",
    "is_reduced",
    "rule",
    "until",
)
"""What templates see of a product."""


class Quoted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A price that was said. Amounts are decimal texts with the digits of the currency.

    `rule` None: the list price. `wanted`: what the rule would make it, where a guard rail has
    changed that. `ends_at`: when the rule does. `why` is one sentence.
    """

    offer: str
    version: int
    sku: str
    price: str
    list_price: str
    currency: str
    why: str
    rule: str | None = None
    wanted: str | None = None
    clamped_by: str | None = None
    ends_at: datetime | None = None


def quoted(offer: str, version: int, prices: PriceList, made: Decision) -> Quoted:
    """A decision as it is kept."""
    digits = prices.offer.digits
    is_clamped = made.clamped_by is not None and made.wanted is not None
    return Quoted(
        offer=offer,
        version=version,
        sku=made.sku,
        price=amount(made.price, digits),
        list_price=amount(made.list_price, digits),
        currency=prices.offer.currency,
        why=sentence(made, prices),
        rule=made.rule,
        wanted=amount(made.wanted or 0, digits) if is_clamped else None,
        clamped_by=made.clamped_by,
        ends_at=made.until,
    )


def shown(prices: PriceList, made: Decision) -> dict[str, Any]:
    """A product as templates see it. What is off is what the two prices differ by, exactly."""
    digits = prices.offer.digits
    off = max(made.list_price - made.price, 0)
    return {
        "sku": made.sku,
        "name": prices.lines[made.sku].product.name or made.sku,
        "price": amount(made.price, digits),
        "list_price": amount(made.list_price, digits),
        "off": amount(off, digits),
        "percent_off": 100 * off // made.list_price if made.list_price else 0,
        "currency": prices.offer.currency,
        "minor_units": made.price,
        "is_reduced": off > 0,
        "rule": made.rule or "",
        "until": made.until.isoformat() if made.until else "",
    }


class UnknownProductError(ValueError):
    """A template asks an offer for what it can't say."""


def asked_of(paths: Iterable[Path], skus: Collection[str], name: str) -> list[str]:
    """The products that paths behind an offer's name ask for; UnknownProductError.

    One without a SKU is about the only product that there is.
    """
    found: dict[str, None] = {}
    one_of_them = next(iter(skus))
    for path in paths:
        first = path[0] if path else ANYTHING
        if first == ONLY and len(path) > 1 and path[1] != ANYTHING:
            if path[1] not in skus:
                message = f'offer "{name}" has no product "{path[1]}"'
                raise UnknownProductError(message)
            found[path[1]] = None
        elif first in {ONLY, ALL, ANYTHING}:
            if len(skus) > MOST_IN_ALL:
                message = (
                    f'offer "{name}" has more than {MOST_IN_ALL} products: name one, as '
                    f'offer.{name}.sku["{one_of_them}"].price'
                )
                raise UnknownProductError(message)
            found |= dict.fromkeys(skus)
        elif first in FIELDS:
            if len(skus) != 1:
                message = (
                    f'offer "{name}" has several products: name one, as '
                    f'offer.{name}.sku["{one_of_them}"].{first}'
                )
                raise UnknownProductError(message)
            found[one_of_them] = None
        else:
            fields = ", ".join((ONLY, ALL, *FIELDS))
            raise UnknownProductError(f'offer "{name}" has no "{first}"; there are {fields}')
        _require_field(name, path)
    return list(found)


def _require_field(name: str, path: Path) -> None:
    """What is asked of a product is one of its fields."""
    if len(path) > 2 and path[0] == ONLY and path[2] not in {*FIELDS, ANYTHING}:  # noqa: PLR2004 - sku, a SKU, a field
        message = f'a product of offer "{name}" has no "{path[2]}"; there are {", ".join(FIELDS)}'
        raise UnknownProductError(message)


def view(prices: PriceList, made: Sequence[Decision]) -> dict[str, Any]:
    """An offer as templates see it: the products that they ask for."""
    every = [shown(prices, one) for one in made]
    only = every[0] if len(prices.lines) == 1 and every else {}
    return {**only, ONLY: {one["sku"]: one for one in every}, ALL: every}
