"""Lists of identifiers, and the files that are put on them."""

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from rapport_segment.tables.schema import METADATA

Table(
    "list",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("list_id", UUID(as_uuid=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("archived_at", DateTime(timezone=True)),
    # Counted up by each file that replaces what is on it.
    Column("generation", Integer, nullable=False, server_default=text("1")),
    Index(None, "workspace", "name", unique=True, postgresql_where=text("archived_at IS NULL")),
)

Table(
    "list_member",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("list_id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    # 16 bytes of HMAC that stand for the identifier: by these people are forgotten.
    Column("subject", UUID(as_uuid=True), nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    Column("generation", Integer, nullable=False),
    Index("ix_list_member_identifier", "workspace", "kind", "value"),
    Index("ix_list_member_subject", "workspace", "subject"),
)

# A file that was uploaded, in pieces, until its job has ended.
Table(
    "list_part",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

# Rows of files that were not taken. What they hold is not kept: the file has it.
Table(
    "list_refusal",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
