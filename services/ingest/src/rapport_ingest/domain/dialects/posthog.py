"""PostHog's capture API, as its SDKs for servers, browsers and phones call it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from typing_extensions import override

from rapport_common.errors import AppError, TooLargeError
from rapport_common.events.envelope import EventType
from rapport_common.wording import plain
from rapport_ingest.domain.body import GZIP_MAGIC, unpack
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.posthog_event import Around, Converted, converted
from rapport_ingest.domain.dialects.wire import base64_bytes, epoch_iso, form_of, joined_pairs
from rapport_ingest.domain.salvage import (
    MAX_SALVAGE_BYTES,
    UNREADABLE,
    check_count,
    cut_out,
    is_json,
    loose,
    not_json,
)
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Refusal, Result

DEVICES = frozenset(
    {
        "web",
        "js",
        "posthog-android",
        "posthog-flutter",
        "posthog-ios",
        "posthog-js-lite",
        "posthog-react-native",
    }
)
"""The libraries that run on the person's own device."""

HIDDEN = 2**9
"""Of so many bytes of base64 and gzip not much can be made."""

FIELDS = {
    "userId": "distinct_id",
    "anonymousId": "distinct_id",
    "messageId": "uuid",
    "previousId": "alias",
    "groupId": "$group_key",
    "traits": "$set",
}
"""What PostHog calls the fields that a verdict names."""

_encode = msgspec.json.Encoder().encode


class _Envelope(msgspec.Struct):
    batch: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    api_key: Any = None
    token: Any = None
    sent_at: Any = None
    created_at: Any = None


_envelope = msgspec.json.Decoder(_Envelope)
_array = msgspec.json.Decoder(list[msgspec.Raw])


class Captured(msgspec.Struct, frozen=True):
    """The body of a 200: `status` is what PostHog answers, the rest is ours."""

    status: int
    accepted: int
    rejected: int
    results: Sequence[Result]


class _Directive(msgspec.Struct, frozen=True, omit_defaults=True):
    result: str
    details: str | None = None


@dataclass(frozen=True, slots=True)
class _Note:
    """For each event of the client: its uuid, and its index in `items`."""

    events: Sequence[tuple[str | None, int]]


class PostHog:
    """`/batch/`, `/capture/`, `/e/`, `/i/v0/e/`: a batch or one event, answered with 200 always.

    posthog-py and posthog-js send again after any other 2xx; posthog-js drops after any 4xx.
    """

    name = "posthog"
    kind: EventType | None = None
    too_large = 413

    def __init__(self, *, browser: bool = False) -> None:
        self.browser = browser
        self.overload = 503 if browser else 429

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """The events in Segment's shape; traits that come with one are an event of their own."""
        envelope = _opened(_plain(request))
        items = envelope.batch or []
        check_count(len(items))
        around = self._around(request, envelope)
        return _gathered([converted(one, around) for one in items], envelope)

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """A verdict for each event, with PostHog's names for its fields."""
        shown = [_in_its_words(results[index]) for _, index in opened.note.events]
        rejected = sum(one.code is not None for one in shown)
        return Answer(_encode(Captured(1, len(shown) - rejected, rejected, shown)))

    def _around(self, request: Request, envelope: _Envelope) -> Around:
        if envelope.sent_at is not None or not request.query:
            return Around(envelope.sent_at)
        form = form_of(request.query)
        return Around(epoch_iso(form.get("sent_at") or form.get("_")))


class PostHogV1(PostHog):
    """`/i/v1/analytics/events`: each event's fate by its uuid.

    The SDK takes `ok` and `warning` for success and gives up what it is told to `drop`. It is
    never told to `retry` a single one: what can't be kept now fails as a whole, with a 503.
    """

    @override
    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """The map of directives; the request's id goes back with it."""
        fates = {uuid: _directive(results[index]) for uuid, index in opened.note.events if uuid}
        return Answer(_encode({"results": fates}))

    @override
    def _around(self, request: Request, envelope: _Envelope) -> Around:
        sent = request.headers.get(b"posthog-request-timestamp", b"").decode("latin-1")
        library = request.headers.get(b"posthog-sdk-info", b"").decode("latin-1")
        return Around(sent or envelope.created_at, library[:100] or None)


