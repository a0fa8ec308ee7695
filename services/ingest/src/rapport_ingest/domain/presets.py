"""Mappings that come with Rapport, for files that many systems write alike."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rapport_common.zones import zone_of
from rapport_ingest.domain.casting import Decimals
from rapport_ingest.domain.mapping import Field, Mapper, Mapping, find

PRESETS = ("pos",)

NEEDED_COLUMNS = {
    "pos": ("store", "till", "receipt", "time", "sku", "quantity", "unit_price"),
}
"""The columns that a preset's files must have."""

TRAILERS = {"pos": "TOTAL"}
"""The first cell of the line with the totals, unless the options name another."""

Prepare = Callable[[dict[str, Any]], dict[str, Any]]
"""What a preset adds to a row before it is mapped."""


def preset(name: str, decimals: Decimals, timezone: str | None, time_format: str | None) -> Mapping:
    """The mapping of a preset; InvalidRequestError when the options don't fit."""
    found = {"pos": _pos}[name](decimals, timezone, time_format)
    Mapper(found)
    return found


def preparing(name: str, timezone: str | None, time_format: str | None) -> Prepare:
    """What is done with each row first: a till counts its receipts anew each day."""
    zone = zone_of(timezone) if timezone else UTC

    def dated(row: dict[str, Any]) -> dict[str, Any]:
        if find(row, "date") is None and isinstance(row.get("time"), str):
            try:
                text = row["time"].strip()
                # Only the day as the till shows it is asked for.
                moment = (
                    datetime.strptime(text, time_format).replace(tzinfo=zone)
                    if time_format
                    else datetime.fromisoformat(text)
                )
            except ValueError:
                return row  # the mapping of `time` says what is wrong with it
            row["date"] = moment.date().isoformat()
        return row

    return {"pos": dated}[name]


def _pos(decimals: Decimals, timezone: str | None, time_format: str | None) -> Mapping:
    """A till's lines at the end of the day: one order for each receipt.

    Columns: store, till, receipt, time, sku, quantity, unit_price, and if there are any: date,
    line, name, category, currency, customer, loyalty_card, email.
    """
    receipt = "{store}-{till}-{receipt}-{date}"
    return Mapping(
        event="Order Completed",
        fields={
            "messageId": Field(template=receipt),
            "timestamp": Field(path="time", type="datetime", layout=time_format),
            "userId": "customer",
            "anonymousId": Field(template="loyalty-card-{loyalty_card}"),
            "context.traits.email": "email",
            "properties.order_id": Field(template=receipt),
            "properties.receipt": Field(path="receipt", type="string"),
            "properties.store": Field(path="store", type="string"),
            "properties.till": Field(path="till", type="string"),
            "properties.loyalty_card": Field(path="loyalty_card", type="string"),
            "properties.currency": "currency",
            "properties.total": Field(sum=("quantity", "unit_price")),
            "properties.channel": Field(value="pos"),
        },
        group_by=receipt,
        lines={
            "product_id": Field(path="sku", type="string"),
            "sku": Field(path="sku", type="string"),
            "name": "name",
            "category": "category",
            "quantity": Field(path="quantity", type="number"),
            "price": Field(path="unit_price", type="number"),
            "position": Field(path="line", type="integer"),
        },
        decimals=decimals,
        timezone=timezone,
    )
