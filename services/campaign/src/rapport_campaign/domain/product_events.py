"""Events that speak of products: who looked at what, ordered what, gave what back.

The words are those of Segment's e-commerce specification (version 2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

import msgspec

from rapport_campaign.domain.products import Told, sku_in, told_by
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event, Identifier, identifier_digest
from rapport_common.events.identifiers import is_placeholder
from rapport_common.events.money import normal_amount
from rapport_common.events.orders import (
    ORDER_CANCELLED,
    ORDER_COMPLETED,
    ORDER_REFUNDED,
    ORDER_UPDATED,
)

Kind = Literal["viewed", "ordered", "returned"]

PRODUCT_VIEWED = "Product Viewed"
KINDS: Mapping[str, Kind] = {
    PRODUCT_VIEWED: "viewed",
    ORDER_COMPLETED: "ordered",
    ORDER_UPDATED: "ordered",
    ORDER_REFUNDED: "returned",
    ORDER_CANCELLED: "returned",
}
MOST_LINES = 100
"""Products of one event that are kept, the first: an order of thousands costs as much as these."""
MAX_ORDER_ID, MAX_COUNT = 128, 1_000_000
ALL_OF_IT = -1
"""Given back: all there is of a product, where an event does not say how many."""


@dataclass(frozen=True, slots=True)
class ProductEvent:
    """What is kept of an event. One that gives back without products gives all of its order back.

    `anchor` stands for the identifier by which it was applied, `subject` for the same in wishes to
    be forgotten. `order_key`: an order's id; of one without any, the message. `copy`: so many
    forms of the message counted before this one.
    """

    workspace: str
    source: str
    message_id: str
    kind: Kind
    anchor: bytes
    subject: bytes
    at: datetime
    received_at: datetime
    copy: int
    trusted: bool
    order_key: str
    lines: Mapping[str, int]

    @property
    def message(self) -> tuple[str, str, str]:
        """What identifies it."""
        return self.workspace, self.source, self.message_id


def speaks_of_products(record: ProfileActivity) -> bool:
    """Whether there is anything to be read: asked of every record, so it costs nearly nothing."""
    return record.event is not None and record.event.name in KINDS


def anchor_of(identifier: Identifier) -> bytes:
    """What stands for an identifier where events are kept: 16 bytes."""
    kind, value = identifier
    return sha256(f"{kind}\0{value}".encode()).digest()[:16]


def read(
    record: ProfileActivity, event: Event, key: bytes, oldest: datetime
) -> tuple[ProductEvent | None, list[Told]]:
    """What is kept of an event of `KINDS`, and what it says of products.

    Nothing of what happened before `oldest`, or names nobody or nothing.
    """
    at = min(event.timestamp, event.received_at)
    if at < oldest or not event.identifiers or event.name is None:
        return None, []
    said = _object(event.properties)
    kind = KINDS[event.name]
    if kind == "viewed":
        products = [said]
    else:
        listed = said.get("products")
        some = listed if isinstance(listed, list) else []
        products = [one for one in some[:MOST_LINES] if isinstance(one, dict)]
    lines = _lines(kind, products)
    if not lines and (kind != "returned" or products):
        return None, []
    hub = record.hub or event.identifiers[0]
    kept = ProductEvent(
        workspace=event.workspace,
        source=_storable(event.source),
        message_id=_storable(event.message_id),
        kind=kind,
        anchor=anchor_of(hub),
        subject=identifier_digest(key, event.workspace, hub),
        at=at,
        received_at=event.received_at,
        copy=record.replaced,
        trusted=event.trust == "trusted",
        order_key="" if kind == "viewed" else _order_key(event, said),
        lines=lines,
    )
    return kept, told_by(event, products, said)


def _lines(kind: Kind, products: list[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in products:
        sku = sku_in(one)
        if sku is None:
            continue
        count = 1 if kind == "viewed" else _count(kind, one.get("quantity"))
        before = found.get(sku, 0)
        found[sku] = ALL_OF_IT if ALL_OF_IT in {count, before} else min(before + count, MAX_COUNT)
    return found


def _count(kind: Kind, quantity: Any) -> int:
    """How many; of what is given back all, where that is not said."""
    amount = normal_amount(quantity)
    if amount is None or amount < 1:
        return 1 if kind == "ordered" else ALL_OF_IT
    return min(int(amount), MAX_COUNT)


def _order_key(event: Event, said: Mapping[str, Any]) -> str:
    """The id of the order as text: `1001` and `"1001"` are one; a placeholder is none."""
    value = said.get("order_id")
    # Python writes no number of thousands of digits.
    is_number = type(value) is int and value.bit_length() <= MAX_ORDER_ID
    text = str(value).strip() if isinstance(value, str) or is_number else ""
    if text and len(text) <= MAX_ORDER_ID and text.isprintable() and not is_placeholder(text):
        return f"order {text}"
    return _storable(f"message {event.source} {event.message_id}")


def _object(properties: msgspec.Raw) -> dict[str, Any]:
    """The properties; an empty object where they can't be read."""
    try:
        found = msgspec.json.decode(properties)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
