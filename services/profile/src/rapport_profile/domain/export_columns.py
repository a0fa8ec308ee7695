"""The columns of an export: what there is to choose from, and what each says of a person."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from rapport_common.events.codec import UNREADABLE
from rapport_common.events.profile import ComputedState
from rapport_common.exporting.columns import Column, Kind, UnknownColumnError
from rapport_common.paths import names_of
from rapport_profile.domain.published import Summary
from rapport_profile.domain.reach import Point
from rapport_profile.domain.shown import SECTIONS, Section, shown_profile

USUAL: Final = ("id", "version", *SECTIONS)
MOST_COLUMNS = 200
LONGEST_NAME = 512

_COMPUTED: Final = {
    one.name: one.type
    for one in msgspec.structs.fields(ComputedState)
    # What a workspace has defined stands in the column `computed`.
    if one.name != "defined"
}
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Person:
    """A profile as the columns see it; what no column asks for is not worked out."""

    def __init__(self, id_: str, version: int, summary: Summary) -> None:
        self.id, self.version, self.summary = id_, version, summary

    @cached_property
    def computed(self) -> ComputedState:
        """The aggregates."""
        return self.summary.fold.computed()

    @cached_property
    def points(self) -> list[Point]:
        """Where the person is reached."""
        return self.summary.fold.contact_points()

    def section(self, name: Section) -> Any:
        """A section as the API shows it."""
        return getattr(shown_profile(self.id, self.version, self.summary, [name]), name)

    def identifiers(self, kind: str) -> list[str]:
        """The shown identifiers of a kind."""
        return sorted(value for one, value, _at in self.summary.named if one == kind)

    def trait(self, path: str) -> msgspec.Raw | None:
        """A trait, or what is in one at a path, as the JSON it is; null is none."""
        traits = self.summary.fold.known_traits()
        name, *inner = [path] if path in traits else names_of(path)
        value = None if name not in traits else _inside(traits[name].value, inner)
        return None if value is None or bytes(value) == b"null" else value


def columns_of(names: Sequence[str]) -> list[Column[Person]]:
    """The columns with these names, each once; UnknownColumnError."""
    return [_column(one) for one in dict.fromkeys(names)]


def _column(name: str) -> Column[Person]:
    section, dot, part = name.partition(".")
    if not dot:
        return _plain(name)
    if not part or section not in _PARTS:
        raise _unknown(name)
    return _PARTS[section](name, part)


def _plain(name: str) -> Column[Person]:
    if name == "id":
        return Column(name, Kind.TEXT, lambda who: who.id)
    if name == "version":
        return Column(name, Kind.NUMBER, lambda who: who.version)
    section = next((one for one in SECTIONS if one == name), None)
    if section is None:
        raise _unknown(name)
    return Column(name, Kind.JSON, lambda who: who.section(section))


def _identifiers(name: str, kind: str) -> Column[Person]:
    return Column(name, Kind.TEXTS, lambda who: who.identifiers(kind))


def _contact_point(name: str, channel: str) -> Column[Person]:
    def newest(who: Person) -> str | None:
        return next((one.value for one in who.points if one.channel == channel), None)

    return Column(name, Kind.TEXT, newest)


def _trait(name: str, trait: str) -> Column[Person]:
    return Column(name, Kind.JSON, lambda who: who.trait(trait))


def _computed(name: str, aggregate: str) -> Column[Person]:
    if aggregate not in _COMPUTED:
        raise _unknown(name)
    told = str(_COMPUTED[aggregate])
    kind = Kind.TIME if "datetime" in told else Kind.NUMBER if "int" in told else Kind.JSON
    return Column(name, kind, lambda who: getattr(who.computed, aggregate))


_PARTS: Final[dict[str, Callable[[str, str], Column[Person]]]] = {
    "identifiers": _identifiers,
    "contact_points": _contact_point,
    "traits": _trait,
    "computed": _computed,
}


def _inside(value: msgspec.Raw | None, names: Sequence[str]) -> msgspec.Raw | None:
    """What stands in JSON under these names, as it stands there."""
    try:
        for name in names:
            value = None if value is None else _object.decode(value).get(name)
    except UNREADABLE:
        return None
    return value


def _unknown(name: str) -> UnknownColumnError:
    there_are = ", ".join((*USUAL, *(f"computed.{one}" for one in _COMPUTED)))
    return UnknownColumnError(
        f"'{name[:60]}' is no column. There are {there_are}, and of each kind, channel and name "
        "identifiers.email, contact_points.email, traits.city."
    )
