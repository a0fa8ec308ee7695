"""What each person was sent and when, rules that ask for it, and why messages were held back."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)

from rapport_campaign.tables.schema import METADATA, Id, Instant

# Caps, quiet hours and the like, each version of them; the greatest holds.
Table(
    "contact_rules",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("rules", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=text("now()")),
)

# The contact log: what was marked `sending`, by who the person is now. A row goes when its attempt
# ended unsent. All that is asked of a person is in one place of the key, so it can be distributed.
Table(
    "contact",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("campaign_id", Id),
    Column("address", LargeBinary, nullable=False, comment="A digest: only ever compared."),
    CheckConstraint("purpose IN ('promotion', 'service', 'transactional')", name="purpose"),
    Index(
        "ix_contact_address",
        "workspace",
        "campaign_id",
        "address",
        postgresql_where=text("campaign_id IS NOT NULL"),
    ),
    # Rows come by time, so little says where the old ones are.
    Index("ix_contact_at", "at", postgresql_using="brin"),
)

# Why a message waits or was suppressed by a rule, in as much as its reason alone doesn't say.
Table(
    "withheld",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("next_at", Instant),
    Column("more", JSON, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_withheld_at", "at", postgresql_using="brin"),
)

# The suppression list, by address in normal form. What was taken off stays, with who did so.
Table(
    "suppressed_address",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_by", Text),
    Column("ended_because", Text),
    CheckConstraint("purpose IN ('promotion', 'all')", name="purpose"),
)
