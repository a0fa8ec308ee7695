"""The tables of schema `profile`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, UUID

from rapport_common.db import metadata
from rapport_common.idempotency import idempotency_table
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.outbox import outbox_tables

SCHEMA = "profile"
METADATA = metadata(SCHEMA)
consumer_tables(METADATA)
outbox_tables(METADATA)
job_table(METADATA)
idempotency_table(METADATA)

IDENTIFIER = Table(
    "identifier",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("profile_id", UUID(as_uuid=True)),
    Column("cluster_id", UUID(as_uuid=True)),
    Column("shared", Boolean, nullable=False, server_default=text("false")),
    Column("contested", Boolean, nullable=False, server_default=text("false")),
    # JSON, not JSONB: what people send is kept as they sent it, and only we read it.
    Column("fold", JSON, nullable=False),
    Column("expired", JSON, comment="The fold of events that retention has removed."),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "cluster_id"),
    Index(None, "workspace", "profile_id"),
)

IDENTITY_KEY = Table(
    "identity_key",
    METADATA,
    Column("one", Boolean, server_default=text("true"), comment="There is one row."),
    Column("fingerprint", LargeBinary, nullable=False),
    PrimaryKeyConstraint("one"),
    CheckConstraint("one", name="single"),
)
"""The key under which the ids of identifiers were made."""

MERGE_RULES = Table(
    "merge_rules",
    METADATA,
    Column("workspace", Text),
    Column("version", BigInteger, comment="Of a workspace the greatest holds."),
    Column("rules", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("workspace", "version"),
)

DECISION = Table(
    "decision",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("kind", Text, nullable=False, comment="merge, or apart"),
    Column("a", UUID(as_uuid=True), nullable=False, comment="The smaller id."),
    Column("b", UUID(as_uuid=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("undone_at", DateTime(timezone=True)),
    Column("undone_by", Text),
    Column("undone_reason", Text),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "a"),
    Index(None, "workspace", "b"),
)
"""What operators have said of two identifiers: that they are one person, or never are."""

LINK = Table(
    "link",
    METADATA,
    Column("workspace", Text),
    Column("a", UUID(as_uuid=True), comment="The strongest identifier of the event."),
    Column("b", UUID(as_uuid=True)),
    Column("kind", Text, comment="seen, alias, or merge"),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("message_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("void", Boolean, nullable=False),
    PrimaryKeyConstraint("workspace", "a", "b", "kind"),
    Index(None, "workspace", "b"),
)

PROFILE = Table(
    "profile",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("version", BigInteger, nullable=False),
    Column("merged_into", UUID(as_uuid=True)),
    Column("members", BigInteger, nullable=False, server_default=text("0")),
    Column("summary", JSON, comment="What is known of it; none before it was kept."),
    PrimaryKeyConstraint("workspace", "id"),
)

OVERFLOW = Table(
    "overflow",
    METADATA,
    Column("workspace", Text),
    Column("identifier_id", UUID(as_uuid=True)),
    Column("kind", Text, comment="trait or consent"),
    Column("name", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("value", JSON, nullable=False, comment="What gave way to newer ones in the fold."),
    PrimaryKeyConstraint("workspace", "identifier_id", "kind", "name"),
)

INBOX = Table(
    "inbox",
    METADATA,
    Column("workspace", Text),
    Column("source", Text),
    Column("message_id", Text),
    Column("hash", LargeBinary, nullable=False),
    Column("identifier_id", UUID(as_uuid=True), nullable=False),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("replaced", SmallInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("workspace", "source", "message_id"),
)

TIMELINE = Table(
    "timeline",
    METADATA,
    Column("workspace", Text),
    Column("identifier_id", UUID(as_uuid=True), comment="The event's strongest identifier."),
    Column("timestamp", DateTime(timezone=True)),
    Column("source", Text),
    Column("message_id", Text),
    Column("event", JSON, nullable=False),
    PrimaryKeyConstraint("workspace", "identifier_id", "timestamp", "source", "message_id"),
    # For retention only, and it must not cost an insert much: events come nearly in time order.
    Index(None, "timestamp", postgresql_using="brin"),
)

LIKENESS = Table(
    "likeness",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("version", BigInteger, nullable=False, comment="Of the profile, when it was looked at."),
    Column("form", LargeBinary, nullable=False, comment="A digest of what is compared of it."),
    Column("keys", ARRAY(BigInteger), nullable=False, comment="Its rows of block_key."),
    Column("due", Boolean, nullable=False, comment="It is still to be compared with others."),
    PrimaryKeyConstraint("workspace", "profile_id"),
    Index("ix_likeness_due", "workspace", "profile_id", postgresql_where=text("due")),
)
"""What the finder of duplicates knows of a profile: digests, nothing of what they are of."""

BLOCK_KEY = Table(
    "block_key",
    METADATA,
    Column("workspace", Text),
    Column("key", BigInteger, autoincrement=False, comment="A keyed digest of what is alike."),
    Column("profile_id", UUID(as_uuid=True)),
    PrimaryKeyConstraint("workspace", "key", "profile_id"),
)
"""Who is compared with whom: those who have a key in common."""

DUPLICATE = Table(
    "duplicate",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("a", UUID(as_uuid=True), nullable=False, comment="The smaller id of two profiles."),
    Column("b", UUID(as_uuid=True), nullable=False),
    Column("score", Double, nullable=False),
    Column("reasons", JSON, nullable=False, comment="Words and numbers, no values of people."),
    Column("state", Text, nullable=False, comment="open, merged, or dismissed"),
    Column("found_at", DateTime(timezone=True), nullable=False),
    Column("decided_at", DateTime(timezone=True)),
    Column("decided_by", Text),
    Column("decided_reason", Text),
    Column("decision_id", UUID(as_uuid=True)),
    PrimaryKeyConstraint("workspace", "id"),
    Index("ix_duplicate_pair", "workspace", "a", "b", unique=True),
    Index(None, "workspace", "b"),
    Index("ix_duplicate_score", "workspace", "state", "score", "id"),
)
"""Two profiles that may be one person, and what an operator has said of them."""
