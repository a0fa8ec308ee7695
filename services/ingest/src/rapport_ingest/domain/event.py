"""The verdict on one event: the canonical record, or why it is refused."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, get_args

import msgspec

from rapport_common.events.envelope import (
    EMPTY_OBJECT,
    Client,
    Event,
    EventType,
    Provenance,
    normalise_email,
)
from rapport_ingest.domain.body import UNREADABLE, depth_of
from rapport_ingest.domain.client import anonymised, client_of
from rapport_ingest.domain.moments import corrected, parse_moment
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.source import Policy
from rapport_ingest.domain.transform import TransformError
from rapport_ingest.domain.verdict import Refusal

MAX_EVENT_BYTES = 32 * 1024
MAX_MESSAGE_ID = 100
MAX_ID = 512
MAX_NAME = 512
MAX_DEPTH = 64
MAX_EMAIL = 254
MAX_KEYS = 1000
"""On all levels together. Amplitude's SDKs stop at as many (their change log, 3.2.0): more is a
loop that went wrong, or data used as names, and each name becomes an entry of every catalogue."""

MAX_KEY = 1024
MAX_SHOWN = 100
"""So much of what was sent is repeated in a reason."""

_WINDOW = MAX_KEY // 2
_BACKSLASH, _QUOTE = b'\\"'
TYPES = frozenset(get_args(EventType))

_EMAIL = re.compile(
    r"[^@\s\x00-\x1f\"(),:;<>\[\]\\]+@[^@\s\x00-\x1f\"(),:;<>\[\]\\.]+(\.[^@\s\x00-\x1f\"(),:;<>\[\]\\.]+)+"
)
_MESSAGE_ID = re.compile(rb'"messageId"\s*:\s*"([^"\\\x00-\x1f]{1,100})"')


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of an event before it is read: whose it is, when and from where it came.

    `address` and `user_agent` are those of the request, and None when a server made it.
    """

    sender: Sender
    received_at: datetime
    sent_at: datetime | None = None
    address: str | None = None
    user_agent: str | None = None


Judged = tuple[Event, dict[str, Any]] | Refusal
"""The canonical record with the decoded event it was made of, or why there is none."""


class _Refused(Exception):  # noqa: N818 - a verdict on the input, not an error of the program
    def __init__(self, code: str, path: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.path, self.reason = code, path, reason


class _Wire(msgspec.Struct):
    """The objects of an event that go on untouched."""

    properties: msgspec.Raw = EMPTY_OBJECT
    traits: msgspec.Raw = EMPTY_OBJECT
    context: msgspec.Raw = EMPTY_OBJECT


_wire = msgspec.json.Decoder(_Wire)
_anything = msgspec.json.Decoder()


def judge(raw: msgspec.Raw, kind: EventType | None, origin: Origin, spare_id: str) -> Judged:
    """Read one event. `kind` is its type where the route says it, else its own `type` does.

    `spare_id` is the message id of an event that brings none.
    """
    fields: dict[str, Any] = {}
    try:
        fields = _decoded(raw)
        transform = origin.sender.transform
        if transform is not None:
            fields = transform(fields)
            raw = msgspec.Raw(msgspec.json.encode(fields))
        return _event(raw, fields, kind, origin, spare_id), fields
    except TransformError as error:
        claimed = fields.get("messageId")
        return Refusal(_shown(claimed) or spare_id, "transform_failed", error.path, error.reason)
    except _Refused as refused:
        claimed = fields.get("messageId") if fields else _claimed(raw)
        return Refusal(_shown(claimed) or spare_id, refused.code, refused.path, refused.reason)


def _decoded(raw: msgspec.Raw) -> dict[str, Any]:
    """The whole event as Python values: what a reader downstream will make of it."""
    data = memoryview(raw)
    if data.nbytes > MAX_EVENT_BYTES:
        message = f"The event has {data.nbytes} bytes; {MAX_EVENT_BYTES} is the most."
        raise _Refused("event_too_large", "", message)
    try:
        fields = _anything.decode(raw)
    except RecursionError:
        raise _Refused("too_deep", "", _too_deep()) from None
    except UNREADABLE as error:
        raise _Refused("invalid_json", "", f"Not JSON that can be kept: {error}.") from None
    if not isinstance(fields, dict):
        raise _Refused("not_an_object", "", "An event is a JSON object.")
    _check_shape(bytes(raw), fields)
    return fields


def _check_shape(raw: bytes, fields: dict[str, Any]) -> None:
    # Counting is cheap, and most events have fewer brackets than levels are allowed.
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and depth_of(raw) > MAX_DEPTH:
        raise _Refused("too_deep", "", _too_deep())
    if len(raw) > MAX_KEY and _may_break_key_limits(raw):
        _check_keys(fields)
    if b"\\u0000" in raw and (path := _nul_in(fields)) is not None:
        raise _Refused("nul_character", path, "The NUL character can't be stored.")


def _too_deep() -> str:
    return f"Nested deeper than {MAX_DEPTH} levels."


def _may_break_key_limits(raw: bytes) -> bool:
    """A look that costs next to nothing, and that most events pass.

    So many keys need five bytes each. A key over the limit has half of it between two quotes,
    wherever it begins; unless there are escaped ones in it.
    """
    if len(raw) > 5 * MAX_KEYS and raw.count(b":") > MAX_KEYS:
        return True
    if _BACKSLASH in raw and b'\\"' in raw:
        return True
    for start in range(0, len(raw) - _WINDOW + 1, _WINDOW):  # a generator would double the cost
        if raw.find(_QUOTE, start, start + _WINDOW) < 0:
            return True
    return False


def _check_keys(fields: dict[str, Any]) -> None:
    count = 0
    waiting: list[tuple[str, Any]] = [("", fields)]
    while waiting:
        top, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(top, one) for one in value]
        elif isinstance(value, dict):
            count += len(value)
            longest = max(map(len, value), default=0)
            if longest > MAX_KEY:
                reason = f"A key has {longest} characters; {MAX_KEY} is the most."
                raise _Refused("key_too_long", top, reason)
            waiting += [(top or key, one) for key, one in value.items()]
    if count > MAX_KEYS:
        reason = f"The event has {count} keys on all levels; {MAX_KEYS} is the most."
        raise _Refused("too_many_keys", "", reason)


