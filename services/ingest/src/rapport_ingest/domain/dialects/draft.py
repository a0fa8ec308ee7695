"""An event in Segment's shape while a dialect makes it, with the first thing that is wrong."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rapport_common.wording import plain
from rapport_ingest.domain.reading import MAX_ID, MAX_MESSAGE_ID, MAX_NAME, digits
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.domain.verdict import Refusal

Members = dict[str, msgspec.Raw]
"""The members of a JSON object, each kept as the bytes that came in."""

NOTHING = msgspec.Raw(b"null")

_EMPTY = re.compile(rb"\s*(?:null|\[\s*\])\s*")
_members = msgspec.json.Decoder(Members)
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class Draft:
    """What becomes an event. A field that can't be used is left out, and is why it is refused:

    the quarantine then has an event that can be repaired, and the client its own field's name.
    """

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.problem: tuple[str, str, str] | None = None

    def refuse(self, code: str, path: str, reason: str) -> None:
        """Note what is wrong; the first one counts."""
        self.problem = self.problem or (code, path, reason)

    def put(self, path: tuple[str, ...], value: Any) -> None:
        """Set a nested field; a missing or empty value is none, what stands there already stays."""
        if value is None or value == "" or (type(value) is msgspec.Raw and is_empty(value)):
            return
        place = self.fields
        for name in path[:-1]:
            below = place.get(name)
            if below is None:
                below = place[name] = {}
            elif type(below) is not dict:
                return
            place = below
        if path[-1] not in place:
            place[path[-1]] = value

    def text(self, field: str, value: Any, path: str, limit: int) -> str | None:
        """Set `field` to a text the client calls `path`: whole numbers are their digits."""
        value = digits(value)
        if value is None or (isinstance(value, str) and (not value or value.isspace())):
            return None
        if not isinstance(value, str):
            self.refuse("invalid_type", path, f"{path} must be a string.")
            return None
        if len(value) > limit:
            reason = f"{path} has {len(value)} characters; {limit} is the most."
            self.refuse("too_long", path, reason)
            return None
        self.fields[field] = value
        return value

    def identifier(self, field: str, value: Any, path: str) -> str | None:
        """Set a person's or a group's id."""
        return self.text(field, value, path, MAX_ID)

    def message_id(self, value: Any, path: str) -> str | None:
        """Set the message id."""
        return self.text("messageId", value, path, MAX_MESSAGE_ID)

    def name(self, value: Any, path: str) -> None:
        """Set the name of a track event, which it must have."""
        if self.text("event", value, path, MAX_NAME) is None:
            self.refuse("missing_field", path, f"{path} is missing: the event has no name.")

    def raw(self) -> msgspec.Raw:
        """The event as JSON."""
        return msgspec.Raw(_encode(self.fields))

    def refusal(self) -> Refusal | None:
        """Why it is refused, if it is."""
        if self.problem is None:
            return None
        return Refusal(self.fields.get("messageId", ""), *self.problem)


def unreadable(raw: msgspec.Raw, field: bytes, error: Exception) -> Refusal:
    """Why an item that no reader takes is refused; its id is looked for in its text."""
    match = re.search(rb'"' + field + rb'"\s*:\s*"([^"\\\x00-\x1f]{1,100})"', bytes(raw))
    claimed = match[1].decode("utf-8", "replace") if match else ""
    return Refusal(claimed, "invalid_json", "", f"Not JSON that can be kept: {plain(error)}.")


def is_empty(raw: msgspec.Raw) -> bool:
    """Whether a member is null or an empty text."""
    return bytes(raw) in {b"null", b'""'}


def members(raw: bytes | msgspec.Raw | None) -> Members | None:
    """The members of a JSON object; None when it is none. Null has none, nor PHP's `[]`."""
    try:
        if raw is None or _EMPTY.fullmatch(raw):
            return {}
        return _members.decode(raw)
    except UNREADABLE:
        return None


def value_of(raw: msgspec.Raw | None) -> Any:
    """The value of a member; None when it can't be read."""
    try:
        return None if raw is None else _anything.decode(raw)
    except UNREADABLE:
        return None


def text_of(found: Mapping[str, msgspec.Raw], name: str) -> str | None:
    """The value of a member that is a text and not empty."""
    value = value_of(found.get(name))
    return value if isinstance(value, str) and value else None
