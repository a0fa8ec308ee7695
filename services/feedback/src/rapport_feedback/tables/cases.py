"""Complaint cases, their history, what customers have written, and limits that have passed."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Computed,
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
from sqlalchemy.dialects.postgresql import TSVECTOR

from rapport_feedback.tables.schema import METADATA, SCHEMA, Id, Instant


def _words(*columns: str) -> Column[Any]:
    """What a row is found by, made by the database: it goes when the texts go.

    The workspace is a word of its own, so that an index of all workspaces' words is read for one.
    Characters of Chinese, Japanese and Korean are words each.
    """
    told = " || ' ' || ".join(f"coalesce({one}, '')" for one in columns)
    apart = f"regexp_replace(left({told}, 100000), '([぀-ヿ㐀-鿿가-힯豈-﫿])', ' \\1 ', 'g')"
    vector = f"array_to_tsvector(ARRAY['@' || workspace]) || to_tsvector('simple', {apart})"
    return Column("words", TSVECTOR, Computed(vector, persisted=True))


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
    *(
        Column(name, Text, nullable=False, server_default=text("''"))
        for name in ("channel", "language", "queue")
    ),
    # Whose duplicate it is: the case that goes on, through all that were merged on the way.
    Column("heir_id", Id),
    _words("subject", "body", "order_id", "email", "user_id"),
    UniqueConstraint("workspace", "number"),
    Index(None, "workspace", "state", "number"),
    Index(None, "workspace", "invitation_id"),
    Index(None, "workspace", "email"),
    # What a changed policy is worked through by.
    Index(None, "workspace", "case_id", postgresql_where=text("state <> 'closed'")),
    # What queues and views are read by.
    Index(
        None,
        "workspace",
        "queue",
        "deadline_at",
        postgresql_where=text("state <> 'closed' AND owner = ''"),
    ),
    Index(
        None,
        "workspace",
        "owner",
        "deadline_at",
        postgresql_where=text("state <> 'closed' AND owner <> ''"),
    ),
    Index(None, "workspace", "deadline_at", "number", postgresql_where=text("state <> 'closed'")),
    Index(None, "words", postgresql_using="gin"),
    # What duplicates are looked for by.
    Index(None, "workspace", "user_id"),
    Index(None, "workspace", "anonymous_id"),
    Index(None, "workspace", "order_id", postgresql_where=text("order_id <> ''")),
    Index(None, "workspace", "heir_id", postgresql_where=text("heir_id IS NOT NULL")),
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
    _words("subject", "body"),
    Index(None, "words", postgresql_using="gin"),
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
    _words("note"),
    Index(None, "words", postgresql_using="gin"),
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
    _words("note"),
    Index(None, "words", postgresql_using="gin"),
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
