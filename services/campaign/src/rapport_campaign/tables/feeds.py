"""Data feeds: how they are asked, who may be asked, and what those of a run have answered."""

from sqlalchemy import JSON, Column, Index, Integer, LargeBinary, Table, Text

from rapport_campaign.tables.schema import METADATA, Instant

Table(
    "feed",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("host", Text, nullable=False),
    Column("spec", JSON, nullable=False),
    # Secret headers, sealed all together, and what they are called.
    Column("sealed", Text),
    Column("secret_names", JSON, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
)

Table(
    "feed_host",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# Answers for all: every process gives the same. `key`: the run, and the address that was asked.
Table(
    "feed_answer",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("fetched_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_feed_answer_fetched_at", "fetched_at"),
)
