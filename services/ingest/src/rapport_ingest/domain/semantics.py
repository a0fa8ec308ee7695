"""Events whose names mean something to the services: what they must say to be counted right.

The rest of an event is its sender's business. Names: Segment's e-commerce spec for orders, our
own for consents and for what the services tell.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from rapport_common.events.consent import (
    ANY_PURPOSE,
    CHANNELS,
    EXPIRES_AT,
    LEGAL_BASES,
    OWN,
    PURPOSES,
    instant_of,
    is_channel,
    is_purpose,
    normal_channel,
    normal_purpose,
    normal_state,
)
from rapport_common.events.contact import ANY_CHANNEL, BY_PHONE, EMAIL_CHANNEL, contact_point
from rapport_common.events.money import CURRENCIES, MAX_DIGITS, normal_amount, normal_currency
from rapport_common.events.orders import ORDER_AMOUNTS, ORDER_EVENTS, ORDER_REFUNDED, worth_of_line
from rapport_common.events.reserved import CONSENT_UPDATED, plain_name, service_of
from rapport_ingest.domain.reading import MAX_SHOWN, Refused

LARGEST = 10 ** (MAX_DIGITS - 1)

Properties = dict[str, Any]
Checked = tuple[Properties | None, str | None]
"""The properties where they were changed, and the declared currency where it is needed."""

Check = Callable[[Properties, str | None], Checked]


@lru_cache(maxsize=16_384)
def check_of(name: str) -> tuple[str, Check] | None:
    """How the properties of an event of this name are checked, and the name's one form.

    None for nearly all. Refused when it is a service's own.
    """
    service = service_of(name)
    if service is not None:
        return name, _reserved(service)
    return _CHECKS.get(plain_name(name))


def _reserved(service: str) -> Check:
    def refuse(_properties: Properties, _currency: str | None) -> Checked:
        reason = (
            f"This name is told by Rapport's {service} service alone, and others believe it. "
            "Give your event another name, such as 'Newsletter Opened'."
        )
        raise Refused("reserved_event", "event", reason)

    return refuse


def consent(properties: Properties, _currency: str | None) -> Checked:
    """A consent with its point, channel, purpose and state in their one form.

    What can't be read is refused: a "no" that nobody understands must not pass for one. A no may
    be to `all` channels or purposes of a contact point, a yes says to what.
    """
    channel = _word(properties, "channel", _channel, _CHANNELS_TOLD)
    purpose = _word(properties, "purpose", _purpose, _PURPOSES_TOLD)
    state = _word(properties, "state", normal_state, "granted, denied or withdrawn")
    if state == "granted" and channel == ANY_CHANNEL:
        raise _unread("invalid_consent", "channel", properties["channel"], ONE_OF_EACH)
    if state == "granted" and purpose == ANY_PURPOSE:
        raise _unread("invalid_consent", "purpose", properties["purpose"], ONE_OF_EACH)
    point = _point(properties, channel)
    said = {"channel": channel, "purpose": purpose, "state": state, "contact_point": point}
    said |= _rests_on(properties)
    same = all(properties[name] == value for name, value in said.items())
    return (None if same else {**properties, **said}), None


def _rests_on(properties: Properties) -> dict[str, str]:
    """The ground and the end of a permission, where they are told."""
    found = {}
    basis, end = properties.get(LEGAL_BASIS), properties.get(EXPIRES_AT)
    if basis is not None:
        if basis not in LEGAL_BASES:
            raise _unread("invalid_consent", LEGAL_BASIS, basis, f"one of {', '.join(LEGAL_BASES)}")
        found[LEGAL_BASIS] = basis
    if end is not None:
        at = instant_of(end)
        if at is None:
            wanted = "a time such as 2027-03-01T00:00:00Z, or a day"
            raise _unread("invalid_consent", EXPIRES_AT, end, wanted)
        found[EXPIRES_AT] = at.isoformat().replace("+00:00", "Z")
    return found


LEGAL_BASIS = "legal_basis"
ONE_OF_EACH = "what a permission can be for: it is for one channel and one purpose, send each alone"


def _channel(text: str) -> str | None:
    word = normal_channel(text)
    return word if word and is_channel(word) else None


def _purpose(text: str) -> str | None:
    word = normal_purpose(text)
    return word if word and is_purpose(word) else None


def _known(words: Iterable[str], what: str) -> str:
    return (
        f"one of {', '.join(words)}, or in a withdrawal all; {what} of your own begins with {OWN}"
    )


_CHANNELS_TOLD = _known(CHANNELS, "a channel")
_PURPOSES_TOLD = _known(PURPOSES, "a purpose")


def _word(
    properties: Properties, name: str, normal: Callable[[str], str | None], wanted: str
) -> str:
    value = properties.get(name)
    found = normal(value) if isinstance(value, str) else None
    if found is None:
        raise _unread("invalid_consent", name, value, wanted)
    return found


def _point(properties: Properties, channel: str) -> str:
    value = properties.get("contact_point")
    found = contact_point(channel, value) if isinstance(value, str) else None
    if found is None:
        wanted = "where the person is reached"
        if channel == EMAIL_CHANNEL:
            wanted = "one e-mail address, such as ada@example.com"
        elif channel in BY_PHONE:
            wanted = "a phone number with its country's code, such as +49 170 1234567"
        raise _unread("invalid_consent", "contact_point", value, wanted)
    return found


def order(properties: Properties, declared: str | None) -> Checked:
    """An order with plain amounts in a currency of ISO 4217, or in the source's declared one."""
    has_amount = False
    for name in ORDER_AMOUNTS:
        value: Any = properties.get(name)
        if value is None:
            continue
        # Nearly all are numbers that need no second look.
        kind = value.__class__
        is_price = (kind is float or kind is int) and 0 <= value < LARGEST
        if not is_price and normal_amount(value) is None:
            raise _unread("invalid_amount", name, value, "a plain decimal such as 1299.00")
        has_amount = True
    stated = properties.get("currency")
    if stated.__class__ is str and stated in CURRENCIES:
        return None, None
    if stated is None or (isinstance(stated, str) and not stated.strip()):
        if has_amount and declared is None:
            raise Refused("missing_currency", "properties.currency", NO_CURRENCY)
        return None, declared if has_amount else None
    currency = normal_currency(stated)
    if currency is None:
        raise _unread("invalid_currency", "currency", stated, "a code of ISO 4217 such as EUR")
    return {**properties, "currency": currency}, None


