"""CloudEvents 1.0 over HTTP: structured, binary and batched content mode.

Sources: CloudEvents 1.0.2, its JSON event format and its HTTP protocol binding (CNCF).
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from rapport_common.errors import AppError
from rapport_common.events.envelope import EventType
from rapport_common.wording import plain
from rapport_ingest.domain.body import open_batch
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.originals import UnfitError, opened
from rapport_ingest.domain.dialects.segment import Segment
from rapport_ingest.domain.moments import parse_moment
from rapport_ingest.domain.reading import MAX_MESSAGE_ID, TYPES
from rapport_ingest.domain.salvage import UNREADABLE, is_json
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

BATCH = "application/cloudevents-batch"
STRUCTURED = "application/cloudevents"
OUR_TYPES = "com.rapport."
"""`com.rapport.identify` with an identify call of Segment's spec as its data is that call."""

REQUIRED = ("id", "source", "specversion", "type")
OPTIONAL = ("subject", "time", "datacontenttype", "dataschema")
DATA = ("data", "data_base64")
SOURCE_DIGEST = 20
MAX_INTEGER = 2**31

_NAME = re.compile(r"[a-z0-9]+")
_OFFSET = re.compile(r"(?:[Zz]|[+-]\d\d:\d\d)$")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_value = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class CloudEvents:
    """The one address of all three content modes.

    Like Segment's addresses: 400 for a single event that is refused, 200 with a verdict for
    each of a batch.
    """

    name = "cloudevents"
    kind: EventType | None = None
    browser = False
    overload = 429
    too_large = 413

    def __init__(self) -> None:
        self._single = Segment("track")
        self._batch = Segment(None)

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """The events as track events, or as what their type says. AppError: 400, 413, 415."""
        media = request.headers.get(b"content-type", b"").decode("latin-1")
        form = media.partition(";")[0].strip().lower()
        if form in {BATCH, f"{BATCH}+json"}:
            # In the frame of our own batches, so that one event that can't be read costs no other.
            events = open_batch(b'{"batch":' + request.body + b"}").batch
        elif form in {STRUCTURED, f"{STRUCTURED}+json"}:
            events = [msgspec.Raw(request.body)]
        elif form.startswith(STRUCTURED):
            raise _unsupported(form)
        elif any(name.startswith(b"ce-") for name in request.headers):
            events = [_structured(request, media)]
        else:
            raise _unsupported(form)
        found = opened(events, lambda _, raw: reopen(raw))
        found.note = form.startswith(BATCH)
        return found

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """A verdict for each event; AppError for a single one that is refused."""
        return (self._batch if opened.note else self._single).answer(opened, results)


def reopen(raw: msgspec.Raw) -> msgspec.Raw:
    """From a CloudEvent in JSON to an event in Segment's shape; UnfitError says what is wrong."""
    try:
        members = _members.decode(raw)
    except UNREADABLE as error:
        reason = f"Not a CloudEvent in JSON: {plain(error)}."
        raise UnfitError("invalid_json", "", reason) from None
    attributes = _attributes(members)
    message_id = message_id_of(attributes["source"], attributes["id"])
    try:
        _check(attributes)
        return _event(attributes, message_id, _data(members, attributes.get("datacontenttype")))
    except UnfitError as error:
        error.message_id = message_id
        raise


def message_id_of(source: str, event_id: str) -> str:
    """One id out of the two that name a CloudEvent: its id, then 80 bits of its source's digest.

    Two sources may both send "1001" with one write key. An id that would become too long is
    replaced by its own digest.
    """
    mark = hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()[:SOURCE_DIGEST]
    if len(event_id) + 1 + len(mark) > MAX_MESSAGE_ID:
        event_id = hashlib.sha256(event_id.encode("utf-8", "replace")).hexdigest()
    return f"{event_id}.{mark}"


