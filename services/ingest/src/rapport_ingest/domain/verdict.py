"""What becomes of an event, as its sender reads it."""

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event is not accepted; `path` is the field, "" for the whole event."""

    message_id: str
    code: str
    path: str
    reason: str


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The verdict on one event: accepted, rejected (with the reason), or tested."""

    message_id: str
    status: str
    code: str | None = None
    message: str | None = None
    path: str | None = None