def refund(properties: Properties, declared: str | None) -> Checked:
    """A refund: an order's amount, else that of the products that are given back, else all."""
    checked = order(properties, declared)
    lines = properties.get("products")
    if isinstance(lines, list) and all(properties.get(name) is None for name in ORDER_AMOUNTS):
        for number, line in enumerate(lines):
            if worth_of_line(line) is None:
                wanted = (
                    "a price (and quantity) as plain decimals. A refund of some products takes off "
                    "what they cost: send these, or properties.total, or no products for all"
                )
                raise _unread("invalid_amount", f"products[{number}]", line, wanted)
    return checked


NO_CURRENCY = (
    "An order with an amount needs its currency: send properties.currency (ISO 4217, such as EUR), "
    "or declare the source's own: `rapport source set SOURCE --currency EUR`."
)


def _unread(code: str, name: str, value: Any, wanted: str) -> Refused:
    path = f"properties.{name}"
    if value is None:
        return Refused(code, path, f"{path} is missing: {wanted}.")
    shown = str(value)[:MAX_SHOWN].replace("\0", "\ufffd")
    return Refused(code, path, f"{path} '{shown}' is not {wanted}.")


_CHECKS: dict[str, tuple[str, Check]] = {
    plain_name(CONSENT_UPDATED): (CONSENT_UPDATED, consent),
    **{plain_name(one): (one, order) for one in ORDER_EVENTS},
    plain_name(ORDER_REFUNDED): (ORDER_REFUNDED, refund),
}
