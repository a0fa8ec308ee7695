"""Jitsu's HTTP API: Segment's events under its own addresses, answered with `ok`."""

from collections.abc import Sequence
from typing import Any

import msgspec
from typing_extensions import override

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.segment import Segment, Summary, summary
from rapport_ingest.domain.dialects.wire import with_member
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

_encode = msgspec.json.Encoder().encode


VIEWS = ("page", "screen")


class _Ok(Summary, frozen=True):
    ok: bool = True


class _Properties(msgspec.Struct, frozen=True):
    name: Any = None


class _View(msgspec.Struct):
    type: Any = None
    name: Any = None
    properties: _Properties = _Properties()


_view = msgspec.json.Decoder(_View)


class Jitsu(Segment):
    """`/api/s/<type>` from browsers, `/api/s/s2s/<type>` from servers, and both for batches.

    The SDK never sends again, whatever it is answered; a refusal shows in its console.
    """

    name = "jitsu"

    @override
    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """Segment's events; with the SDK's `ipPolicy: "remove"` the address is not looked at."""
        opened = super().open(request, policy)
        # The key in the body is masked by the SDK ("id:***"): the header's is the one that counts.
        if request.headers.get(b"x-ip-policy") == b"remove":
            opened.device = False
        if self.kind is None or self.kind in VIEWS:
            opened.items = [_named(one, self.kind) for one in opened.items]
        return opened

    @override
    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """As Segment's, with the member `ok`."""
        return ok(self.kind, results)


def ok(kind: EventType | None, results: Sequence[Result]) -> Answer:
    """The verdicts with the member that this SDK's users look for."""
    shown = summary(kind, results)
    return Answer(_encode(_Ok(shown.success, shown.accepted, shown.rejected, shown.results)))


def _named(raw: msgspec.Raw, kind: EventType | None) -> msgspec.Raw:
    """A page or screen with its name where the spec has it: this SDK puts it in the properties."""
    try:
        view = _view.decode(raw)
    except UNREADABLE:
        return raw
    name = view.properties.name
    if (kind or view.type) not in VIEWS or view.name is not None or not isinstance(name, str):
        return raw
    return with_member(raw, "name", name)
