"""Whom a mail asks to confirm a yes that was said on a page, and whom it does not (pure).

Anybody can say a yes for any address there. So a mail that nobody wants has bounds: by address,
by age, and by what its owner has said.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rapport_common.events.consent import normal_channel, normal_purpose
from rapport_common.events.contact import EMAIL_CHANNEL, normal_email
from rapport_common.events.profile import ConsentState

FRESH = timedelta(hours=24)
"""What was said earlier asks nobody: it was replayed, or judged by later rules."""
WINDOW = timedelta(days=30)
MOST = 3
"""So many mails at most ask at one address within the window, for whatever and whoever."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A yes that was said on a page, and is to be confirmed."""

    address: str
    purpose: str
    at: datetime
    wording_version: str | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A request that an address has had."""

    purpose: str
    asked_at: datetime
    is_open: bool


def asked_of(consents: Iterable[ConsentState], now: datetime) -> list[Asked]:
    """What somebody has just said that waits for a mail."""
    return [
        Asked(
            *(normal_email(one.contact_point), normal_purpose(one.purpose) or ""),
            *(one.asked_at, one.asked_wording),
        )
        for one in consents
        if one.asked_at is not None
        and now - one.asked_at < FRESH
        and normal_channel(one.channel) == EMAIL_CHANNEL
    ]


def may_ask(asked: Asked, earlier: Sequence[Earlier]) -> bool:
    """Whether one more mail may go, by those of the window."""
    if len(earlier) >= MOST:
        return False
    same = [one for one in earlier if one.purpose == asked.purpose]
    # One that was made after it is the answer to it, also where it has ended.
    return not any(one.is_open or one.asked_at >= asked.at for one in same)
