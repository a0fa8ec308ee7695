"""Whose definitions can be read."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from rapport_segment.domain.importing import customerio, dittofeed, klaviyo, mautic, notifuse
from rapport_segment.domain.importing.parts import Reader, Rule, UnsupportedDefinitionError
from rapport_segment.domain.rules import parse

Peer = Literal["customerio", "dittofeed", "klaviyo", "mautic", "notifuse"]

_READERS: Final[Mapping[Peer, Callable[[Mapping[str, Any], Reader], Rule]]] = {
    "customerio": customerio.read,
    "dittofeed": dittofeed.read,
    "klaviyo": klaviyo.read,
    "mautic": mautic.read,
    "notifuse": notifuse.read,
}


class Imported(NamedTuple):
    """A peer's definition as a rule, and where it means something else here."""

    rule: Rule
    notes: list[str]


def imported(
    peer: Peer,
    document: Mapping[str, Any],
    fields: Mapping[str, str],
    segments: Mapping[str, str],
    events: Mapping[str, str],
) -> Imported:
    """The rule; UnsupportedDefinitionError names all that can't be one, RuleError what is wrong
    with the values.
    """
    reader = Reader(fields, segments, events)
    rule = _READERS[peer](document, reader)
    if reader.problems:
        raise UnsupportedDefinitionError(reader.problems)
    parse(rule)
    reader.note_strangers()
    return Imported(rule, reader.notes)
