"""What RudderStack's browser SDK adds to Segment's API: the device's id in a header."""

from typing import Any

import msgspec

from rapport_ingest.domain.dialects import Opened
from rapport_ingest.domain.dialects.wire import base64_text, with_member
from rapport_ingest.domain.salvage import UNREADABLE

ANONYMOUS_ID = b"anonymousid"
"""The header `AnonymousId`: base64 of the id in UTF-8."""


class _Named(msgspec.Struct):
    anonymous_id: Any = msgspec.field(name="anonymousId", default=None)


_named = msgspec.json.Decoder(_Named)


def with_anonymous_id(opened: Opened, header: bytes) -> None:
    """Give the events that lack an anonymousId the header's; one that can't be read costs nothing.

    Only the SDK that runs in the person's browser sends this header.
    """
    opened.device = True
    found = base64_text(header)
    if found and not found.isspace():
        opened.items = [_filled(one, found) for one in opened.items]


def _filled(raw: msgspec.Raw, anonymous: str) -> msgspec.Raw:
    try:
        if _named.decode(raw).anonymous_id not in {None, ""}:
            return raw
    except (*UNREADABLE, TypeError):
        return raw
    return with_member(raw, "anonymousId", anonymous)
