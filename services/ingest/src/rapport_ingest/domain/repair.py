"""Mending a quarantined event: what can be mended, and how."""

from typing import Any

import msgspec

from rapport_common.wording import plain
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.domain.transform import Transformer, TransformError


class BeyondRepairError(Exception):
    """The event can't be judged again; `reason` is a code: truncated, invalid_json, …"""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_anything = msgspec.json.Decoder()


def readable(body: bytes, *, truncated: bool) -> dict[str, Any]:
    """The event as it was sent; BeyondRepairError when only a part, or no JSON object, is kept."""
    if truncated:
        raise BeyondRepairError("truncated")
    try:
        fields = _anything.decode(body)
    except RecursionError:
        raise BeyondRepairError("too_deep") from None
    except UNREADABLE:
        raise BeyondRepairError("invalid_json") from None
    if not isinstance(fields, dict):
        raise BeyondRepairError("not_an_object")
    return fields


def mended(body: bytes, transformer: Transformer | None) -> msgspec.Raw:
    """The event with the changes made; byte for byte what was sent when there are none.

    TransformError when a change can't be made to it.
    """
    if transformer is None:
        return msgspec.Raw(body)
    try:
        return msgspec.Raw(msgspec.json.encode(transformer(_anything.decode(body))))
    except (OverflowError, UnicodeEncodeError) as error:
        raise TransformError(
            "", f"The changed event is not JSON that can be kept: {plain(error)}."
        ) from error
