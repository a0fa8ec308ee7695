"""Tracking plans: JSON Schemas per event name and version, and what breaks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rapport_common.events.envelope import EventType


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """One entry of a plan: the JSON Schema (draft 2020-12) of an event's properties or traits."""

    type: EventType
    name: str
    version: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with an event: `path` is the field, `rule` the schema's keyword."""

    path: str
    rule: str
    message: str


class Plan:
    """A source's schemas, compiled; events of other names and types are unplanned."""

    def __init__(self, entries: Sequence[PlannedEvent]) -> None:
        raise NotImplementedError(entries)

    def check(
        self, kind: EventType, name: str | None, version: str | None, payload: dict[str, Any]
    ) -> list[Violation] | None:
        """What is wrong with the event, [] when nothing is; None: the event is not planned."""
        raise NotImplementedError(kind, name, version, payload)
