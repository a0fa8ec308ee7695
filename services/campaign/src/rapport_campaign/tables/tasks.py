"""What staff are asked to tell people, by phone or in a store."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from rapport_campaign.tables.schema import METADATA, Id, Instant

# `point`: the number to call, empty for a store. `queue`: whose staff, as the message says.
Table(
    "task",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("task_id", UUID(as_uuid=True), primary_key=True),
    Column("send_key", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("profile_id", Text, nullable=False),
    Column("campaign_id", Id),
    Column("point", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("script", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("holder", Text),
    Column("lease_until", Instant),
    Column("outcome", Text),
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("ended_at", Instant),
    Column("ended_by", Text),
    CheckConstraint("state IN ('open', 'done', 'withdrawn')", name="state"),
    CheckConstraint("channel IN ('phone', 'store')", name="channel"),
    Index("ix_task_due", "workspace", "due_at", "task_id", postgresql_where=text("state = 'open'")),
    Index(None, "workspace", "created_at", "task_id"),
    Index(None, "workspace", "profile_id"),
    Index(None, "expires_at"),
)
