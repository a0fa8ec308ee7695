"""What one event says of who it is about: whom it names, which identifiers belong together."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

from rapport_common.events.codec import encode
from rapport_common.events.contact import normal_email, phone_number
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, USER_ID, Event, Identifier
from rapport_common.events.envelope_v1 import EventV1
from rapport_common.events.identifiers import is_placeholder, is_placeholder_email
from rapport_common.events.kinds import PHONE
from rapport_common.events.reserved import CONSENT_UPDATED
from rapport_profile.domain.stamps import BEHIND, EARLIEST, NO_TIME

_FIRST_KINDS = frozenset({USER_ID, EMAIL, ANONYMOUS_ID})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Id = str
"""A UUID as text: strings hash, compare and sort several times faster than UUID objects."""


LinkKey = tuple[Id, Id, str]
"""(strongest identifier, the other one, SEEN or ALIAS)"""

Evidence = tuple[datetime, str, str]
"""(timestamp, message id, source) of an event that tells of a link."""

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


class Naming(msgspec.Struct, frozen=True, gc=False):
    """The identifiers of one event.

    `hub` is the strongest; the event is folded there, and each other identifier is linked to
    it. `previous` is the alias's former id: anonymous, unless it is known as a user id.
    """

    hub: Identifier
    others: tuple[Identifier, ...]
    previous: Identifier | None

    @property
    def all(self) -> list[Identifier]:
        """Every identifier, the hub first."""
        former = () if self.previous is None else (self.previous,)
        return [self.hub, *self.others, *former]


def naming(event: Event) -> Naming | None:
    """Who an event names, or None when it names nobody: placeholders are no names."""
    found = list(dict.fromkeys(one for one in map(_normal, event.identifiers) if one is not None))
    if not found:
        return None
    previous = _normal((ANONYMOUS_ID, event.previous_id)) if event.previous_id else None
    if previous in found:
        previous = None
    return Naming(found[0], tuple(found[1:]), previous)


@lru_cache(maxsize=100_000)
def _normal(identifier: Identifier) -> Identifier | None:
    """The identifier as it is compared, whatever the door it came through made of it."""
    kind, value = identifier
    if kind == EMAIL:
        value = normal_email(value)
        if is_placeholder_email(value):
            return None
    elif kind == PHONE:
        number = phone_number(value)
        return None if number is None else (kind, number)
    return None if is_placeholder(value) else (kind, value)


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
    """The properties, numbers as Decimal; empty when they are not a JSON object.

    A number whose exponent no Decimal can have (`1e-99999999999999999999`) is None.
    """
    try:
        return _properties.decode(event.properties)
    except msgspec.MsgspecError:
        return {}
    except InvalidOperation:
        return _odd_properties.decode(event.properties)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


_properties = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
# Its hook costs more, and hardly an event needs it.
_odd_properties = msgspec.json.Decoder(dict[str, Any], float_hook=_number)
