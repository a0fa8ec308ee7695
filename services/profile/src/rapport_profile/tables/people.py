"""Who is who, and what is known of whom."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, UUID

from rapport_profile.tables.schema import METADATA

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
    # An event enters those that are new before it is known whose they are.
    Index(None, "workspace", "cluster_id", postgresql_where=text("cluster_id IS NOT NULL")),
    Index(None, "workspace", "profile_id", postgresql_where=text("profile_id IS NOT NULL")),
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

RULES = Table(
    "rules",
    METADATA,
    Column("workspace", Text),
    Column("subject", Text, comment="merge, timeline, or traits"),
    Column("version", BigInteger, comment="Of a subject the greatest holds."),
    Column("rules", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("workspace", "subject", "version"),
)
"""What workspaces have declared of themselves, each version."""

DECISION = Table(
    "decision",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("kind", Text, nullable=False, comment="merge, apart, or cut"),
    Column("a", UUID(as_uuid=True), nullable=False, comment="The smaller id."),
    Column("b", UUID(as_uuid=True), nullable=False),
    Column("source", Text, comment="Of a cut the event's; a and b are its strongest identifier."),
    Column("message_id", Text),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("undone_at", DateTime(timezone=True)),
    Column("undone_by", Text),
    Column("undone_reason", Text),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "a"),
    Index(None, "workspace", "b"),
    Index("ix_decision_cut", "workspace", postgresql_where=text("kind = 'cut'")),
)
"""What operators have said of two identifiers: that they are one person, or never are.

And of events: that they name others by mistake.
"""

LINK = Table(
    "link",
    METADATA,
    Column("workspace", Text),
    Column("a", UUID(as_uuid=True), comment="The strongest identifier of the event."),
    Column("b", UUID(as_uuid=True)),
    Column("kind", Text, comment="seen, alias, renamed, or merge"),
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
    # The ids that somebody had before.
    Index(None, "workspace", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    # Each event of a person rewrites the row: room for it on the same page.
    postgresql_with={"fillfactor": "70"},
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
    Column(
        "moved",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="How often new rules or an operator have put it under another identifier.",
    ),
    PrimaryKeyConstraint("workspace", "source", "message_id"),
)
