"""What the processes tell each other about events that somebody watches."""

from datetime import datetime
from itertools import product
from typing import Any

import msgspec

from rapport_ingest.domain.source import Caller
from rapport_ingest.domain.verdict import Result

MAX_PAYLOAD_BYTES = 7900
"""Of a message: some hundred a second are kept for half a minute."""

MAX_DECODED_BYTES = 65_536
TEXT_LENGTHS = (500, 200, 40)
BODY_BYTES = 6000


class Watch(msgspec.Struct, frozen=True, tag_field="kind", tag="watch"):
    """Somebody watches a source for the next seconds; `stream` wants to know who has heard it."""

    workspace: str
    source: str
    stream: str | None = None


class Heard(msgspec.Struct, frozen=True, tag_field="kind", tag="heard"):
    """A process shows the events that the stream asked for."""

    stream: str
    process: str


class Dropped(msgspec.Struct, frozen=True, tag_field="kind", tag="dropped"):
    """So many events were not shown, because there were too many at once."""

    workspace: str
    source: str
    events: int


class Shown(msgspec.Struct, frozen=True, tag_field="kind", tag="shown"):
    """An event with its verdict; `body` is the beginning of what the source sent."""

    workspace: str
    source: str
    received_at: str
    dialect: str
    message_id: str
    status: str
    code: str | None = None
    path: str | None = None
    message: str | None = None
    type: str | None = None
    name: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    body: str = ""
    truncated: bool = False


Message = Watch | Heard | Dropped | Shown

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Message).decode


class _Head(msgspec.Struct):
    """The fields of an event by which people know it again."""

    type: Any = None
    event: Any = None
    name: Any = None
    userId: Any = None  # noqa: N815 - the wire's name
    anonymousId: Any = None  # noqa: N815 - the wire's name


_head = msgspec.json.Decoder(_Head).decode


def shown(
    caller: Caller,
    raw: bytes,
    result: Result,
    *,
    kind: str | None,
    dialect: str,
    received_at: datetime,
) -> bytes:
    """The message for one event, made to fit: the body is cut first, then the longest texts."""
    head = _head_of(raw)
    texts = {
        "message_id": result.message_id,
        "code": result.code,
        "path": result.path,
        "message": result.message,
        "type": kind or _text(head.type),
        "name": _text(head.event) or _text(head.name),
        "user_id": _text(head.userId),
        "anonymous_id": _text(head.anonymousId),
    }
    longest = min(len(raw), BODY_BYTES)
    sizes = [longest >> halved for halved in range(longest.bit_length() + 1)]
    payloads = (
        encode(
            Shown(
                caller.workspace,
                caller.source,
                received_at.isoformat().replace("+00:00", "Z"),
                dialect,
                status=result.status,
                body=raw[:size].decode("utf-8", "ignore" if size < len(raw) else "replace"),
                truncated=size < len(raw),
                **{name: value and value[:length] for name, value in texts.items()},  # type: ignore[arg-type] # the id is always there
            )
        )
        for length, size in product(TEXT_LENGTHS, sizes)
    )
    # The shortest has 40 characters of each text and no body, which always fits.
    return next(one for one in payloads if len(one) <= MAX_PAYLOAD_BYTES)


def _head_of(raw: bytes) -> _Head:
    if len(raw) > MAX_DECODED_BYTES:
        return _Head()
    try:
        return _head(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Head()


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