def _nul_in(value: Any, path: str = "") -> str | None:
    """The path of the first string with a NUL in it."""
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        members = [(f"{path}.{key}".lstrip("."), key, one) for key, one in value.items()]
    elif isinstance(value, list):
        members = [(f"{path}[{index}]", "", one) for index, one in enumerate(value)]
    else:
        return None
    for where, key, one in members:
        if "\0" in key:
            return where.replace("\0", "\ufffd")
        if (found := _nul_in(one, where)) is not None:
            return found
    return None


def _event(
    raw: msgspec.Raw,
    fields: dict[str, Any],
    kind: EventType | None,
    origin: Origin,
    spare_id: str,
) -> Event:
    message_id = _text(fields, "messageId", MAX_MESSAGE_ID) or spare_id
    found = kind or _type(fields)
    properties, traits, context = _objects(fields)
    wire = _wire.decode(raw)
    caller, policy = origin.sender.caller, origin.sender.policy
    event = Event(
        workspace=caller.workspace,
        source=caller.source,
        message_id=message_id,
        type=found,
        timestamp=_timestamp(fields, origin),
        received_at=origin.received_at,
        name=_name(fields, found),
        user_id=_text(fields, "userId", MAX_ID),
        anonymous_id=_text(fields, "anonymousId", MAX_ID),
        email=_email(traits if found != "group" else {}, context),
        previous_id=_required(fields, "previousId", "alias") if found == "alias" else None,
        group_id=_required(fields, "groupId", "group") if found == "group" else None,
        properties=wire.properties if properties else EMPTY_OBJECT,
        traits=wire.traits if traits else _nested_traits(found, wire.context, context),
        context=_kept_context(wire.context, context, policy) if context else EMPTY_OBJECT,
        client=_client(context, origin),
        provenance=provenance_of(policy),
    )
    if event.user_id is None and event.anonymous_id is None and event.email is None:
        reason = "An event needs a userId, an anonymousId or an e-mail address in its traits."
        raise _Refused("no_identifier", "userId", reason)
    return event


def _kept_context(raw: msgspec.Raw, context: dict[str, Any], policy: Policy) -> msgspec.Raw:
    """The context as it came, but for the address in it, which is kept as the policy says."""
    stated = context.get("ip")
    if stated is None or policy.ip == "keep":
        return raw
    kept = anonymised(stated, policy.ip) if isinstance(stated, str) else None
    changed = {**context, "ip": kept} if kept else {k: v for k, v in context.items() if k != "ip"}
    return msgspec.Raw(msgspec.json.encode(changed))


