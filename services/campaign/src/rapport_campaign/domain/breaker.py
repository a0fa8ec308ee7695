"""Leaves a provider alone that fails: nothing is tried while it is, and one message asks it then.

Closed: all may go. Open, after `PATIENCE` faults one after the other: nothing, until `until`. Half
open: one message, and what becomes of it decides. A fault of the account opens at once, and stays
for longer: more of the same would be refused as well.
"""

from dataclasses import dataclass, replace

from rapport_campaign.domain.delivery import Outcome

PATIENCE = 5
FIRST_REST, MOST_REST = 5.0, 300.0
ACCOUNT_REST = 60.0
PROBE_SECONDS = 60.0
"""A probe that nobody has heard of for so long was of a process that died."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is kept: faults one after the other, until when it is open, until when a probe is out.

    Instants are seconds of one clock; 0 is none.
    """

    faults: int = 0
    until: float = 0.0
    probing: float = 0.0
    reason: str | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing is held back."""
        return self.until == 0


def admit(breaker: Breaker, now: float, wanted: int) -> tuple[int, Breaker]:
    """How many of `wanted` may go, and what is kept then."""
    if wanted <= 0:
        return 0, breaker
    if breaker.is_closed:
        return wanted, breaker
    if now < breaker.until or now < breaker.probing:
        return 0, breaker
    return 1, replace(breaker, probing=now + PROBE_SECONDS)


def after(breaker: Breaker, outcome: Outcome, now: float, jitter: float) -> Breaker:
    """What is kept when a message has come to an end; `jitter` is in [0, 1)."""
    if outcome.fault is None:
        if outcome.result == "released":
            # It was never tried: nothing is known that was not.
            return replace(breaker, probing=0.0)
        return Breaker()
    if outcome.fault == "pace":
        # It is there, and is asked for less by whoever keeps the pace.
        return Breaker(until=now + outcome.wait if outcome.wait else 0.0, reason=outcome.reason)
    faults = breaker.faults + 1
    if outcome.fault == "vendor" and faults < PATIENCE and breaker.is_closed:
        return replace(breaker, faults=faults, reason=outcome.reason)
    rest = max(_rest(faults, jitter), outcome.wait)
    if outcome.fault == "account":
        rest = max(rest, ACCOUNT_REST)
    until = max(now + rest, breaker.until if breaker.probing == 0 else 0.0)
    return Breaker(faults, until, 0.0, outcome.reason)


def _rest(faults: int, jitter: float) -> float:
    doubled: float = FIRST_REST * 2.0 ** min(max(faults - PATIENCE, 0), 10)
    return min(doubled, MOST_REST) * (0.75 + jitter / 2)
