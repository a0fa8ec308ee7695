"""Complaint cases, their history, what customers have written, and limits that have passed."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Interval,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
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
    Column("acknowledge_due_at", Instant),
    Column("due_at", Instant),
    Column("deadline_at", Instant),
    Column("closed_at", Instant),
    # Counts all changes: who changes a case says which one was seen.
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("severity", Text, nullable=False, server_default=text("'normal'")),
    *(
        Column(name, Text, nullable=False, server_default=text("''"))
        for name in ("category", "product", "order_id", "tier", "team", "owner")
    ),
    UniqueConstraint("workspace", "number"),
    Index(None, "workspace", "state", "number"),
    Index(None, "workspace", "invitation_id"),
    Index(None, "workspace", "email"),
    # What a changed policy is worked through by.
    Index(None, "workspace", "case_id", postgresql_where=text("state <> 'closed'")),
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
    Column("acknowledge_due_at", Instant),
    Column("due_at", Instant),
    # Of the case, as this step has left it; 0: from before there were any.
    Column("version", Integer, nullable=False, server_default=text("0")),
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

# What has happened to a case beside its steps; append-only.
Table(
    "case_entry",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("note", Text, nullable=False),
    Column("data", JSON, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "case_id"], [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"]
    ),
)

# The laps of a case's clocks, as the fold over its events has them.
Table(
    "case_clock",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("clock", Text, primary_key=True),
    Column("lap", Integer, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("resumed_at", Instant, nullable=False),
    Column("spent", Interval, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("extended", Boolean, nullable=False),
    Column("due_at", Instant),
    Column("warn_at", Instant),
    Column("escalations", JSON, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", Text),
    Column("policy", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("warned", Boolean, nullable=False),
    Column("breached_at", Instant),
    Column("escalated", Integer, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "case_id"], [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"]
    ),
)

# What was told of limits before and after them: level 0 is the warning, the others escalate.
Table(
    "case_notice",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("clock", Text, primary_key=True),
    Column("due_at", Instant, primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("to", Text, nullable=False),
    Column("at", Instant, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "case_id"], [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"]
    ),
)

# Calendars and policies, each in versions; one without a document was taken away.
Table(
    "case_rules",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSON),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
)
