"""Products: what is known of each, and what may be said of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from rapport_common.events.envelope import Event
from rapport_common.events.money import normal_amount, normal_currency

MAX_SKU, MAX_NAME, MAX_CATEGORY, MAX_URL = 128, 200, 100, 2048
FIELDS = ("name", "url", "image_url", "price", "category")
"""What is told of a product, each by whoever told it last."""

SAME_AGAIN = timedelta(hours=1)
"""A value that is told again is not noted as told later before so long: a product of which a
thousand people hear in an hour is not written a thousand times.
"""

# What RFC 3986 allows in a URL; the rest is percent-encoded, but for what ends one in a page.
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"
_NO_URL = set('"<>\\^`{|} ')


class Value(NamedTuple):
    """A field's value, and when it was told."""

    text: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Product:
    """A product; `price` is such as `129.90 EUR`. `told`: when each field was told last."""

    workspace: str
    sku: str
    name: str | None = None
    url: str | None = None
    image_url: str | None = None
    price: str | None = None
    category: str | None = None
    in_stock: bool = True
    blocked: bool = False
    created_at: datetime | None = None
    archived_at: datetime | None = None
    told: Mapping[str, datetime] | None = None

    @property
    def is_shown(self) -> bool:
        """Whether it may be recommended: it is sold, and there is something to show."""
        is_sold = self.in_stock and not self.blocked and self.archived_at is None
        return is_sold and self.name is not None and self.url is not None

    @property
    def amount(self) -> str | None:
        """The price without its currency, with the digits it was told with."""
        return self.price.partition(" ")[0] if self.price else None

    @property
    def currency(self) -> str | None:
        """ISO 4217, of the price."""
        return self.price.partition(" ")[2] if self.price else None


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody who may says of a product: some of its fields."""

    workspace: str
    sku: str
    fields: Mapping[str, Value]


def sku_of(value: Any) -> str | None:
    """The name of a product as it is kept; None for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if value.bit_length() < MAX_SKU else None
    return line_of(value, MAX_SKU)


def line_of(value: Any, most: int) -> str | None:
    """One line of visible text, without blanks around it; None for anything else."""
    if not isinstance(value, str):
        return None
    bare = value.strip()
    return bare if bare and len(bare) <= most and bare.isprintable() else None


def link_of(value: Any) -> str | None:
    """An https address in ASCII; None for one that runs something, hides a password, or is none."""
    bare = line_of(value, MAX_URL)
    if bare is None or _NO_URL & set(bare):
        return None
    address = quote(bare, safe=_URL_SAFE, errors="replace")
    try:
        parts = urlsplit(address)
        known = parts.scheme == "https" and parts.hostname and parts.port != 0
        is_bare = parts.username is None and parts.password is None
    except ValueError:
        return None
    return address if known and is_bare and len(address) <= MAX_URL else None


def price_of(amount: Any, currency: Any) -> str | None:
    """`129.90 EUR`; None for what is no price, or of no currency: none is ever guessed."""
    found, code = normal_amount(amount), normal_currency(currency)
    return None if found is None or code is None or found < 0 else f"{_plain(abs(found))} {code}"


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"


def told_by(event: Event, lines: list[dict[str, Any]], said: Mapping[str, Any]) -> list[Told]:
    """What an event says of its products; nothing if everybody can send such a one.

    A public key stands in every page: with it somebody could put a link into everybody's mail.
    """
    if event.trust != "trusted":
        return []
    at = min(event.timestamp, event.received_at)
    usual = said.get("currency") if said.get("currency") is not None else event.currency
    found: dict[str, Told] = {}
    for line in lines:
        sku = sku_in(line)
        if sku is None:
            continue
        own = line.get("currency") if line.get("currency") is not None else usual
        values = {
            "name": line_of(line.get("name"), MAX_NAME),
            "url": link_of(line.get("url")),
            "image_url": link_of(line.get("image_url")),
            "price": price_of(line.get("price"), own),
            "category": line_of(line.get("category"), MAX_CATEGORY),
        }
        fields = {name: Value(one, at) for name, one in values.items() if one is not None}
        if fields:
            found.setdefault(sku, Told(event.workspace, sku, fields))
    return list(found.values())


def sku_in(line: Mapping[str, Any]) -> str | None:
    """What one of an event's products is called: by its `sku`, else its `product_id`."""
    return sku_of(line.get("sku")) or sku_of(line.get("product_id"))


def news_in(told: Told, known: Product | None) -> Told | None:
    """What of it is newer than what is known; None if nothing is."""
    before = {} if known is None or known.told is None else known.told
    fields = {
        name: one
        for name, one in told.fields.items()
        if (last := before.get(name)) is None or _is_news(one, last, getattr(known, name))
    }
    return Told(told.workspace, told.sku, fields) if fields else None


def _is_news(one: Value, last: datetime, text: str | None) -> bool:
    if one.text == text:
        return one.at >= last + SAME_AGAIN
    # Of two that were told at one instant the greater counts, whichever came first.
    return (one.at, one.text or "") > (last, text or "")
