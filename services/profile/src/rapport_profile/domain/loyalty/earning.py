"""How many points one order, or another event, earns by one rule."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from rapport_profile.domain.loyalty.facts import Line
from rapport_profile.domain.loyalty.programme import Multiplier, Programme, Rounding, Rule
from rapport_profile.domain.orders import Order

MOST = 10**12
"""Points of one order by one rule: what more would be is a mistake in a rate or a price."""


class Bought(NamedTuple):
    """An order as it stands, and what it was spent on, as it was told last."""

    order: Order
    lines: Sequence[Line]


class Claim(msgspec.Struct, frozen=True):
    """A rule that holds for one order or event, and its multipliers: fixed when that happened."""

    rule: Rule
    multipliers: tuple[Multiplier, ...]


class Earned(NamedTuple):
    """Points, and what they were before multipliers."""

    points: int
    base: int


def claims(
    programme: Programme, event: str | None, said: dict[str, str], tier: str | None, at: datetime
) -> list[Claim]:
    """The rules that hold for an order (`event` is None) or an event, told at a moment.

    `tier`: that of the member then.
    """
    held = [one for one in programme.multipliers if _holds(one, said, tier, at)]
    return [
        Claim(rule, tuple(one for one in held if not one.rules or rule.id in one.rules))
        for rule in programme.rules
        if rule.event == event and _holds(rule, said, tier, at)
    ]


def _holds(one: Rule | Multiplier, said: dict[str, str], tier: str | None, at: datetime) -> bool:
    if one.tiers and tier not in one.tiers:
        return False
    if (one.starts_at is not None and at < one.starts_at) or (
        one.ends_at is not None and at >= one.ends_at
    ):
        return False
    return all(said.get(name) in values for name, values in one.when.items())


def earned(programme: Programme, claim: Claim, bought: Bought | None) -> Earned:
    """The points of an order as it stands, or (None) of another event.

    What was given back earns nothing: points are those of what is left, a fixed bonus stays while
    something is.
    """
    raw = Fraction(claim.rule.fixed) if bought is None else _raw(claim.rule, bought)
    factor = _factor(programme, claim.multipliers, bought) if raw else Fraction(1)
    points, base = (rounded(one, programme.rounding) for one in (raw * factor, raw))
    return Earned(min(MOST, points), min(MOST, base))


def rounded(value: Fraction, how: Rounding) -> int:
    """A whole number; `nearest` takes a half up."""
    if how == "up":
        return -(-value.numerator // value.denominator)
    if how == "nearest":
        value += Fraction(1, 2)
    return value.numerator // value.denominator


def left_of(order: Order) -> Decimal:
    """What is left of an order's price in its currency; nothing below nothing."""
    return Decimal(0) if order.price is None else max(Decimal(0), order.worth(order.price))


def stands(order: Order) -> bool:
    """Whether it is an order, and not all of it was given back."""
    if not order.counts:
        return False
    if order.price is None or not order.price.amount:
        # Of an order whose price nobody has told, a refund is one of all of it.
        return not (order.refunds or order.refunded_by)
    return left_of(order) > 0


def _raw(rule: Rule, bought: Bought) -> Fraction:
    order, price = bought.order, bought.order.price
    if not stands(order):
        return Fraction(0)
    currency = "" if price is None else price.currency
    left = Fraction(left_of(order))
    if rule.minimum and (currency not in rule.minimum or left < rule.minimum[currency]):
        return Fraction(0)
    share = Fraction(1)
    if rule.categories or rule.products:
        share = _share(bought, rule.categories, rule.products)
        if not share:
            return Fraction(0)
    return Fraction(rule.per.get(currency, 0)) * left * share + rule.fixed


def _share(bought: Bought, categories: Collection[str], products: Collection[str]) -> Fraction:
    """The part of an order that was spent on these; more than all of it is all."""
    price = bought.order.price
    if price is None or price.amount <= 0:
        return Fraction(0)
    spent = sum(
        (
            Fraction(one.amount)
            for one in bought.lines
            if one.category in categories or one.product in products
        ),
        Fraction(0),
    )
    return min(Fraction(1), max(Fraction(0), spent / Fraction(price.amount)))


def _factor(
    programme: Programme, multipliers: Sequence[Multiplier], bought: Bought | None
) -> Fraction:
    best, product = Fraction(0), Fraction(1)
    for one in multipliers:
        share = Fraction(1)
        if one.categories:
            share = Fraction(0) if bought is None else _share(bought, one.categories, ())
        factor = 1 + (Fraction(one.factor) - 1) * share
        best, product = max(best, factor), product * factor
    if not multipliers:
        return Fraction(1)
    return best if programme.stacking == "best" else product
