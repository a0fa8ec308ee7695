"""Snowplow's collector, as its trackers call it: events by POST, or one by GET for an image."""

import base64
from collections.abc import Sequence

import msgspec

from rapport_common.errors import AppError
from rapport_common.events.envelope import EventType
from rapport_common.wording import plain
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.snowplow_event import (
    SERVERS,
    Converted,
    converted,
    of_parameters,
)
from rapport_ingest.domain.dialects.wire import form_of
from rapport_ingest.domain.salvage import UNREADABLE, check_count, cut_out
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Refusal, Result

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
NOT_KEPT = ((b"cache-control", b"no-store"),)

MAX_EVENTS = 10_000
"""So many the Python tracker keeps while we are away, and then sends in one request, once."""


class _Payload(msgspec.Struct):
    """`iglu:com.snowplowanalytics.snowplow/payload_data`."""

    data: list[msgspec.Raw]


class Received(msgspec.Struct, frozen=True):
    """The body of a 200 to a POST; trackers look at nothing but the status."""

    accepted: int
    rejected: int
    results: Sequence[Result]


_payload = msgspec.json.Decoder(_Payload)
_encode = msgspec.json.Encoder().encode


class Snowplow:
    """`POST /com.snowplowanalytics.snowplow/tp2` and `GET /i`: refused events never show here.

    Trackers send again, for ever, whatever is not answered 2xx, 400, 401, 403, 410 or 422:
    too large is a 400 here. Whether the person's own device has sent it, the tracker's name says.
    """

    name = "snowplow"
    kind: EventType | None = None
    browser = True
    overload = 503
    too_large = 400

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """The events in Segment's shape; the write key is the `aid`, the application's id."""
        if request.method == "GET":
            events = [of_parameters(form_of(request.query))]
        else:
            items = _items(request.body)
            check_count(len(items), MAX_EVENTS)
            events = [converted(one) for one in items]
        opened = _gathered(events, known=policy is not None)
        if b"sp-anonymous" in request.headers:
            opened.device = False
        opened.note = request.method
        return opened

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """A verdict for each event of a POST, the image for a GET."""
        if opened.note == "GET":
            return Answer(PIXEL, content_type=b"image/gif", headers=NOT_KEPT)
        rejected = sum(one.code is not None for one in results)
        return Answer(_encode(Received(len(results) - rejected, rejected, results)))


def _gathered(events: Sequence[Converted], *, known: bool) -> Opened:
    key = next((one.app for one in events if one.app), None)
    refusals: dict[int, Refusal] = {}
    for index, one in enumerate(events):
        refusal = one.refusal
        if not known and one.app != key and refusal is None:
            reason = "The aid is the write key, and this one is not that of the first event."
            refusal = Refusal("", "other_write_key", "aid", reason)
        if refusal is not None:
            refusals[index] = refusal
    tracker = next((one.tracker for one in events if one.tracker), "")
    device = not tracker.startswith(SERVERS)
    return Opened([one.item for one in events], None, key, refusals, device=device)


def _items(body: bytes) -> list[msgspec.Raw]:
    try:
        return _payload.decode(body).data
    except msgspec.ValidationError as error:
        message = f"The body must be {{schema, data: [event, …]}}: {plain(error)}."
        raise AppError(message, code="invalid_batch") from error
    except UNREADABLE as error:
        _, items = cut_out(body, "data", error)
        return items
