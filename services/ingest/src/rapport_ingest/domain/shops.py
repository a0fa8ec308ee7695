"""Webhooks of shop systems as they come out of the box: what each topic means.

A mapping makes one kind of event; a shop sends many kinds to one address, told apart by a header.
"""

from collections.abc import Mapping
from typing import Any, Literal

from rapport_common.events.orders import ORDER_CANCELLED, ORDER_COMPLETED, ORDER_REFUNDED
from rapport_ingest.domain.casting import cast
from rapport_ingest.domain.mapping import MappingError, find

Shop = Literal["shopify", "woocommerce"]

SHOPIFY = {
    "orders/create": ORDER_COMPLETED,
    "orders/paid": ORDER_COMPLETED,
    "orders/cancelled": ORDER_CANCELLED,
    "checkouts/create": "Checkout Started",
    "carts/create": "Cart Viewed",
}
SHOPIFY_CUSTOMERS = frozenset({"customers/create", "customers/update", "customers/enable"})
WOOCOMMERCE = {
    "processing": ORDER_COMPLETED,
    "completed": ORDER_COMPLETED,
    "cancelled": ORDER_CANCELLED,
    "failed": ORDER_CANCELLED,
    "refunded": ORDER_REFUNDED,
    "pending": "Checkout Started",
    "on-hold": "Checkout Started",
    "checkout-draft": "Checkout Started",
}
"""By the status of the order: WooCommerce tells of a change, not of what changed."""

PERSON = {"email": "email", "first_name": "firstName", "last_name": "lastName", "phone": "phone"}

Row = Mapping[str, Any]


def shop_event(shop: Shop, row: Row) -> dict[str, Any]:
    """The event in Segment's shape; MappingError says what is not there."""
    return {"shopify": _shopify, "woocommerce": _woocommerce}[shop](row)


def _shopify(row: Row) -> dict[str, Any]:
    topic = find(row, "_headers.x-shopify-topic")
    if not isinstance(topic, str):
        raise _unknown("_headers.x-shopify-topic", topic, SHOPIFY, SHOPIFY_CUSTOMERS)
    if topic in SHOPIFY_CUSTOMERS:
        return _customer(row, row, find(row, "updated_at"))
    name = SHOPIFY.get(topic)
    if name is None:
        raise _unknown("_headers.x-shopify-topic", topic, SHOPIFY, SHOPIFY_CUSTOMERS)
    if row.get("test") is True:
        raise MappingError("test", "A shop's test order is nobody's purchase; it is not counted.")
    cancelled = name == ORDER_CANCELLED
    when = find(row, "cancelled_at" if cancelled else "created_at")
    customer = row.get("customer")
    buyer = customer if isinstance(customer, dict) else {}
    contact = {"email": row.get("email") or row.get("contact_email"), "phone": row.get("phone")}
    properties = {
        "order_id": row.get("id"),
        "order_number": row.get("name"),
        "total": _money(row, "total_price"),
        "shipping": _money(row, "total_shipping_price_set.shop_money.amount"),
        "tax": _money(row, "total_tax"),
        "discount": _money(row, "total_discounts"),
        "currency": row.get("currency"),
        "products": _products(row, "title"),
    }
    return _order(name, properties, {**buyer, **_present(contact)}, when)


def _woocommerce(row: Row) -> dict[str, Any]:
    topic = find(row, "_headers.x-wc-webhook-topic")
    if isinstance(topic, str) and topic.startswith("customer."):
        return _customer(row, row, _utc(row, "date_modified_gmt"))
    status = row.get("status")
    name = WOOCOMMERCE.get(status) if isinstance(status, str) else None
    if name is None or not (isinstance(topic, str) and topic.startswith("order.")):
        raise _unknown("status", f"{topic}, {status}", WOOCOMMERCE, ("customer.updated",))
    refunded = name == ORDER_REFUNDED
    billing = row.get("billing")
    buyer = {**(billing if isinstance(billing, dict) else {}), "id": row.get("customer_id")}
    properties = {
        "order_id": row.get("id"),
        "order_number": row.get("number"),
        # A refunded order is so altogether; single amounts are no status.
        "total": None if refunded else _money(row, "total"),
        "shipping": _money(row, "shipping_total"),
        "tax": _money(row, "total_tax"),
        "discount": _money(row, "discount_total"),
        "currency": row.get("currency"),
        "products": None if refunded else _products(row, "name"),
    }
    changed = _utc(row, "date_modified_gmt")
    return _order(name, properties, buyer, changed or _utc(row, "date_created_gmt"))


def _order(name: str, properties: Row, buyer: Row, when: Any) -> dict[str, Any]:
    traits = _traits(buyer)
    event = {
        "type": "track",
        "event": name,
        "timestamp": when,
        "userId": _id(buyer),
        "properties": {key: _digits(key, value) for key, value in _present(properties).items()},
        "context": {"traits": traits} if traits else None,
    }
    return _present(event)


def _customer(row: Row, person: Row, when: Any) -> dict[str, Any]:
    found = {
        "type": "identify",
        "userId": _id(row),
        "timestamp": when,
        "traits": _traits(person),
    }
    return _present(found)


def _traits(person: Row) -> dict[str, Any]:
    return _present({known: person.get(name) for name, known in PERSON.items()})


def _id(person: Row) -> str | None:
    """The customer's number; guests have none, or 0."""
    found = person.get("id")
    return str(found) if found and not isinstance(found, bool) else None


def _products(row: Row, name: str) -> list[dict[str, Any]]:
    lines = row.get("line_items")
    found = []
    for number, line in enumerate(lines if isinstance(lines, list) else ()):
        if not isinstance(line, dict):
            raise MappingError(f"line_items.{number}", "A line of an order is an object.")
        product = {
            "product_id": line.get("product_id"),
            "sku": line.get("sku"),
            "name": line.get(name),
            "quantity": line.get("quantity"),
            "price": _money(line, "price"),
        }
        found.append({key: _digits(key, value) for key, value in _present(product).items()})
    return found


def _money(row: Row, path: str) -> Any:
    value = find(row, path)
    if value is None or value == "":
        return None
    try:
        return cast(value, "number")
    except ValueError as error:
        raise MappingError(path, f"{error}.") from error


def _digits(name: str, value: Any) -> Any:
    """Ids are texts, though shops write them as numbers."""
    return str(value) if name.endswith("_id") and isinstance(value, int) else value


def _utc(row: Row, path: str) -> str | None:
    """A time that its name says is in UTC."""
    value = row.get(path)
    return f"{value}Z" if isinstance(value, str) and value and not value.endswith("Z") else value


def _present(fields: Row) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _unknown(path: str, found: Any, *known: Any) -> MappingError:
    names = ", ".join(sorted({name for one in known for name in one}))
    return MappingError(path, f"'{str(found)[:100]}' is not one of {names}.")
