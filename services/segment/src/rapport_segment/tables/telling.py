"""Others who are told: webhooks, and files for advertising platforms."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from rapport_segment.tables.schema import METADATA

Table(
    "webhook",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("webhook_id", UUID(as_uuid=True), primary_key=True),
    Column("url", Text, nullable=False),
    # Of which segments it is told; none: of all.
    Column("segment_ids", ARRAY(UUID(as_uuid=True))),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    # Why it is not active.
    Column("reason", Text),
    Column("secret", Text, nullable=False),
    Column("former_secret", Text),
    Column("former_until", DateTime(timezone=True)),
    # One after the other, since the last success.
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("paused_until", DateTime(timezone=True)),
    Column("succeeded_at", DateTime(timezone=True)),
    Column("failed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("archived_at", DateTime(timezone=True)),
    Index(None, "workspace", "url", unique=True, postgresql_where=text("archived_at IS NULL")),
)

_LIVING = text("died_at IS NULL")
Table(
    "webhook_delivery",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("message_id", UUID(as_uuid=True), primary_key=True),
    Column("webhook_id", UUID(as_uuid=True), nullable=False),
    Column("profile_id", UUID(as_uuid=True), nullable=False),
    # In the order in which it happened to a person.
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("try_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("holder", UUID(as_uuid=True)),
    Column("status", Integer),
    Column("error", Text),
    Column("died_at", DateTime(timezone=True)),
    # What is due, and whether it is the first of its person.
    Index(None, "workspace", "webhook_id", "try_at", postgresql_where=_LIVING),
    Index(None, "workspace", "webhook_id", "profile_id", "number", postgresql_where=_LIVING),
    Index(
        "ix_webhook_delivery_dead",
        "workspace",
        "webhook_id",
        "created_at",
        postgresql_where=text("died_at IS NOT NULL"),
    ),
    # Who is forgotten.
    Index(None, "workspace", "profile_id"),
    # It is written and removed all the time.
    postgresql_with={
        "autovacuum_vacuum_scale_factor": "0.01",
        "autovacuum_vacuum_threshold": "2000",
        "autovacuum_vacuum_cost_delay": "0",
    },
)

Table(
    "audience",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("audience_id", UUID(as_uuid=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("segment_id", UUID(as_uuid=True), nullable=False),
    # google, meta or tencent
    Column("platform", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("every_hours", Integer),
    Column("job", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Index(None, "workspace", "name", unique=True),
)

Table(
    "audience_file",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("file_id", UUID(as_uuid=True), primary_key=True),
    Column("audience_id", UUID(as_uuid=True), nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("whole", Boolean, nullable=False, server_default=text("false")),
    Column("rows", BigInteger, nullable=False, server_default=text("0")),
    Column("left_out", JSONB, nullable=False, server_default=text("'{}'")),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("sha256", Text, nullable=False, server_default=text("''")),
    Index(None, "workspace", "audience_id", "made_at"),
)

Table(
    "audience_part",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("file_id", UUID(as_uuid=True), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    # Who is in it: for whom the whole file goes when they are forgotten.
    Column("people", ARRAY(UUID(as_uuid=True)), nullable=False),
    ForeignKeyConstraint(
        ["workspace", "file_id"],
        ["segment.audience_file.workspace", "segment.audience_file.file_id"],
        ondelete="CASCADE",
    ),
)
