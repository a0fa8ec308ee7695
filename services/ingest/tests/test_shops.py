"""Webhooks of Shopify and WooCommerce as they send them, without a mapping."""

import json
from typing import Any

import msgspec
import pytest

from rapport_ingest.domain.dialects.originals import UnfitError
from rapport_ingest.domain.dialects.webhook import reopen
from rapport_ingest.domain.source import SourcePolicy

LINE = {
    "product_id": 7,
    "sku": "S-1",
    "title": "Hat",
    "name": "Hat",
    "quantity": 2,
    "price": "4.50",
}
SHOPIFY_ORDER = {
    "id": 820982911946154508,
    "name": "#9999",
    "email": "ada@example.com",
    "created_at": "2026-01-31T09:30:00+01:00",
    "cancelled_at": "2026-02-01T09:30:00+01:00",
    "currency": "EUR",
    "total_price": "9.00",
    "total_tax": "1.44",
    "customer": {"id": 115310627314723954, "first_name": "Ada", "last_name": "L", "email": None},
    "line_items": [LINE],
}
WOO_ORDER = {
    "id": 727,
    "number": "727",
    "status": "processing",
    "currency": "EUR",
    "total": "9.00",
    "customer_id": 0,
    "date_created_gmt": "2026-01-31T08:30:00",
    "date_modified_gmt": "2026-01-31T08:31:00",
    "billing": {"first_name": "Ada", "email": "ada@example.com", "phone": ""},
    "line_items": [LINE],
}


def event(preset: Any, topic: Any, body: dict[str, Any]) -> Any:
    header = {"shopify": "x-shopify-topic", "woocommerce": "x-wc-webhook-topic"}[preset]
    raw = json.dumps({**body, "_headers": {header: topic}}).encode()
    return msgspec.json.decode(reopen(msgspec.Raw(raw), SourcePolicy(webhook_preset=preset), "m-1"))


def test_an_order_of_shopify() -> None:
    found = event("shopify", "orders/paid", SHOPIFY_ORDER)
    assert found == {
        "type": "track",
        "event": "Order Completed",
        "messageId": "m-1",
        "timestamp": "2026-01-31T09:30:00+01:00",
        "userId": "115310627314723954",
        "context": {"traits": {"email": "ada@example.com", "firstName": "Ada", "lastName": "L"}},
        "properties": {
            "order_id": "820982911946154508",
            "order_number": "#9999",
            "total": 9,
            "tax": 1.44,
            "currency": "EUR",
            "products": [
                {"product_id": "7", "sku": "S-1", "name": "Hat", "quantity": 2, "price": 4.5}
            ],
        },
    }
    cancelled = event("shopify", "orders/cancelled", SHOPIFY_ORDER)
    assert (cancelled["event"], cancelled["timestamp"]) == (
        "Order Cancelled",
        "2026-02-01T09:30:00+01:00",
    )
    guest = event("shopify", "orders/create", {**SHOPIFY_ORDER, "customer": None})
    assert "userId" not in guest
    assert guest["context"]["traits"] == {"email": "ada@example.com"}


def test_an_order_of_woocommerce() -> None:
    found = event("woocommerce", "order.updated", WOO_ORDER)
    assert (found["event"], found["timestamp"]) == ("Order Completed", "2026-01-31T08:31:00Z")
    # Guests have the number 0, which is nobody's.
    assert "userId" not in found
    assert found["context"]["traits"] == {"email": "ada@example.com", "firstName": "Ada"}
    assert (found["properties"]["order_id"], found["properties"]["total"]) == ("727", 9)
    known = event(
        "woocommerce", "order.updated", {**WOO_ORDER, "customer_id": 5, "status": "refunded"}
    )
    assert (known["event"], known["userId"]) == ("Order Refunded", "5")


def test_a_refunded_order_of_woocommerce_is_so_altogether() -> None:
    """Without amounts: when its status changes again, it counts again."""
    found = event("woocommerce", "order.updated", {**WOO_ORDER, "status": "refunded"})
    assert found["properties"] == {"order_id": "727", "order_number": "727", "currency": "EUR"}


def test_customers_are_identified() -> None:
    shopify = {"id": 5, "email": "a@example.com", "updated_at": "2026-01-31T09:30:00Z"}
    found = event("shopify", "customers/update", shopify)
    assert (found["type"], found["userId"], found["traits"]) == (
        "identify",
        "5",
        {"email": "a@example.com"},
    )
    assert event("woocommerce", "customer.created", {"id": 5})["type"] == "identify"


@pytest.mark.parametrize(
    ("preset", "topic", "body", "path"),
    [
        ("shopify", "products/update", SHOPIFY_ORDER, "_headers.x-shopify-topic"),
        ("shopify", "orders/paid", {**SHOPIFY_ORDER, "total_price": "1,299.00"}, "total_price"),
        ("shopify", "orders/paid", {**SHOPIFY_ORDER, "line_items": [5]}, "line_items.0"),
        ("shopify", "orders/paid", {**SHOPIFY_ORDER, "test": True}, "test"),
        ("woocommerce", "order.updated", {**WOO_ORDER, "status": ["x"]}, "status"),
        ("woocommerce", "product.updated", WOO_ORDER, "status"),
        ("shopify", ["orders/paid"], SHOPIFY_ORDER, "_headers.x-shopify-topic"),
        ("shopify", "orders/paid", {**SHOPIFY_ORDER, "total_price": 10**400}, "total_price"),
    ],
)
def test_what_is_not_understood_is_kept_with_its_reason(
    preset: Any, topic: Any, body: dict[str, Any], path: str
) -> None:
    with pytest.raises(UnfitError) as raised:
        event(preset, topic, body)
    assert (raised.value.code, raised.value.path) == ("mapping_failed", path)
