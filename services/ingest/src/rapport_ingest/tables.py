"""The tables of ingest: credentials, the spool, what was rejected, and the count of it all."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
)

from rapport_common.db import metadata

METADATA = metadata("ingest")

SOURCE = Table(
    "source",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
WRITE_KEY = Table(
    "write_key",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("revoked_at", DateTime(timezone=True)),
    ForeignKeyConstraint(["workspace", "source"], ["ingest.source.workspace", "ingest.source.id"]),
    # A key is looked up before its workspace is known.
    UniqueConstraint("id"),
)
SPOOL = Table(
    "spool",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("traceparent", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("workspace", "id"),
    # Drained oldest first over all workspaces.
    Index(None, "id"),
    Index(None, "workspace", "message_id"),
)
REJECTED = Table(
    "rejected",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("code", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "message_id"),
    Index(None, "received_at"),
)
TALLY_SOURCE = Table(
    "tally_source",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("received", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("spooled", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
)
