"""Contact points: where a person can be reached now.

A trusted source's word holds until a trusted source says otherwise. What a public source says
later stands beside it, unverified; it never takes its place.
"""

from collections.abc import Mapping

import msgspec

from rapport_common.events.contact import EMAIL_CHANNEL, normal_contact_point
from rapport_common.events.envelope import Event
from rapport_common.events.identifiers import is_placeholder, is_placeholder_email
from rapport_common.events.profile import ContactPointState
from rapport_common.events.topics import SERVICES
from rapport_profile.domain.stamps import Stamp, stamp_of

PHONE_CHANNEL = "sms"
CHANNEL_OF_TRAIT = {"email": EMAIL_CHANNEL, "phone": PHONE_CHANNEL}
BY_PHONE = ("sms", "phone", "call", "whatsapp")
MAX_POINT = 320
"""Characters: the longest e-mail address (RFC 5321: 64 before the @, 255 behind)."""

_text = msgspec.json.Decoder(str | int | None)


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

    def current(self, channel: str) -> list[ContactPointState]:
        """The addresses that hold, newest first."""
        known, heard = self.trusted, self.public
        if known is not None and heard is not None and known.stamp.after(heard.stamp):
            heard = None
        points = []
        if heard is not None and heard.value is not None:
            verified = known is not None and known.value == heard.value
            points.append(_point(channel, heard.value, heard.stamp, verified=verified))
        if known is not None and known.value is not None and known.value not in _values(points):
            points.append(_point(channel, known.value, known.stamp, verified=True))
        return points


def _values(points: list[ContactPointState]) -> list[str]:
    return [one.value for one in points]


def _point(channel: str, value: str, stamp: Stamp, *, verified: bool) -> ContactPointState:
    return ContactPointState(channel=channel, value=value, at=stamp.at, verified=verified)


def _latest(one: Told | None, other: Told | None) -> Told | None:
    if one is None or other is None:
        return one or other
    return other if other.stamp.after(one.stamp) else one


def reach_said(event: Event, traits: Mapping[str, msgspec.Raw]) -> dict[str, Reach]:
    """What an event says of where its person is reached, by channel; `traits` of an identify.

    The services speak of addresses that they wrote to, which may be former ones: their events
    say nothing here. A text that is no address says nothing either; null, blanks and
    placeholders say that there is none.
    """
    if event.source in SERVICES:
        return {}
    told: dict[str, str | None] = {}
    for name, channel in CHANNEL_OF_TRAIT.items():
        raw = traits.get(name)
        if raw is not None:
            _read(channel, raw, told)
    if event.email and told.get(EMAIL_CHANNEL) is None and "email" not in traits:
        _take(EMAIL_CHANNEL, event.email, told)
    stamp = stamp_of(event)
    return {
        channel: Reach(trusted=Told(value, stamp))
        if event.trust == "trusted"
        else Reach(public=Told(value, stamp))
        for channel, value in told.items()
    }


def _read(channel: str, raw: msgspec.Raw, told: dict[str, str | None]) -> None:
    try:
        value = _text.decode(raw)
    except msgspec.MsgspecError:
        return
    _take(channel, "" if value is None else str(value), told)


def _take(channel: str, text: str, told: dict[str, str | None]) -> None:
    if is_placeholder(text):
        told[channel] = None
        return
    point = normal_contact_point(channel, text)
    if channel == EMAIL_CHANNEL:
        local, _at, domain = point.rpartition("@")
        if not (local and domain) or is_placeholder_email(point):
            return
    elif not point.lstrip("+").isdigit():
        return
    if len(point) <= MAX_POINT:
        told[channel] = point


def current_points(reach: Mapping[str, Reach]) -> list[ContactPointState]:
    """All addresses that hold, newest first."""
    found = [one for channel, told in reach.items() for one in told.current(channel)]
    if len(found) <= 1:
        return found
    return sorted(found, key=lambda one: (one.at, one.verified, one.channel, one.value))[::-1]


def reachable(points: list[ContactPointState]) -> set[tuple[str, str]]:
    """(channel, value) under which consents may speak of these points."""
    pairs: set[tuple[str, str]] = set()
    for one in points:
        channels = BY_PHONE if one.channel == PHONE_CHANNEL else (one.channel,)
        pairs.update((channel, one.value) for channel in channels)
    return pairs
