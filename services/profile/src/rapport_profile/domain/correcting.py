"""What an operator may put right: values of traits, as they are kept and told."""

import json
from collections.abc import Mapping
from itertools import chain
from typing import Any

import msgspec

from rapport_common.events.codec import UNREADABLE, holds_nul
from rapport_common.events.contact import contact_point
from rapport_common.events.identifiers import is_placeholder_email
from rapport_profile.domain.own_events import RectificationSaid
from rapport_profile.domain.reach import CHANNEL_OF_TRAIT
from rapport_profile.domain.rules import RulesError
from rapport_profile.domain.telling import ONCE
from rapport_profile.domain.trait_rules import MAX_NAME, TraitJudge

MAX_TRAITS = 20
MAX_BYTES = 4_096
"""Of all names and values together, as JSON."""
MAX_DEPTH = 16
"""Lists and objects in each other."""
MAX_HOLDING = 20
"""So many rectifications hold of a person at once."""

Written = Mapping[str, msgspec.Raw]
"""Values as JSON, by trait."""
_text = msgspec.json.Decoder(str)


def written(traits: Mapping[str, Any]) -> Written:
    """Values as they are kept; RulesError says which can't be."""
    said = {name: _written(f"traits.{name[:64]}", name, value) for name, value in traits.items()}
    if not said or len(said) > MAX_TRAITS:
        raise RulesError("traits", f"1 to {MAX_TRAITS} traits, null where there is none")
    if sum(len(name.encode()) + len(value) for name, value in said.items()) > MAX_BYTES:
        raise RulesError("traits", f"at most {MAX_BYTES:,} bytes of names and values")
    return said


def correction(id_: str, traits: Written, judge: TraitJudge) -> RectificationSaid:
    """What is right, as an event tells it; RulesError where it does not fit the trait rules."""
    said: dict[str, msgspec.Raw] = {}
    points: dict[str, str | None] = {}
    for name, value in traits.items():
        where = f"traits.{name[:64]}"
        typed = judge.typed(name, value)
        if typed is None:
            message = "the workspace's trait rules keep no such value: see their rule and type"
            raise RulesError(where, message)
        said[name] = typed
        channel = CHANNEL_OF_TRAIT.get(name)
        if channel is not None:
            points[channel] = _address(where, channel, value)
    return RectificationSaid(id_, said, points)


def _written(where: str, name: str, value: Any) -> msgspec.Raw:
    if not 0 < len(name) <= MAX_NAME or name == ONCE:
        raise RulesError(where, f"a name has 1 to {MAX_NAME} characters, and is not `{ONCE}`")
    if _is_deep(value):
        raise RulesError(where, f"at most {MAX_DEPTH} lists and objects in each other")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        raw = msgspec.Raw(text.encode())
        name.encode()
    except ValueError:
        message = "neither an infinite number nor half a surrogate pair can be kept"
        raise RulesError(where, message) from None
    if "\0" in name or holds_nul(raw):
        raise RulesError(where, "the character NUL can't be kept")
    return raw


def _is_deep(value: Any) -> bool:
    """Whether there are too many levels; none is looked at by recursion, which has a bound."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (_inside(one) for one in level)
        level = [one for one in chain.from_iterable(inner) if isinstance(one, dict | list)]
    return bool(level)


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _address(where: str, channel: str, value: msgspec.Raw) -> str | None:
    """The contact point that a value is; none of null."""
    if bytes(value) == b"null":
        return None
    try:
        point = contact_point(channel, _text.decode(value))
    except UNREADABLE:
        point = None
    if point is None or (channel == "email" and is_placeholder_email(point)):
        message = "one address of somebody, a phone number with its country's code, or null"
        raise RulesError(where, message)
    return point