def _attributes(members: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """All but the data; the four required ones are there."""
    found: dict[str, Any] = {}
    for name, raw in members.items():
        if name in DATA:
            continue
        if not _NAME.fullmatch(name):
            reason = f"The attribute '{name[:40]}' may only have the letters a-z and digits."
            raise UnfitError("invalid_attribute", name[:40], reason)
        value = _decoded(raw, name)
        if value is not None:
            found[name] = value
    for name in REQUIRED:
        if not isinstance(found.get(name), str) or not found[name]:
            reason = f"A CloudEvent needs the attribute {name}: a string that is not empty."
            raise UnfitError("missing_field", name, reason)
    return found


def _check(attributes: Mapping[str, Any]) -> None:
    if attributes["specversion"] != "1.0":
        reason = f"specversion is '{attributes['specversion'][:20]}'; only 1.0 is known here."
        raise UnfitError("unsupported_version", "specversion", reason)
    for name, value in attributes.items():
        if name in OPTIONAL and (not isinstance(value, str) or not value):
            raise UnfitError("invalid_attribute", name, f"{name} must be a string, not empty.")
        if not _is_simple(value):
            reason = f"{name} must be a string, a boolean, or an integer of 32 bits."
            raise UnfitError("invalid_attribute", name, reason)
    if "time" in attributes:
        _check_time(attributes["time"])


def _is_simple(value: Any) -> bool:
    """A type of section 3.4 of the JSON event format; an object or a list is none."""
    if isinstance(value, int):
        return -MAX_INTEGER <= value < MAX_INTEGER
    return isinstance(value, str)


def _check_time(value: str) -> None:
    try:
        parse_moment(value)
    except ValueError:
        reason = "time is not an RFC 3339 time such as 2026-01-31T09:30:00Z."
        raise UnfitError("invalid_timestamp", "time", reason) from None
    if not _OFFSET.search(value):
        raise UnfitError("invalid_timestamp", "time", "time must end in Z or an offset (RFC 3339).")


def _data(members: Mapping[str, msgspec.Raw], media: str | None) -> msgspec.Raw | None:
    """The data as JSON; bytes of another type stay in base64. None: there are none."""
    packed, plain = members.get("data_base64"), members.get("data")
    if packed is None:
        return None if plain is None or bytes(plain) == b"null" else plain
    if plain is not None:
        raise UnfitError("invalid_data", "data", "There may be data or data_base64, not both.")
    text = _decoded(packed, "data_base64")
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        reason = "data_base64 must be a string in base64 (RFC 4648)."
        raise UnfitError("invalid_data", "data_base64", reason) from None
    if media is None or _is_json_type(media):
        if is_json(data):
            return msgspec.Raw(data)
        if media is not None:
            reason = f"The data is not valid JSON, but datacontenttype is {media[:60]}."
            raise UnfitError("invalid_data", "data", reason)
    return msgspec.Raw(_encode({"data_base64": text}))


def _event(attributes: Mapping[str, Any], message_id: str, data: msgspec.Raw | None) -> msgspec.Raw:
    kind = attributes["type"].removeprefix(OUR_TYPES)
    said = _object(data)
    if kind in TYPES:
        if said is None:
            reason = f"The data of a CloudEvent of type {attributes['type']} is a JSON object: "
            raise UnfitError("invalid_data", "data", f"{reason}the {kind} call.")
        event: dict[str, Any] = {**said, "type": kind}
    else:
        event = {"type": "track", "event": attributes["type"], "properties": _properties(data)}
        event |= {name: said[name] for name in ("userId", "anonymousId") if said and name in said}
    for name, attribute in (("userId", "subject"), ("timestamp", "time")):
        if attribute in attributes:
            event.setdefault(name, attributes[attribute])
    event["messageId"] = message_id
    context = _object(event.get("context"))
    if context is not None or "context" not in event:
        event["context"] = {**(context or {}), "cloudevents": attributes}
    return msgspec.Raw(_encode(event))


def _properties(data: msgspec.Raw | None) -> Any:
    if data is None:
        return {}
    return data if bytes(data).lstrip()[:1] == b"{" else {"data": data}


def _object(raw: msgspec.Raw | None) -> dict[str, msgspec.Raw] | None:
    """The members of a JSON object, each as it was written; None for anything else."""
    if raw is None or bytes(raw).lstrip()[:1] != b"{":
        return None
    try:
        return _members.decode(raw)
    except UNREADABLE:
        return None


def _decoded(raw: msgspec.Raw, path: str) -> Any:
    try:
        return _value.decode(raw)
    except UNREADABLE as error:
        raise UnfitError(
            "invalid_json", path, f"Not JSON that can be kept: {plain(error)}."
        ) from None


def _structured(request: Request, media: str) -> msgspec.Raw:
    """The CloudEvent of binary mode in its JSON format: attributes from headers, data from body."""
    event: dict[str, Any] = {
        name[3:].decode("latin-1"): _header(value.decode("latin-1"))
        for name, value in request.headers.items()
        if name.startswith(b"ce-")
    }
    if media:
        event["datacontenttype"] = media
    if request.body:
        event |= _body(request.body, media)
    return msgspec.Raw(_encode(event))


def _body(body: bytes, media: str) -> dict[str, Any]:
    if (not media or _is_json_type(media)) and is_json(body):
        return {"data": msgspec.Raw(body)}
    if media.lower().startswith("text/"):
        try:
            return {"data": body.decode()}
        except UnicodeDecodeError:
            pass
    return {"data_base64": base64.b64encode(body).decode()}


def _header(value: str) -> str:
    """HTTP binding, 3.1.3.2: first the double quotes are undone, then one round of percents."""
    quoted = _QUOTED.fullmatch(value.strip())
    if quoted:
        value = re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL)
    return unquote_to_bytes(value.encode("latin-1")).decode("utf-8", "replace")


def _is_json_type(media: str) -> bool:
    form = media.partition(";")[0].strip().lower()
    return form.endswith(("/json", "+json"))


def _unsupported(form: str) -> AppError:
    message = (
        f"Content-Type '{form[:60]}' is no CloudEvent here. Send {STRUCTURED}+json, "
        f"{BATCH}+json, or the attributes as ce- headers."
    )
    return AppError(message, code="unsupported_media_type", status=415)
