"""Accounts with providers, how they stand, and what went by them."""

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)

from rapport_campaign.tables.schema import METADATA, SCHEMA, Id, Instant

# `secrets` are sealed, all of an account in one.
Table(
    "provider_account",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("account_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("secrets", Text, nullable=False),
    Column("per_second", Double, nullable=False),
    Column("burst", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("warmup", JSON),
    Column("prices", JSON, nullable=False),
    Column("currency", Text),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
    CheckConstraint("state IN ('active', 'paused')", name="state"),
    CheckConstraint("per_second > 0 AND burst > 0", name="pace"),
    Index("uq_provider_account_name", "workspace", "name", unique=True),
    Index(None, "workspace", "channel"),
)

# Written with each batch: a row of its own, so that reading accounts waits for nobody. Instants
# are seconds since 1970, 0 for none.
Table(
    "provider_standing",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("account_id", Id, primary_key=True),
    Column("free_at", Double, nullable=False, server_default=text("0")),
    Column("faults", Integer, nullable=False, server_default=text("0")),
    Column("open_until", Double, nullable=False, server_default=text("0")),
    Column("probing_until", Double, nullable=False, server_default=text("0")),
    Column("reason", Text),
    Column("day", Date),
    Column("used", Integer, nullable=False, server_default=text("0")),
    Column("checked_at", Instant),
    Column("check_result", Text),
    Column("check_reason", Text),
    CheckConstraint("check_result IN ('works', 'refused', 'unanswered')", name="check_result"),
    ForeignKeyConstraint(
        ["workspace", "account_id"],
        [f"{SCHEMA}.provider_account.workspace", f"{SCHEMA}.provider_account.account_id"],
        ondelete="CASCADE",
    ),
)

# What a provider took, what it calls it, and what it costs. Accounts go, these stay.
Table(
    "delivery",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("provider_id", Text),
    Column("segments", Integer, nullable=False),
    Column("cost", Numeric(18, 6)),
    Column("currency", Text),
    Column("at", Instant, nullable=False),
    # By what a provider tells of it later.
    Index(
        None,
        "workspace",
        "vendor",
        "provider_id",
        postgresql_where=text("provider_id IS NOT NULL"),
    ),
)

# What is in the hands of a provider that can be asked about it; gone once it is known what became
# of it. `digest` is of what it says; `ask_at`: when it is asked about next.
Table(
    "inquiry",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("digest", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("ask_at", Instant, nullable=False),
    Column("asked", SmallInteger, nullable=False),
    Index("ix_inquiry_ask", "ask_at"),
)
