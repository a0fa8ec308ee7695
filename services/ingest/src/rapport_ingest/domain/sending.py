"""Events on their way in, whichever door they came through."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from rapport_common.events.envelope import EventType, Trust
from rapport_ingest.domain.dialects import NONE_REFUSED
from rapport_ingest.domain.event import marks_of
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.verdict import Refusal


class Sending(msgspec.Struct, frozen=True):
    """The events of one request, import step or replay, and what goes for all of them.

    `refusals` are verdicts given before, by index. `ids` are the message ids of events that bring
    none, for a sender that must be able to repeat them; without it they are made here. `places`
    say where each event stood (`row 7`), for the quarantine; `originals` are kept there in place
    of `items`. `sequences` are their places where the index is not: rows of a file. `trust` is the
    source's unless the request shows less. `historic`: nobody is written to because of these.
    """

    sender: Sender
    items: Sequence[msgspec.Raw]
    kind: EventType | None
    received_at: datetime
    sent_at: datetime | None = None
    traceparent: str | None = None
    dialect: str = "segment"
    address: str | None = None
    user_agent: str | None = None
    refusals: Mapping[int, Refusal] = NONE_REFUSED
    ids: Sequence[str] | None = None
    places: Sequence[str] | None = None
    originals: Sequence[msgspec.Raw] | None = None
    sequences: Sequence[int] | None = None
    trust: Trust | None = None
    historic: bool = False

    @property
    def marks(self) -> Mapping[str, Any]:
        """What is marked on each of the events."""
        return marks_of(self.trust or self.sender.trust, historic=self.historic)

    def sequence(self, index: int) -> int:
        """The place of an event among those that came with it."""
        return index if self.sequences is None else self.sequences[index]
