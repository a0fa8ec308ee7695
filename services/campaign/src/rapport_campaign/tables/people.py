"""Who is in which segment, and what each segment is."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from rapport_campaign.tables.schema import METADATA, Instant

# Stays in segments, under the ids that the segment service used when they began. After a merge a
# stay's end is told under another id, on another partition, perhaps before its beginning: so ended
# stays are kept for as long as the log could bring the beginning.
Table(
    "entry",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", Text, primary_key=True),
    Column("entry_id", Text, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("profile_version", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("event_timestamp", Instant),
    Column("ended_at", Instant),
    Column("historic", Boolean, nullable=False, server_default=text("false")),
    # Whether somebody of one segment is in another.
    Index(None, "workspace", "profile_id"),
)

# What the segments of the segment service are now, as it tells of them.
Table(
    "segment",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("archived_at", Instant),
    # What its rule reads, where its definition tells of it.
    Column("reads", JSONB),
)
