"""Jitsu's HTTP API: Segment's events under its own addresses, answered with `ok`."""

from collections.abc import Sequence

import msgspec
from typing_extensions import override

from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.segment import Segment, Summary, summary
from rapport_ingest.domain.source import Policy
from rapport_ingest.domain.verdict import Result

_encode = msgspec.json.Encoder().encode


class _Ok(Summary, frozen=True):
    ok: bool = True


class Jitsu(Segment):
    """`/api/s/<type>` from browsers, `/api/s/s2s/<type>` from servers, and both for batches.

    The SDK never sends again, whatever it is answered; a refusal shows in its console.
    """

    name = "jitsu"

    @override
    def open(self, request: Request, policy: Policy | None) -> Opened:
        """Segment's events; with the SDK's `ipPolicy: "remove"` the address is not looked at."""
        opened = super().open(request, policy)
        # The key in the body is masked by the SDK ("id:***"): the header's is the one that counts.
        if request.headers.get(b"x-ip-policy") == b"remove":
            opened.device = False
        return opened

    @override
    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """As Segment's, with the member this SDK's users look for."""
        shown = summary(self.kind, results)
        return Answer(_encode(_Ok(shown.success, shown.accepted, shown.rejected, shown.results)))
