"""What loyalty keeps of an event: enough to judge it by any rule, now and later."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

import msgspec

from rapport_common.events.envelope import Event
from rapport_common.events.money import normal_amount
from rapport_common.events.orders import ORDER_COMPLETED, ORDER_EVENTS, ORDER_UPDATED, worth_of_line
from rapport_profile.domain.content import properties_of
from rapport_profile.domain.naming import Id
from rapport_profile.domain.orders import Order, statement
from rapport_profile.domain.stamps import Stamp, believed_stamp, stamp_of

MAX_LINES = 200
MAX_SAID = 32
"""Properties that conditions can look at."""
MAX_TEXT = 200


class Line(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What was spent on one product of an order."""

    amount: Decimal
    category: str = ""
    product: str = ""


class Content(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an event says.

    `order` is what it says of an order, whose id is `order_id`, None where it names none. `said`
    are its short properties as texts.
    """

    name: str
    stamp: Stamp
    order: Order | None = None
    order_id: str | None = None
    lines: tuple[Line, ...] | None = None
    said: dict[str, str] = {}


class Fact(msgspec.Struct, frozen=True, gc=False):
    """An event as loyalty knows it; `anchor` is the identifier that it is kept under."""

    anchor: Id
    content: Content

    @property
    def subject(self) -> str:
        """What it speaks of: an order, however many events tell of it, or itself."""
        if self.content.order_id is not None:
            return f"order:{self.content.order_id}"
        stamp = self.content.stamp
        return f"event:{stamp.source}:{stamp.message_id}"


def content_of(event: Event, names: Collection[str]) -> Content | None:
    """What loyalty keeps of an event; None when it is no order's, and none of these."""
    if event.type != "track" or event.name is None:
        return None
    if event.name not in ORDER_EVENTS:
        if event.name not in names:
            return None
        return Content(event.name, believed_stamp(event), said=_said(properties_of(event)))
    told, said = statement(event, stamp_of(event)), properties_of(event)
    lines = _lines(said) if event.name in {ORDER_COMPLETED, ORDER_UPDATED} else None
    return Content(event.name, believed_stamp(event), told.order, told.order_id, lines, _said(said))


def _said(properties: dict[str, Any]) -> dict[str, str]:
    said = {}
    for name, value in properties.items():
        text = _text(value)
        if text is not None and len(name) <= MAX_TEXT:
            said[name] = text
    return {name: said[name] for name in sorted(said)[:MAX_SAID]}


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        value = str(value)
    return value if isinstance(value, str) and len(value) <= MAX_TEXT else None


def _lines(said: dict[str, Any]) -> tuple[Line, ...] | None:
    products = said.get("products")
    if not isinstance(products, list) or not products:
        return None
    found = []
    for one in products[:MAX_LINES]:
        worth = worth_of_line(one)
        amount = None if worth is None else normal_amount(worth)
        if amount is not None:
            product = one.get("product_id") or one.get("sku")
            found.append(Line(amount, _text(one.get("category")) or "", _text(product) or ""))
    return tuple(found)
