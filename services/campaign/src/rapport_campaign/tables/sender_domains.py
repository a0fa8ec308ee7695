"""Domains that mails come from, and their keys."""

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    Table,
    Text,
    text,
)

from rapport_campaign.tables.schema import METADATA, SCHEMA, Instant

# Domains that a workspace sends from, in ASCII; what DNS had at the last look is by name.
Table(
    "sender_domain",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("findings", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("checked_at", Instant),
    Column("verified_at", Instant),
    # Looks of our own: so many have not seen the record, and when the next is due.
    Column("misses", Integer, nullable=False, server_default=text("0")),
    Column("next_look_at", Instant),
    CheckConstraint("state IN ('unchecked', 'verified', 'failed')", name="state"),
)

# What they sign with: `private` is sealed, and is destroyed when the key is a former one.
Table(
    "sender_key",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("selector", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("public", Text, nullable=False),
    Column("private", Text),
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    CheckConstraint("algorithm IN ('rsa', 'ed25519')", name="algorithm"),
    CheckConstraint("state IN ('waiting', 'active', 'former')", name="state"),
    CheckConstraint("(private IS NULL) = (state = 'former')", name="private"),
    ForeignKeyConstraint(
        ["workspace", "domain"],
        [f"{SCHEMA}.sender_domain.workspace", f"{SCHEMA}.sender_domain.domain"],
        ondelete="CASCADE",
    ),
)
