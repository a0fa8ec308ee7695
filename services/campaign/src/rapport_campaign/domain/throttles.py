"""At most so many messages of a run in any minute, or any hour, however many senders there are.

Each message takes a slot, the slots lie `interval` apart, and nothing goes before its slot. Senders
look several times a second, so a slot that has just gone by is still good; one that is longer past
is lost. The interval is the greater by as much, so that no window ever has one too many.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

CATCH_UP = timedelta(seconds=1)
"""For so long a slot is good."""

MAX_AT_MOST = 10_000_000
WINDOWS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
MICRO = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Throttle(msgspec.Struct, frozen=True):
    """At most so many in any window."""

    at_most: int
    per: Literal["minute", "hour"] = "minute"

    @property
    def interval(self) -> int:
        """Microseconds from one slot to the next."""
        return -(-((WINDOWS[self.per] + CATCH_UP) // MICRO) // self.at_most)


def granted(free_at: int, interval: int, now: datetime, wanted: int) -> tuple[int, int]:
    """How many of `wanted` may go now, and the slot that is free then; microseconds since 1970."""
    at = (now - EPOCH) // MICRO
    first = max(free_at, at - CATCH_UP // MICRO)
    number = max(min(wanted, (at - first) // interval + 1), 0) if first <= at else 0
    return number, first + number * interval if number else free_at


def turn(free_at: int, interval: int, now: datetime) -> tuple[datetime, int]:
    """When one message more may go, `now` or later, and the slot that is free then."""
    at = max(now, EPOCH + free_at * MICRO)
    return at, granted(free_at, interval, at, 1)[1]
