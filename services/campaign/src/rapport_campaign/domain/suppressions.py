"""The suppression list of a workspace: addresses that it writes to no more, whoever has them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from rapport_campaign.domain.model import PROMOTION, Purpose
from rapport_common.events.consent import ANY_PURPOSE, CHANNELS, is_channel, normal_channel
from rapport_common.events.contact import ANY_CHANNEL, EMAIL_CHANNEL, contact_point

ListedPurpose = Literal["promotion", "all"]
PURPOSES: tuple[ListedPurpose, ...] = ("promotion", "all")
MAX_REASON = 400

# As they are called in others' exports: Mailchimp's `Email Address`, `UNSUB_REASON`; SendGrid's
# `email`, `reason`; Amazon SES' `EmailAddress`, `Reason`; Mailgun's `address`, `error`; Postmark's
# `EmailAddress`, `SuppressionReason`.
_ADDRESSES = {
    **dict.fromkeys(("address", "email", "emailaddress", "recipient"), EMAIL_CHANNEL),
    **dict.fromkeys(("phone", "phonenumber", "mobile"), "sms"),
}
_REASONS = ("reason", "suppressionreason", "unsubreason", "error")
_MARKS = re.compile(r"[\W_]+")


class EntryError(ValueError):
    """What can't be on the list; `code` for programs, the text says what to do."""

    def __init__(self, code: str, where: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.where = where


@dataclass(frozen=True, slots=True)
class Place:
    """An address in normal form, the channel by which nothing is sent there, and for what."""

    channel: str
    address: str
    purpose: ListedPurpose


@dataclass(frozen=True, slots=True)
class Entry:
    """A place on the list: why, by whom, since when."""

    place: Place
    reason: str
    actor: str
    at: datetime


Listings = Mapping[str, Entry]
"""By address: what stands on the list for it, of one channel."""


def place_of(channel: str, address: str, purpose: str) -> Place:
    """A place in normal form; EntryError when it is none."""
    name = normal_channel(channel) or ""
    if name != ANY_CHANNEL and not is_channel(name):
        known = ", ".join(CHANNELS)
        raise EntryError("unknown_channel", "channel", f"one of {known}, or all")
    point = contact_point(name, address)
    if point is None or "\0" in point or not point.isprintable():
        message = "an address such as ada@example.com, or a number such as +49 170 1234567"
        raise EntryError("invalid_address", "address", message)
    for one in PURPOSES:
        if purpose.strip().lower() == one:
            return Place(name, point, one)
    raise EntryError("unknown_purpose", "purpose", " or ".join(PURPOSES))


def has_address(columns: Iterable[str]) -> bool:
    """Whether one of these columns may hold an address."""
    return any(_called(one) in _ADDRESSES for one in columns)


def row_of(values: Mapping[str, Any], purpose: str = ANY_PURPOSE) -> tuple[Place, str | None]:
    """A row of a file as a place and its reason; `purpose` is that of rows without one.

    EntryError says what is wrong with it.
    """
    given: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, str) and value.strip():
            given.setdefault(_called(str(name)), value.strip())
    column = next((one for one in _ADDRESSES if one in given), None)
    if column is None:
        message = "a column called address, email or phone with a value"
        raise EntryError("no_address", "address", message)
    channel = given.get("channel") or _ADDRESSES[column]
    reason = next((given[one] for one in _REASONS if one in given), None)
    if reason is not None:
        reason = "".join(one if one.isprintable() else " " for one in reason)[:MAX_REASON].strip()
    place = place_of(channel, given[column], given.get("purpose") or purpose)
    return place, reason or None


def _called(name: str) -> str:
    """The name of a column without what is written in many ways."""
    return _MARKS.sub("", name).lower()


def of_channel(entries: Iterable[Entry], channel: str) -> Listings:
    """What of the list is about a channel: of two entries for an address that which stops more."""
    found: dict[str, Entry] = {}
    # Browsers are told of by the word for all devices.
    channels = {normal_channel(channel) or channel, ANY_CHANNEL}
    for one in entries:
        known = found.get(one.place.address)
        is_more = known is None or known.place.purpose != ANY_PURPOSE
        if one.place.channel in channels and is_more:
            found[one.place.address] = one
    return found


def stops(entry: Entry | None, purpose: Purpose) -> bool:
    """Whether what stands on the list is about a message of a purpose."""
    if entry is None:
        return False
    return entry.place.purpose == ANY_PURPOSE or purpose == PROMOTION
