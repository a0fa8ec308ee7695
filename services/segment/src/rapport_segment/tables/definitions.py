"""Segments: their rules, and who is in them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from rapport_segment.tables.schema import METADATA

Table(
    "revision",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

Table(
    "definition",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    # The version against which everybody has been held.
    Column("built_version", Integer, nullable=False, server_default=text("0")),
    # The newest job that does so.
    Column("job", Text),
    Column("archived_at", DateTime(timezone=True)),
    # When the other services were last told of it.
    Column("told_at", DateTime(timezone=True)),
    Index(None, "workspace", "name", unique=True, postgresql_where=text("archived_at IS NULL")),
)

Table(
    "definition_version",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
)

# A rule that is built beside the one in force, and takes its place when everybody has been held
# against it. Who fits it meanwhile is in `membership`, under an id of its own.
Table(
    "candidate",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    # Grows whenever another rule takes the place of one that was not in force yet.
    Column("serial", Integer, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("job", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    # From then on it is in force, and who has to enter or leave does so.
    Column("swapped_at", DateTime(timezone=True)),
)

_OPEN = text("exited_at IS NULL")
# Keyed by the person: what a batch asks for is all open entries of its people.
Table(
    "membership",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", UUID(as_uuid=True), primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("entry_id", UUID(as_uuid=True), primary_key=True),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("segment_version", Integer, nullable=False),
    Column("profile_version", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("exited_at", DateTime(timezone=True)),
    Column("exit_reason", Text),
    # From then on it is true of this profile, where that is not `entered_at`: after a merge a stay
    # goes on under another id, and may count from earlier. Who was in at an instant goes by this.
    Column("since", DateTime(timezone=True)),
    # Of a rule that is built beside the one in force: nobody is told of it.
    Column("beside", Boolean, nullable=False, server_default=text("false")),
    # At most one open entry per person and segment. Its columns are in the order of the
    # question above: by the list's index each segment would be looked for by itself. It has to be
    # the newer of the two: before there are statistics both cost the same, and that one is taken.
    Index(
        "uq_membership_open",
        "workspace",
        "profile_id",
        "segment_id",
        unique=True,
        postgresql_where=_OPEN,
    ),
    # The list of members.
    Index(
        "ix_membership_members",
        "workspace",
        "segment_id",
        "profile_id",
        postgresql_where=_OPEN,
    ),
    # Who was in at an instant.
    Index(
        "ix_membership_former",
        "workspace",
        "segment_id",
        "profile_id",
        postgresql_where=text("exited_at IS NOT NULL"),
    ),
)

# How many entered and left on a day of UTC: what is summed up says how many were in.
Table(
    "flow",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("entered", BigInteger, nullable=False),
    Column("exited", BigInteger, nullable=False),
)
