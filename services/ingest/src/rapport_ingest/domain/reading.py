"""Reading the fields of a decoded event: texts, objects, times, addresses.

What can't be read raises RefusedError with the field's path: the verdict on that one event.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import lru_cache
from typing import Any, get_args

from rapport_common.events.contact import email_address
from rapport_common.events.envelope import EventType
from rapport_common.events.identifiers import (
    NONE_MORE,
    is_placeholder,
    is_placeholder_email,
    normal_identifier,
    plain_identifier,
)
from rapport_ingest.domain.moments import parse_moment

MAX_MESSAGE_ID = 100
MAX_ID = 512
MAX_NAME = 512

MAX_EXACT_FLOAT = 2**53
MAX_SHOWN = 100
"""So much of what was sent is repeated in a reason."""

TYPES: dict[str, EventType] = {one: one for one in get_args(EventType)}
NOTHING: dict[str, Any] = {}


class Refused(Exception):  # noqa: N818 - a verdict on the input, not an error of the program
    """Why an event is not accepted; `path` is the field, "" for the whole event."""

    def __init__(self, code: str, path: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.path, self.reason = code, path, reason


def kind_of(fields: dict[str, Any]) -> EventType:
    """The type that the event says it has."""
    found = fields.get("type")
    kind = TYPES.get(found) if found.__class__ is str else None
    if kind is None:
        reason = f"The type must be one of {', '.join(sorted(TYPES))}."
        raise Refused("unknown_type" if found else "missing_field", "type", reason)
    return kind


def text(value: Any, field: str, limit: int = MAX_ID) -> str | None:
    """A short text; whole numbers are taken as their digits, blanks as missing."""
    if value.__class__ is str and 0 < len(value) <= limit and not value.isspace():
        return value  # nearly always; three times for each event
    if value is None:
        return None
    value = digits(value)
    if not isinstance(value, str):
        raise Refused("invalid_type", field, f"{field} must be a string.")
    if len(value) > limit:
        reason = f"{field} has {len(value)} characters; {limit} is the most."
        raise Refused("too_long", field, reason)
    return value if value and not value.isspace() else None


def digits(value: Any) -> Any:
    """A whole number as its digits, also one written `12345.0`; all else as it is."""
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT_FLOAT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def identifier(value: Any, field: str, more: AbstractSet[str]) -> str | None:
    """An id in the one form it is compared in; None when it is missing or a placeholder."""
    if value.__class__ is not str or len(value) > MAX_ID:
        value = text(value, field)
        if value is None:
            return None
    found = known_identifier(value)
    return None if more and found is not None and plain_identifier(found) in more else found


@lru_cache(maxsize=32_768)
def known_identifier(value: str) -> str | None:
    """A short text as an id in its one form; None for blanks and what is always a placeholder."""
    normal = normal_identifier(value)
    return None if is_placeholder(normal) else normal


def needed_identifier(fields: dict[str, Any], field: str, kind: str, more: AbstractSet[str]) -> str:
    """An id that an event of this type can't do without."""
    value = required(fields, field, kind)
    found = identifier(value, field, more)
    if found is None:
        raise blocked(value, field)
    return found


def blocked(value: Any, field: str) -> Refused:
    """Why an event that only a placeholder names is refused."""
    shown = str(value)[:MAX_SHOWN].replace("\0", "\ufffd")
    reason = (
        f"{field} '{shown}' is a placeholder that many people share; it names no one. Leave the "
        "field out, or send an id of the person's own."
    )
    return Refused("blocked_identifier", field, reason)


def required(fields: dict[str, Any], field: str, kind: str, limit: int = MAX_ID) -> str:
    """A text that an event of this type can't do without."""
    value = text(fields.get(field), field, limit)
    if value is None:
        raise Refused("missing_field", field, f"A {kind} event needs {field}.")
    return value


def members(fields: dict[str, Any], field: str) -> dict[str, Any]:
    """An object; empty when it is missing, or an empty list: PHP's empty map."""
    value = fields.get(field)
    if isinstance(value, dict):
        return value
    if value is None:
        return NOTHING
    if value == []:
        fields[field] = {}
        return NOTHING
    raise Refused("invalid_type", field, f"{field} must be an object.")


def moment(value: Any, field: str) -> datetime:
    """An instant in UTC: ISO 8601, or a Unix time in any unit."""
    try:
        return parse_moment(value)
    except (TypeError, ValueError):
        # What was sent may be as long as the event.
        shown = str(value)[:MAX_SHOWN].replace("\0", "\ufffd")
        reason = (
            f"{field} '{shown}' is no time. Write ISO 8601 such as 2026-01-31T09:30:00Z, or the "
            "seconds or milliseconds since 1970."
        )
        raise Refused("invalid_timestamp", field, reason) from None


def sent_moment(value: Any) -> datetime | None:
    """A `sentAt`, or None: it only serves to correct, so a bad one costs no event."""
    try:
        return None if value is None else parse_moment(value)
    except (TypeError, ValueError):
        return None


def email_of(
    traits: dict[str, Any], context: dict[str, Any], more: AbstractSet[str] = NONE_MORE
) -> str | None:
    """The person's address, if it is one and not nobody's; another form is a trait like any."""
    found = _somebodys(traits.get("email"), more)
    if found is None and context:
        nested = context.get("traits")
        found = _somebodys(nested.get("email"), more) if nested.__class__ is dict else None
    return found


def _somebodys(value: Any, more: AbstractSet[str]) -> str | None:
    found = _mailbox(value) if value.__class__ is str else None
    return None if more and found in more else found


@lru_cache(maxsize=16_384)
def _mailbox(value: str) -> str | None:
    address = email_address(value)
    return None if address is None or is_placeholder_email(address) else address
