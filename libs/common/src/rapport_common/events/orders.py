"""The events that speak of orders, and where their amounts stand: Segment's e-commerce spec (v2).

The door checks what the profile counts: both read these.
"""

from decimal import Decimal
from typing import Any, Final

from rapport_common.events.money import normal_amount

ORDER_COMPLETED: Final = "Order Completed"
ORDER_UPDATED: Final = "Order Updated"
ORDER_REFUNDED: Final = "Order Refunded"
ORDER_CANCELLED: Final = "Order Cancelled"
ORDER_EVENTS: Final = frozenset({ORDER_COMPLETED, ORDER_UPDATED, ORDER_REFUNDED, ORDER_CANCELLED})

ORDER_AMOUNTS: Final = ("total", "revenue", "value", "amount")
"""The properties in which an order's worth may stand, the best first."""


def worth_of_line(line: Any) -> Decimal | None:
    """The price of one of `products` times its quantity (1 unless it says); None: not readable."""
    if not isinstance(line, dict):
        return None
    price, quantity = normal_amount(line.get("price")), line.get("quantity")
    count = Decimal(1) if quantity is None else normal_amount(quantity)
    return None if price is None or count is None else price * count
