"""Orders: one order id is one order, however often and in whatever order it is told of.

The words are those of Segment's e-commerce specification (version 2). `Order Completed` makes an
order. Its amount is the latest one that `Order Completed` or `Order Updated` states. `Order
Refunded` takes its amount off, else that of its products, or all there is when it has neither, and
never more than the order was. `Order Cancelled` takes the order away. Of what takes all and what
makes an order the later word holds: a card that was declined may be taken at the second try.
`Order Updated` speaks of the amount only. What refers to an order nobody has told of yet waits
for it.
"""

from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from rapport_common.events.envelope import Event
from rapport_common.events.identifiers import is_placeholder
from rapport_common.events.money import normal_amount, normal_currency
from rapport_common.events.orders import (
    ORDER_AMOUNTS,
    ORDER_CANCELLED,
    ORDER_COMPLETED,
    ORDER_UPDATED,
    worth_of_line,
)
from rapport_profile.domain.content import properties_of
from rapport_profile.domain.stamps import (
    EARLIEST,
    Stamp,
    believed_time,
    earlier,
    later,
)

OWN_CURRENCY = ""
"""Of a refund that names no currency: that of its order."""

_MAX_ORDER_ID = 128
_LAST = 2**63 - 1
"""A sequence behind all others of its time."""

Money = dict[str, Decimal]
"""Amounts by ISO 4217 currency."""


By = Stamp | bool
"""By which statement something is so, see `Order`."""


