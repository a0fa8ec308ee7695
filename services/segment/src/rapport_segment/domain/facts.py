"""What rules can ask about a person: one JSON document, the same for both evaluators."""

import json
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from rapport_common.events.contact import normal_email
from rapport_common.events.profile import ComputedState, ProfileState
from rapport_segment.domain.values import EMAIL, instant, normal_text

MAX_EXPONENT = 400
_MOMENTS = ("first_order_at", "last_order_at", "first_seen_at", "last_seen_at")
# What Postgres' jsonb may refuse: numbers of absurd size.
_HUGE = re.compile(rb"[eE][+-]?\d{3}")
_LONG = re.compile(rb"\d{400}")
_LONG_BYTES = 400
# From the hyphen on: a pattern with a fixed beginning is looked for several times faster.
_INSTANT = re.compile(rb"-\d\d[Tt ]\d\d:")


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
    if _is_plain(raw):
        try:
            traits = _traits_decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass  # Bytes that are not UTF-8, or traits that are no object.
        else:
            address = traits.get(EMAIL)
            if address is None or _addresses(address) == address:
                return raw, traits
    document = json.loads(raw.decode("utf-8", "replace"), parse_float=_number, parse_int=_integer)
    cleaned = _clean(document) if isinstance(document, dict) else {}
    if EMAIL in cleaned:
        cleaned[EMAIL] = _addresses(cleaned[EMAIL])
    return _encoder.encode(cleaned), cleaned


def _addresses(value: Any) -> Any:
    """The trait `email` as addresses are kept, one or a list of them; what is none stays."""
    if type(value) is str:
        return normal_email(value)
    if type(value) is list:
        return [normal_email(one) if type(one) is str else one for one in value]
    return value


def _is_plain(raw: bytes) -> bool:
    """Whether nothing in it is written in another form than the one in which it is kept.

    Escaped letters, instants and what Postgres can't store take the slow way.
    """
    if b"\\u" in raw or _HUGE.search(raw) or _INSTANT.search(raw):
        return False
    if len(raw) >= _LONG_BYTES and _LONG.search(raw):
        return False
    return raw.isascii() or unicodedata.is_normalized("NFC", raw.decode("utf-8", "replace"))


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
        return normal_text(_storable(value))
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {normal_text(_storable(key)): _clean(one) for key, one in value.items()}
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
