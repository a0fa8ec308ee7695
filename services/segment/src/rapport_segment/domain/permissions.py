"""Where somebody may be reached, and what they have said of it: as facts of one form.

Words are compared as a sender compares them: in normal form, the later one of one place counts, and
a no to everything is a no to each thing that needs a yes.
"""

from collections.abc import Iterable
from typing import Any

from rapport_common.events.activity import ContactPoint
from rapport_common.events.consent import (
    ANY_PURPOSE,
    PROMOTION,
    is_channel,
    is_purpose,
    normal_channel,
    normal_purpose,
)
from rapport_common.events.contact import ANY_CHANNEL, BY_PHONE, normal_contact_point
from rapport_common.events.profile import ConsentState
from rapport_segment.domain.values import instant

DEAD = "bounced"
PHONES = "phone"
"""All channels that go by phone numbers have their places under this name."""

EVERY = "*"
"""Under it stand words on all channels."""

GRANTED, EXPIRED, UNCONFIRMED = "granted", "expired", "unconfirmed"
STATES = (GRANTED, "denied", "withdrawn", EXPIRED, UNCONFIRMED)
"""`unconfirmed`: a yes that does not count yet, since something is missing."""

Words = dict[str, dict[str, list[dict[str, str]]]]
"""By channel and purpose, for each place one word: `point`, `state`, `until` if a yes ends."""


def place_of(channel: str) -> str:
    """Under which name the places of a channel are."""
    return PHONES if channel in BY_PHONE else channel


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def places_by_channel(told: Iterable[ContactPoint]) -> dict[str, dict[str, list[str]]]:
    """`all` and `verified` places by channel, in normal form.

    Where nothing arrives any more nobody is reached: such a place is verified no longer.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for one in told:
        channel = normal_channel(one.channel) or one.channel
        known = found.setdefault(_storable(place_of(channel)), {"all": [], "verified": []})
        value = _storable(normal_contact_point(channel, one.value))
        for name, counts in (("all", True), ("verified", one.verified and one.state != DEAD)):
            if counts and value not in known[name]:
                known[name].append(value)
    return found


def words_by_channel(told: Iterable[ConsentState]) -> Words:
    """What holds of each place, by channel and purpose; what is said of every channel under `*`."""
    said: dict[tuple[str, str], list[ConsentState]] = {}
    to_everything: dict[str, list[ConsentState]] = {}
    for one in told:
        about = _about(one)
        if about is None:
            continue
        channel, purpose = about
        if purpose == ANY_PURPOSE:
            to_everything.setdefault(channel, []).append(one)
            said.setdefault((channel, PROMOTION), [])
        else:
            said.setdefault(about, []).append(one)
    found: Words = {}
    for (channel, purpose), words in said.items():
        # A no to everything is one to whatever was said, and so is a no to every channel.
        heard = [*words, *to_everything.get(channel, ())]
        if channel != EVERY:
            heard += [*said.get((EVERY, purpose), ()), *to_everything.get(EVERY, ())]
        latest = _latest((_place(channel, one), one) for one in heard)
        found.setdefault(_storable(channel), {})[_storable(purpose)] = latest
    return found


def _about(one: ConsentState) -> tuple[str, str] | None:
    """The channel (`*`: all) and purpose (`all`: any) that a word is about; None for a yes to
    everything.
    """
    channel, purpose = normal_channel(one.channel) or "", normal_purpose(one.purpose) or ""
    to_all = channel == ANY_CHANNEL or not is_channel(channel)
    is_wide = purpose == ANY_PURPOSE or not is_purpose(purpose)
    if one.state == GRANTED and (to_all or is_wide):
        # A yes holds for what it names.
        return None
    return EVERY if to_all else channel, ANY_PURPOSE if is_wide else purpose


def _place(channel: str, one: ConsentState) -> str:
    return _storable(
        normal_contact_point(ANY_CHANNEL if channel == EVERY else channel, one.contact_point)
    )


def _latest(words: Iterable[tuple[str, ConsentState]]) -> list[dict[str, str]]:
    """Of each place the later word; at the same time the more restrictive one."""
    newest: dict[str, ConsentState] = {}
    for place, one in words:
        known = newest.get(place)
        if known is None or _weight(one) > _weight(known):
            newest[place] = one
    return [_word(place, newest[place]) for place in sorted(newest)]


def _weight(one: ConsentState) -> tuple[Any, ...]:
    return one.at, one.state != GRANTED, not one.confirmed


def _word(place: str, one: ConsentState) -> dict[str, str]:
    word = {"point": place, "state": _state(one)}
    until = instant(one.expires_at) if word["state"] in {GRANTED, UNCONFIRMED} else None
    return word if until is None else {**word, "until": until}


def _state(one: ConsentState) -> str:
    if one.state != GRANTED:
        return EXPIRED if one.expired else one.state
    return GRANTED if one.confirmed and one.lacks is None else UNCONFIRMED
