"""What one event says: who it names, which identifiers belong together, what it adds up to."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

from rapport_common.events.codec import encode
from rapport_common.events.envelope import ANONYMOUS_ID, USER_ID, Event, Identifier

ORDER_COMPLETED = "Order Completed"
CONSENT_UPDATED = "Consent Updated"
CASE_OPEN = {"Case Opened": True, "Case Reopened": True, "Case Closed": False}
DEFAULT_CURRENCY = "USD"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DIGITS = 15
_MIN_EXPONENT = -6


Id = str
"""A UUID as text: strings hash, compare and sort several times faster than UUID objects."""


LinkKey = tuple[Id, Id, str]
"""(strongest identifier, the other one, SEEN or ALIAS)"""

SEEN = "seen"
ALIAS = "alias"


@lru_cache(maxsize=100_000)
def identifier_id(workspace: str, identifier: Identifier) -> Id:
    """A 128-bit name for an identifier: the same in every process, without asking the database."""
    kind, value = identifier
    text = f"{workspace}\0{kind}\0{value}".encode()
    name = hashlib.blake2b(text, digest_size=16).hexdigest()
    return f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"


def content_hash(event: Event) -> bytes:
    """16 bytes that are equal for equal copies of an event; when we received it does not count."""
    same_time = msgspec.structs.replace(event, received_at=_EPOCH)
    return hashlib.blake2b(encode(same_time), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Naming:
    """The identifiers of one event.

    `hub` is the strongest; the event is folded there, and each other identifier is linked to
    it. `previous` is the alias's former id: anonymous, unless it is known as a user id.
    """

    hub: Identifier
    others: tuple[Identifier, ...]
    previous: Identifier | None


def naming(event: Event) -> Naming | None:
    """Who an event names, or None when it names nobody."""
    found = event.identifiers()
    previous = (ANONYMOUS_ID, event.previous_id) if event.previous_id else None
    if not found:
        return None
    if previous in found:
        previous = None
    return Naming(found[0], tuple(found[1:]), previous)


def link_keys(workspace: str, named: Naming) -> list[LinkKey]:
    """The links an event tells of, each from its strongest identifier."""
    hub = identifier_id(workspace, named.hub)
    keys = [(hub, identifier_id(workspace, one), SEEN) for one in named.others]
    if named.previous is not None:
        keys.append((hub, identifier_id(workspace, named.previous), ALIAS))
    return keys


def user_twin(identifier: Identifier) -> Identifier:
    """The same value as a user id."""
    return (USER_ID, identifier[1])


def anonymous_twin(identifier: Identifier) -> Identifier:
    """The same value as an anonymous id."""
    return (ANONYMOUS_ID, identifier[1])


def properties_of(event: Event) -> dict[str, Any]:
    """The properties, numbers as Decimal; empty when they are not a JSON object."""
    try:
        return _properties.decode(event.properties)
    except msgspec.MsgspecError:
        return {}


_properties = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def order_value(properties: dict[str, Any]) -> tuple[str, Decimal] | None:
    """(currency, amount) of an order, or None when it has no usable amount."""
    for name in ("total", "revenue", "value"):
        amount = _amount(properties.get(name))
        if amount is not None:
            currency = properties.get("currency")
            known = isinstance(currency, str) and 0 < len(currency) <= len("USD")
            return (currency.upper() if known and currency else DEFAULT_CURRENCY), amount
    return None


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount.adjusted() > _MAX_DIGITS:
        return None
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < _MIN_EXPONENT:
        amount = amount.quantize(Decimal(1).scaleb(_MIN_EXPONENT))
    return amount
