"""Offers and their guards, in versions; and which prices were said to whom, by which rule."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKeyConstraint, Index, Table, Text, text

from rapport_campaign.tables.schema import METADATA, SCHEMA, Id, Instant

# The guard rails of a workspace and what price rules may read, each version; the greatest holds.
Table(
    "price_guards",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("guards", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=text("now()")),
)

# A name is taken for ever: prices were said by it.
Table(
    "offer",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("archived_at", Instant),
)

Table(
    "offer_version",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("document", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "name"], [f"{SCHEMA}.offer.workspace", f"{SCHEMA}.offer.name"]
    ),
)

# The prices that a message names, as they were when it was marked `sending`.
Table(
    "message_price",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("prices", JSON, nullable=False),
    Column("at", Instant, nullable=False),
    Index(None, "workspace", "profile_id"),
)

# Prices that were asked for and are kept, since the asker wanted that.
Table(
    "offer_quote",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("quote_id", Id, primary_key=True),
    Column("offer", Text, nullable=False),
    Column("profile_id", Text),
    Column("channel", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("prices", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "workspace", "profile_id"),
    Index(None, "workspace", "created_at"),
)
