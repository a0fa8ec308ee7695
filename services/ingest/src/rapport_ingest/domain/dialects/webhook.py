"""Webhooks of any system: its JSON becomes an event by the mapping in the source's policy.

A webhook is delivered again until it is answered with a 2xx, so the answer is 200 as soon as
what came is kept: as an event, or in the quarantine as it came, to be mapped anew by a replay.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import msgspec

from rapport_common.errors import AppError, InvalidRequestError
from rapport_common.events.envelope import EventType
from rapport_common.paths import path_of
from rapport_common.wording import plain
from rapport_ingest.domain import mapping as mappings
from rapport_ingest.domain.body import open_batch
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.originals import UnfitError, content_id, opened
from rapport_ingest.domain.dialects.segment import Segment
from rapport_ingest.domain.mapping import MappingError
from rapport_ingest.domain.reading import MAX_MESSAGE_ID
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.domain.shops import shop_event
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

UNMAPPED = "Webhook Received"
HEADERS = "_headers"
"""Where a body's headers of interest stand: a mapping reads `_headers.x-shopify-topic`."""

DELIVERIES = (
    "webhook-id",  # Standard Webhooks
    "svix-id",
    "x-github-delivery",
    "x-gitlab-event-uuid",
    "x-request-uuid",  # Bitbucket
    "x-shopify-webhook-id",
    "x-wc-webhook-delivery-id",
    "i-twilio-idempotency-token",
    "idempotency-key",
)
"""Headers with the sender's id of a delivery, the same when it is repeated."""

KINDS = (
    "x-github-event",
    "x-gitlab-event",
    "x-event-key",  # Bitbucket
    "x-shopify-topic",
    "x-shopify-shop-domain",
    "x-wc-webhook-topic",
    "x-wc-webhook-source",
    "x-event-type",
    "webhook-timestamp",
)
"""Headers that say what happened where the body does not."""

MAX_FORM_FIELDS = 500
SHOWN_PATHS = 20
SHOWN_LEVELS = 4

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Webhook:
    """The address with the write key in its path or its query."""

    name = "webhook"
    kind: EventType | None = None
    browser = False
    overload = 429
    too_large = 413

    def __init__(self) -> None:
        self._batch = Segment(None)

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """An event for each object of the body. AppError 413: more than 5,000."""
        headers = _told(request.headers)
        delivery = next((headers[one] for one in DELIVERIES if one in headers), None)
        bodies = _bodies(request)
        ids = _ids(delivery, bodies)
        originals = [_with_headers(raw, headers) for raw in bodies]
        chosen = policy or SourcePolicy()
        return opened(originals, lambda index, raw: reopen(raw, chosen, ids[index]))

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """200 with a verdict for each: all of it is kept."""
        return self._batch.answer(opened, results)


def reopen(original: msgspec.Raw, policy: SourcePolicy, message_id: str) -> msgspec.Raw:
    """From what was sent to an event in Segment's shape, by the mapping of now.

    `message_id` is the event's unless the mapping gives one. UnfitError says why there is none.
    """
    try:
        row = _row(original)
        event = _made(row, policy)
    except UnfitError as error:
        error.message_id = message_id
        raise
    event.setdefault("messageId", message_id)
    return msgspec.Raw(_encode(event))


@lru_cache(maxsize=1024)
def mapper(mapping: bytes) -> mappings.Mapper:
    """A mapping, given as its JSON, made ready once for all requests."""
    return mappings.Mapper(msgspec.json.decode(mapping, type=mappings.Mapping))


def _made(row: Mapping[str, Any], policy: SourcePolicy) -> dict[str, Any]:
    if policy.webhook is not None:
        return _mapped(row, policy)
    if policy.webhook_preset is None:
        return _unmapped(row)
    try:
        return shop_event(policy.webhook_preset, row)
    except MappingError as error:
        raise UnfitError("mapping_failed", error.path, error.reason) from error


def _mapped(row: Mapping[str, Any], policy: SourcePolicy) -> dict[str, Any]:
    try:
        return mapper(_encode(policy.webhook)).event([row])
    except MappingError as error:
        raise UnfitError("mapping_failed", error.path, error.reason) from error
    except InvalidRequestError as error:
        raise UnfitError("invalid_mapping", "policy.webhook", error.message) from error


