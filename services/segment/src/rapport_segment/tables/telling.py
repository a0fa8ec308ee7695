"""Others who are told: webhooks, and files for advertising platforms."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from rapport_common.webhooks.tables import webhook_tables
from rapport_segment.tables.schema import METADATA

# What is posted of changes; what was delivered goes at once.
webhook_tables(METADATA, keeps_delivered=False)

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
