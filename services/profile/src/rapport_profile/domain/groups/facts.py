"""What an event says of a group: who is in it or has left it, and which traits it has."""

from typing import Any, Literal

import msgspec

from rapport_common.events.codec import UNREADABLE
from rapport_common.events.envelope import ANONYMOUS_ID, Event, Identifier
from rapport_common.events.identifiers import is_placeholder, normal_identifier
from rapport_common.events.kinds import is_kind
from rapport_profile.domain.groups.kinds import DEFAULT_KIND
from rapport_profile.domain.stamps import Stamp, believed_stamp

JOINING = frozenset({"Group Joined", "Account Added User"})
LEAVING = frozenset({"Group Left", "Account Removed User"})
NAMES = JOINING | LEAVING
MAX_KEY = 512
"""Bytes; a longer key names no group."""
MAX_TRAITS = 32 * 1024
"""Bytes of the traits that one event tells; more say nothing."""
MAX_ROLE = 100

Verb = Literal["in", "out", "said"]
"""Somebody is in the group, is in it no more, or something is said of the group alone."""

KIND_FIELDS = ("groupType", "group_type", "$group_type")
KEY_FIELDS = ("groupId", "group_id", "$group_key")
ROLE_FIELDS = ("groupRole", "group_role")
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class GroupFact(msgspec.Struct, frozen=True, gc=False):
    """What one event says of the group (kind, key); `traits` as they came, JSON by name."""

    kind: str
    key: str
    verb: Verb
    stamp: Stamp
    is_trusted: bool
    role: str | None = None
    traits: dict[str, msgspec.Raw] | None = None


def speaks_of_groups(event: Event) -> bool:
    """Whether an event may say something of a group: asked of every event."""
    return event.type == "group" or event.name in NAMES


def fact_of(event: Event, hub: Identifier) -> GroupFact | None:
    """What an event says, whose strongest identifier is `hub`; None when it names no group.

    Where it names the group with a kind or a key that can't be one it says nothing: a word is not
    put under another group than the one that was meant.
    """
    context = _members(event.context)
    if event.type == "group":
        said = _members(event.traits)
        stated = _first(KIND_FIELDS, context, _members(event.properties), said)
        kind, key = _kind(stated), _key(event.group_id)
        verb: Verb = "said" if key is not None and _is_itself(hub, kind, key) else "in"
    elif event.type == "track" and event.name in NAMES:
        said = _members(event.properties)
        kind = _kind(_first(KIND_FIELDS, said, context))
        key = _key(_first(KEY_FIELDS, said, context))
        verb = "in" if event.name in JOINING else "out"
    else:
        return None
    if kind is None or key is None:
        return None
    role = _first((*ROLE_FIELDS, "role") if event.type == "track" else ROLE_FIELDS, said, context)
    return GroupFact(
        kind,
        key,
        verb,
        believed_stamp(event),
        event.trust == "trusted",
        role if verb == "in" and isinstance(role, str) and 0 < len(role) <= MAX_ROLE else None,
        _traits(event) if event.type == "group" else None,
    )


def happened_in(event: Event) -> set[str]:
    """The keys of groups in which an event happened, as far as it says so; of whatever kind.

    It is what a `group` call is about, what properties or context name (`groupId`), and each of
    PostHog's `$groups`.
    """
    context, properties = _members(event.context), _members(event.properties)
    stated = [event.group_id, _first(KEY_FIELDS, context), _first(KEY_FIELDS, properties)]
    stated += _groups_of(event.properties)
    return {key for key in map(_key, stated) if key is not None}


def _groups_of(properties: msgspec.Raw) -> list[str | int | None]:
    try:
        named = _object.decode(_object.decode(properties).get("$groups", b"{}"))
    except UNREADABLE:
        return []
    return [_scalar(one) for one in named.values()]


def kind_and_key(kind: str, key: str) -> tuple[str, str] | None:
    """A group's name in normal form; None for what can't be one."""
    found = (_kind(kind), _key(key))
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _is_itself(hub: Identifier, kind: str | None, key: str) -> bool:
    """Whether the event's person stands for the group: some SDKs know no event without one."""
    return hub[0] == ANONYMOUS_ID and hub[1] in {f"group-{key}", f"${kind}_{key}"}


def _traits(event: Event) -> dict[str, msgspec.Raw] | None:
    if len(event.traits) > MAX_TRAITS:
        return None
    try:
        found = _object.decode(event.traits)
    except UNREADABLE:
        return None
    told = {
        name: msgspec.Raw(bytes(value))
        for name, value in found.items()
        if name not in KIND_FIELDS and name not in ROLE_FIELDS
    }
    return told or None


def _members(raw: msgspec.Raw) -> dict[str, Any]:
    """The texts and whole numbers in a JSON object, by name."""
    try:
        found = _object.decode(raw)
    except UNREADABLE:
        return {}
    return {name: _scalar(found[name]) for name in _NAMED & found.keys()}


_NAMED = {*KIND_FIELDS, *KEY_FIELDS, *ROLE_FIELDS, "role"}


def _scalar(raw: msgspec.Raw) -> str | int | None:
    try:
        return msgspec.json.decode(raw, type=str | int | None)
    except UNREADABLE:
        return None


def _first(names: tuple[str, ...], *places: dict[str, Any]) -> Any:
    found = (place.get(name) for place in places for name in names)
    return next((one for one in found if one is not None), None)


def _kind(stated: Any) -> str | None:
    if stated is None:
        return DEFAULT_KIND
    if not isinstance(stated, str):
        return None
    plain = "_".join(stated.replace("-", " ").split()).lower()
    return plain if is_kind(plain) else None


def _key(stated: Any) -> str | None:
    if isinstance(stated, bool) or not isinstance(stated, str | int):
        return None
    try:
        key = normal_identifier(str(stated))
        size = len(key.encode())
    except ValueError:
        # Half a surrogate pair, or thousands of digits.
        return None
    return key if 0 < size <= MAX_KEY and "\0" not in key and not is_placeholder(key) else None
