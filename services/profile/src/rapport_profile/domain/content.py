"""What one event carries: which copies of it are equal, and its properties as values."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from rapport_common.events.codec import UNREADABLE, encode
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, USER_ID, Event, Identifier
from rapport_common.events.envelope_v1 import EventV1
from rapport_common.events.reserved import CONSENT_UPDATED
from rapport_profile.domain.stamps import BEHIND, EARLIEST, NO_TIME

_FIRST_KINDS = frozenset({USER_ID, EMAIL, ANONYMOUS_ID})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def content_hash(event: Event) -> bytes:
    """16 bytes that are equal for equal copies of an event.

    A sender that tries again may put an event into another batch, at another place of it: that
    is the same event, also when it states no time, which then is that of the receipt. Else the
    receipt counts only where something depends on it: a stated time that is not believed or lies
    ahead, or a word on consent of that day.
    """
    at, received_at = event.timestamp, event.received_at
    if at == received_at:
        at = received_at = _EPOCH
    elif EARLIEST <= at <= received_at - (BEHIND if event.name == CONSENT_UPDATED else NO_TIME):
        received_at = _EPOCH
    return hashlib.blake2b(encode(_as_hashed(event, at, received_at)), digest_size=16).digest()


class _Hashed(EventV1, frozen=True, kw_only=True, omit_defaults=True):
    """An event as it was written when hashes of it were first kept: they hold for ever."""

    others: tuple[Identifier, ...] = ()
    """What names the person besides the first of each of the three kinds that there were."""


def _as_hashed(event: Event, at: datetime, received_at: datetime) -> _Hashed:
    names: dict[str, str] = {}
    others = []
    for kind, value in event.identifiers:
        if kind in _FIRST_KINDS and kind not in names:
            names[kind] = value
        else:
            others.append((kind, value))
    return _Hashed(
        workspace=event.workspace,
        source=event.source,
        message_id=event.message_id,
        type=event.type,
        timestamp=at,
        received_at=received_at,
        name=event.name,
        user_id=names.get(USER_ID),
        anonymous_id=names.get(ANONYMOUS_ID),
        email=names.get(EMAIL),
        previous_id=event.previous_id,
        group_id=event.group_id,
        properties=event.properties,
        traits=event.traits,
        context=event.context,
        client=event.client,
        provenance=event.provenance,
        trust=event.trust,
        currency=event.currency,
        historic=event.historic,
        implausible_time=event.implausible_time,
        others=tuple(others),
    )


def properties_of(event: Event) -> dict[str, Any]:
    """The properties, numbers as Decimal; empty when they are no JSON object that can be read.

    A number whose exponent no Decimal can have (`1e-99999999999999999999`) is None.
    """
    try:
        return _properties.decode(event.properties)
    except UNREADABLE:
        # Hardly ever, so it may cost a second reading.
        return _read_oddly(event.properties)


def _read_oddly(properties: msgspec.Raw) -> dict[str, Any]:
    try:
        return _odd_properties.decode(properties)
    except UNREADABLE:
        return {}


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


_properties = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
# Its hook costs more, and hardly an event needs it.
_odd_properties = msgspec.json.Decoder(dict[str, Any], float_hook=_number)
