"""The tables of ingest: sources and their rules, spool, quarantine, catalogue, jobs, counts."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from rapport_common.db import metadata
from rapport_common.idempotency import idempotency_table
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables

SCHEMA = "ingest"
METADATA = metadata(SCHEMA)

SOURCE = Table(
    "source",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # Where its write key is kept, and so what its word is worth.
    Column("kind", Text, nullable=False, server_default="server"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("policy", JSONB, nullable=False, server_default=text("'{}'")),
    # Grows with each change of the policy or the plan: who holds an older one reads again.
    Column("revision", BigInteger, nullable=False, server_default=text("1")),
)
# What goes for all sources of a workspace.
WORKSPACE_POLICY = Table(
    "workspace_policy",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("policy", JSONB, nullable=False, server_default=text("'{}'")),
)
# What a source's operator should look at, though its events are accepted.
SOURCE_WARNING = Table(
    "source_warning",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
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
    Column("version", SmallInteger),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("workspace", "id"),
    # Drained oldest first over all workspaces.
    Index(None, "id"),
    Index(None, "workspace", "message_id"),
)
SPOOL_REFUSED = Table(
    "spool_refused",
    METADATA,
    Column("workspace", Text, nullable=False),
    # The id the row had in the spool.
    Column("id", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("traceparent", Text),
    Column("version", SmallInteger),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("refused_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("workspace", "id"),
)
QUARANTINE = Table(
    "quarantine",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    # What the address said the event is, and the client's dialect: a replay judges with both.
    Column("type", Text),
    Column("dialect", Text, nullable=False, server_default=text("'segment'")),
    # What is marked on the event when it is accepted at last.
    Column("sequence", BigInteger, nullable=False, server_default=text("0")),
    Column("trust", Text, nullable=False, server_default="trusted"),
    Column("historic", Boolean, nullable=False, server_default=text("false")),
    Column("code", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("truncated", Boolean, nullable=False, server_default=text("false")),
    Column("resolved_at", DateTime(timezone=True)),
    Column("resolution", Text),
    # How often a replay tried it, and the job that did last (or the operator who discarded it).
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("handled_by", Text),
    # Set: it is over its time, and speaks of whom this hold is about.
    Column("held_by", Text),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "message_id"),
    Index(None, "workspace", "held_by", postgresql_where=text("held_by IS NOT NULL")),
    Index(None, "received_at"),
    Index(None, "resolved_at"),
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
    # Rows of the quarantine that were deleted at the end of their time.
    Column("expired", BigInteger, nullable=False, server_default=text("0")),
    # Accepted events that Kafka refused, and an operator gave up.
    Column("spool_discarded", BigInteger, nullable=False, server_default=text("0")),
)
# By day (UTC): what a quota is measured by.
TALLY_DAY = Table(
    "tally_day",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("received", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
)
# What each process let through lately: the others leave it so much of the source's rate.
RATE_USE = Table(
    "rate_use",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("process", Text, primary_key=True),
    Column("per_second", BigInteger, nullable=False),
    Column("measured_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
PLAN_EVENT = Table(
    "plan_event",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    # "" for types without a name.
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("schema", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(["workspace", "source"], ["ingest.source.workspace", "ingest.source.id"]),
)
VIOLATION = Table(
    "violation",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    # The schema's keyword, or "unplanned".
    Column("rule", Text, primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    Column("message", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Index(None, "last_at"),
)
CATALOGUE = Table(
    "catalogue",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("first_seen", DateTime(timezone=True), nullable=False),
    Column("last_seen", DateTime(timezone=True), nullable=False),
    # By the path of each property: the types seen, and what personal data it may be.
    Column("shape", JSONB, nullable=False),
    Column("example", JSONB),
)
# Imports and replays.
job_table(METADATA)
# What all services read, and answer: who is to be forgotten.
consumer_tables(METADATA)
outbox_tables(METADATA)
privacy_tables(METADATA)
# Whose data are only to be kept, by HMACs in hexadecimal digits with their kinds.
HOLD = Table(
    "hold",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("subjects", ARRAY(Text), nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("lifted", Boolean, nullable=False),
)
idempotency_table(METADATA)
# One process at a time speaks for a bridge.
BRIDGE_LEASE = Table(
    "bridge_lease",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("bridge", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("held_until", DateTime(timezone=True), nullable=False),
)
# What the processes tell each other about watched events; Postgres' NOTIFY only names the rows,
# because every role may listen to it.
LIVE_MESSAGE = Table(
    "live_message",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("said_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "said_at"),
    prefixes=["UNLOGGED"],
)
