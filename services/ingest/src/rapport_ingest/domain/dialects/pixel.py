"""Events in the address of an image, for mails and pages that run no script.

The query of `/v1/pixel.gif` and of RudderStack's `/pixel/v1/…` names fields by paths
(`rapport_common.paths`); Segment's `/v1/pixel/…` has the whole event in `data`, as JSON in base64.
Image tags show no message: the answer is the image, and what is refused is in the quarantine with
its reason.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from rapport_common.events.envelope import EventType
from rapport_common.paths import names_of
from rapport_common.wording import plain
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.originals import UnfitError, content_id, refusal
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
"""One transparent pixel: GIF89a with a graphic control extension, 43 bytes."""

NOT_STORED = (
    (b"cache-control", b"no-store, no-cache, must-revalidate, private, max-age=0"),
    (b"pragma", b"no-cache"),
    (b"expires", b"0"),
)
MAX_FIELDS = 200
MAX_LEVELS = 16

IMAGE = Answer(GIF, content_type=b"image/gif", headers=NOT_STORED)

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Pixel:
    """One address; `kind` is the type it means, else the query's `type`, else `track`."""

    name = "pixel"
    browser = True
    overload = 503
    too_large = 413

    def __init__(self, kind: EventType | None = None) -> None:
        self.kind = kind

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """One event, refused when the query can't be read; it never fails."""
        try:
            fields = _fields(request.query)
        except ValueError:
            item = msgspec.Raw(_encode({"query": ""}))
            error = UnfitError("too_many_fields", "", f"A pixel has {MAX_FIELDS} fields at most.")
            return Opened([item], refusals={0: refusal(error, item)})
        key = fields.pop("writeKey", None)
        try:
            event = _packed(fields["data"]) if "data" in fields else _nested(fields)
        except UnfitError as error:
            item = msgspec.Raw(_encode(fields))
            error.message_id = content_id(request.query)
            return Opened([item], write_key=key, refusals={0: refusal(error, item)})
        key = event.pop("writeKey", None) or key
        if self.kind is None:
            event.setdefault("type", "track")
        return Opened([msgspec.Raw(_encode(event))], write_key=_text(key))

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """The image, whatever the verdict."""
        return IMAGE


def _fields(query: bytes) -> dict[str, str]:
    """The query; of a name that stands twice the last value counts."""
    text = query.decode("latin-1")
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))


def _packed(data: str) -> dict[str, Any]:
    """The event in `data`: base64 with either alphabet, padded or not."""
    # A plus sign that was not escaped has become a space on its way.
    text = data.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        found: dict[str, Any] = _object.decode(decoded)
    except (ValueError, *UNREADABLE) as error:
        reason = f"data must be one JSON object in base64: {plain(error)}."
        raise UnfitError("invalid_data", "data", reason.replace("\0", "\ufffd")) from None
    return found


def _nested(fields: Mapping[str, str]) -> dict[str, Any]:
    """`properties.cart.total=3` becomes `{"properties": {"cart": {"total": "3"}}}`."""
    event: dict[str, Any] = {}
    for name, value in fields.items():
        way = names_of(name)
        if not all(way) or len(way) > MAX_LEVELS:
            raise UnfitError("invalid_field", name[:200], f"'{name[:200]}' is no path of a field.")
        node: Any = event
        for key in way[:-1]:
            node = node.setdefault(key, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict) or isinstance(node.get(way[-1]), dict):
            reason = f"'{name[:200]}' is a value and an object at once."
            raise UnfitError("invalid_field", name[:200], reason)
        node[way[-1]] = value
    return event


def _text(key: Any) -> str | None:
    """A write key, from the query or out of the packed event."""
    if not isinstance(key, msgspec.Raw):
        return key if isinstance(key, str) else None
    try:
        found = msgspec.json.decode(key)
    except UNREADABLE:
        return None
    return found if isinstance(found, str) else None
