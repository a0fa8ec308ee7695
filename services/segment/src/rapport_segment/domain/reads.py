"""What a rule reads of people, by kind and name, for who has to know without knowing the rule."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from rapport_segment.domain import subjects
from rapport_segment.domain.event_subjects import Events
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.tree import Rule, leaves

_KINDS = {
    subjects.Trait: ("trait", "name"),
    subjects.Computed: ("computed", "name"),
    subjects.Defined: ("computed", "name"),
    subjects.Identifier: ("identifier", "kind"),
    subjects.ContactPoint: ("contact_point", "channel"),
    subjects.Score: ("score", "name"),
    subjects.InSegment: ("segment", "id"),
    subjects.InList: ("list", "id"),
    Events: ("event", "name"),
    InGroup: ("group", "kind"),
}
"""What is told of each, and the field that names it."""


def reads_of(rule: Rule) -> list[str]:
    """All that a rule reads, each once, as `trait:plan` or `segment:<id>`, in order.

    Properties of events, cases and groups are told as traits: their names say as much. Segments
    that it names are told, and not what those read.
    """
    return sorted({one for leaf in leaves(rule) for one in _told(leaf)})


def _told(part: Any) -> Iterator[str]:
    """Of a comparison and all that it is made of, however deep."""
    if isinstance(part, tuple):
        for one in part:
            yield from _told(one)
    elif is_dataclass(part) and not isinstance(part, type):
        if type(part) in _KINDS:
            kind, field = _KINDS[type(part)]
            yield f"{kind}:{getattr(part, field)}"
        for one in fields(part):
            yield from _told(getattr(part, one.name))
