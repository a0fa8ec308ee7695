"""The tables of schema `feedback`."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import UUID

from rapport_common.brands import brand_table
from rapport_common.db import metadata
from rapport_common.due.tables import due_tables
from rapport_common.follower.tables import Followed, follower_table
from rapport_common.idempotency import idempotency_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.keeping.tables import keeping_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables

SCHEMA = "feedback"
METADATA = metadata(SCHEMA)
consumer_tables(METADATA)
outbox_tables(METADATA)
privacy_tables(METADATA)
keeping_tables(METADATA)
brand_table(METADATA)
idempotency_table(METADATA)
due_tables(METADATA)

Instant = DateTime(timezone=True)
Id = UUID(as_uuid=True)

FOLLOWED = Followed(SCHEMA, ("identifiers", "restraints"))
follower_table(METADATA, FOLLOWED)

# Which profile an identifier belongs to, as was told last. Answers and cases are kept
# by identifier and find their person here, so a merge or a split moves none of them. While
# records of two profiles are under way, both may name an identifier.
Table(
    "identity",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
    Index(None, "workspace", "profile_id"),
)

# Whose data are only to be kept: nobody asks them anything.
Table(
    "restricted",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
)

Table(
    "survey",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("survey_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
)

Table(
    "invitation",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("invitation_id", Id, primary_key=True),
    Column("survey_id", Id, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("user_id", Text),
    Column("email", Text),
    Column("anonymous_id", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    # A link carries no workspace.
    UniqueConstraint("invitation_id"),
    UniqueConstraint("workspace", "survey_id", "wave", "kind", "value"),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
)

Table(
    "response",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("response_id", Id, primary_key=True),
    Column("survey_id", Id, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("answered_at", Instant, nullable=False),
    Column("revised_at", Instant, nullable=False),
    UniqueConstraint("workspace", "survey_id", "wave", "kind", "value"),
    CheckConstraint("score BETWEEN 0 AND 10", name="score"),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
)

Table(
    "complaint",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("user_id", Text),
    Column("email", Text),
    Column("anonymous_id", Text),
    Column("invitation_id", Id),
    Column("opened_at", Instant, nullable=False),
    Column("acknowledge_due_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("deadline_at", Instant),
    Column("closed_at", Instant),
    UniqueConstraint("workspace", "number"),
    Index(None, "workspace", "state", "number"),
    Index(None, "workspace", "invitation_id"),
    Index(None, "workspace", "email"),
)

# What customers have written by mail; `send_key` is of the mail that they answer.
Table(
    "case_message",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("case_id", Id, nullable=False),
    Column("send_key", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Instant, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "case_id"], [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"]
    ),
    Index(None, "workspace", "case_id"),
)

Table(
    "case_event",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("acknowledge_due_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "case_id"], [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"]
    ),
)

# Limits that have passed: facts, each once for ever. A case that is reopened has new ones.
Table(
    "case_breach",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("clock", Text, primary_key=True),
    Column("due_at", Instant, primary_key=True),
    Column("at", Instant, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "case_id"], [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"]
    ),
)

# The last case number given out, per workspace: numbers have no holes, so they are not a sequence.
Table(
    "case_number",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
