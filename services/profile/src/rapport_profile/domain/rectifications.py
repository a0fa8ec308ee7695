"""What an operator has put right: it outweighs what sources say, until it is lifted.

Rectifications are kept by id, beside what sources said: so lifting one shows what they say now,
two people who are one have those of both, and each part of who comes apart has them. Of two that
say something of one trait the later one counts.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from rapport_common.events.codec import UNREADABLE
from rapport_common.events.envelope import Event
from rapport_profile.domain.bounds import oldest_beyond
from rapport_profile.domain.own_events import NO_LONGER_RIGHT, PUT_RIGHT, SOURCE, RectificationSaid
from rapport_profile.domain.reach import Reach, Told
from rapport_profile.domain.stamps import OWN_SOURCE, Stamp, stamp_of
from rapport_profile.domain.trait_rules import TraitJudge
from rapport_profile.domain.traits import Trait

MAX_RECTIFICATIONS = 100
"""Those that hold outlive those that are lifted."""
T = TypeVar("T")
_said = msgspec.json.Decoder(RectificationSaid)


class Rectified(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest word about one rectification: what is right, null for nothing.

    `points` are addresses by channel, in their normal form. One that is lifted says neither.
    """

    traits: dict[str, msgspec.Raw]
    points: dict[str, str | None]
    stamp: Stamp
    holds: bool = True


def rectification_said(event: Event, judge: TraitJudge) -> tuple[str, Rectified] | None:
    """(id, word) of an event of this service; None when it is about no rectification.

    Rules of traits hold for it, too: of what they don't keep it says nothing.
    """
    if event.source != SOURCE or event.name not in {PUT_RIGHT, NO_LONGER_RIGHT}:
        return None
    try:
        said = _said.decode(event.properties)
    except UNREADABLE:
        return None
    holds = event.name == PUT_RIGHT
    # Copies: Raw is a view that would keep the whole record alive.
    traits = {name: msgspec.Raw(bytes(value)) for name, value in said.traits.items()}
    word = Rectified(traits, dict(said.contact_points), stamp_of(event), holds)
    return said.rectification_id, weighed(word, judge) if holds else msgspec.structs.replace(
        word, traits={}, points={}
    )


def weighed(word: Rectified, judge: TraitJudge) -> Rectified:
    """The same with the traits that are kept by these rules, each in its type."""
    kept = {name: judge.typed(name, value) for name, value in word.traits.items()}
    traits = {name: value for name, value in kept.items() if value is not None}
    return msgspec.structs.replace(word, traits=traits)


def hear(known: dict[str, Rectified], said: Mapping[str, Rectified]) -> None:
    """Take words in: of each rectification the latest."""
    for name, one in said.items():
        present = known.get(name)
        if present is None or one.stamp.after(present.stamp):
            known[name] = one


def keep_newest(known: dict[str, Rectified]) -> None:
    """Keep the bound."""
    for name in oldest_beyond(
        known, MAX_RECTIFICATIONS, lambda name: (known[name].holds, known[name].stamp.at, name)
    ):
        del known[name]


def traits_right(said: Mapping[str, Trait], known: Mapping[str, Rectified]) -> Mapping[str, Trait]:
    """Traits as they are: what was put right, and for the rest what was `said`.

    What this service has worked out, such as a member's points, nobody puts right.
    """
    if not known:
        return said
    right = {
        name: Trait(value, stamp)
        for name, (value, stamp) in _latest(
            (name, value, one.stamp) for one in known.values() for name, value in one.traits.items()
        ).items()
        if name not in said or said[name].stamp.source != OWN_SOURCE
    }
    return {**said, **right}


def reach_right(said: Mapping[str, Reach], known: Mapping[str, Rectified]) -> Mapping[str, Reach]:
    """Where a person is reached: at what was put right alone, on each channel that was."""
    if not known:
        return said
    right = _latest(
        (name, value, one.stamp) for one in known.values() for name, value in one.points.items()
    )
    told = {name: Reach(trusted=Told(value, stamp)) for name, (value, stamp) in right.items()}
    return {**said, **told}


def _latest(words: Iterator[tuple[str, T, Stamp]]) -> dict[str, tuple[T, Stamp]]:
    found: dict[str, tuple[T, Stamp]] = {}
    for name, value, stamp in words:
        present = found.get(name)
        if present is None or stamp.after(present[1]):
            found[name] = value, stamp
    return found
