"""What people did, by month, and how far events have gone from there."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, UUID

from rapport_profile.tables.schema import INSTANT, METADATA

TIMELINE = Table(
    "timeline",
    METADATA,
    Column("workspace", Text),
    Column("identifier_id", UUID(as_uuid=True), comment="The event's strongest identifier."),
    Column("timestamp", DateTime(timezone=True)),
    Column("source", Text),
    Column("message_id", Text),
    Column("event", JSON, nullable=False),
    PrimaryKeyConstraint("workspace", "identifier_id", "timestamp", "source", "message_id"),
    postgresql_partition_by="RANGE (timestamp)",
)
"""Its parts, one for each month, are made by the service: see `store/timeline_parts.py`."""

_KEY_START = {
    "identifier_id": text("'00000000-0000-0000-0000-000000000000'::uuid"),
    "timestamp": text("'-infinity'::timestamptz"),
    "source": text("''::text"),
    "message_id": text("''::text"),
}
"""A place before every event."""


def _place() -> list[Column[Any]]:
    """The columns of a place in the timeline of a workspace."""
    kinds: dict[str, Any] = {"identifier_id": UUID(as_uuid=True), "timestamp": INSTANT}
    return [
        Column(name, kinds.get(name, Text), nullable=False, server_default=start)
        for name, start in _KEY_START.items()
    ]


TIMELINE_CLOSING = Table(
    "timeline_closing",
    METADATA,
    Column("name", Text, comment="A part that was taken off the timeline."),
    Column("workspace", Text, nullable=False, server_default=text("''::text")),
    *_place(),
    PrimaryKeyConstraint("name"),
)
"""How far the events of such a part have been added to `identifier.expired`."""

TIMELINE_SWEEP = Table(
    "timeline_sweep",
    METADATA,
    Column("workspace", Text),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    Column("began_at", INSTANT, nullable=False, server_default=_KEY_START["timestamp"]),
    Column("looked_at", INSTANT, nullable=False, server_default=_KEY_START["timestamp"]),
    Column("finished", Boolean, nullable=False, server_default=text("true")),
    *_place(),
    PrimaryKeyConstraint("workspace"),
)
"""How far a workspace's timelines have been looked through for what goes by its rules."""
