"""By what people are found, and who may be whom."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, UUID

from rapport_profile.tables.schema import INSTANT, METADATA

SEARCH = Table(
    "search",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("entries", JSON, nullable=False, comment="What is searched of the person."),
    Column("keys", ARRAY(Integer), nullable=False, comment="Of the entries, and the workspace."),
    PrimaryKeyConstraint("workspace", "profile_id"),
    # Written by one loop in large pieces; a search reads through what is not sorted in yet.
    Index(
        None,
        "keys",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "1024"},
    ),
)
"""By what people are found, one row each, as `domain.searchable` has it."""

SEARCH_DUE = Table(
    "search_due",
    METADATA,
    Column("workspace", Text),
    Column("id", BigInteger, Identity(always=True)),
    Column("profiles", ARRAY(UUID(as_uuid=True)), nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("workspace", "id"),
)
"""The profiles of a batch that are not in `search` as they are now, or are in it no longer."""

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
    Column("found_at", INSTANT, nullable=False),
    Column("decided_at", INSTANT),
    Column("decided_by", Text),
    Column("decided_reason", Text),
    Column("decision_id", UUID(as_uuid=True)),
    PrimaryKeyConstraint("workspace", "id"),
    Index("ix_duplicate_pair", "workspace", "a", "b", unique=True),
    Index(None, "workspace", "b"),
    Index("ix_duplicate_score", "workspace", "state", "score", "id"),
)
"""Two profiles that may be one person, and what an operator has said of them."""
