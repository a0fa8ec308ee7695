"""A shop whose customers look at things, order them and give them back."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import msgspec

from rapport_common import clock
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event

_numbers = itertools.count()
SITE = "https://shop.example"


def line(sku: str, **more: Any) -> dict[str, Any]:
    """A product as a trusted source tells of it; its category is its first letter."""
    told = {"name": f"Thing {sku}", "url": f"{SITE}/p/{sku}", "price": "9.90", "category": sku[0]}
    return {"sku": sku, **told, **more}


def told(name: str, who: str, properties: Any, **more: Any) -> ProfileActivity:
    """An event of somebody, a day old unless `at` says when; `who` is their user id."""
    at: datetime = more.pop("at", clock.now() - timedelta(days=1))
    hub, replaced = more.pop("hub", None), more.pop("replaced", 0)
    workspace = more.pop("workspace", "acme")
    fields: dict[str, Any] = {
        "workspace": workspace,
        "source": "shop",
        "message_id": f"m{next(_numbers)}",
        "type": "track",
        "name": name,
        "timestamp": at,
        "received_at": at,
        "identifiers": [("user_id", who)],
        "properties": msgspec.Raw(msgspec.json.encode(properties)),
        "currency": "EUR",
    }
    event = Event(**{**fields, **more})
    return ProfileActivity(
        workspace=workspace,
        profile_id=f"p-{who}",
        version=1,
        event=event,
        hub=hub,
        replaced=replaced,
    )


def viewed(who: str, sku: str, **more: Any) -> ProfileActivity:
    """They have looked at it."""
    return told("Product Viewed", who, line(sku), **more)


def ordered(who: str, *skus: str, order: Any = None, **more: Any) -> ProfileActivity:
    """They have bought these, one of each."""
    said = {"order_id": order or f"o{next(_numbers)}", "products": [line(one) for one in skus]}
    return told("Order Completed", who, said, **more)


def returned(who: str, order: Any, *lines: dict[str, Any], **more: Any) -> ProfileActivity:
    """They have given these back, or all of it."""
    said: dict[str, Any] = {"order_id": order} | ({"products": list(lines)} if lines else {})
    return told("Order Refunded", who, said, **more)
