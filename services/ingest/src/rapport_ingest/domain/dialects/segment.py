"""Segment's HTTP tracking API, which RudderStack's SDKs speak too."""

from collections.abc import Sequence

import msgspec

from rapport_common.errors import AppError
from rapport_common.events.envelope import EventType
from rapport_ingest.domain.body import open_batch, open_single
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.rudder import ANONYMOUS_ID, with_anonymous_id
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

_encode = msgspec.json.Encoder().encode


class Summary(msgspec.Struct, frozen=True):
    """The body of a 200: the sender must not repeat any of these events."""

    success: bool
    accepted: int
    rejected: int
    results: Sequence[Result]


class Segment:
    """One address of the API: a batch, or a single event of a kind.

    The answer to a batch is 200 with a verdict for each event; a single bad event is a 400,
    which these SDKs drop without a retry.
    """

    name = "segment"
    too_large = 413

    def __init__(self, kind: EventType | None, *, browser: bool = False) -> None:
        self.kind = kind
        self.browser = browser
        # A browser drops what it gets a 429 for; servers wait as `Retry-After` says.
        self.overload = 503 if browser else 429

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """The events as they are: their bytes go on untouched."""
        if self.kind is None:
            batch = open_batch(request.body)
            opened = Opened(batch.batch, batch.sent_at, batch.write_key)
        else:
            single = open_single(request.body)
            opened = Opened([msgspec.Raw(request.body)], single.sent_at, single.write_key)
        if ANONYMOUS_ID in request.headers:
            with_anonymous_id(opened, request.headers[ANONYMOUS_ID])
        return opened

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """A verdict for each event."""
        return Answer(_encode(summary(self.kind, results)))


def summary(kind: EventType | None, results: Sequence[Result]) -> Summary:
    """A verdict for each event; AppError when it was the only one and is refused."""
    if len(results) == 1 and results[0].code is None:
        return Summary(True, 1, 0, results)
    rejected = sum(one.code is not None for one in results)
    if rejected and kind is not None:
        only = results[0]
        details = {"path": only.path, "message_id": only.message_id}
        raise AppError(only.message or "", code=only.code, details=details)
    return Summary(True, len(results) - rejected, rejected, results)
