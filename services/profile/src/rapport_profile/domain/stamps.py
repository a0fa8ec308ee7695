"""Which of two statements is the later one, and which times are believed."""

from datetime import UTC, datetime, timedelta

import msgspec

from rapport_common.events.envelope import Event

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""A stated time before it is a clock gone wrong."""
BEHIND = timedelta(hours=24)
"""So far a clock, or a local time without its offset, may be behind."""
NO_TIME = timedelta()
OWN_SOURCE = "profile"
"""Of the events that this service tells itself; nobody else has a source of that name."""


class Stamp(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """When and where something was said; of two statements about one thing the later counts.

    By time, then by the place among what came together, then by message id and source, so that
    no two are equal. `sequence` stands last because stored ones from before it lack it.
    """

    at: datetime
    message_id: str
    source: str
    sequence: int = 0

    @property
    def order(self) -> tuple[datetime, int, str, str]:
        """A sort key: the latest last."""
        return (self.at, self.sequence, self.message_id, self.source)

    def after(self, other: "Stamp") -> bool:
        """Whether this statement is later than the other."""
        if self.at != other.at:
            return self.at > other.at
        return self.order > other.order


def stamp_of(event: Event) -> Stamp:
    """The stamp of what an event says: a clock that is ahead can't say it from the future."""
    at = min(event.timestamp, event.received_at)
    return Stamp(at, event.message_id, event.source, event.sequence)


def stamp_of_refusal(event: Event) -> Stamp:
    """The stamp of a no: by the receipt if it was said that day, whatever the clock tells.

    A time zone that was left out must not put it before the yes that it takes back. What is told
    of the past has the time that it states.
    """
    at = min(event.timestamp, event.received_at)
    if not event.historic and event.received_at - at < BEHIND:
        at = event.received_at
    return Stamp(at, event.message_id, event.source, event.sequence)


def believed_time(event: Event) -> datetime:
    """When an event happened: as stated, or when it was received if that can't be."""
    at, received_at = event.timestamp, event.received_at
    return min(at, received_at) if at >= EARLIEST else received_at


def believed_stamp(event: Event) -> Stamp:
    """The stamp of what an event says; of a time before all that is believed: the receipt."""
    stamp = stamp_of(event)
    if stamp.at >= EARLIEST:
        return stamp
    return msgspec.structs.replace(stamp, at=believed_time(event))


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two times; None is no time."""
    return min(one, other) if one and other else one or other


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two times; None is no time."""
    return max(one, other) if one and other else one or other
