"""Whether a contact point takes anything: what campaign learns of it, until more is known.

Of each point the latest word counts. It is kept by the point, not by who has it: so it goes where
the person goes, and holds again of an address that comes back. Only what shows that somebody reads
there ends it: a yes that was confirmed by the link of a mail, or an operator's word. That a source
names the address once more does not: sources name dead addresses for years.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from rapport_common.events.activity import PointState
from rapport_common.events.contact import EMAIL_CHANNEL, contact_point
from rapport_common.events.envelope import Event
from rapport_common.events.reserved import CONSENT_UPDATED
from rapport_profile.domain.bounds import oldest_beyond
from rapport_profile.domain.content import properties_of
from rapport_profile.domain.own_events import POINT_CLEARED, SOURCE
from rapport_profile.domain.reach import PHONE_CHANNEL, Point
from rapport_profile.domain.stamps import Stamp, stamp_of

MAX_STATES = 50
"""Those that are not well outlive those that are."""

CAMPAIGN = "campaign"
_BOUNCED = frozenset({"Email Bounced", "Message Bounced"})
_COMPLAINED = frozenset({"Email Complained", "Message Complained"})
_EVENTS = frozenset({*_BOUNCED, *_COMPLAINED, CONSENT_UPDATED})


class Standing(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest word about one point."""

    state: PointState
    stamp: Stamp


def standing_said(event: Event) -> tuple[str, Standing] | None:
    """(point, word) of an event that shows how a point is; None of others."""
    if event.source not in {CAMPAIGN, SOURCE} or event.type != "track":
        return None
    if event.name != POINT_CLEARED and event.name not in _EVENTS:
        return None
    said = properties_of(event)
    state = _state(event, said)
    point = _point(said)
    return None if state is None or point is None else (point, Standing(state, stamp_of(event)))


def _state(event: Event, said: Mapping[str, Any]) -> PointState | None:
    if event.source == SOURCE:
        return "ok" if event.name == POINT_CLEARED else None
    if event.name in _COMPLAINED:
        return "complained"
    if event.name in _BOUNCED:
        # Campaign says what follows: some soft bounces in a row are the end, too.
        dead = said.get("consequence") == "dead" or said.get("class") == "hard"
        return "bounced" if dead else None
    confirmed = said.get("method") == "double_opt_in" and said.get("state") == "granted"
    return "ok" if confirmed else None


def _point(said: Mapping[str, Any]) -> str | None:
    channel, value = said.get("channel"), said.get("contact_point")
    # A number that is on no WhatsApp may take texts.
    if channel not in {EMAIL_CHANNEL, PHONE_CHANNEL} or not isinstance(value, str):
        return None
    found = contact_point(channel, value)
    return None if found is None else key_of(channel, found)


def key_of(channel: str, value: str) -> str:
    """By what a point is known; `value` is in normal form."""
    return f"{channel} {value}"


def hear(known: dict[str, Standing], said: Mapping[str, Standing]) -> None:
    """Take words in."""
    for name, one in said.items():
        present = known.get(name)
        if present is None or one.stamp.after(present.stamp):
            known[name] = one


def keep_newest(known: dict[str, Standing]) -> None:
    """Keep the bound."""
    for name in oldest_beyond(
        known, MAX_STATES, lambda name: (known[name].state != "ok", known[name].stamp.at, name)
    ):
        del known[name]


def with_states(points: list[Point], known: Mapping[str, Standing]) -> list[Point]:
    """The points as they are, each with how it is known to be."""
    if not known:
        return points
    return [_with_state(one, known.get(key_of(one.channel, one.value))) for one in points]


def _with_state(point: Point, known: Standing | None) -> Point:
    if known is None or known.state == "ok":
        return point
    by = known.stamp.message_id
    return msgspec.structs.replace(point, state=known.state, state_at=known.stamp.at, state_by=by)
