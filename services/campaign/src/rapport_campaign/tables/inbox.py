"""What apps show to their users."""

from sqlalchemy import JSON, Column, Index, Table, Text

from rapport_campaign.tables.schema import METADATA, Id, Instant

# At most some hundreds of a person: each new one takes the oldest away.
Table(
    "inbox_item",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("read_at", Instant),
    Index(None, "workspace", "profile_id", "created_at"),
)
