"""What rules can ask about a person: one JSON document, the same for both evaluators."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from rapport_common.events.profile import ComputedState, ProfileState

MAX_EXPONENT = 400
# A time without a zone counts as UTC.
_UTC = (UTC, None)
_MOMENTS = ("first_order_at", "last_order_at", "first_seen_at", "last_seen_at")
# What Postgres' jsonb refuses (NUL) or may refuse (numbers of absurd size) takes the slow way.
_SUSPECT = re.compile(rb"\\u0000|[eE][+-]?\d{3}|\d{400}")


class Facts(msgspec.Struct, frozen=True):
    """`computed`: counts, `revenue` by currency as numbers, instants as fixed-width UTC text."""

    traits: dict[str, Any]
    computed: dict[str, Any]
    identifiers: dict[str, list[str]]


class _Document(msgspec.Struct):
    traits: msgspec.Raw
    computed: dict[str, Any]
    identifiers: dict[str, list[str]]


# Numbers stay exact: as floats, two values that Postgres tells apart could be one here.
_decoder = msgspec.json.Decoder(Facts, float_hook=Decimal)
_traits_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


_exact = msgspec.json.Decoder(float_hook=Decimal)


def exact(document: str | bytes) -> Any:
    """Decoded JSON whose numbers are ints and Decimals, never floats."""
    return _exact.decode(document)


def read(stored: str | bytes) -> Facts:
    """The facts of a stored document."""
    return _decoder.decode(stored)


def project(state: ProfileState) -> tuple[bytes, Facts]:
    """The document to store for a person, and its facts: what is judged is what is stored."""
    computed = _computed(state.computed)
    identifiers: dict[str, list[str]] = {}
    for one in state.identifiers:
        identifiers.setdefault(_storable(one.kind), []).append(_storable(one.value))
    raw, traits = _traits(bytes(state.traits).strip())
    stored = _encoder.encode(_Document(msgspec.Raw(raw), computed, identifiers))
    return stored, Facts(traits, computed, identifiers)


def _traits(raw: bytes) -> tuple[bytes, dict[str, Any]]:
    if not _SUSPECT.search(raw):
        try:
            return raw, _traits_decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass  # Bytes that are not UTF-8, or traits that are no object.
    document = json.loads(raw.decode("utf-8", "replace"), parse_float=_number, parse_int=_integer)
    cleaned = _clean(document) if isinstance(document, dict) else {}
    return _encoder.encode(cleaned), cleaned


def instant(moment: datetime | None) -> str | None:
    """Fixed-width UTC text, so that the order of texts is the order of times."""
    if moment is None:
        return None
    try:
        aware = moment if moment.tzinfo in _UTC else moment.astimezone(UTC)
    except OverflowError:
        return None
    return f"{aware.isoformat(timespec='microseconds')[:26]}Z"


def _computed(state: ComputedState) -> dict[str, Any]:
    computed: dict[str, Any] = {
        "events": state.events,
        "orders": state.orders,
        "open_cases": state.open_cases,
        "revenue": _amounts(state.revenue),
    }
    for name in _MOMENTS:
        told = instant(getattr(state, name))
        if told is not None:
            computed[name] = told
    return computed


def _amounts(revenue: dict[str, str]) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = {}
    for currency, amount in revenue.items():
        number = _number(amount)
        if number is not None:
            amounts[_storable(currency)] = number
    return amounts


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_storable(key): _clean(one) for key, one in value.items()}
    return value


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _number(text: str) -> Decimal | None:
    """The number, or None (which counts as missing) when it is too large to be meant."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= MAX_EXPONENT else None


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= MAX_EXPONENT else None
