"""Reading the fields of a decoded event: texts, objects, times, addresses.

What can't be read raises RefusedError with the field's path: the verdict on that one event.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, cast, get_args

from rapport_common.events.contact import normal_email
from rapport_common.events.envelope import EventType
from rapport_common.wording import plain
from rapport_ingest.domain.moments import parse_moment

MAX_MESSAGE_ID = 100
MAX_ID = 512
MAX_NAME = 512
MAX_EMAIL = 254
MAX_SHOWN = 100
"""So much of what was sent is repeated in a reason."""

TYPES = frozenset(get_args(EventType))
NOTHING: dict[str, Any] = {}

_EMAIL = re.compile(
    r"[^@\s\x00-\x1f\"(),:;<>\[\]\\]+@[^@\s\x00-\x1f\"(),:;<>\[\]\\.]+(\.[^@\s\x00-\x1f\"(),:;<>\[\]\\.]+)+"
)


class Refused(Exception):  # noqa: N818 - a verdict on the input, not an error of the program
    """Why an event is not accepted; `path` is the field, "" for the whole event."""

    def __init__(self, code: str, path: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.path, self.reason = code, path, reason


def kind_of(fields: dict[str, Any]) -> EventType:
    """The type that the event says it has."""
    found = fields.get("type")
    if not isinstance(found, str) or found not in TYPES:
        reason = f"The type must be one of {', '.join(sorted(TYPES))}."
        raise Refused("unknown_type" if found else "missing_field", "type", reason)
    return cast("EventType", found)


def text(value: Any, field: str, limit: int = MAX_ID) -> str | None:
    """A short text; whole numbers are taken as their digits, blanks as missing."""
    if value.__class__ is str and 0 < len(value) <= limit and not value.isspace():
        return value  # nearly always; three times for each event
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Refused("invalid_type", field, f"{field} must be a string.")
    if len(value) > limit:
        reason = f"{field} has {len(value)} characters; {limit} is the most."
        raise Refused("too_long", field, reason)
    return value if value and not value.isspace() else None


def required(fields: dict[str, Any], field: str, kind: str, limit: int = MAX_ID) -> str:
    """A text that an event of this type can't do without."""
    value = text(fields.get(field), field, limit)
    if value is None:
        raise Refused("missing_field", field, f"A {kind} event needs {field}.")
    return value


def members(fields: dict[str, Any], field: str) -> dict[str, Any]:
    """An object; empty when it is missing."""
    value = fields.get(field)
    if value is None:
        return NOTHING
    if not isinstance(value, dict):
        raise Refused("invalid_type", field, f"{field} must be an object.")
    return value


def moment(value: Any, field: str) -> datetime:
    """An ISO 8601 instant in UTC."""
    try:
        return parse_moment(value)
    except (TypeError, ValueError) as error:
        # The error repeats the text, which may be as long as the event.
        why = plain(error)[:MAX_SHOWN].replace("\0", "\ufffd")
        reason = f"{field} is not an ISO 8601 time such as 2026-01-31T09:30:00Z: {why}."
        raise Refused("invalid_timestamp", field, reason) from None


def sent_moment(value: Any) -> datetime | None:
    """A `sentAt`, or None: it only serves to correct, so a bad one costs no event."""
    try:
        return None if value is None else parse_moment(value)
    except (TypeError, ValueError):
        return None


def email_of(traits: dict[str, Any], context: dict[str, Any]) -> str | None:
    """The person's address, if it is one; another form is a trait like any other."""
    nested = context.get("traits")
    for one in (traits, nested if isinstance(nested, dict) else NOTHING):
        value = one.get("email")
        if isinstance(value, str) and len(value) <= MAX_EMAIL and (found := _address(value)):
            return found
    return None


@lru_cache(maxsize=16_384)
def _address(value: str) -> str | None:
    address = normal_email(value)
    return address if _EMAIL.fullmatch(address) else None