def _unmapped(row: Mapping[str, Any]) -> dict[str, Any]:
    """The body as the properties of an event, if it names a person as our own events do."""
    body = {name: value for name, value in row.items() if name != HEADERS}
    event = {"type": "track", "event": UNMAPPED, "properties": body}
    named = {name: body[name] for name in ("userId", "anonymousId") if body.get(name)}
    if not named:
        paths = ", ".join(_paths(row)) or "none"
        reason = (
            "This source has no webhook mapping. Set policy.webhook of the source: map userId, "
            "anonymousId or traits.email to a path of the body, then replay this. Paths with a "
            f"value: {paths}."
        )
        raise UnfitError("no_mapping", "userId", reason)
    return event | named


def _paths(row: Mapping[str, Any]) -> list[str]:
    """The first paths of the body that have a value, as a mapping writes them."""
    found: list[str] = []
    for path in _leaves(row, 1):
        found.append(path)
        if len(found) == SHOWN_PATHS:
            return [*found, "…"]
    return found


def _leaves(node: Any, level: int) -> Iterator[str]:
    members = node.items() if isinstance(node, Mapping) else enumerate(node[:1])
    for key, value in members:
        # Names come from outside, and this text goes into a table and a message.
        shown = path_of(str(key)[:100].replace("\0", "\ufffd"))
        if isinstance(value, (dict, list)) and level < SHOWN_LEVELS:
            yield from (f"{shown}.{inner}" for inner in _leaves(value, level + 1))
        elif value is not None:
            yield shown


def _row(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        row = _decode(raw)
    except UNREADABLE as error:
        reason = f"The body is not JSON that can be kept: {plain(error)}."
        raise UnfitError("invalid_json", "", reason) from None
    if not isinstance(row, dict):
        raise UnfitError("not_an_object", "", "A webhook's body is an object, or a list of them.")
    return row


def _bodies(request: Request) -> list[msgspec.Raw]:
    """The objects of a body: of a list each, of a form the one that its fields make."""
    body = request.body.strip()
    media = request.headers.get(b"content-type", b"").lower()
    if media.startswith(b"application/x-www-form-urlencoded") and body[:1] not in {b"{", b"["}:
        return [_form(body)]
    if body[:1] != b"[":
        return [msgspec.Raw(body)]
    try:
        found = open_batch(b'{"batch":' + body + b"}").batch
    except AppError as error:
        if error.status == Webhook.too_large:
            raise
        return [msgspec.Raw(body)]
    return list(found)


def _form(body: bytes) -> msgspec.Raw:
    """A form's fields as an object; one that only has a `payload` in JSON is that (GitHub)."""
    try:
        text = body.decode()
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        return msgspec.Raw(body)
    if set(fields) == {"payload"} and fields["payload"][0][:1] == "{":
        return msgspec.Raw(fields["payload"][0].encode())
    return msgspec.Raw(
        _encode({key: one[0] if len(one) == 1 else one for key, one in fields.items()})
    )


def _told(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Those headers that say which delivery it is and of what."""
    return {
        name: headers[name.encode()].decode("latin-1")
        for name in (*DELIVERIES, *KINDS)
        if headers.get(name.encode())
    }


def _with_headers(raw: msgspec.Raw, headers: Mapping[str, str]) -> msgspec.Raw:
    """The object as it came, with the headers as a member of it, where it has none such."""
    body = bytes(raw)
    if not headers or body[:1] != b"{" or body[-1:] != b"}" or b'"_headers"' in body:
        return raw
    comma = b"" if body[1:-1].strip() == b"" else b","
    return msgspec.Raw(body[:-1] + comma + b'"_headers":' + _encode(headers) + b"}")


def _ids(delivery: str | None, bodies: Sequence[msgspec.Raw]) -> list[str]:
    """Message ids: the delivery's, numbered when there are more objects, else digests."""
    if delivery is None:
        return [content_id(bytes(one)) for one in bodies]
    found = [delivery] if len(bodies) == 1 else [f"{delivery}-{n}" for n in range(len(bodies))]
    return [one if len(one) <= MAX_MESSAGE_ID else content_id(one.encode()) for one in found]
