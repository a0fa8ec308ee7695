"""Asking a provider what became of a message that it may have taken, or not (ADR 86)."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from rapport_campaign.domain.delivery import Fault
from rapport_campaign.domain.parcels import Content, Text

GRACE = timedelta(minutes=5)
"""So long after a message was handed over it is asked about: lists of providers lag behind."""
AGAIN = (timedelta(minutes=30), timedelta(hours=2), timedelta(hours=12), timedelta(hours=24))
"""From one time that nothing was found to the next; then somebody has to find it out."""
LONGEST = timedelta(days=7)
"""So long a message is asked about at all, however often its provider could not be asked."""
AROUND = timedelta(minutes=5)
"""Clocks are apart, and a sender may wait for so long with a message in its hands."""


@dataclass(frozen=True, slots=True)
class Question:
    """About one message: `at` it was handed over, to `address`; `digest` of what it says."""

    message_id: str
    address: str
    at: datetime
    digest: str = ""

    @property
    def since(self) -> datetime:
        """Not before."""
        return self.at - AROUND

    @property
    def until(self) -> datetime:
        """Not behind."""
        return self.at + AROUND


@dataclass(frozen=True, slots=True)
class Record:
    """A message that a provider has: what it calls it (empty: nothing), and whether it `failed`."""

    provider_id: str
    failed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a provider has of a message: `records` that can be nothing else, the oldest first.

    None of them proves nothing. `fault`: it could not be asked, and whose fault that was.
    """

    records: Sequence[Record] = ()
    reason: str = ""
    fault: Fault | None = None


Answer = Literal["sent", "failed"]


def first_new(finding: Finding, known: Collection[str]) -> Record | None:
    """The first record that is of none of our other messages: `known` are what those are called."""
    return next((one for one in finding.records if one.provider_id not in known), None)


def next_time(asked: int, now: datetime) -> datetime | None:
    """When it is asked again after so many times without an answer; None: not any more."""
    return now + AGAIN[asked - 1] if asked <= len(AGAIN) else None


def is_over(at: datetime, now: datetime) -> bool:
    """Whether a message that was handed over `at` is asked about no more."""
    return now - at >= LONGEST


def digest_of(content: Content) -> str:
    """By what a text is known again in a provider's list; empty for what is found otherwise."""
    return digest(content.text) if isinstance(content, Text) else ""


def digest(text: str) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
