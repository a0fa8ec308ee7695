"""What RudderStack's browser SDK adds to Segment's API: the device's id in a header."""

from typing import Any

import msgspec

from rapport_ingest.domain.dialects import Opened
from rapport_ingest.domain.dialects.wire import base64_text
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
        member = b'"anonymousId":' + msgspec.json.encode(found)
        opened.items = [_filled(one, member) for one in opened.items]


def _filled(raw: msgspec.Raw, member: bytes) -> msgspec.Raw:
    """The event with `member` at its end, where it wins over an empty one before it."""
    try:
        if _named.decode(raw).anonymous_id not in {None, ""}:
            return raw
    except (*UNREADABLE, TypeError):
        return raw
    head = bytes(raw).rstrip().removesuffix(b"}").rstrip()
    comma = b"" if head.endswith(b"{") else b","
    return msgspec.Raw(head + comma + member + b"}")
