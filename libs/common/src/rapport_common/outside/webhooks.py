"""Posts to webhooks after Standard Webhooks 1.0.0: how they are signed, and when they are tried.

The specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from datetime import timedelta
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

WAITS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""After each failure; the specification's example, three days in all."""

OLDEST: Final = timedelta(days=5)
"""What has waited for so long is dead, even if it was not tried: its receiver was away."""

PATIENCE: Final = 5
"""So many failures one after the other, and a receiver counts as away: then it is asked by one
post at a time, and what else is for it costs nothing.
"""

MOST_PAUSE: Final = timedelta(minutes=5)
MOST_ASKED_FOR: Final = timedelta(hours=1)
_FIRST_PAUSE: Final = timedelta(seconds=10)
_JITTER: Final = 0.2

OK, REDIRECT, TIMEOUT, GONE, TOO_MANY, BROKEN = 200, 300, 408, 410, 429, 500


class Verdict(Enum):
    """What an answer says: of the post, and of its receiver."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """This post is not taken; the receiver is there, and others may be."""
    AWAY = "away"
    """Nobody there, or nobody who can take anything now."""
    GONE = "gone"
    """The receiver wants nothing any more (410)."""


class Answer(NamedTuple):
    """What a receiver said: a status, or why there is none; for how long it asks to be left alone.

    `error` never has anything that the receiver has written.
    """

    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None


class Pause(NamedTuple):
    """After a failure: when the post is tried again (None: never), and for how long its receiver
    is left alone.
    """

    wait: timedelta | None
    rest: timedelta | None


def message_id(delivery: UUID) -> str:
    """How a post is called: the same each time that it is tried, so that receivers know it."""
    return f"msg_{delivery.hex}"


def verdict(answer: Answer) -> Verdict:
    """What an answer says. A redirection is none: nobody has checked where it leads."""
    status = answer.status
    if status is None:
        return Verdict.AWAY
    if OK <= status < REDIRECT:
        return Verdict.DELIVERED
    if status == GONE:
        return Verdict.GONE
    if status in {TIMEOUT, TOO_MANY} or status >= BROKEN:
        return Verdict.AWAY
    return Verdict.REFUSED


def after_failure(attempts: int, failures: int, answer: Answer, chance: float) -> Pause:
    """What follows when a post has failed `attempts` times, and its receiver `failures` times one
    after the other, this one counted. `chance` is from 0 to 1: else all would come again at once.
    """
    spread = 1 + _JITTER * (chance - 0.5)
    wait = WAITS[attempts - 1] * spread if attempts <= len(WAITS) else None
    if verdict(answer) is not Verdict.AWAY:
        return Pause(wait, None)
    rest = None
    if failures >= PATIENCE:
        # Bounded before it is multiplied: whoever is away for years has failed a million times.
        doubled = _FIRST_PAUSE * 2 ** min(failures - PATIENCE, 10)
        rest = min(doubled, MOST_PAUSE) * spread
    if answer.retry_after is not None:
        rest = max(rest or timedelta(0), min(answer.retry_after, MOST_ASKED_FOR))
    return Pause(wait, rest)
