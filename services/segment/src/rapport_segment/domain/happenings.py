"""Events of people, as rules see them: when they happened, and what they told.

They are kept by the identifier that named the person best when they came, their *anchor*. Whose
they are is not written on them: it is told by the identifiers that somebody has. So a merge, or a
person who comes apart, moves none of them.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event, Identifier
from rapport_common.lazy import lazy
from rapport_segment.domain.sections import (
    IDENTIFIERS,
    TRAITS,
    Facts,
    Section,
    UnreadSectionError,
    anchor_of,
    storable,
)
from rapport_segment.domain.values import normal_text

MOST = 1000
"""Of each anchor and name so many events count, the newest: however often something happens to
somebody, a record costs as much as these.
"""

MAX_NAME = 200
"""Characters; an event with a longer name is not kept, and no rule can ask for it."""

MAX_BYTES = 4096
"""Of properties as JSON. Of what is longer the short ones are kept, in the order of their names."""

SHORT = 256

Anchor = bytes
Message = tuple[str, str, str]
"""(workspace, source, message id)"""

Place = tuple[datetime, str, str]
"""(instant, source, message id): the order of events, and no two have the same."""


@dataclass(frozen=True)
class Happening:
    """One event. `copy` counts how often another copy of the message has taken its place."""

    at: datetime
    source: str
    message_id: str
    told: Section
    copy: int = 0

    @property
    def message(self) -> tuple[str, str]:
        """(source, message id)"""
        return self.source, self.message_id

    @lazy
    def place(self) -> Place:
        """Where it stands among others."""
        return self.at, self.source, self.message_id

    @lazy
    def facts(self) -> Facts:
        """Its properties, in the place where the traits of a person stand: they are asked alike."""
        return Facts((Section(IDENTIFIERS), self.told))


Named = tuple[Happening, ...]
"""The events of one anchor and name, the newest last."""

_place = attrgetter("place")


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event as a record tells it, with the anchor and the name under which it is kept."""

    workspace: str
    anchor: Anchor
    name: str
    one: Happening
    received_at: datetime

    @property
    def message(self) -> Message:
        """What identifies it."""
        return self.workspace, *self.one.message

    @property
    def copy(self) -> int:
        """So many copies of it counted before this one."""
        return self.one.copy


class Copied(msgspec.Struct, frozen=True):
    """Under what the copy of a message is kept that counts."""

    copy: int
    anchor: Anchor
    name: str


def name_of(event: Event) -> str | None:
    """The name by which rules ask for an event; None if they can't."""
    if event.name is None or not event.identifiers:
        return None
    name = normal_text(storable(event.name))
    return name if 0 < len(name) <= MAX_NAME else None


def message_of(event: Event) -> Message:
    """What identifies an event."""
    return event.workspace, storable(event.source), storable(event.message_id)


def anchor_told(hub: Identifier) -> Anchor:
    """That of the identifier by which an event was applied."""
    kind, value = hub
    return anchor_of(storable(kind), storable(value))


def arrival(record: ProfileActivity) -> Arrival | None:
    """What is kept of the event of a record, if it has one and rules can ask for it."""
    event = record.event
    name = None if event is None else name_of(event)
    if event is None or name is None:
        return None
    anchor = anchor_told(record.hub or event.identifiers[0])
    _workspace, source, message_id = message_of(event)
    # What says that it is yet to come counts from its receipt.
    at = min(event.timestamp, event.received_at)
    one = Happening(at, source, message_id, _told(event.properties), record.replaced)
    return Arrival(event.workspace, anchor, name, one, event.received_at)


def is_told_again(record: ProfileActivity) -> bool:
    """Whether a record tells an event again, and nothing else.

    Such a one that is not `republished` is of the first version: its profile is yet to be told.
    """
    return record.republished and record.event is not None and record.versions is None


def _told(properties: msgspec.Raw) -> Section:
    """The properties in the form in which traits are kept; what can't be read says nothing."""
    told = Section(TRAITS, properties)
    try:
        told.require_readable()
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return Section(TRAITS, text="{}")
    if len(told.text.encode()) <= MAX_BYTES:
        return told
    return Section(TRAITS, text=_shortened(told.value))


def _shortened(properties: dict[str, Any]) -> str:
    kept: dict[str, Any] = {}
    left = MAX_BYTES
    for name in sorted(properties):
        size = len(_encoder.encode({name: properties[name]}))
        if size <= SHORT and size <= left:
            kept[name] = properties[name]
            left -= size
    return _encoder.encode(kept).decode()


_encoder = msgspec.json.Encoder(decimal_format="number")

ByName = Mapping[str, Named]
Kept = dict[tuple[str, Anchor], ByName]
"""Events that were read, by (workspace, anchor) and name; of a name that is not there none were."""


def with_one(known: Named, one: Happening) -> Named:
    """These with one more; it takes the place of its own former copy. The newest of them stay."""
    others = without(known, one.source, one.message_id)
    at = bisect_right(others, one.place, key=_place)
    return (*others[:at], one, *others[at:])[-MOST:]


def without(known: Named, source: str, message_id: str) -> Named:
    """These without a message; the same object if it is none of them."""
    for number, one in enumerate(known):
        if one.message_id == message_id and one.source == source:
            return (*known[:number], *known[number + 1 :])
    return known


class Happenings:
    """What has happened to one person, as far as it was read: by anchor, by name."""

    def __init__(self, by_anchor: Sequence[ByName | None]) -> None:
        """None for an anchor of which nothing was read."""
        self._by_anchor = by_anchor
        self._joined: dict[str, Named] = {}

    def of(self, name: str) -> Named:
        """The events of a name, the oldest first; UnreadSectionError if they were not read."""
        found = self._joined.get(name)
        if found is None:
            found = self._joined[name] = self._read(name)
        return found

    def _read(self, name: str) -> Named:
        some: list[Named] = []
        for by_name in self._by_anchor:
            if by_name is None or name not in by_name:
                raise UnreadSectionError
            if by_name[name]:
                some.append(by_name[name])
        if len(some) <= 1:
            return some[0] if some else ()
        return tuple(sorted((one for named in some for one in named), key=_place))

    def among(self, names: AbstractSet[str]) -> set[str]:
        """Those of these names of which there are events; UnreadSectionError if not all of them
        were read.
        """
        found: set[str] = set()
        for by_name in self._by_anchor:
            if by_name is None or not by_name.keys() >= names:
                raise UnreadSectionError
            found.update(name for name, some in by_name.items() if some)
        return found

    def has(self, name: str) -> bool:
        """Whether there is any event of a name, as far as it was read."""
        return any(by_name is not None and by_name.get(name) for by_name in self._by_anchor)


NOTHING = Happenings(())
"""Of somebody to whom nothing has happened."""


def happened(facts: Facts, name: str) -> Named:
    """The events of a name of a person; UnreadSectionError if nothing was read of them."""
    if facts.happened is None:
        raise UnreadSectionError
    return facts.happened.of(name)
