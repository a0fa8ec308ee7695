"""The ledger of messages, what single ones say, and clicks."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from rapport_campaign.tables.schema import METADATA, SCHEMA, Id, Instant

# The ledger: one row per send, for ever. `queue` is the campaign's id, or empty for what no
# campaign may hold up.
Table(
    "message",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("campaign_id", Id),
    Column("occasion", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("profile_id", Text, nullable=False),
    Column("needed_version", BigInteger, nullable=False),
    Column("to_address", Text),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("waits", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", Instant, nullable=False),
    Column("token", Id),
    Column("lease_until", Instant),
    Column("traceparent", Text),
    Column("planned_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("opened_at", Instant),
    Column("clicked_at", Instant),
    CheckConstraint(
        "state IN ('planned', 'sending', 'sent', 'failed', 'suppressed', 'uncertain')",
        name="state",
    ),
    # An entry and a request each belong to one person. So the profile need not be part of this
    # key, and a merge can't make a second send, whichever record about it comes first.
    Index(
        "uq_message_occasion",
        "workspace",
        "campaign_id",
        "occasion",
        "step",
        "channel",
        unique=True,
        postgresql_where=text("kind IN ('entry', 'request')"),
        postgresql_nulls_not_distinct=True,
    ),
    Index(
        "ix_message_next",
        "queue",
        "workspace",
        "next_attempt_at",
        postgresql_where=text("state = 'planned'"),
    ),
    Index("ix_message_lease", "lease_until", postgresql_where=text("state = 'sending'")),
    Index("ix_message_campaign", "workspace", "campaign_id", "planned_at", "send_key"),
    # Whoever is forgotten: nothing else asks by person.
    Index(None, "workspace", "profile_id"),
    Index("ix_message_uncertain", "planned_at", postgresql_where=text("state = 'uncertain'")),
    ForeignKeyConstraint(
        ["workspace", "campaign_id"],
        [f"{SCHEMA}.campaign.workspace", f"{SCHEMA}.campaign.campaign_id"],
    ),
)

# What a transactional message says.
Table(
    "content",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text),
    Column("data", JSON, nullable=False),
)

# How often a link of a mail was followed: the first clicks are events, all are counted.
Table(
    "click",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("link_id", Text, primary_key=True),
    Column("clicks", BigInteger, nullable=False),
    Column("last_at", Instant, nullable=False),
)
