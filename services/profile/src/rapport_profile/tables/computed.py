"""What workspaces have computed of their people."""

from sqlalchemy import (
    BigInteger,
    Column,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, UUID

from rapport_profile.tables.schema import INSTANT, METADATA

COMPUTED_TRAIT = Table(
    "computed_trait",
    METADATA,
    Column("workspace", Text),
    Column("name", Text),
    Column("version", BigInteger, comment="Of a name the greatest holds."),
    Column("id", BigInteger, nullable=False, comment="Numbers the versions of all names."),
    Column("changed", BigInteger, nullable=False, comment="Counts the workspace's changes."),
    Column("stage", Text, nullable=False, comment="filling, telling, live, dropping, or dropped"),
    Column("definition", JSON, comment="None of the version that ends it."),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    PrimaryKeyConstraint("workspace", "name", "version"),
)
"""What a workspace has computed of its people, each version with who made it and why."""

COMPUTED_STATE = Table(
    "computed_state",
    METADATA,
    Column("workspace", Text),
    Column("owner_id", UUID(as_uuid=True), comment="An identifier, or a profile with several."),
    Column("trait", BigInteger, autoincrement=False),
    Column("state", JSON, nullable=False),
    PrimaryKeyConstraint("workspace", "owner_id", "trait"),
)
"""What the events of an identifier, or of a profile of which several have events, amount to."""

COMPUTED_EXPIRED = Table(
    "computed_expired",
    METADATA,
    Column("workspace", Text),
    Column("identifier_id", UUID(as_uuid=True)),
    Column("trait", BigInteger, autoincrement=False),
    Column("state", JSON, nullable=False),
    PrimaryKeyConstraint("workspace", "identifier_id", "trait"),
)
"""The same of events that retention has removed."""