def _directive(result: Result) -> _Directive:
    if result.code is None:
        return _Directive("ok")
    shown = _in_its_words(result)
    where = f"{shown.path}: " if shown.path else ""
    return _Directive("drop", f"{shown.code}: {where}{shown.message}")


def _in_its_words(result: Result) -> Result:
    name = FIELDS.get(result.path or "")
    if name is None:
        return result
    message = (result.message or "").replace(result.path or "", name)
    return msgspec.structs.replace(result, path=name, message=message)


def _gathered(events: Sequence[Converted], envelope: _Envelope) -> Opened:
    items: list[msgspec.Raw] = []
    refusals: dict[int, Refusal] = {}
    note: list[tuple[str | None, int]] = []
    for one in events:
        note.append((one.uuid, len(items)))
        if one.refusal is not None:
            refusals[len(items)] = one.refusal
        items.append(one.item)
        if one.traits is not None:
            items.append(one.traits)
    token = envelope.api_key or envelope.token
    token = token or next((one.token for one in events if one.token), None)
    library = next((one.library for one in events if one.library), None)
    device = None if library is None else library in DEVICES
    return Opened(items, None, token, refusals, _Note(note), device)


def hides_more(stated: bytes) -> bool:
    """Whether a body or query may hold packed data, so that its length says nothing of its size."""
    return stated.lstrip()[:1] not in {b"{", b"["} and len(stated) > HIDDEN


def _plain(request: Request) -> bytes:
    """The JSON of a request: as it is, or as base64 in a form, a query or alone.

    posthog-js sends `data=` for beacons, and by script tags in browsers without anything else.
    """
    body = request.body
    if body.lstrip()[:1] in {b"{", b"["}:
        return body
    if len(body) > MAX_SALVAGE_BYTES:
        raise TooLargeError(MAX_SALVAGE_BYTES)
    data = (
        form_of(body or request.query).get("data", "") if b"data=" in body[:64] or not body else ""
    )
    text = (data or body.decode("latin-1")).strip()
    if text[:1] in {"{", "["}:
        return text.encode()
    found = base64_bytes(text.replace(" ", "+"))
    if not found:
        message = "The body is neither JSON nor base64 of JSON in a field called data."
        raise AppError(message, code="bad_encoding")
    return unpack(found, "") if found[:2] == GZIP_MAGIC else joined_pairs(found)


def _opened(body: bytes) -> _Envelope:
    """The events of a body: `{batch: […]}`, an array, or one event."""
    if body.lstrip()[:1] == b"[":
        try:
            return _Envelope(_array.decode(body))
        except UNREADABLE as error:
            return _salvaged(b'{"batch":' + body + b"}", error)
    try:
        found = _envelope.decode(body)
    except msgspec.ValidationError as error:
        reason = plain(error)
        message = (
            f"The body must be an event, an array of them, or {{batch: [event, …]}}: {reason}."
        )
        raise AppError(message, code="invalid_batch") from error
    except UNREADABLE as error:
        return _salvaged(body, error)
    if found.batch is msgspec.UNSET:
        found.batch = [msgspec.Raw(body)]
    return found


def _salvaged(body: bytes, cause: Exception) -> _Envelope:
    """The events of a body of which one can't be read: it costs no other."""
    try:
        around, items = cut_out(body, "batch", cause)
        found = _envelope.decode(around)
    except (AppError, *UNREADABLE):
        return _lone(body, cause)
    found.batch = items
    return found


def _lone(body: bytes, cause: Exception) -> _Envelope:
    """A single event that can't be kept, with the key that says whose it is."""
    found = loose(body) if is_json(body) else None
    if not isinstance(found, dict) or "batch" in found:
        raise not_json(cause) from cause
    properties = found.get("properties")
    token = found.get("api_key") or found.get("token")
    if not token and isinstance(properties, dict):
        token = properties.get("token")
    return _Envelope([msgspec.Raw(body)], api_key=token)
