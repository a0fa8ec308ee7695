"""What is kept of groups: what was said of each, what that amounts to, and who is in it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, UUID

from rapport_profile.tables.schema import INSTANT, METADATA

GROUP_PROFILE = Table(
    "group_profile",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True), comment="A keyed digest of kind and key."),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("traits", JSON, nullable=False),
    Column("expired", JSON, comment="Traits of facts that are gone."),
    Column("is_known", Boolean, nullable=False, server_default=text("false")),
    Column("updated_at", INSTANT, nullable=False, server_default=text("now()")),
    Column("deleted_at", INSTANT, comment="What was received by then does not count."),
    Column("deleted_by", Text),
    Column("deleted_reason", Text),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "kind", "key", unique=True),
)

GROUP_FACT = Table(
    "group_fact",
    METADATA,
    Column("workspace", Text),
    Column("source", Text),
    Column("message_id", Text),
    Column("group_id", UUID(as_uuid=True), nullable=False),
    Column("identifier_id", UUID(as_uuid=True), comment="Whose part it is; null: nobody's."),
    Column("verb", Text, nullable=False, comment="in, out, or said: of the group alone"),
    Column("at", INSTANT, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("received_at", INSTANT, nullable=False),
    Column("is_trusted", Boolean, nullable=False),
    Column("role", Text),
    Column("traits", JSON),
    Column("actor", Text, comment="Of what an operator says."),
    Column("reason", Text),
    PrimaryKeyConstraint("workspace", "source", "message_id"),
    Index(None, "workspace", "identifier_id"),
    Index(None, "workspace", "group_id"),
    Index(
        "ix_group_fact_traits",
        "workspace",
        "group_id",
        "is_trusted",
        "at",
        postgresql_where=text("traits IS NOT NULL"),
    ),
)

GROUP_MEMBER = Table(
    "group_member",
    METADATA,
    Column("workspace", Text),
    Column("group_id", UUID(as_uuid=True)),
    Column("profile_id", UUID(as_uuid=True)),
    Column("since", INSTANT, nullable=False),
    Column("role", Text),
    Column("is_verified", Boolean, nullable=False),
    PrimaryKeyConstraint("workspace", "group_id", "profile_id"),
    Index(None, "workspace", "profile_id"),
)

GROUP_TOLD = Table(
    "group_told",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("told", JSON, comment="The trait `groups` as others know it; null: they may not."),
    PrimaryKeyConstraint("workspace", "profile_id"),
)
