"""The tables of the schema `segment`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from rapport_common.db import metadata
from rapport_common.due.tables import due_tables
from rapport_common.follower.tables import Followed, follower_table
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.keeping.tables import keeping_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables

SCHEMA = "segment"
METADATA = metadata(SCHEMA)
consumer_tables(METADATA)
outbox_tables(METADATA)
privacy_tables(METADATA)
keeping_tables(METADATA)
job_table(METADATA)
due_tables(METADATA)

FOLLOWED = Followed(
    SCHEMA,
    ("identifiers", "traits", "computed", "restraints", "contact_points", "consent"),
    ids="uuid",
    kept="jsonb",
    later=("contact_points", "consent"),
)
follower_table(METADATA, FOLLOWED)

Table(
    "trait",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    # number, money, time, text, or list
    Column("type", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
)

# Events with a name, by the identifier that named the person best. Whose they are says `anchor`.
Table(
    "happening",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text(collation="C"), primary_key=True),
    Column("message_id", Text(collation="C"), primary_key=True),
    Column("anchor", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    # So many copies of the message counted before this one.
    Column("copy", Integer, nullable=False),
    Column("properties", JSONB, nullable=False),
    # What rules ask: the newest of a name and an anchor.
    Index("ix_happening_told", "workspace", "anchor", "name", "at"),
    # What is too old.
    Index("ix_happening_at", "at", postgresql_using="brin"),
)

# The identifiers of people, in the short form by which events are kept.
Table(
    "anchor",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", UUID(as_uuid=True), primary_key=True),
    Column("anchor", LargeBinary, primary_key=True),
    Index("ix_anchor_of", "workspace", "anchor"),
)

Table(
    "revision",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

Table(
    "definition",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    # The version against which everybody has been held.
    Column("built_version", Integer, nullable=False, server_default=text("0")),
    # The newest job that does so.
    Column("job", Text),
    Column("archived_at", DateTime(timezone=True)),
    # When the other services were last told of it.
    Column("told_at", DateTime(timezone=True)),
    Index(None, "workspace", "name", unique=True, postgresql_where=text("archived_at IS NULL")),
)

Table(
    "definition_version",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
)

_OPEN = text("exited_at IS NULL")
# Keyed by the person: what a batch asks for is all open entries of its people.
Table(
    "membership",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", UUID(as_uuid=True), primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("entry_id", UUID(as_uuid=True), primary_key=True),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("segment_version", Integer, nullable=False),
    Column("profile_version", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("exited_at", DateTime(timezone=True)),
    Column("exit_reason", Text),
    # At most one open entry per person and segment. Its columns are in the order of the
    # question above: by the list's index each segment would be looked for by itself. It has to be
    # the newer of the two: before there are statistics both cost the same, and that one is taken.
    Index(
        "uq_membership_open",
        "workspace",
        "profile_id",
        "segment_id",
        unique=True,
        postgresql_where=_OPEN,
    ),
    # The list of members.
    Index(
        "ix_membership_members",
        "workspace",
        "segment_id",
        "profile_id",
        postgresql_where=_OPEN,
    ),
)
