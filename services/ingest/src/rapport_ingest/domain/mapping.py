"""From a row, a webhook's body or a device's message to an event: a mapping declared as data."""

from collections.abc import Mapping as Row
from typing import Any

import msgspec

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.transform import Cast


class Field(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Where one field of the event comes from: a path, a template of paths, or a constant."""

    path: str | None = None
    template: str | None = None
    value: Any = None
    type: Cast | None = None


class Mapping(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How an event is made of a row.

    `fields` maps a dotted path of the event (`userId`, `traits.email`, `properties.total`,
    `messageId`) to a path of the row, or to a Field. `event` is the name of a track event, in
    which `{column}` stands for a value of the row. Consecutive rows with the same value of
    `group_by` become one event, each adding an object made by `lines` to `properties.products`.
    """

    type: EventType = "track"
    event: str | None = None
    fields: dict[str, str | Field] = {}
    group_by: str | None = None
    lines: dict[str, str | Field] = {}


class MappingError(Exception):
    """The row can't become an event; `path` is the field of the event."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


def apply(mapping: Mapping, row: Row[str, Any]) -> dict[str, Any]:
    """The event in Segment's shape; MappingError says which field can't be made."""
    raise NotImplementedError(mapping, row)
