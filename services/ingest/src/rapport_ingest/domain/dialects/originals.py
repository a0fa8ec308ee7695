"""Bodies that are not events yet: each is made into one, and kept as it came when it can't be.

What is refused later goes into the quarantine as its sender wrote it, so that a replay can make
the event anew, by a mapping that was mended meanwhile.
"""

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from rapport_ingest.domain.dialects import Opened
from rapport_ingest.domain.verdict import Refusal

DIGEST = 40


class UnfitError(Exception):
    """What was sent can't become an event; `path` is the field of it, "" for the whole."""

    def __init__(self, code: str, path: str, reason: str, *, message_id: str = "") -> None:
        super().__init__(reason)
        self.code, self.path, self.reason, self.message_id = code, path, reason, message_id


def content_id(data: bytes) -> str:
    """The message id of what has none of its own: the same bytes get the same one."""
    return f"sha256-{hashlib.sha256(data).hexdigest()[:DIGEST]}"


def refusal(error: UnfitError, original: msgspec.Raw) -> Refusal:
    """The verdict on `original`."""
    message_id = error.message_id or content_id(bytes(original))
    return Refusal(message_id, error.code, error.path, error.reason)


def opened(
    originals: Sequence[msgspec.Raw], make: Callable[[int, msgspec.Raw], msgspec.Raw]
) -> Opened:
    """Each original made into an event by `make(index, original)`; UnfitError refuses it alone."""
    items: list[msgspec.Raw] = []
    refusals: dict[int, Refusal] = {}
    for index, original in enumerate(originals):
        try:
            items.append(make(index, original))
        except UnfitError as error:
            items.append(original)
            refusals[index] = refusal(error, original)
    return Opened(items, refusals=refusals, originals=originals)
