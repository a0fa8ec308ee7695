"""What an attempt to hand a mail over came to, and what follows from it."""

from dataclasses import dataclass
from typing import Literal

from rapport_campaign.domain.model import MessageState

Result = Literal["sent", "failed", "retry", "released", "uncertain", "suppressed"]
"""`retry`: refused for now. `released`: never tried, the server could not be talked to.
`suppressed`: never tried, and not to be sent at all.
"""

MAX_DELAY_SECONDS = 1800.0
RELEASE_SECONDS = 1.0
MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often: seconds and attempts."""

    lease: float
    max_attempts: int
    first_delay: float


def moments(lease: float, timeout: float) -> tuple[float, float]:
    """Seconds after a claim until which its mails are rendered, and until which one may be begun.

    A mail takes at most two time-outs, and must not outlive the lease. Half of what is left is for
    rendering: what is rendered in it can be begun, so that a slow machine gets on, too.
    """
    begin = lease - 2 * timeout
    return begin / 2, begin


Fault = Literal["account", "vendor", "pace"]
"""Whose fault it was, if not the message's. `account`: its credentials, its balance, its settings,
so nothing will go by it until somebody has mended that. `vendor`: away, or broken. `pace`: it asks
for fewer messages a second.
"""
Contact = Literal["dead", "opted_out", "unsuitable"]
"""What is known of an address now. `dead`: nobody has it any more. `opted_out`: its owner has told
the provider to be left alone. `unsuitable`: it takes nothing of this channel, as a landline.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt. Only `uncertain` leaves open whether the mail was taken.

    `provider_id`: by what the provider knows what it has taken. `wait`: seconds for which it asks
    to be left alone.
    """

    result: Result
    reason: str | None = None
    provider_id: str | None = None
    wait: float = 0.0
    fault: Fault | None = None
    contact: Contact | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What the ledger row becomes; `delay` in seconds counts for `planned` only."""

    state: MessageState
    reason: str | None
    delay: float = 0.0
    counts: bool = True


def next_step(
    outcome: Outcome, *, attempt: int, max_attempts: int, first_delay: float, jitter: float
) -> Step:
    """The row after an attempt. `attempt` counts from 1; `jitter` is in [0, 1)."""
    reason = said(outcome.reason)
    if outcome.result == "released":
        return Step("planned", reason, max(RELEASE_SECONDS, outcome.wait), counts=False)
    if outcome.result == "retry":
        if attempt >= max_attempts:
            return Step("failed", f"gave up after {attempt} attempts: {reason}")
        delay = max(backoff(attempt, first_delay, jitter), outcome.wait)
        return Step("planned", reason, delay)
    return Step(outcome.result, reason)


def backoff(attempt: int, first_delay: float, jitter: float) -> float:
    """Seconds until the next try: doubling, at most half an hour, spread by half around it."""
    delay: float = min(first_delay * 2.0 ** min(attempt - 1, 30), MAX_DELAY_SECONDS)
    return delay * (0.5 + jitter)


def said(reason: str | None) -> str | None:
    """Servers say anything: no NUL (Postgres refuses it), no lone surrogates, and not a novel."""
    if reason is None:
        return None
    text = reason.encode("utf-8", "replace").decode().replace("\0", " ")
    return " ".join(text.split())[:MAX_REASON]
