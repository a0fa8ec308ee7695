"""Contact points: where a person can be reached now.

A trusted source's word holds until a trusted source says otherwise. What a public source says
later stands beside it, unverified; it never takes its place.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

import msgspec

from rapport_common.events.activity import ContactPoint, PointState
from rapport_common.events.codec import UNREADABLE
from rapport_common.events.contact import (
    BY_PHONE,
    EMAIL_CHANNEL,
    MAX_POINT,
    contact_point,
    email_address,
    without_separators,
)
from rapport_common.events.envelope import EMAIL, Event
from rapport_common.events.identifiers import is_placeholder, is_placeholder_email
from rapport_common.events.kinds import PHONE
from rapport_common.events.topics import SERVICES
from rapport_profile.domain.stamps import Stamp

PHONE_CHANNEL = "sms"
LONGEST_CODE = len("+999")
CHANNEL_OF_TRAIT = {"email": EMAIL_CHANNEL, "phone": PHONE_CHANNEL}

_text = msgspec.json.Decoder(str | int | None)


class Point(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An address that holds, see `ContactPoint`; `at` is when it was last told of.

    `state` is laid over it, see `point_states`.
    """

    channel: str
    value: str
    at: datetime
    verified: bool = True
    state: PointState = "ok"
    state_at: datetime | None = None
    state_by: str | None = None


class Told(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A statement of where a person is reached; None: not any more."""

    value: str | None
    stamp: Stamp


class Reach(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest word of trusted and of public sources about one channel."""

    trusted: Told | None = None
    public: Told | None = None

    def join(self, other: "Reach") -> "Reach":
        """What counts of both."""
        return Reach(_latest(self.trusted, other.trusted), _latest(self.public, other.public))

    def says_again(self, known: "Reach | None") -> bool:
        """Whether these words about a channel add nothing to the known ones but their time."""
        if known is None or (known.trusted is None and self.trusted is not None):
            return False
        words = (self.trusted, self.public, known.trusted, known.public)
        return len({word.value for word in words if word is not None}) == 1

    def current(self, channel: str) -> list[Point]:
        """The addresses that hold, newest first; what was kept unchecked once may be none."""
        known, heard = _readable(channel, self.trusted), _readable(channel, self.public)
        if known is None or heard is None:
            only = known or heard
            if only is None or only.value is None:
                return []
            return [_point(channel, only.value, only.stamp, verified=known is not None)]
        points = []
        if heard.value is not None and not known.stamp.after(heard.stamp):
            verified = known.value == heard.value
            points.append(_point(channel, heard.value, heard.stamp, verified=verified))
        if known.value is not None and known.value not in _values(points):
            points.append(_point(channel, known.value, known.stamp, verified=True))
        return points


def _readable(channel: str, told: Told | None) -> Told | None:
    if told is None or told.value is None:
        return told
    return told if contact_point(channel, told.value) == told.value else None


def _values(points: list[Point]) -> list[str]:
    return [one.value for one in points]


def _point(channel: str, value: str, stamp: Stamp, *, verified: bool) -> Point:
    return Point(channel=channel, value=value, at=stamp.at, verified=verified)


def _latest(one: Told | None, other: Told | None) -> Told | None:
    if one is None or other is None:
        return one or other
    return other if other.stamp.after(one.stamp) else one


def reach_said(event: Event, traits: Mapping[str, msgspec.Raw], stamp: Stamp) -> dict[str, Reach]:
    """What an event says of where its person is reached, by channel; `traits` of an identify.

    The services speak of addresses that they wrote to, which may be former ones: their events
    say nothing here. An e-mail address counts when the event is identified by it too: the door
    takes none that a workspace says is nobody's. What is no address, or nobody's, says nothing;
    null, blanks and words for nothing say that there is none.
    """
    if event.source in SERVICES:
        return {}
    told = _points_told(event, traits)
    if not told:
        return {}
    return {
        channel: Reach(trusted=Told(value, stamp))
        if event.trust == "trusted"
        else Reach(public=Told(value, stamp))
        for channel, value in told.items()
    }


def _points_told(event: Event, traits: Mapping[str, msgspec.Raw]) -> dict[str, str | None]:
    told: dict[str, str | None] = {}
    if not traits:
        _take(EMAIL_CHANNEL, event.value(EMAIL), told)
        return told
    for name, channel in CHANNEL_OF_TRAIT.items():
        raw = traits.get(name)
        text = None if raw is None else _stated(raw)
        if text is not None and is_placeholder(text):
            told[channel] = None
        elif channel == EMAIL_CHANNEL:
            _take(channel, _identifying(text, event), told)
        else:
            _take(channel, text and (contact_point(channel, text) or _read(text, event)), told)
    return told


def _identifying(text: str | None, event: Event) -> str | None:
    """The address that identifies the event, unless the trait is another one."""
    address = None if text is None else email_address(text)
    if address is None:
        return event.value(EMAIL)
    return address if (EMAIL, address) in event.identifiers else None


def _read(text: str, event: Event) -> str | None:
    """A number without a country's code as the door read it, which knows the source's country."""
    digits = without_separators(text).lstrip("0")
    number = event.value(PHONE)
    if number is None or not digits.isdigit() or not number.endswith(digits):
        return None
    # What is left of it is a country's code (and Italy's zero), or it is only an end of it.
    return number if len(number) - len(digits) <= LONGEST_CODE else None


def _stated(raw: msgspec.Raw) -> str | None:
    """A trait as text, null as none of it; None for what is no text."""
    try:
        value = _text.decode(raw)
    except UNREADABLE:
        return None
    return "" if value is None else str(value)


def _take(channel: str, text: str | None, told: dict[str, str | None]) -> None:
    # What is kept for the next time is bounded, so the length is looked at before.
    point = _somebodys(channel, text) if text and len(text) <= MAX_POINT else None
    if point is not None:
        told[channel] = point


@lru_cache(maxsize=16_384)
def _somebodys(channel: str, text: str) -> str | None:
    """The contact point that a text is, unless it is nobody's."""
    point = contact_point(channel, text)
    nobodys = point is not None and channel == EMAIL_CHANNEL and is_placeholder_email(point)
    return None if nobodys else point


def current_points(reach: Mapping[str, Reach]) -> list[Point]:
    """All addresses that hold, by channel, and of each channel the newest first."""
    return [one for channel in sorted(reach) for one in reach[channel].current(channel)]


def as_told(points: list[Point]) -> list[ContactPoint]:
    """Points as they are published."""
    return [
        ContactPoint(
            channel=one.channel,
            value=one.value,
            verified=one.verified,
            state=one.state,
            state_at=one.state_at,
            state_by=one.state_by,
        )
        for one in points
    ]


def reachable(points: list[Point]) -> set[tuple[str, str]]:
    """(channel, value) under which consents may speak of these points."""
    pairs: set[tuple[str, str]] = set()
    for one in points:
        channels = BY_PHONE if one.channel == PHONE_CHANNEL else (one.channel,)
        pairs.update((channel, one.value) for channel in channels)
    return pairs
