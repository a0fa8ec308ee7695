"""What becomes of messages after they were handed over, and what follows from it."""

from dataclasses import dataclass
from typing import Literal

OutcomeKind = Literal[
    "delivered",
    "delayed",
    "bounced",
    "complained",
    "replied",
    "auto_replied",
    "opened",
    "clicked",
]
OUTCOMES: tuple[OutcomeKind, ...] = (
    "delivered",
    "delayed",
    "bounced",
    "complained",
    "replied",
    "auto_replied",
    "opened",
    "clicked",
)
OutcomeClass = Literal["", "hard", "soft", "blocked", "unclear", "human", "machine", "scanner"]
"""Of a bounce: the address is dead; it was not reached this time; the mail or its sender is not
wanted; nobody knows. Of an open or a click: who made it."""

Source = Literal["smtp", "mailbox", "webhook", "link", "answer"]
"""`answer`: what the server or provider said at once, when the message was handed over."""

HARD_BOUNCE = "hard bounce"
SOFT_BOUNCES = "soft bounces"
COMPLAINT = "complaint"

MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Report:
    """One outcome as it was reported.

    `code` is an enhanced status code (RFC 3463) or a vendor's; `text` what the server said, one
    line; `mark` the same for the same report, told again. `reply` is what a person has answered.
    """

    kind: OutcomeKind
    mark: str
    grade: OutcomeClass = ""
    code: str = ""
    text: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True)
class BouncePolicy:
    """After so many soft bounces of an address within so many days it counts as dead; 0: never."""

    soft_bounces: int = 5
    days: int = 30


Consequence = Literal["dead", "unwanted"]


def consequence(report: Report, soft_bounces: int, policy: BouncePolicy) -> Consequence | None:
    """What a report means for the address: nothing more goes there, or no promotions.

    `soft_bounces` counts those of other messages to the address within the policy's days, and this.
    """
    if report.kind == "complained":
        return "unwanted"
    if report.kind != "bounced":
        return None
    if report.grade == "hard":
        return "dead"
    counts = report.grade in {"soft", "unclear"} and policy.soft_bounces > 0
    return "dead" if counts and soft_bounces >= policy.soft_bounces else None


def went_out(report: Report) -> bool:
    """Whether a report proves that the message was handed over, if nobody knew."""
    return report.kind in {"delivered", "delayed", "bounced", "complained"}


def one_line(text: str) -> str:
    """What a server said, as it is kept: printable, one line, not too long."""
    kept = "".join(one if one.isprintable() else " " for one in text[: 8 * MOST_TEXT])
    return " ".join(kept.split())[:MOST_TEXT]
