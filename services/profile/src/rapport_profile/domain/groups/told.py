"""What others are told of a person's groups: a trait, `groups`, by kind.

Segments and messages read it as they read any trait: `groups.company.plan`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from rapport_common.events.codec import UNREADABLE
from rapport_common.events.envelope import Event, Identifier
from rapport_profile.domain.groups.kinds import GroupRules
from rapport_profile.domain.groups.membership import Membership
from rapport_profile.domain.groups.traits import Traits, visible
from rapport_profile.domain.naming import Id
from rapport_profile.domain.stamps import OWN_SOURCE

TRAIT = "groups"
EACH = "*"
"""No kind is called so. Under it rules find what one and the same group has."""
MAX_BYTES = 65_536
"""A longer trait would take half of the room that all have: then the lists are all that is told."""
MAX_TOLD = 20
"""Groups of a person, those joined last."""
MAX_TRAITS = 50
"""Of a group, in the order of their names."""
MAX_TEXT = 256
MAX_DEPTH = 3
MAX_EXPONENT = 300
"""Of a number: beyond it most readers have none."""
MIN_NUMBER = 7
"""A text with so many digits and nothing else may be a phone number."""

Document = dict[str, Any]
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encoder = msgspec.json.Encoder(decimal_format="number", order="sorted")


def told_of(
    memberships: Iterable[Membership], groups: Mapping[Id, Traits], rules: GroupRules
) -> msgspec.Raw | None:
    """The trait of somebody with these memberships; None where there is nothing to tell.

    What only a public source says is not told, nor what may be somebody's address. Of a kind of
    which a person has one group, it is told as it is; of others each trait is a list of what the
    groups have, and the groups themselves stand under `EACH`, by kind.
    """
    now = [
        one
        for one in memberships
        if one.left_at is None and one.is_verified and one.group_id in groups
    ]
    now = sorted(now, key=lambda one: (one.since, one.key), reverse=True)[:MAX_TOLD]
    by_kind: dict[str, list[Document]] = {}
    for one in sorted(now, key=lambda each: each.key):
        by_kind.setdefault(one.kind, []).append(_shown(one, groups[one.group_id]))
    document: Document = {
        kind: some[0] if rules.of(kind).most == 1 else _columns(some)
        for kind, some in by_kind.items()
    }
    several = {kind: some for kind, some in by_kind.items() if rules.of(kind).most != 1}
    if several:
        whole = msgspec.Raw(_encoder.encode({**document, EACH: several}))
        if len(bytes(whole)) <= MAX_BYTES:
            return whole
    return msgspec.Raw(_encoder.encode(document)) if document else None


def _shown(one: Membership, traits: Traits) -> Document:
    shown = visible(traits)
    found = {name: _short(_value(shown[name]), 1) for name in list(shown)[:MAX_TRAITS]}
    named = {"id": one.key, "role": one.role}
    return {name: value for name, value in {**found, **named}.items() if value is not None}


def _value(raw: msgspec.Raw) -> Any:
    """What is told of a trait is made of this; None for what can be kept and hardly be read."""
    try:
        return _decode(raw)
    except UNREADABLE:
        return None


def _short(value: Any, depth: int) -> Any:
    """A value that is told, or None: short single values, and objects of such."""
    if isinstance(value, dict):
        if depth >= MAX_DEPTH:
            return None
        inner = {name: _short(one, depth + 1) for name, one in value.items() if "\0" not in name}
        return {name: one for name, one in inner.items() if one is not None} or None
    if isinstance(value, str):
        return None if len(value) > MAX_TEXT or "\0" in value or _is_address(value) else value
    if isinstance(value, Decimal) and abs(value.adjusted()) > MAX_EXPONENT:
        return None
    return value if isinstance(value, bool | int | Decimal) else None


def _is_address(text: str) -> bool:
    """Whether it may lead to somebody: it is not for all others in the group."""
    digits = sum(one.isdigit() for one in text)
    return "@" in text or (digits >= MIN_NUMBER and not any(one.isalpha() for one in text))


def _columns(documents: list[Document]) -> Document:
    """Of each name what the documents have: lists, and objects of lists."""
    found: Document = {}
    for name in sorted({name for one in documents for name in one}):
        values = [one[name] for one in documents if name in one]
        inner = [one for one in values if isinstance(one, dict)]
        single = [one for one in values if not isinstance(one, dict)]
        # What is an object in one group and a text in another is told as the first has it.
        if inner and isinstance(values[0], dict):
            found[name] = _columns(inner)
        else:
            distinct = {_encoder.encode(one): one for one in single}
            found[name] = [distinct[key] for key in sorted(distinct)]
    return found


def news(
    workspace: str, profile_id: Id, who: Identifier, told: msgspec.Raw | None, now: datetime
) -> Event:
    """The event by which the trait is told; None takes it back."""
    value = msgspec.Raw(b"null") if told is None else told
    return Event(
        workspace=workspace,
        source=OWN_SOURCE,
        message_id=f"groups-{profile_id}-{now.timestamp():.6f}",
        type="identify",
        timestamp=now,
        received_at=now,
        identifiers=[who],
        traits=msgspec.Raw(msgspec.json.encode({TRAIT: value})),
    )
