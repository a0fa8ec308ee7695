"""What an address gets, by all that was said of it; and what a person's choice changes of that."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from rapport_campaign.domain.model import PROMOTION
from rapport_campaign.domain.topics import Topic
from rapport_common.events.consent import (
    ANY_PURPOSE,
    is_channel,
    is_purpose,
    normal_channel,
    normal_purpose,
)
from rapport_common.events.contact import ANY_CHANNEL, EMAIL_CHANNEL, normal_email
from rapport_common.events.profile import ConsentState

Words = Mapping[str, tuple[datetime, bool]]
"""By purpose (`all` for every one): when it was last said here, and whether it was a yes."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose page a link leads to; the link of a test mail changes nothing.

    `by_mail`: the link was sent to the address alone. One of an operator may be in other hands.
    """

    workspace: str
    address: str
    profile_id: str
    is_test: bool = False
    by_mail: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What is on the page: topics with whether each is wanted, and their version."""

    holder: Holder
    version: int
    topics: Sequence[tuple[Topic, bool]]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of an address.

    `consents`: of its person, as profile tells; `words`: said on these pages, which profile may not
    have told of yet; `unsubscribed`: since when; `unasked`: promotions go to who has said nothing.
    """

    consents: list[ConsentState]
    words: Words
    unsubscribed: datetime | None = None
    unasked: bool = False


class Choice(msgspec.Struct, frozen=True):
    """A purpose, and whether it is wanted from now on."""

    purpose: str
    wanted: bool


def gets(known: Known, address: str, purpose: str, now: datetime) -> bool:
    """Whether an address wants a purpose by mail: by the last word, at the same time the no."""
    said = [*_told(known.consents, address, purpose, now)]
    said += [known.words[one] for one in (purpose, ANY_PURPOSE) if one in known.words]
    if purpose == PROMOTION and known.unsubscribed is not None:
        said.append((known.unsubscribed, False))
    if not said:
        return known.unasked and purpose == PROMOTION
    return _last(said)


def declined(known: Known, address: str, purpose: str, now: datetime) -> bool:
    """Whether the last word of an address about a purpose is a no; silence is none.

    Neither is a yes that is not confirmed or whose time is over.
    """
    noes = [one for one in known.consents if one.state != "granted" and not one.expired]
    yeses = [one for one in known.consents if one.state == "granted"]
    said = [*_told(noes, address, purpose, now)]
    said += [one for one in _told(yeses, address, purpose, now) if one[1]]
    said += [known.words[one] for one in (purpose, ANY_PURPOSE) if one in known.words]
    return bool(said) and not _last(said)


def _last(said: Sequence[tuple[datetime, bool]]) -> bool:
    return min(said, key=lambda one: (-one[0].timestamp(), one[1]))[1]


def _told(
    consents: Iterable[ConsentState], address: str, purpose: str, now: datetime
) -> Iterable[tuple[datetime, bool]]:
    for one in consents:
        if normal_email(one.contact_point) != address:
            continue
        channel, about = normal_channel(one.channel) or "", normal_purpose(one.purpose) or ""
        if one.state == "granted":
            is_meant = (channel, about) == (EMAIL_CHANNEL, purpose)
            # What is not confirmed is asked again: here it is said by the address itself.
            is_yes = one.confirmed and (one.expires_at is None or one.expires_at > now)
        else:
            # A no in words that nobody knows is one to all.
            to_mail = channel in {EMAIL_CHANNEL, ANY_CHANNEL} or not is_channel(channel)
            is_meant = to_mail and (about in {purpose, ANY_PURPOSE} or not is_purpose(about))
            is_yes = False
        if is_meant:
            yield one.at, is_yes


def refused_since(known: Known, address: str, purpose: str, since: datetime) -> bool:
    """Whether an address has said no to a purpose after an instant, whatever it said later."""
    noes = [one for one in known.consents if one.state != "granted" and not one.expired]
    said = [*_told(noes, address, purpose, since)]
    said += [known.words[one] for one in (purpose, ANY_PURPOSE) if one in known.words]
    if purpose == PROMOTION and known.unsubscribed is not None:
        said.append((known.unsubscribed, False))
    return any(at > since and not is_yes for at, is_yes in said)


def changed(
    known: Known, address: str, shown: Iterable[Topic], chosen: Collection[str], now: datetime
) -> list[Choice]:
    """What of a choice is another word than the last: nothing when it is sent again.

    `chosen`: ids among those of the topics that were shown.
    """
    choices = [Choice(one.purpose, one.id in chosen) for one in shown]
    return [one for one in choices if one.wanted != gets(known, address, one.purpose, now)]


def leaves(known: Known, address: str, topics: Iterable[Topic], now: datetime) -> bool:
    """Whether a no to everything changes anything."""
    wanted = any(gets(known, address, one.purpose, now) for one in topics)
    return wanted or gets(known, address, PROMOTION, now) or ANY_PURPOSE not in known.words
