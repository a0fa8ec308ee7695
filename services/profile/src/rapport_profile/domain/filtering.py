"""Which events of a timeline somebody wants to see."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from rapport_common.events.codec import UNREADABLE
from rapport_common.events.envelope import Event
from rapport_common.numbers import plain_number
from rapport_common.paths import names_of
from rapport_profile.domain.groups.facts import happened_in
from rapport_profile.domain.telling import traits_said

MAX_NAMES = 20
"""Values of one filter."""
_properties = msgspec.json.Decoder(float_hook=Decimal)


class Wanted(msgspec.Struct, frozen=True):
    """What an event has to be; what is left out is any.

    `path` leads to a value in the properties, `equals` is that value as a text: `12.5` is the
    number 12.50 and the text "12.5", `true` is true and "true". `trait`: it says something of it.
    `group`: it happened in the group of this key.
    """

    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    source: str | None = None
    path: str | None = None
    equals: str | None = None
    trait: str | None = None
    group: str | None = None

    @property
    def is_anything(self) -> bool:
        """Whether every event is wanted."""
        return self == ANYTHING

    def has(self, event: Event) -> bool:
        """Whether this event is wanted."""
        return (
            (not self.types or event.type in self.types)
            and (not self.names or event.name in self.names)
            and (self.source is None or event.source == self.source)
            and (self.path is None or self._says(event))
            and (self.trait is None or self.trait in traits_said(event))
            and (self.group is None or self.group in happened_in(event))
        )

    def _says(self, event: Event) -> bool:
        path = names_of(self.path or "")
        try:
            said = _properties.decode(event.properties)
            return any(_is(value, self.equals or "") for value in _at(said, path))
        except UNREADABLE:
            # Half a surrogate pair, an exponent beyond all numbers, a thousand lists in each
            # other: it can be kept, and is equal to nothing.
            return False


ANYTHING = Wanted()


def _at(said: object, path: Sequence[str]) -> Iterator[object]:
    """The values at a path; of a list those of all its entries."""
    if isinstance(said, list):
        for entry in said:
            yield from _at(entry, path)
    elif not path:
        yield said
    elif isinstance(said, dict) and path[0] in said:
        yield from _at(said[path[0]], path[1:])


def _is(value: object, text: str) -> bool:
    """Whether a value is what a text says."""
    if isinstance(value, str):
        return value == text
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value] == text
    if isinstance(value, (int, Decimal)):
        return plain_number(text) == value
    return False