class Price(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What an order costs, as it was stated last."""

    currency: str
    amount: Decimal
    stamp: Stamp


class Order(
    msgspec.Struct,
    frozen=True,
    gc=False,
    omit_defaults=True,
    rename={
        "at": "a",
        "price": "p",
        "back_at": "b",
        "refunds": "r",
        "refunded_by": "refunded",
        "cancelled_by": "cancelled",
        "completed_by": "c",
    },
):
    """All that was said of one order.

    `at`: when it was first completed; `back_at`: when it was last updated, refunded, cancelled.

    The latest statement that refunded all of it, cancelled it, completed it. True stands for the
    one that stated the price where that completed it, and, in what was stored before the
    statements were, for one at `back_at`.
    """

    at: datetime | None = None
    price: Price | None = None
    back_at: datetime | None = None
    refunds: dict[str, Decimal] = {}
    refunded_by: By = False
    cancelled_by: By = False
    completed_by: By = False

    @property
    def touched(self) -> datetime:
        """When something was said of it last."""
        priced = self.price.stamp.at if self.price is not None else None
        return later(priced, later(self.at, self.back_at)) or EARLIEST

    @property
    def completed(self) -> Stamp | None:
        """The latest statement that made it an order."""
        if isinstance(self.completed_by, Stamp):
            return self.completed_by
        if self.completed_by and self.price is not None:
            return self.price.stamp
        return None if self.at is None else Stamp(self.at, "", "")

    def taken(self, said: By) -> Stamp | None:
        """The statement that takes all of it, `refunded_by` or `cancelled_by`."""
        if isinstance(said, Stamp):
            return said
        return Stamp(self.back_at or EARLIEST, "", "", _LAST) if said else None

    def _holds(self, said: By) -> bool:
        stamp = self.taken(said)
        if stamp is None:
            return False
        completed = self.completed
        return completed is None or not completed.after(stamp)

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled and not completed later."""
        return self._holds(self.cancelled_by)

    @property
    def counts(self) -> bool:
        """Whether it is an order: completed, and not cancelled."""
        return self.at is not None and not (self.cancelled_by and self.cancelled)

    def worth(self, price: Price) -> Decimal:
        """What it brings in at its price, in the currency of that.

        Its digits behind the point do not depend on what was subtracted when.
        """
        amount = price.amount
        if self.at is None:
            return amount * 0
        if not (self.refunds or self.refunded_by or self.cancelled_by):
            return amount
        back = self.refunds.get(price.currency, Decimal(0))
        back += self.refunds.get(OWN_CURRENCY, Decimal(0))
        if self.cancelled or self._holds(self.refunded_by) or back > abs(amount):
            return (amount - back) * 0
        return amount - back


def merged(one: Order, other: Order) -> Order:
    """Everything two sets of distinct events say of one order."""
    refunds = {**one.refunds}
    add(refunds, other.refunds)
    price = one.price
    if price is None or (other.price is not None and other.price.stamp.after(price.stamp)):
        price = other.price
    completed = _latest(one.completed, other.completed)
    by_price = price is not None and completed == price.stamp
    return Order(
        earlier(one.at, other.at),
        price,
        later(one.back_at, other.back_at),
        refunds,
        _latest(one.taken(one.refunded_by), other.taken(other.refunded_by)) or False,
        _latest(one.taken(one.cancelled_by), other.taken(other.cancelled_by)) or False,
        by_price or completed or False,
    )


def _latest(one: Stamp | None, other: Stamp | None) -> Stamp | None:
    if one is None or other is None:
        return one or other
    return other if other.after(one) else one


def add(total: Money, more: Money) -> None:
    """Add amounts to a sum, currency by currency."""
    for currency, amount in more.items():
        total[currency] = total.get(currency, Decimal(0)) + amount


class Statement(msgspec.Struct, frozen=True, gc=False):
    """What one event says of an order; `order_id` is None when it names none."""

    order_id: str | None
    order: Order


def statement(event: Event, stamp: Stamp) -> Statement:
    """Read an event of ORDER_EVENTS, whose stamp is known."""
    said = properties_of(event)
    at = believed_time(event)
    order_id = order_id_of(said)
    found = _amount(said)
    code = _currency(event, said)
    if event.name in {ORDER_COMPLETED, ORDER_UPDATED}:
        known = found is not None and code is not None
        price = Price(code, found, stamp) if known else None  # type: ignore[arg-type] # both are there
        if event.name == ORDER_UPDATED:
            return Statement(order_id, Order(None, price, at))
        return Statement(order_id, Order(at, price, completed_by=known or stamp))
    if event.name == ORDER_CANCELLED:
        return Statement(order_id, Order(back_at=at, cancelled_by=stamp))
    found = _lines(said) if found is None else found
    if found is None:
        return Statement(order_id, Order(back_at=at, refunded_by=stamp))
    if code is None and said.get("currency") is None:
        code = OWN_CURRENCY
    # A refund in what is no currency can't be taken off anything.
    refunds = {} if code is None else {code: abs(found)}
    return Statement(order_id, Order(back_at=at, refunds=refunds))


def _amount(said: dict[str, Any]) -> Decimal | None:
    for name in ORDER_AMOUNTS:
        stated = said.get(name)
        found = None if stated is None else normal_amount(stated)
        if found is not None:
            return found
    return None


def _lines(said: dict[str, Any]) -> Decimal | None:
    """What the products that are given back cost together; None when it names none."""
    lines = said.get("products")
    if not isinstance(lines, list) or not lines:
        return None
    found = [one for one in map(worth_of_line, lines) if one is not None]
    return normal_amount(sum(found, Decimal(0)))


def net(revenue: Money, refunds: Money) -> Money:
    """Revenue less the refunds that name no order, never below nothing for them."""
    if not refunds:
        return revenue
    if OWN_CURRENCY in refunds and len(revenue) == 1:
        # There is one currency it can be in.
        (only,) = revenue
        refunds = {only: refunds[OWN_CURRENCY] + refunds.get(only, Decimal(0))}
    left = {}
    for currency, amount in revenue.items():
        back = refunds.get(currency)
        left[currency] = amount if back is None else max(amount - back, min(amount, 0 * back))
    return left


def _currency(event: Event, said: dict[str, Any]) -> str | None:
    """The currency an event names, else the one its source declared; never a guess."""
    named = said.get("currency")
    if named is None or (isinstance(named, str) and not named.strip()):
        return normal_currency(event.currency)
    return normal_currency(named)


def order_id_of(said: dict[str, Any]) -> str | None:
    """The id of the order that properties name, as text; None where they name none.

    `1001` and `"1001"` are one order; a placeholder is no id.
    """
    value = said.get("order_id")
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value) if value.adjusted() < _MAX_ORDER_ID else None
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    text = str(value).strip()
    if is_placeholder(text):
        return None
    if len(text) > _MAX_ORDER_ID:
        return blake2b(text.encode(), digest_size=16).hexdigest()
    return text
