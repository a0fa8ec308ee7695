"""Which of two statements is the later one, and which times are believed."""

from datetime import UTC, datetime, timedelta

import msgspec

from rapport_common.events.envelope import Event

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD = timedelta(hours=24)
"""A stated time before EARLIEST, or more than AHEAD after the receipt, is a clock gone wrong."""


class Stamp(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """When and where something was said; of two statements about one thing the later counts.

    By time, then by the place among what came together, then by message id and source, so that
    no two are equal. `sequence` stands last because stored ones from before it lack it.
    """

    at: datetime
    message_id: str
    source: str
    sequence: int = 0

    def after(self, other: "Stamp") -> bool:
        """Whether this statement is later than the other."""
        if self.at != other.at:
            return self.at > other.at
        mine = (self.sequence, self.message_id, self.source)
        return mine > (other.sequence, other.message_id, other.source)


def stamp_of(event: Event) -> Stamp:
    """The stamp of what an event says."""
    return Stamp(event.timestamp, event.message_id, event.source, event.sequence)


def stamp_of_grant(event: Event) -> Stamp:
    """The stamp of a permission: a clock that is ahead can't give it from the future."""
    at = min(event.timestamp, event.received_at)
    return Stamp(at, event.message_id, event.source, event.sequence)


def believed_time(event: Event) -> datetime:
    """When an event happened: as stated, or when it was received if that can't be."""
    at = event.timestamp
    return at if EARLIEST <= at <= event.received_at + AHEAD else event.received_at


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two times; None is no time."""
    return min(one, other) if one and other else one or other


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two times; None is no time."""
    return max(one, other) if one and other else one or other