def _client(context: dict[str, Any], origin: Origin) -> Client | None:
    """The device: what the event says of it, else what the request shows."""
    address = context.get("ip") or origin.address
    agent = context.get("userAgent") or origin.user_agent
    locale = context.get("locale")
    if not (address or agent or locale):
        return None
    known = client_of(
        agent if isinstance(agent, str) else None, locale if isinstance(locale, str) else None
    )
    mode = origin.sender.policy.ip
    ip = anonymised(address, mode) if isinstance(address, str) and mode != "drop" else None
    if ip is None:
        return known
    return Client(ip=ip) if known is None else msgspec.structs.replace(known, ip=ip)


def provenance_of(policy: Policy) -> Provenance | None:
    """Whose data it is, if it is not our own."""
    stated = policy.provenance
    if stated.party == "first":
        return None
    return Provenance(party=stated.party, provider=stated.provider, legal_basis=stated.legal_basis)


def _type(fields: dict[str, Any]) -> EventType:
    found = fields.get("type")
    if not isinstance(found, str) or found not in TYPES:
        reason = f"The type must be one of {', '.join(sorted(TYPES))}."
        raise _Refused("unknown_type" if found else "missing_field", "type", reason)
    return cast("EventType", found)


def _text(fields: dict[str, Any], field: str, limit: int) -> str | None:
    """A short text; whole numbers are taken as their digits, blanks as missing."""
    value = fields.get(field)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _Refused("invalid_type", field, f"{field} must be a string.")
    if len(value) > limit:
        reason = f"{field} has {len(value)} characters; {limit} is the most."
        raise _Refused("too_long", field, reason)
    return value if value and not value.isspace() else None


def _required(fields: dict[str, Any], field: str, kind: str, limit: int = MAX_ID) -> str:
    value = _text(fields, field, limit)
    if value is None:
        raise _Refused("missing_field", field, f"A {kind} event needs {field}.")
    return value


def _name(fields: dict[str, Any], kind: EventType) -> str | None:
    if kind == "track":
        return _required(fields, "event", kind, MAX_NAME)
    return _text(fields, "name", MAX_NAME) if kind in {"page", "screen"} else None


def _objects(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    return _object(fields, "properties"), _object(fields, "traits"), _object(fields, "context")


def _object(fields: dict[str, Any], field: str) -> dict[str, Any]:
    value = fields.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Refused("invalid_type", field, f"{field} must be an object.")
    return value


def _timestamp(fields: dict[str, Any], origin: Origin) -> datetime:
    field = "timestamp" if fields.get("timestamp") is not None else "originalTimestamp"
    return corrected(
        _moment(fields, field),
        sent_at=sent_moment(fields.get("sentAt")) or origin.sent_at,
        received_at=origin.received_at,
    )


def _moment(fields: dict[str, Any], field: str) -> datetime | None:
    value = fields.get(field)
    if value is None:
        return None
    try:
        return parse_moment(value)
    except (TypeError, ValueError) as error:
        # The error repeats the text, which may be as long as the event.
        why = str(error)[:MAX_SHOWN].replace("\0", "\ufffd")
        reason = f"{field} is not an ISO 8601 time such as 2026-01-31T09:30:00Z: {why}."
        raise _Refused("invalid_timestamp", field, reason) from None


def sent_moment(value: Any) -> datetime | None:
    """A `sentAt`, or None: it only serves to correct, so a bad one costs no event."""
    try:
        return None if value is None else parse_moment(value)
    except (TypeError, ValueError):
        return None


def _email(traits: dict[str, Any], context: dict[str, Any]) -> str | None:
    """The person's address, if it is one; another form is a trait like any other."""
    nested = context.get("traits")
    for one in (traits, nested if isinstance(nested, dict) else {}):
        value = one.get("email")
        if isinstance(value, str) and len(value) <= MAX_EMAIL:
            address = normalise_email(value)
            if _EMAIL.fullmatch(address):
                return address
    return None


def _nested_traits(
    kind: EventType, raw_context: msgspec.Raw, context: dict[str, Any]
) -> msgspec.Raw:
    """RudderStack's SDKs send the traits of `identify` inside the context."""
    if kind == "identify" and isinstance(context.get("traits"), dict):
        return _wire.decode(raw_context).traits
    return EMPTY_OBJECT


def _claimed(raw: msgspec.Raw) -> str | None:
    """The message id of an event that can't be read, if it can be seen."""
    match = _MESSAGE_ID.search(bytes(raw)[: 2 * MAX_EVENT_BYTES])
    return match[1].decode("utf-8", "replace") if match else None


def _shown(claimed: Any) -> str:
    """A message id fit for an answer and a table, whatever was sent."""
    if claimed is None or isinstance(claimed, (dict, list)):
        return ""
    return str(claimed)[:MAX_MESSAGE_ID].replace("\0", "\ufffd").strip()
