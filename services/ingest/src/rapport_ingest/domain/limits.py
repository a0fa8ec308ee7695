"""The arithmetic of rates: a token bucket that may go into debt, and a fair part of a rate."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` events per second, and as much at once as a second gives.

    A request is let through when there is a token, and takes as many as it has events: it may
    leave a debt, which later requests wait for. So a batch larger than the rate is possible,
    and over any window no more than rate x time + one second's worth + one request passes.
    `level` are the tokens left, negative in debt; `at` is when they were counted, in seconds of
    any clock; `refilled` are those gained since `drawn` was last called.
    """

    rate: float
    level: float
    at: float
    refilled: float = 0.0

    @classmethod
    def full(cls, rate: float, now: float) -> "Bucket":
        """A bucket that nobody has taken from."""
        return cls(rate, _burst(rate), now)

    def take(self, events: int, now: float) -> float:
        """0.0 when they are let through, else the seconds until they would be."""
        self._refill(now)
        if self.level < 1.0:
            return (1.0 - self.level) / self.rate
        self.level -= events
        return 0.0

    def give_back(self, events: int) -> None:
        """What was let through came to nothing."""
        self.level = min(_burst(self.rate), self.level + events)

    def change(self, rate: float, now: float) -> None:
        """Another rate from now on; a debt stays."""
        self._refill(now)
        self.rate = rate
        self.level = min(_burst(rate), self.level)

    def drawn(self, now: float) -> float:
        """The tokens gained since the last call: what was used of the rate, and not more than it.

        While a debt is paid off that is the whole rate, although nothing passes.
        """
        self._refill(now)
        gained, self.refilled = self.refilled, 0.0
        return gained

    def is_full(self, now: float) -> bool:
        """Whether forgetting this bucket changes nothing."""
        self._refill(now)
        return self.level >= _burst(self.rate)

    def _refill(self, now: float) -> None:
        """A clock that stands still or was put back gives nothing, and goes on from there."""
        gained = (now - self.at) * self.rate
        room = _burst(self.rate) - self.level
        self.at = now
        gained = min(gained, room)
        if gained > 0.0:
            self.level += gained
            self.refilled += gained


def fair_share(limit: float, own: float, others: float, processes: int) -> float:
    """What one of `processes` may let through of `limit`, all in events per second.

    `own` and `others` are what it and the others use now. What is free is divided equally; who
    uses more than an equal part of the limit makes room when all together use too much; an equal
    part is everybody's. (Giving each the limit less what the others use would swing: two busy
    processes would both take the same free rest, and both give it back a second later.)
    """
    free = limit - own - others
    share = own + free / processes if free >= 0 else limit - others
    return max(share, limit / processes)


def _burst(rate: float) -> float:
    return rate if rate > 1.0 else 1.0  # noqa: FURB136 - half the cost of max(), at each request
