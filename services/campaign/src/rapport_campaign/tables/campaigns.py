"""Campaigns, and where their tracked links lead."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    text,
)

from rapport_campaign.tables.schema import METADATA, Id, Instant

Table(
    "campaign",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("campaign_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("segment_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("from_address", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text),
    Column("allow_old_events", Boolean, nullable=False),
    Column("include_existing", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    # The one that plans for those who were in the segment at the start.
    Column("job", Text),
    Column("archived_at", Instant),
    # Of several that want the same person the greater goes first.
    Column("priority", SmallInteger, nullable=False, server_default=text("50")),
    # Its own windows; null: those of the workspace.
    Column("quiet_hours", JSON),
    # What people may have said no to, and the purpose that it stood for when it was chosen.
    Column("topic", Text),
    Column("topic_purpose", Text),
    # Whose words these are, and in which other languages it has them.
    Column("template_id", Id),
    Column("template_version", Integer),
    Column("languages", Text, nullable=False, server_default=text("'{}'")),
    Column("utm", Text, nullable=False, server_default=text("'{}'")),
    Column("coupon_pool", Text),
    Column("channel", Text, nullable=False, server_default=text("'email'")),
    # What it says by a channel that is no e-mail: templates by the names of their parts.
    Column("content", JSON),
    # Of a broadcast, or of one run of it; and until when who enters its segment gets that, too.
    Column("broadcast_id", Id),
    Column("joins_until", Instant),
    # The page again, as AMP for Email.
    Column("amp", Text),
    CheckConstraint("state IN ('draft', 'running', 'paused', 'archived')", name="state"),
    CheckConstraint("purpose IN ('promotion', 'service')", name="purpose"),
    Index(None, "workspace", "segment_id"),
    Index(
        "ix_campaign_template",
        "workspace",
        "template_id",
        postgresql_where=text("template_id IS NOT NULL"),
    ),
)

# Where tracked links lead to: a token names a row here, never an address.
Table(
    "link",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("link_id", Text, primary_key=True),
    Column("campaign_id", Id, nullable=False),
    Column("url", Text, nullable=False),
)
