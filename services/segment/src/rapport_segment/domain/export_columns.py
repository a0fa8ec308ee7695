"""The columns of an export of members: what there is to choose from, and what each reads."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from rapport_common.exporting.columns import Column, Kind, UnknownColumnError
from rapport_common.paths import value_at
from rapport_segment.domain import sections
from rapport_segment.domain.leaves import COUNTS, INSTANTS
from rapport_segment.domain.membership import Entry
from rapport_segment.domain.permissions import place_of
from rapport_segment.domain.sections import DEFINED, REVENUE, Facts
from rapport_segment.domain.values import moment

USUAL: Final = ("id", "entered_at", "reason", "entry_id", "segment_version")
MOST_COLUMNS = 200
LONGEST_NAME = 512

_SECTIONS: Final = {
    "identifiers": sections.IDENTIFIERS,
    "traits": sections.TRAITS,
    "computed": sections.COMPUTED,
    "contact_points": sections.CONTACT_POINTS,
    "consent": sections.CONSENT,
}
_AGGREGATES: Final = (*COUNTS, *INSTANTS, REVENUE, DEFINED)
_encoder = msgspec.json.Encoder(decimal_format="number")


class Member(msgspec.Struct, frozen=True):
    """Who is in a segment: the stay, and what is known of them as far as it was read."""

    entry: Entry
    facts: Facts


_PLAIN: Final[dict[str, Column[Member]]] = {
    "id": Column("id", Kind.TEXT, lambda one: str(one.entry.profile_id)),
    "entered_at": Column("entered_at", Kind.TIME, lambda one: one.entry.entered_at),
    "reason": Column("reason", Kind.TEXT, lambda one: one.entry.reason),
    "entry_id": Column("entry_id", Kind.TEXT, lambda one: str(one.entry.entry_id)),
    "segment_version": Column(
        "segment_version", Kind.NUMBER, lambda one: one.entry.segment_version
    ),
}


def columns_of(names: Sequence[str]) -> list[Column[Member]]:
    """The columns with these names, each once; UnknownColumnError."""
    return [_column(one) for one in dict.fromkeys(names)]


def personal(names: Sequence[str]) -> list[str]:
    """Those of these columns that tell what is known of a person, and not only of the stay."""
    return [one for one in names if one not in _PLAIN]


def read_for(names: Sequence[str]) -> int:
    """The sections that these columns read, as bits."""
    bits = 0
    for name in personal(names):
        bits |= 1 << _SECTIONS[name.partition(".")[0]]
    return bits


def _column(name: str) -> Column[Member]:
    if name in _PLAIN:
        return _PLAIN[name]
    section, dot, part = name.partition(".")
    place = _SECTIONS.get(section)
    if place is None:
        raise _unknown(name)
    if not dot:
        return Column(name, Kind.JSON, lambda one: _json(one.facts.sections[place].value))
    if not part or section not in _PARTS:
        raise _unknown(name)
    return _PARTS[section](name, part)


def _identifiers(name: str, kind: str) -> Column[Member]:
    return Column(name, Kind.TEXTS, lambda one: one.facts.identifiers.get(kind, []))


def _contact_points(name: str, channel: str) -> Column[Member]:
    place = place_of(channel)

    def reached(one: Member) -> list[str]:
        known: list[str] = one.facts.contact_points.get(place, {}).get("all", [])
        return known

    return Column(name, Kind.TEXTS, reached)


def _trait(name: str, path: str) -> Column[Member]:
    return Column(name, Kind.JSON, lambda one: _json(value_at(one.facts.traits, path)))


def _computed(name: str, aggregate: str) -> Column[Member]:
    if aggregate in COUNTS:
        return Column(name, Kind.NUMBER, lambda one: one.facts.computed.get(aggregate))
    if aggregate in INSTANTS:
        return Column(name, Kind.TIME, lambda one: moment(one.facts.computed.get(aggregate)))
    if aggregate in _AGGREGATES:
        return Column(name, Kind.JSON, lambda one: _json(one.facts.computed.get(aggregate)))
    raise _unknown(name)


_PARTS: Final[dict[str, Callable[[str, str], Column[Member]]]] = {
    "identifiers": _identifiers,
    "contact_points": _contact_points,
    "traits": _trait,
    "computed": _computed,
}


def _json(value: Any) -> msgspec.Raw | None:
    """A value as JSON, its numbers as they are kept."""
    return None if value is None else msgspec.Raw(_encoder.encode(value))


def _unknown(name: str) -> UnknownColumnError:
    computed = (f"computed.{one}" for one in _AGGREGATES)
    there_are = ", ".join((*_PLAIN, *_SECTIONS, *computed))
    return UnknownColumnError(
        f"'{name[:60]}' is no column. There are {there_are}, and of each kind, channel and name "
        "identifiers.email, contact_points.email, traits.city."
    )
