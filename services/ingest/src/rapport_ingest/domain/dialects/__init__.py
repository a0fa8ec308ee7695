"""The dialects of clients: from a request to events in Segment's shape, and the answer each wants.

A dialect is pure. It takes the unpacked body and gives the events as JSON in the shape of
Segment's spec; what it can't read it refuses by index, so that one bad event costs no other.
What is made for each request is a msgspec struct: a frozen dataclass costs many times as much.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Refusal, Result

JSON = b"application/json"
NONE_REFUSED: Mapping[int, Refusal] = MappingProxyType({})


class Request(msgspec.Struct, frozen=True):
    """What a dialect sees of a request; header names are in lower case, `body` is unpacked."""

    method: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


class Opened(msgspec.Struct):
    """The events of a request. `refusals` are verdicts of the dialect, by index in `items`.

    `write_key` is the key in the body or the query; `note` is the dialect's own, for its answer.
    `originals` are what `items` were made of, where that is something else: kept when refused.
    `device` overrules the dialect's `browser` where the request itself shows whether the person's
    own device sent it, or asks not to be told from its address.
    """

    items: Sequence[msgspec.Raw]
    sent_at: Any = None
    write_key: Any = None
    refusals: Mapping[int, Refusal] = NONE_REFUSED
    note: Any = None
    device: bool | None = None
    originals: Sequence[msgspec.Raw] | None = None


class Answer(msgspec.Struct, frozen=True):
    """What the client reads."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


class Dialect(Protocol):
    """How a kind of client speaks.

    `kind` is the type of event its address means, if it means one. `browser`: the request comes
    from the person's own device, so its address and user agent are theirs. `overload` is the
    status that makes this client come back later (429 or 503), `too_large` the one that makes
    it give up a body that is too large.
    """

    name: str
    kind: EventType | None
    browser: bool
    overload: int
    too_large: int

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """The events in it; `policy` is None while the key is not known. AppError: none can be."""

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """What the client is told; AppError for a refusal it should see as one."""
