"""What loyalty keeps: programmes, facts of events, what was asked for, and the ledger of points."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, UUID

from rapport_profile.tables.schema import INSTANT, METADATA

BY_CODE = Text(collation="C")
"""Texts in the order of their characters' codes, as Python has it."""

LOYALTY_PROGRAMME = Table(
    "loyalty_programme",
    METADATA,
    Column("workspace", Text),
    Column("version", BigInteger, comment="Of a workspace the greatest was declared last."),
    Column("programme", JSON, nullable=False),
    Column("since", INSTANT, nullable=False, comment="It holds for what happens from then on."),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("workspace", "version"),
)

LOYALTY_START = Table(
    "loyalty_start",
    METADATA,
    Column("workspace", Text),
    Column("counts_from", INSTANT, nullable=False, comment="What happened from then on counts."),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("workspace"),
)
"""From when on a programme counts, where that is before its first version says."""

LOYALTY_FACT = Table(
    "loyalty_fact",
    METADATA,
    Column("workspace", Text),
    Column("source", Text),
    Column("message_id", Text),
    Column("identifier_id", UUID(as_uuid=True), nullable=False),
    Column("content", JSON, nullable=False, comment="What loyalty keeps of the event."),
    Column("at", INSTANT, nullable=False, comment="When it happened, by its content."),
    Column("closed_for", UUID(as_uuid=True), comment="The member whose checkpoint knows of it."),
    PrimaryKeyConstraint("workspace", "source", "message_id"),
    Index(None, "workspace", "identifier_id", "at"),
    Index("ix_loyalty_fact_closed_for", "workspace", "identifier_id", "closed_for", "at"),
)

LOYALTY_OPERATION = Table(
    "loyalty_operation",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("identifier_id", UUID(as_uuid=True), nullable=False),
    Column("operation", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("touched_at", INSTANT, nullable=False, comment="When it was changed last."),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "identifier_id", "touched_at"),
)

LOYALTY_ENTRY = Table(
    "loyalty_entry",
    METADATA,
    Column("workspace", Text),
    Column("id", BigInteger, Identity(always=True)),
    Column("identifier_id", UUID(as_uuid=True), nullable=False),
    Column("lot", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("operation_id", Text, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("at", INSTANT, nullable=False, comment="When it came about."),
    Column("booked_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "identifier_id", "id"),
    Index(None, "workspace", "identifier_id", "lot"),
)

LOYALTY_MEMBER = Table(
    "loyalty_member",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("told", JSON, nullable=False, comment="What others have been told of the member."),
    PrimaryKeyConstraint("workspace", "profile_id"),
)
"""Its row is the member's lock: who spends, settles, merges or parts them has it."""

LOYALTY_CHECKPOINT = Table(
    "loyalty_checkpoint",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("at", INSTANT, nullable=False, comment="All that happened up to then is in it."),
    Column("head", JSON, nullable=False),
    PrimaryKeyConstraint("workspace", "profile_id"),
)

LOYALTY_LOT = Table(
    "loyalty_lot",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("key", BY_CODE),
    Column("subject", Text, nullable=False, comment="What it is from."),
    Column("at", INSTANT, nullable=False),
    Column("opens_at", INSTANT, nullable=False),
    Column("ends_at", INSTANT, nullable=False, comment="When it expires."),
    Column("free", BigInteger, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("lot", JSON, nullable=False, comment="As it was at the checkpoint."),
    Column("cohort", Integer, comment="With which it expires, if it has not yet."),
    PrimaryKeyConstraint("workspace", "profile_id", "key"),
    Index(None, "workspace", "profile_id", "subject"),
    Index(
        "ix_loyalty_lot_free",
        *("workspace", "profile_id", "ends_at", "at", "key"),
        postgresql_where=text("free > 0 AND cohort IS NULL"),
    ),
    Index(
        "ix_loyalty_lot_pending",
        *("workspace", "profile_id", "opens_at"),
        postgresql_where=text("free > 0 AND NOT is_open"),
    ),
    Index(
        "ix_loyalty_lot_cohort",
        *("workspace", "profile_id", "cohort", "at", "key"),
        postgresql_where=text("free > 0 AND cohort IS NOT NULL"),
    ),
)

LOYALTY_SUBJECT = Table(
    "loyalty_subject",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("key", BY_CODE),
    Column("subject", JSON, nullable=False, comment="As it was at the checkpoint."),
    PrimaryKeyConstraint("workspace", "profile_id", "key"),
)
