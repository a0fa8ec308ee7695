"""Complaint cases, their history, what customers have written, and limits that have passed."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from rapport_feedback.tables.schema import METADATA, SCHEMA, Id, Instant

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
