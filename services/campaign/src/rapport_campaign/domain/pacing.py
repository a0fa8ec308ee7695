"""How fast an account may send: so many a second, and so many a day while it is warmed up.

The pace is that of the generic cell rate algorithm (ITU-T I.371): one instant is all that is kept,
so any number of processes can share it in one row. Times are seconds of one clock, whichever.
"""

from dataclasses import dataclass
from datetime import date

MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Pace:
    """`per_second` messages in the long run, and at most `burst` of them at once."""

    per_second: float
    burst: int = 1

    @property
    def gap(self) -> float:
        """Seconds between two messages."""
        return 1.0 / self.per_second


@dataclass(frozen=True, slots=True)
class Grant:
    """How many may go now; `free_at` is what is kept of it; `wait` seconds until the next one."""

    count: int
    free_at: float
    wait: float


def grant(pace: Pace, free_at: float, now: float, wanted: int) -> Grant:
    """At most `wanted` messages that may go now.

    `free_at`: when all that was granted before would be over at an even pace. A clock that was set
    back gives nothing away, nor does it stop an account for longer than its burst.
    """
    horizon = pace.burst * pace.gap
    begin = min(max(free_at, now), now + horizon)
    # A little is added: else what is due this very instant is lost to a rounding.
    room = int((now + horizon - begin) / pace.gap + 1e-6)
    count = max(0, min(wanted, room))
    after = begin + count * pace.gap
    return Grant(count, after, max(0.0, after - (now + horizon - pace.gap)))


@dataclass(frozen=True, slots=True)
class Warmup:
    """A new sender is believed little: `first` messages on the day it starts, then `growth` times
    as many each day (2.0: twice), until there are `enough` and it ends.
    """

    starts: date
    first: int
    growth: float
    enough: int

    def allowed(self, today: date) -> int | None:
        """How many may go on a day; None: as many as there are."""
        day = (today - self.starts).days
        if day < 0:
            return 0
        try:
            most = self.first * self.growth ** min(day, MOST_DAYS)
        except OverflowError:
            return None
        return None if most >= self.enough else int(most)


def left(warmup: Warmup | None, today: date, sent: int) -> int | None:
    """How many more may go today, when `sent` have; None: as many as there are."""
    allowed = warmup.allowed(today) if warmup else None
    return None if allowed is None else max(0, allowed - sent)
